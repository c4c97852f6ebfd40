#!/usr/bin/env python3
"""The six images without a cluster: run by docker exactly as the chart would have them run.

    e2e/containers.py [--tag dev] [--postgres postgres:17]

It renders the chart with values-dev.yaml and starts each container with what stands there: its user, its read-only root,
no capabilities, its environment, its limits, and the name that it has in the cluster, on a private network. Then the story, every service killed
under load, and every service told to stop: it must end within its grace period, by itself, and the money must add up.
With prometheus on PATH it is scraped all the while, by the chart's own rules, and every expression of every dashboard must then
have an answer. It needs python3 with PyYAML, docker and helm. Everything that it starts is taken away again.
"""

import argparse
import base64
import json
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.parse
import urllib.request

import yaml

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import client as e2e  # noqa: E402

ROOT = e2e.ROOT
NETWORK = "dompet-e2e"


def docker(*command, check=True):
    answer = subprocess.run(["docker", *command], capture_output=True, text=True)
    e2e.must(not check or answer.returncode == 0, f"docker {' '.join(command[:3])}: {answer.stderr.strip()}")
    # `docker logs` writes what a container wrote to stderr to stderr.
    return (answer.stdout + answer.stderr if command[0] == "logs" else answer.stdout).strip()


class Rendered:
    """What the chart renders, as containers: their pods, and what their environment would be."""

    def __init__(self, objects):
        # By component: the pod, and its container. The four of migrations are called user-migrations and so on.
        self.data, self.containers = {}, {}
        for thing in objects:
            kind, name = thing["kind"], thing["metadata"]["name"]
            component = thing["metadata"]["labels"]["app.kubernetes.io/component"]
            if kind in ("ConfigMap", "Secret"):
                self.data[kind, name] = {**thing.get("data", {}), **thing.get("stringData", {})}
            if kind in ("Deployment", "StatefulSet", "Job"):
                pod = thing["spec"]["template"]["spec"]
                for container in pod["containers"]:
                    self.containers[f"{container['name']}-migrations" if component == "migrations" else component] = pod, container
            if kind == "Pod":
                self.containers[component] = thing["spec"], thing["spec"]["containers"][0]

    def others(self, kind, name):
        """A Secret or ConfigMap that is no part of the release."""
        raise e2e.Failed(f"{kind} {name} is no part of the release")

    def values(self, kind, name):
        return self.data[kind, name] if (kind, name) in self.data else self.others(kind, name)

    def environment(self, container):
        found = {}
        for source in container.get("envFrom", []):
            [(kind, reference)] = source.items()
            found.update(self.values("ConfigMap" if kind == "configMapRef" else "Secret", reference["name"]))
        for entry in container.get("env", []):
            value = self.variable(container, entry, found)
            if value is not None:
                found[entry["name"]] = value
        return found

    def variable(self, container, entry, found):
        """One variable; nothing where it may be missing, and is."""
        if "value" in entry:
            # Those before it are put into it, as Kubernetes does.
            return re.sub(r"\$\(([A-Za-z_][\w.-]*)\)", lambda match: found.get(match[1], match[0]), entry["value"])
        [(kind, reference)] = entry["valueFrom"].items()
        if kind in ("fieldRef", "resourceFieldRef"):
            # A pod's own address: docker's network knows a container by its name.
            return f"dompet-{container['name']}"
        value = self.values("Secret" if kind == "secretKeyRef" else "ConfigMap", reference["name"]).get(reference["key"])
        e2e.must(value is not None or reference.get("optional"), f"{entry['name']}: no {reference['key']} in {reference['name']}")
        return value


