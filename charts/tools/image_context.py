"""What docker may see is enough for `cargo build`: every member of the workspace, and every file that the code takes in.

    python charts/tools/image_context.py
"""

import pathlib
import re
import tomllib

ROOT = pathlib.Path(__file__).resolve().parents[2]
INCLUDED = re.compile(r'include_(?:str|bytes)!\(\s*"([^"]+)"')

lines = [line.strip() for line in (ROOT / ".dockerignore").read_text().splitlines()]
allowed = [ROOT / line[1:] for line in lines if line.startswith("!")]
assert "*" in lines, ".dockerignore: everything is out, but for what is named"


def must_be_seen(path, why):
    assert path.exists(), f"{why}: {path} is not there"
    assert any(path == other or other in path.parents for other in allowed), f".dockerignore hides {path.relative_to(ROOT)}: {why}"


manifests = [ROOT / "Cargo.toml", ROOT / "Cargo.lock"]
for member in tomllib.loads((ROOT / "Cargo.toml").read_text())["workspace"]["members"]:
    found = [path / "Cargo.toml" for path in ROOT.glob(member) if (path / "Cargo.toml").exists()]
    assert found, f"{member}: no such member"
    manifests += found
for manifest in manifests:
    must_be_seen(manifest, "cargo reads it")
sources = [source for manifest in manifests[2:] for source in manifest.parent.glob("src/**/*.rs")]
for source in sources:
    for name in INCLUDED.findall(source.read_text()):
        must_be_seen((source.parent / name).resolve(), f"{source.relative_to(ROOT)} includes it")
print(f".dockerignore: {len(manifests) - 2} members of the workspace and what their {len(sources)} sources include are seen")
