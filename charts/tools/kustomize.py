"""k8s/: what the chart renders, as plain manifests for those who install without Helm.

    python charts/tools/kustomize.py            writes them
    python charts/tools/kustomize.py --check    fails when they are not what the chart renders

What only Helm reads is taken out. A Job cannot be changed, so its name ends in a digest of what it does.
"""

import hashlib
import json
import os
import pathlib
import subprocess
import sys

import yaml

ROOT = pathlib.Path(__file__).resolve().parents[2]
CHARTS = ROOT / "charts"
HELM = os.environ.get("HELM", "helm")
HEADER = "# Made from charts/dompet by charts/tools/kustomize.py. Change the chart, not this.\n"
MONITORING = {"ServiceMonitor", "PrometheusRule"}


def render(*values, sets=()):
    # The test is Helm's: plain manifests would start it at once, and leave its way in open.
    command = [HELM, "template", "dompet", CHARTS / "dompet", "--namespace", "dompet", "--skip-tests"]
    for path in values:
        command += ["--values", CHARTS / path]
    for pair in sets:
        command += ["--set", pair]
    text = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    objects = [plain(thing) for thing in yaml.safe_load_all(text) if thing]
    return sorted(objects, key=lambda thing: (thing["kind"], thing["metadata"]["name"]))


def plain(thing):
    meta = thing["metadata"]
    for label in ("helm.sh/chart", "app.kubernetes.io/managed-by"):
        meta["labels"].pop(label, None)
    notes = {key: value for key, value in meta.pop("annotations", {}).items() if not key.startswith("helm.sh/")}
    if notes:
        meta["annotations"] = notes
    if thing["kind"] == "Job" and meta["name"].endswith("-migrations"):
        digest = hashlib.sha256(json.dumps(thing["spec"], sort_keys=True).encode()).hexdigest()
        meta["name"] += f"-{digest[:8]}"
    return thing


class Dumper(yaml.SafeDumper):
    """Long texts as blocks, and lists indented below their key."""

    def increase_indent(self, flow=False, indentless=False):
        return super().increase_indent(flow, False)


Dumper.add_representer(str, lambda dumper, text: dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None))


def dump(objects):
    return HEADER + "---\n".join(yaml.dump(thing, Dumper=Dumper, sort_keys=False, width=10_000, allow_unicode=True) for thing in objects)


def files():
    watched = render("tests/minimal.yaml", sets=("global.metrics.serviceMonitor=true", "rules.enabled=true", "dashboards.enabled=true"))
    aside = [thing for thing in watched if thing["kind"] in MONITORING or "dashboard" in thing["metadata"]["name"]]
    return {
        "base/dompet.yaml": dump([thing for thing in watched if thing not in aside]),
        "components/monitoring/monitoring.yaml": dump(aside),
        "overlays/dev/dompet.yaml": dump(render("dompet/values-dev.yaml")),
        "overlays/cloudnativepg/dompet.yaml": dump(render("tests/minimal.yaml", sets=("global.cloudnativepg.enabled=true", "global.metrics.serviceMonitor=true"))),
    }


def main():
    stale = []
    for name, text in files().items():
        path = ROOT / "k8s" / name
        if "--check" not in sys.argv:
            path.write_text(text)
        elif not path.exists() or path.read_text() != text:
            stale.append(f"k8s/{name}")
    if stale:
        sys.exit(f"not what the chart renders: {', '.join(stale)}; run charts/tools/kustomize.py")


main()
