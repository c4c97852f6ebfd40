"""charts/dompet/README.md: every field of the values, from the comments that stand above it.

    python charts/tools/readme.py            writes it
    python charts/tools/readme.py --check    fails when it is not what the values say, or when a field has no comment
"""

import pathlib
import re
import sys

import yaml

CHART = pathlib.Path(__file__).resolve().parents[1] / "dompet"
FIELD = re.compile(r"^(?P<indent> *)(?P<key>[A-Za-z][\w-]*):(?P<rest>.*)$")


def fields(path):
    """(dotted name, default, comment) of every field that has a comment; fails when one of the first two levels has none."""
    values = yaml.safe_load(path.read_text())
    comment, parents, found, bare = [], [], [], []
    for line in path.read_text().splitlines():
        text = line.strip()
        if text.startswith("# -- "):
            comment = [text.removeprefix("# -- ")]
        elif text.startswith("#") and comment:
            comment.append(text.removeprefix("#").strip())
        elif match := FIELD.match(line):
            depth = len(match["indent"]) // 2
            parents = parents[:depth] + [match["key"]]
            if comment:
                found.append((".".join(parents), at(values, parents), " ".join(comment)))
            elif depth < 2 and ".".join(parents[:-1]) not in WHOLE:
                bare.append(".".join(parents))
            comment = []
    if bare:
        sys.exit(f"{path.name}: fields without a comment: {', '.join(bare)}")
    return found


# What is described as a whole.
WHOLE = {"global.services", "resources", "dashboards.labels", "dashboards.annotations", "user.resources", "wallet.resources"}


def at(values, names):
    for name in names:
        values = values[name]
    return values


def cell(value):
    if value is None or value == "":
        return ""
    text = value if isinstance(value, str) else yaml.safe_dump(value, default_flow_style=True, width=10_000).strip().removesuffix("...").strip()
    return f"`{text}`" if len(text) <= 60 else "see values.yaml"


def table(path):
    lines = ["| field | default | |", "|---|---|---|"]
    found = fields(path)
    names = [name for name, _, _ in found]
    for name, default, comment in found:
        section = any(other.startswith(f"{name}.") for other in names)
        lines.append(f"| `{name}` | {'' if section else cell(default)} | {comment} |")
    return "\n".join(lines)


def main():
    text = (CHART / "README.md.in").read_text()
    text = text.replace("@DOMPET@", table(CHART / "values.yaml")).replace("@SERVICE@", table(CHART / "charts/service/values.yaml"))
    path = CHART / "README.md"
    if "--check" not in sys.argv:
        path.write_text(text)
    elif not path.exists() or path.read_text() != text:
        sys.exit("charts/dompet/README.md is not what the values say; run charts/tools/readme.py")


main()