class Containers(Rendered):
    """A development release, run by docker."""

    def __init__(self, options):
        # Ports for the whole run: docker would draw others at each start.
        self.options, self.ports = options, {service: e2e.free_port() for service in e2e.SERVICES}
        text = subprocess.run(
            ["helm", "template", "dompet", ROOT / "charts/dompet", "--values", ROOT / "charts/dompet/values-dev.yaml",
             "--set", f"global.otelLgtm.enabled=false,global.image.tag={options.tag},global.postgresql.image={options.postgres}"],
            check=True, capture_output=True, text=True,
        ).stdout  # fmt: skip
        super().__init__([thing for thing in yaml.safe_load_all(text) if thing])

    def start(self, component, *more):
        """Starts one pod's container. Its name is its Service's."""
        pod, container = self.containers[component]
        context, name = pod["securityContext"], f"dompet-{component}"
        command = ["run", "--detach", "--name", name, "--network", NETWORK, "--network-alias", name]
        command += ["--user", f"{context['runAsUser']}:{context['runAsGroup']}", "--cap-drop", "ALL", "--security-opt", "no-new-privileges"]
        command += ["--read-only"] if container["securityContext"]["readOnlyRootFilesystem"] else []
        command += ["--memory", container["resources"]["limits"]["memory"].replace("Mi", "m").replace("Gi", "g")]
        for name, value in self.environment(container).items():
            command += ["--env", f"{name}={value}"]
        docker(*command, *more, container["image"], *container.get("args", []))

    def stop_and_time(self, component):
        """SIGTERM. Returns the seconds until it had ended, by itself."""
        limit = self.containers[component][0].get("terminationGracePeriodSeconds", 30)
        began = time.monotonic()
        docker("stop", "--time", str(limit), f"dompet-{component}")
        took = time.monotonic() - began
        code = docker("inspect", f"dompet-{component}", "--format", "{{.State.ExitCode}}")
        e2e.must(code == "0" and took < limit, f"{component} ended with {code} after {took:.1f} s of {limit}")
        return took

    def sql(self, service, query):
        return docker("exec", "dompet-postgresql", "psql", "--no-psqlrc", "--tuples-only", "--no-align", "-c", f'set search_path = "{service}"', "-c", query, f"dompet_{service}").split("\n")[1]

    def up(self):
        docker("network", "create", NETWORK)
        init = self.data["ConfigMap", "dompet-postgresql"]["databases.sh"]
        # As a volume of docker's own, so that it also works with a daemon on another machine.
        docker("volume", "create", f"{NETWORK}-init")
        script = base64.b64encode(init.encode()).decode()
        docker("run", "--rm", "--user", "0", "--volume", f"{NETWORK}-init:/init", "--entrypoint", "bash", self.options.postgres, "-c", f"echo {script} | base64 -d > /init/databases.sh")
        data = ["--tmpfs", "/var/lib/postgresql/data:uid=999,size=1g", "--tmpfs", "/var/run/postgresql:uid=999", "--tmpfs", "/tmp"]
        self.start("postgresql", *data, "--volume", f"{NETWORK}-init:/docker-entrypoint-initdb.d:ro")
        e2e.wait_until(lambda: subprocess.run(["docker", "exec", "dompet-postgresql", "pg_isready", "--quiet", "--host=127.0.0.1"]).returncode == 0, "PostgreSQL", 120)
        for service in e2e.SERVICES:
            if f"{service}-migrations" in self.containers:
                self.start(f"{service}-migrations")
                e2e.must(docker("wait", f"dompet-{service}-migrations") == "0", docker("logs", f"dompet-{service}-migrations"))
        for service in e2e.SERVICES:
            self.start(service, "--publish", f"127.0.0.1:{self.ports[service]}:{self.data['ConfigMap', f'dompet-{service}']['PORT']}")
        e2e.wait_until(lambda: e2e.answers(self.url()), "the gateway", 120)

    def audit(self):
        """The sixth image, over the four databases."""
        self.start("verify")
        code = docker("wait", "dompet-verify")
        e2e.must(code == "0", docker("logs", "dompet-verify"))
        e2e.say(docker("logs", "dompet-verify").splitlines()[-1])

    def url(self):
        return f"http://127.0.0.1:{self.ports['gateway']}"

    def down(self):
        for component in self.containers:
            docker("rm", "--force", "--volumes", f"dompet-{component}", check=False)
        docker("volume", "rm", f"{NETWORK}-init", check=False)
        docker("network", "rm", NETWORK, check=False)


# What only happens when something goes wrong; it need not have gone wrong here.
MAY_BE_EMPTY = ("5..", "50[234]", "client_retr")


