"""What the chart renders, for the checks of check.py and its sisters."""

import itertools
import os
import pathlib
import subprocess

import yaml

ROOT = pathlib.Path(__file__).resolve().parents[2]
CHARTS = ROOT / "charts"
CHART = CHARTS / "dompet"
HELM = os.environ.get("HELM", "helm")

SERVICES = {"gateway": 5000, "user": 5001, "wallet": 5002, "transaction": 5003, "payment": 5004}
CALLS = {
    ("gateway", "user"), ("gateway", "wallet"), ("gateway", "transaction"), ("gateway", "payment"),
    ("user", "wallet"), ("wallet", "user"),
    ("transaction", "wallet"), ("transaction", "user"),
    ("payment", "wallet"), ("payment", "user"),
}  # fmt: skip
# Whose pods call each other.
PEERS = {"wallet"}
DATABASES = {"user", "wallet", "transaction", "payment"}
VALUES = {
    "minimal": ["tests/minimal.yaml"],
    "dev": ["dompet/values-dev.yaml"],
    "production": ["dompet/values-production.yaml"],
    "everything": ["tests/everything.yaml"],
}

checks = []


def check(function):
    checks.append(function)
    return function


def template(*values, sets=(), release="dompet"):
    command = [HELM, "template", release, CHART, "--namespace", "dompet"]
    command += itertools.chain.from_iterable(("--values", str(CHARTS / path)) for path in values)
    command += itertools.chain.from_iterable(("--set", pair) for pair in sets)
    return subprocess.run(command, capture_output=True, text=True)


def render(*values, **more):
    answer = template(*values, **more)
    assert answer.returncode == 0, answer.stderr
    return [document for document in yaml.safe_load_all(answer.stdout) if document]


RENDERED = {}


def each_rendering():
    for name, values in VALUES.items():
        if name not in RENDERED:
            RENDERED[name] = render(*values)
        yield name, RENDERED[name]


def of(objects, *kinds):
    return [thing for thing in objects if thing["kind"] in kinds]


def pods(objects):
    """(object, pod template) of everything that makes pods, or is one."""
    made = [(thing, thing["spec"]["template"]) for thing in of(objects, "Deployment", "StatefulSet", "Job")]
    made += [(thing, thing["spec"]["jobTemplate"]["spec"]["template"]) for thing in of(objects, "CronJob")]
    return made + [(thing, thing) for thing in of(objects, "Pod")]


def component(thing):
    return thing["metadata"]["labels"]["app.kubernetes.io/component"]


def deployments(objects):
    return {component(thing): thing for thing in of(objects, "Deployment")}


def equal(got, wanted, what):
    assert got == wanted, f"{what}: is {got}, not {wanted}"
