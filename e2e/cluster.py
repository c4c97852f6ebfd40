"""A release in a cluster: what kubectl and helm do with it, and how it is reached."""

import base64
import contextlib
import json
import subprocess
import threading

from client import ROLLOUT_LIMIT_S, ROOT, answers, free_port, listens, must, wait_until


class Cluster:
    """A release in a namespace of the cluster that kubectl points at."""

    def __init__(self, options):
        self.options, self.namespace, self.release = options, options.namespace, options.release
        self.port, self.forward = free_port(), None

    def kubectl(self, *command, check=True, stdin=None, limit=ROLLOUT_LIMIT_S):
        answer = subprocess.run(["kubectl", "--namespace", self.namespace, *command], capture_output=True, text=True, input=stdin, timeout=limit + 60)
        must(not check or answer.returncode == 0, f"kubectl {' '.join(command)}: {answer.stderr.strip()}")
        return answer.stdout

    def helm(self, *command):
        answer = subprocess.run(["helm", "--namespace", self.namespace, *command], capture_output=True, text=True)
        must(answer.returncode == 0, f"helm {' '.join(command)}: {answer.stderr.strip()}")
        return answer.stdout

    def values(self):
        files = self.options.values or [str(ROOT / "charts/dompet/values-dev.yaml")]
        return [part for path in files for part in ("--values", path)] + [part for pair in self.options.set for part in ("--set", pair)]

    def install(self, *more):
        self.helm("upgrade", "--install", self.release, str(ROOT / "charts/dompet"), *self.values(), *more)
        self.settle()

    def show_events(self):
        """The newest events that are no routine, and what is not ready."""
        print(self.kubectl("get", "pods", "-o", "wide", check=False))
        print("\n".join(self.kubectl("get", "events", "--field-selector=type!=Normal", "--sort-by=.lastTimestamp", check=False).splitlines()[-20:]))

    def settle(self):
        """Waits until every rollout is over."""
        for thing in self.kubectl("get", "deployment,statefulset", "-l", f"app.kubernetes.io/instance={self.release}", "-o", "name").split():
            self.kubectl("rollout", "status", thing, f"--timeout={ROLLOUT_LIMIT_S}s")

    def name(self, component):
        return f"{self.release}-{component}"

    def pods(self, component):
        selector = f"app.kubernetes.io/instance={self.release},app.kubernetes.io/component={component}"
        return self.kubectl("get", "pods", "-l", selector, "--field-selector=status.phase=Running", "-o", "name").split()

    def has(self, component):
        return bool(self.kubectl("get", "deployment,statefulset", "-l", f"app.kubernetes.io/instance={self.release},app.kubernetes.io/component={component}", "-o", "name"))

    def kill(self, component):
        """Ends one pod at once, without asking it."""
        pods = self.pods(component)
        must(pods, f"{component} has no pod")
        self.kubectl("delete", pods[0], "--grace-period=0", "--force")
        self.settle()

    def url(self):
        if self.options.url:
            return self.options.url
        return f"http://127.0.0.1:{self.port}"

    def keep_forwarding(self, stop):
        """A port-forward ends with its pod; this one comes back."""
        command = ["kubectl", "--namespace", self.namespace, "port-forward", f"service/{self.name('gateway')}", f"{self.port}:5000"]
        while not stop.is_set():
            forward = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
            for line in forward.stdout:
                # It says so, and stays, when its pod is gone.
                if stop.is_set() or "lost connection" in line or "error" in line:
                    break
            forward.terminate()
            forward.wait()
            stop.wait(0.2)

    @contextlib.contextmanager
    def forwarding(self):
        if self.options.url:
            # A pod is ready a moment before every node has its address.
            wait_until(lambda: answers(self.url()), "the gateway, and every service through it", 60)
            yield
            return
        stop = threading.Event()
        thread = threading.Thread(target=self.keep_forwarding, args=(stop,), daemon=True)
        thread.start()
        try:
            wait_until(lambda: answers(self.url()), "the port-forward")
            yield
        finally:
            stop.set()

    def sql(self, service, query):
        """One line of one value from a service's database, in a release that has PostgreSQL."""
        return self.kubectl(
            "exec", f"{self.name('postgresql')}-0", "--", "psql", "--no-psqlrc", "--tuples-only", "--no-align",
            "-c", f'set search_path = "{service}"', "-c", query, f"dompet_{service}",
        ).split("\n")[1]  # fmt: skip

    def secret(self, name, key):
        """One value of a Secret, or nothing."""
        return base64.b64decode(json.loads(self.kubectl("get", "secret", name, "-o", "json"))["data"].get(key, "")).decode()

    @contextlib.contextmanager
    def reaching(self, *components):
        """Addresses on this machine of the Services of these components."""
        ports = {component: free_port() for component in components}
        port = lambda component: self.kubectl("get", "service", self.name(component), "-o", "jsonpath={.spec.ports[0].port}")
        command = ["kubectl", "--namespace", self.namespace, "port-forward"]
        forwards = [
            subprocess.Popen([*command, f"service/{self.name(component)}", f"{ports[component]}:{port(component)}"], stdout=subprocess.DEVNULL)
            for component in components
        ]
        try:
            for component in components:
                wait_until(lambda at=ports[component]: listens(at), f"the port-forward to {component}", 30)
            yield {component: f"127.0.0.1:{at}" for component, at in ports.items()}
        finally:
            for forward in forwards:
                forward.terminate()
                forward.wait()

    def nodes(self):
        """Nodes that pods may go to."""
        nodes = json.loads(self.kubectl("get", "nodes", "-o", "json"))["items"]
        blocked = ("NoSchedule", "NoExecute")
        return [node["metadata"]["name"] for node in nodes if not any(taint["effect"] in blocked for taint in node["spec"].get("taints", []))]