class Prometheus:
    """A real Prometheus that looks at the containers, with the chart's rules."""

    def __init__(self, containers):
        self.port, self.folder = e2e.free_port(), tempfile.TemporaryDirectory()
        scrape = [
            {"job_name": f"dompet-{service}", "static_configs": [{"targets": [f"127.0.0.1:{port}"], "labels": {"namespace": "dompet", "pod": f"{service}-1"}}]}
            for service, port in containers.ports.items()
        ]
        config = {"global": {"scrape_interval": "1s", "evaluation_interval": "2s"}, "rule_files": [str(ROOT / "charts/dompet/rules/*.yaml")], "scrape_configs": scrape}
        path = pathlib.Path(self.folder.name, "prometheus.yaml")
        path.write_text(yaml.safe_dump(config))
        command = ["prometheus", f"--config.file={path}", f"--storage.tsdb.path={self.folder.name}/data", f"--web.listen-address=127.0.0.1:{self.port}", "--log.level=error"]
        self.process = subprocess.Popen(command)

    def ask(self, expression):
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/api/v1/query?{urllib.parse.urlencode({'query': expression})}", timeout=10) as answer:
            return json.load(answer)["data"]["result"]

    def check_dashboards(self):
        asked, silent = 0, []
        for path in sorted((ROOT / "charts/dompet/dashboards").glob("*.json")):
            for panel in json.loads(path.read_text())["panels"]:
                for target in panel.get("targets", []):
                    asked += 1
                    expression = target["expr"].replace("$__rate_interval", "1m").replace("$namespace", ".*")
                    if not self.ask(expression) and not any(word in expression for word in MAY_BE_EMPTY):
                        silent.append(f"{path.stem}: {panel['title']}: {expression}")
        e2e.must(not silent, "panels that show nothing:\n  " + "\n  ".join(silent))
        e2e.say(f"{asked} expressions of dashboards have an answer, or nothing went wrong that they would show")
        firing = {alert["metric"]["alertname"] for alert in self.ask('ALERTS{alertstate="firing"}')}
        e2e.say(f"alerts that fire after all this: {', '.join(sorted(firing)) or 'none'}")

    def stop(self):
        self.process.terminate()
        self.process.wait()
        self.folder.cleanup()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tag", default="dev", help="the tag of the six images")
    parser.add_argument("--postgres", default="postgres:17", help="the image of PostgreSQL")
    options = parser.parse_args()
    containers = Containers(options)
    prometheus = Prometheus(containers) if shutil.which("prometheus") else e2e.say("LEFT OUT: dashboards need prometheus on PATH")
    try:
        containers.up()
        e2e.story(containers.url)
        with e2e.Load(containers.url, 4) as load:
            for service in e2e.SERVICES:
                e2e.say(f"{service} is killed")
                load.call_it(f"{service} is killed")
                time.sleep(2)
                docker("kill", f"dompet-{service}")
                docker("start", f"dompet-{service}")
                e2e.wait_until(lambda: e2e.answers(containers.url()), "all healthy again", 60)
                time.sleep(2)
            # The gateway first: a door that is closing lets out who is inside. What it had accepted must be answered.
            for service in reversed(e2e.SERVICES):
                load.call_it(f"{service} is stopped")
                e2e.say(f"{service} ended by itself after {containers.stop_and_time(service):.1f} s")
                docker("start", f"dompet-{service}")
                e2e.wait_until(lambda: e2e.answers(containers.url()), "all healthy again", 60)
        load.report()
        load.check()
        e2e.must(containers.sql("wallet", "select sum(balance) from accounts") == "0", "the sum of all balances is not zero")
        containers.audit()
        if prometheus:
            prometheus.check_dashboards()
        e2e.say("all of it holds")
    except e2e.Failed as error:
        e2e.say(f"FAILED: {error}")
        for service in e2e.SERVICES:
            print(f"--- {service}\n{docker('logs', '--tail', '5', f'dompet-{service}', check=False)}")
        sys.exit(1)
    finally:
        containers.down()
        if prometheus:
            prometheus.stop()


if __name__ == "__main__":
    main()
