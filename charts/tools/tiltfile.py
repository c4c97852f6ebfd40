"""The Tiltfile, evaluated as Starlark with stand-ins for Tilt's own functions, and what it asked Tilt for.

    python charts/tools/tiltfile.py

It catches what a typing error or a renamed service breaks; that Tilt does what it is asked, only Tilt can show.
"""

import os
import pathlib
import re
import subprocess

import starlark
import yaml

ROOT = pathlib.Path(__file__).resolve().parents[2]
HELM = os.environ.get("HELM", "helm")
SERVICES = ["gateway", "user", "wallet", "transaction", "payment"]


def evaluate(machine):
    """Runs the Tiltfile on a machine of this kind. Returns the calls as {function: [(positional, named)]}."""
    calls = {}
    module = starlark.Module()

    def stand_in(name, answer=None):
        def called(*args, **named):
            calls.setdefault(name, []).append((args, named))
            return answer(*args, **named) if answer else None

        module.add_callable(name, called)

    def helm(chart, name, namespace, values):
        assert (ROOT / chart / "Chart.yaml").exists(), chart
        for path in values:
            assert (ROOT / path).exists(), path
        # Tilt leaves out Helm's tests too.
        command = [HELM, "template", name, ROOT / chart, "--namespace", namespace, "--skip-tests"]
        return subprocess.run([*command, *(part for path in values for part in ("--values", ROOT / path))], check=True, capture_output=True, text=True).stdout

    for name in ("version_settings", "allow_k8s_contexts", "k8s_yaml", "watch_file", "local_resource", "docker_build", "k8s_resource"):
        stand_in(name)
    stand_in("helm", helm)
    stand_in("decode_yaml_stream", lambda text: [thing for thing in yaml.safe_load_all(text) if thing])
    stand_in("k8s_context", lambda: "kind-dompet")
    stand_in("local", lambda command, quiet: machine)
    stand_in("port_forward", lambda host, container, name: f"{host}:{container}")
    stand_in("link", lambda url, text: url)
    module["TRIGGER_MODE_MANUAL"] = "manual"
    dialect = starlark.Dialect.extended()
    dialect.enable_top_level_stmt = True
    tree = starlark.parse("Tiltfile", (ROOT / "Tiltfile").read_text(), dialect)
    starlark.eval(module, tree, starlark.Globals.standard())
    return calls


def main():
    dockerfile = (ROOT / "Dockerfile").read_text()
    rendered = subprocess.run(
        [HELM, "template", "dompet", ROOT / "charts/dompet", "--values", ROOT / "charts/dompet/values-dev.yaml"], check=True, capture_output=True, text=True
    ).stdout
    workloads = {thing["metadata"]["name"] for thing in yaml.safe_load_all(rendered) if thing and thing["kind"] in ("Deployment", "StatefulSet", "Job")}
    seen = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")} - {"target/image"}
    for machine in ("Linux x86_64", "Linux aarch64", "Darwin arm64"):
        calls = evaluate(machine)
        assert calls["version_settings"] and calls["allow_k8s_contexts"], "guards"
        for context in calls["allow_k8s_contexts"][0][0][0]:
            assert not re.search("prod", context), context
        images = {args[0] for args, _ in calls["docker_build"]}
        assert images == {f"dompet-{service}" for service in SERVICES}, images
        for image in images:
            assert f"image: {image}:" in rendered, f"the chart uses no {image}"
        for _, named in calls["docker_build"]:
            for argument in named["build_args"]:
                assert f"ARG {argument}" in dockerfile, argument
            # image_context.py knows that what .dockerignore lets through is enough.
            assert "BUILD" in named["build_args"] or seen <= set(named["only"]), seen - set(named["only"])
        resources = {args[0] for args, _ in calls["k8s_resource"]}
        assert resources == workloads, resources ^ workloads
        ports = [forward.split(":")[0] for _, named in calls["k8s_resource"] for forward in named.get("port_forwards", [])]
        if machine.startswith("Linux"):
            # Nothing that runs one of our images may start before it is built anew.
            waiting = {args[0] for args, named in calls["k8s_resource"] if named.get("resource_deps") == ["build"]}
            assert waiting == workloads - {"dompet-postgresql", "dompet-otel-lgtm"}, waiting
        assert len(ports) == len(set(ports)) and "5000" not in ports and "8000" not in ports, ports
        locals_ = {args[0]: named for args, named in calls["local_resource"]}
        assert ("build" in locals_) == machine.startswith("Linux"), machine
        for name, named in locals_.items():
            subprocess.run(["bash", "-n", "-c", named["cmd"]], check=True)
            assert named["cmd"].count("kubectl ") == named["cmd"].count("kubectl --context kind-dompet "), f"{name}: kubectl may point at another cluster"
            if name == "build":
                # What the Dockerfile sees, cargo sees too: a change of any of it is a new binary.
                assert seen - set(named["deps"]) <= {"bench", "checker"}, seen - set(named["deps"])
            for path in re.findall(r"(?:e2e|postman)/[\w.]+", named["cmd"]):
                assert (ROOT / path).exists(), f"{name}: {path}"
            assert name == "build" or named["auto_init"] is False, f"{name} must wait for somebody who presses it"
    for path in [args[0] for args, _ in calls["k8s_yaml"] if "\n" not in args[0]]:
        assert (ROOT / path).exists(), path
    print("Tiltfile: evaluated for three kinds of machine")


main()
