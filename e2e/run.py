#!/usr/bin/env python3
"""The wallet in a real cluster: whatever kubectl points at.

    e2e/run.py cluster                      installs Dompet with values-dev.yaml, then breaks it under load, and counts the money
    e2e/run.py story --url http://host      one story of two users through a gateway that is there
    e2e/run.py load --url http://host       payments, until told to stop

It needs python3, kubectl and helm; with npx also the Postman collection is run, with `--dompet` also the audit. In `cluster`, every payment carries a key and
is repeated until it is answered, as a client should. At the end each accepted payment must be there once, balances must
be what the accepted payments make them, and the ledger must add up. Exit 1 if anything fails. The namespace is left as
it is; `--uninstall` takes the release away again.
"""

import argparse
import base64
import collections
import contextlib
import http.client
import json
import os
import pathlib
import shutil
import socket
import subprocess
import sys
import threading
import time
import urllib.parse
import uuid

ROOT = pathlib.Path(__file__).resolve().parents[1]
SERVICES = ("user", "wallet", "transaction", "payment", "gateway")
PASSWORD = "correct horse battery"
ATTEMPT_LIMIT_S = 10
ROLLOUT_LIMIT_S = 300
# A payment that has no answer by then has failed for good, whatever is being broken.
ANSWER_LIMIT_S = 180


class Failed(Exception):
    """Something that must hold does not."""


def must(holds, sentence):
    if not holds:
        raise Failed(sentence)


def say(text):
    print(f"{time.strftime('%H:%M:%S')}  {text}", flush=True)


# --- A client ---


class Api:
    """One connection to the gateway. `url` may be a function, because a port-forward moves."""

    def __init__(self, url, token=None):
        self.url, self.token, self.connection = url if callable(url) else lambda: url, token, None

    def call(self, method, path, body=None, key=None):
        """(status, body). Raises OSError or HTTPException when there was no answer."""
        headers = {"content-type": "application/json"}
        if self.token:
            headers["authorization"] = f"Bearer {self.token}"
        if key:
            headers["idempotency-key"] = key
        try:
            if self.connection is None:
                address = urllib.parse.urlsplit(self.url())
                self.connection = http.client.HTTPConnection(address.hostname, address.port or 80, timeout=ATTEMPT_LIMIT_S)
            self.connection.request(method, f"/api/v1{path}", None if body is None else json.dumps(body), headers)
            answer = self.connection.getresponse()
            text = answer.read()
            return answer.status, json.loads(text) if text else None
        except (OSError, http.client.HTTPException, ValueError):
            self.close()
            raise

    def close(self):
        if self.connection is not None:
            self.connection.close()
            self.connection = None

    def expect(self, status, method, path, body=None, key=None):
        got, answer = self.call(method, path, body, key)
        must(got == status, f"{method} {path}: {got} {answer}, not {status}")
        return answer

    def insist(self, method, path, body=None, key=None):
        """Repeats until there is an answer that is not a failure of the system. Returns (status, body, failures on the way)."""
        key = key or (str(uuid.uuid4()) if method == "POST" else None)
        failures, deadline = [], time.monotonic() + ANSWER_LIMIT_S
        while True:
            try:
                status, answer = self.call(method, path, body, key)
                if status < 500 and status not in (409, 429):
                    return status, answer, failures
                failures.append(str(status))
            except (OSError, http.client.HTTPException, ValueError) as error:
                failures.append(type(error).__name__)
            must(time.monotonic() < deadline, f"{method} {path}: no answer in {ANSWER_LIMIT_S} s: {collections.Counter(failures)}")
            time.sleep(0.2)


class Person:
    """A user with a wallet that has money in it."""

    def __init__(self, url, name, money):
        self.api, self.email = Api(url), f"{name.lower()}-{uuid.uuid4().hex[:12]}@example.com"
        body = {"name": name, "email": self.email, "phone": "081234567890", "password": PASSWORD}
        status, answer, _ = self.api.insist("POST", "/auth/register", body)
        must(status == 201, f"registration: {status} {answer}")
        self.id, self.api.token = answer["user"]["id"], answer["token"]
        status, answer, _ = self.api.insist("POST", "/wallets", {})
        must(status == 201, f"wallet: {status} {answer}")
        self.wallet, self.money = answer["wallet"]["id"], money
        if money:
            status, answer, _ = self.api.insist("POST", f"/wallets/{self.wallet}/topup", {"amount": money})
            must(status == 200, f"top-up: {status} {answer}")

    def balance(self):
        status, answer, _ = self.api.insist("GET", f"/wallets/{self.wallet}/balance")
        must(status == 200, f"balance: {status} {answer}")
        return answer["balance"]


# --- The story ---


def story(url):
    """Two users, through every service, and what each sees of it."""
    ani, budi = Person(url, "Ani", 100_000), Person(url, "Budi", 0)
    login = Api(url).expect(200, "POST", "/auth/login", {"email": ani.email, "password": PASSWORD})
    ani.api.token = login["token"]
    pay = {"wallet_id": ani.wallet, "merchant": "Tokopedia", "amount": 30_000}
    key = str(uuid.uuid4())
    first = ani.api.expect(201, "POST", "/payments/pay", pay, key)
    must(ani.api.expect(201, "POST", "/payments/pay", pay, key) == first, "a repeat gets the first answer")
    ani.api.expect(422, "POST", "/payments/pay", {**pay, "amount": 1}, key)
    ani.api.expect(201, "POST", "/payments/transfer", {"from_wallet_id": ani.wallet, "to_user_id": budi.id, "amount": 20_000})
    ani.api.expect(400, "POST", "/payments/pay", {**pay, "amount": 50_001})
    must((ani.balance(), budi.balance()) == (50_000, 20_000), "both balances")
    seen = ani.api.expect(200, "GET", "/transactions")["transactions"]
    must([entry["type"] for entry in seen] == ["transfer", "payment", "topup"], f"the sender's history: {seen}")
    must(seen[1]["description"] == "Payment to Tokopedia", f"the payment's description: {seen[1]}")
    seen = budi.api.expect(200, "GET", "/transactions")["transactions"]
    must([(entry["type"], entry["amount"]) for entry in seen] == [("transfer", 20_000)], f"the receiver's history: {seen}")
    figures = ani.api.expect(200, "GET", "/transactions/stats")
    wanted = {"total_transactions": 3, "total_topup": 100_000, "total_payment": 30_000, "total_transfer": 20_000, "net_amount": 50_000}
    must(wanted.items() <= figures.items(), f"statistics: {figures}")
    payments = ani.api.expect(200, "GET", "/payments")["payments"]
    must([payment["id"] for payment in payments][-1] == first["payment"]["id"], f"payments: {payments}")
    budi.api.expect(403, "GET", f"/wallets/{ani.wallet}")
    Api(url).expect(401, "GET", "/wallets")
    budi.api.expect(200, "DELETE", f"/users/{budi.id}")
    deadline = time.monotonic() + 2.5
    while budi.api.call("GET", "/wallets")[0] != 401:
        must(time.monotonic() < deadline, "a deleted user's token works for longer than two seconds")
        time.sleep(0.1)
    say("the story: registered, paid, transferred, refused, deleted: as the contract says")


# --- Load ---


class Load:
    """Payers that pay, each payment with a key and repeated until it is answered."""

    MONEY = 1_000_000_000

    def __init__(self, url, payers):
        self.stop, self.lock, self.during = threading.Event(), threading.Lock(), "before"
        self.accepted, self.failures, self.broken = collections.defaultdict(list), collections.defaultdict(collections.Counter), []
        self.count = collections.Counter()
        self.people = [Person(url, f"Payer{at}", self.MONEY) for at in range(payers)]
        self.threads = [threading.Thread(target=self.pay, args=(person,), daemon=True) for person in self.people]

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *error):
        self.stop.set()
        for thread in self.threads:
            thread.join()

    def pay(self, person):
        at = 0
        while not self.stop.is_set():
            at += 1
            key, amount = str(uuid.uuid4()), at % 97 + 1
            body = {"wallet_id": person.wallet, "merchant": "Warung", "amount": amount}
            try:
                status, answer, failures = person.api.insist("POST", "/payments/pay", body, key)
                must(status == 201, f"payment: {status} {answer}, after {failures}")
            except Exception as error:  # Whatever it is: a payer who stops without a word would spoil the count.
                self.broken.append(f"{type(error).__name__}: {error}")
                say(f"  a payer stops: {self.broken[-1]}")
                return
            with self.lock:
                self.accepted[person].append((key, amount, answer["payment"]["id"], body))
                self.count[self.during] += 1
                self.failures[self.during].update(failures)

    def call_it(self, what):
        with self.lock:
            self.during = what

    def report(self):
        for what, payments in self.count.items():
            bad = dict(self.failures[what])
            say(f"  {what}: {payments} payments" + (f"; attempts that failed and were repeated: {bad}" if bad else "; not one attempt failed"))

    def check(self):
        """Nothing that was accepted is lost or doubled."""
        must(not self.broken, f"payments that were never answered: {self.broken}")
        total = 0
        for person, payments in self.accepted.items():
            ids = [payment for _, _, payment, _ in payments]
            must(len(ids) == len(set(ids)), "one payment was given to two keys")
            spent = sum(amount for _, amount, _, _ in payments)
            must(person.balance() == self.MONEY - spent, f"balance {person.balance()}, but {self.MONEY} - {spent} was accepted")
            for key, _, payment, body in payments[:: max(1, len(payments) // 50)]:
                status, answer, _ = person.api.insist("GET", f"/payments/{payment}")
                must(status == 200 and answer["payment"]["amount"] == body["amount"], f"payment {payment}: {status} {answer}")
                status, answer, _ = person.api.insist("POST", "/payments/pay", body, key)
                must(status == 201 and answer["payment"]["id"] == payment, f"repeated, payment {payment} became {answer}")
            must(person.balance() == self.MONEY - spent, "repeating moved money")
            total += len(payments)
        say(f"{total} accepted payments: each is there once, and every balance is what they make it")


# --- A cluster ---


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


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def answers(url):
    try:
        return Api(url).call("GET", "/health")[0] == 200
    except (OSError, http.client.HTTPException, ValueError):
        return False


def listens(port):
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def wait_until(holds, what, limit=ROLLOUT_LIMIT_S):
    deadline = time.monotonic() + limit
    while not holds():
        must(time.monotonic() < deadline, f"{what}: not within {limit} s")
        time.sleep(0.5)


def rotate_signing_key(cluster, load):
    """The old tokens stay good while the key before is known, and new ones come from the new key. Then back again, because
    the release has the first key in its values: the next upgrade would bring it back, without knowing the second."""
    name = cluster.options.secret or cluster.name("user")
    first, second = cluster.secret(name, "SECRET_KEY"), uuid.uuid4().hex + uuid.uuid4().hex
    # Requests on connections of their own: the payer's is in use.
    person = load.people[0]
    tokens = [person.api.token]
    for key, previous in ((second, first), (first, second)):
        change = {"stringData": {"SECRET_KEY": key, "SECRET_KEY_PREVIOUS": previous}}
        cluster.kubectl("patch", "secret", name, "--type=merge", "-p", json.dumps(change))
        cluster.kubectl("rollout", "restart", f"deployment/{cluster.name('user')}")
        cluster.settle()
        time.sleep(3)
        for token in tokens:
            status, answer, _ = Api(cluster.url, token).insist("GET", "/users/verify")
            must(status == 200, f"a token from before the rotation: {status} {answer}")
        status, answer, _ = Api(cluster.url).insist("POST", "/auth/login", {"email": person.email, "password": PASSWORD})
        must(status == 200, f"log-in after the rotation: {status} {answer}")
        tokens.append(answer["token"])
        status, answer, _ = Api(cluster.url, tokens[-1]).insist("GET", f"/wallets/{person.wallet}")
        must(status == 200, f"a token from after the rotation: {status} {answer}")


def drain(cluster):
    nodes = cluster.nodes()
    if len(nodes) < 2:
        say("  LEFT OUT: draining a node needs two that take pods")
        return
    try:
        cluster.kubectl("drain", nodes[-1], "--ignore-daemonsets", "--delete-emptydir-data", "--timeout=240s", "--force")
        cluster.settle()
    finally:
        cluster.kubectl("uncordon", nodes[-1])


def scale(cluster):
    """One pod more of each, and back to what there was: to another number the next upgrade would say no, because helm
    applies on the server, where the field would then belong to kubectl."""
    replicas = {service: int(cluster.kubectl("get", "deployment", cluster.name(service), "-o", "jsonpath={.spec.replicas}")) for service in SERVICES}
    for more in (1, 0):
        for service, before in replicas.items():
            cluster.kubectl("scale", f"deployment/{cluster.name(service)}", f"--replicas={before + more}")
        cluster.settle()


def roll(cluster):
    """An upgrade that restarts every service, and the way back."""
    revision = json.loads(cluster.helm("history", cluster.release, "-o", "json"))[-1]["revision"]
    cluster.install("--set", "global.log.level=debug")
    cluster.helm("rollback", cluster.release, str(revision))
    cluster.settle()


def autoscale(cluster):
    """An autoscaler for the gateway, under this load, with so low a target that it must act; and back."""
    if not cluster.kubectl("get", "--raw", "/apis/metrics.k8s.io/v1beta1/nodes", check=False):
        say("  LEFT OUT: autoscaling needs the metrics API")
        return
    revision = json.loads(cluster.helm("history", cluster.release, "-o", "json"))[-1]["revision"]
    cluster.install("--set", "gateway.autoscaling.enabled=true,gateway.autoscaling.minReplicas=1,gateway.autoscaling.maxReplicas=3,gateway.autoscaling.targetCPU=5")
    ready = lambda: int(cluster.kubectl("get", "deployment", cluster.name("gateway"), "-o", "jsonpath={.status.readyReplicas}") or 0)
    wait_until(lambda: ready() > 1, "a second gateway")
    say(f"  the autoscaler made {ready()} gateways of one")
    # An upgrade of the same release must not take the autoscaler's replicas away.
    before = ready()
    cluster.helm("upgrade", cluster.release, str(ROOT / "charts/dompet"), "--reuse-values")
    must(ready() >= before, "an upgrade took the autoscaler's replicas away")
    # The autoscaler has set replicas, which the revision before owns: Helm must be told to take the field back.
    cluster.helm("rollback", cluster.release, str(revision), "--force-conflicts")
    cluster.settle()


def isolation(cluster):
    """NetworkPolicies hold: a pod that is nobody reaches the gateway, and nothing else."""
    image = cluster.kubectl("get", "deployment", cluster.name("gateway"), "-o", "jsonpath={.spec.template.spec.containers[0].image}")
    addresses = {name: cluster.kubectl("get", "service", cluster.name(name), "-o", "jsonpath={.spec.clusterIP}") for name in ("gateway", "wallet")}
    # Our own image is the only one that is surely there. A gateway that is no part of the release asks for the others' health.
    pod = {
        "apiVersion": "v1", "kind": "Pod", "metadata": {"name": "stranger", "labels": {"app.kubernetes.io/name": "stranger"}},
        "spec": {
            "automountServiceAccountToken": False, "enableServiceLinks": False, "terminationGracePeriodSeconds": 1, "restartPolicy": "Never",
            "securityContext": {"runAsNonRoot": True, "runAsUser": 65532, "seccompProfile": {"type": "RuntimeDefault"}},
            "containers": [{
                "name": "stranger", "image": image, "imagePullPolicy": "IfNotPresent", "args": ["serve"],
                "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}, "readOnlyRootFilesystem": True},
                "resources": {"requests": {"cpu": "10m", "memory": "32Mi"}, "limits": {"memory": "64Mi"}},
                "env": [
                    {"name": "SERVICE_KEY", "value": "of a stranger, and of nobody else at all"},
                    {"name": "USER_SERVICE_URL", "value": f"http://{addresses['gateway']}:5000"},
                    {"name": "WALLET_SERVICE_URL", "value": f"http://{addresses['wallet']}:5002"},
                    {"name": "TRANSACTION_SERVICE_URL", "value": f"http://{addresses['wallet']}:5002"},
                    {"name": "PAYMENT_SERVICE_URL", "value": f"http://{addresses['wallet']}:5002"},
                ],
            }],
        },
    }  # fmt: skip
    cluster.kubectl("apply", "-f", "-", stdin=json.dumps(pod))
    port = free_port()
    try:
        wait_until(lambda: "True" in cluster.kubectl("get", "pod", "stranger", "-o", 'jsonpath={.status.containerStatuses[0].started}').title(), "the stranger", 60)
        time.sleep(5)
        forward = subprocess.Popen(["kubectl", "--namespace", cluster.namespace, "port-forward", "pod/stranger", f"{port}:5000"], stdout=subprocess.DEVNULL)
        try:
            seen = {}

            def asked():
                try:
                    seen.update(Api(f"http://127.0.0.1:{port}").call("GET", "/health")[1]["services"])
                    return True
                except (OSError, http.client.HTTPException, ValueError):
                    return False

            wait_until(asked, "the stranger's answer", 30)
            must(seen["user-service"] == "healthy", f"a stranger cannot reach the gateway: {seen}")
            if seen["wallet-service"] != "unreachable":
                must(not cluster.options.policies, f"a stranger reached the wallet service: {seen}")
                say("  NOT ENFORCED: this cluster does not enforce NetworkPolicies")
        finally:
            forward.terminate()
    finally:
        cluster.kubectl("delete", "pod", "stranger", "--grace-period=0", "--force", "--ignore-not-found")


def newman(cluster):
    """Every request of the collection, also those to a service past the gateway, and what an administrator may."""
    collection = ROOT / "postman/dompet.postman_collection.json"
    command = [cluster.options.newman] if cluster.options.newman else ["npx", "--yes", "newman@6"] if shutil.which("npx") else None
    if command is None or not collection.exists():
        say("  LEFT OUT: the Postman collection needs npx")
        return
    secret = cluster.options.secret or cluster.name("user")
    variables = {"base_url": cluster.url(), "admin_email": cluster.secret(secret, "ADMIN_EMAIL"), "admin_password": cluster.secret(secret, "ADMIN_PASSWORD")}
    services = [service for service in SERVICES if service != "gateway"]
    with cluster.reaching(*services) as addresses:
        variables |= {f"{service}_url": f"http://{address}" for service, address in addresses.items()}
        command += ["run", str(collection), "--environment", str(ROOT / "postman/dompet.postman_environment.json"), "--color", "off", "--reporters", "cli"]
        command += [part for name, value in variables.items() for part in ("--env-var", f"{name}={value}")]
        answer = subprocess.run(command, capture_output=True, text=True)
    must(answer.returncode == 0, f"the Postman collection:\n{answer.stdout[-4000:]}\n{answer.stderr[-1000:]}")
    for line in answer.stdout.splitlines():
        if "requests │" in line or "assertions │" in line:
            say(f"  {' '.join(line.replace('│', ' ').split())} (made, failed)")


def audit(cluster):
    """The ledger adds up, by its rows and, with --dompet, by its own audit."""
    if cluster.has("postgresql"):
        must(cluster.sql("wallet", "select sum(balance) from accounts") == "0", "the sum of all balances is not zero")
        must(cluster.sql("wallet", "select count(*) from accounts where id > 0 and balance < 0") == "0", "a wallet is below zero")
        entries = "(select seq from transfers union all select seq from account_events) entries"
        must(cluster.sql("wallet", f"select max(seq) = count(*) and max(seq) = (select seq from ledger_head) from {entries}") == "t", "the log has a gap")
        twice = "select count(*) from (select key from transfers group by key having count(*) > 1) twice"
        must(cluster.sql("wallet", twice) == "0", "a key moved money twice")
        say(f"the ledger's rows add up: {cluster.sql('wallet', 'select seq from ledger_head')} entries")
    if cluster.options.dompet and cluster.has("postgresql"):
        password = cluster.secret(cluster.name("postgresql"), "WALLET_DB_PASSWORD")
        with cluster.reaching("postgresql") as addresses:
            environment = {**os.environ, "DATABASE_URL": f"postgres://dompet_wallet:{password}@{addresses['postgresql']}/dompet_wallet"}
            answer = subprocess.run([cluster.options.dompet, "verify"], env=environment, capture_output=True, text=True)
        print(answer.stdout, end="")
        must(answer.returncode == 0, f"verify: {answer.stderr}")
    else:
        say("  LEFT OUT: the full audit needs --dompet, the local mode's binary, and a database that is part of the release")


def on_cluster(options):
    cluster = Cluster(options)
    context = subprocess.run(["kubectl", "config", "current-context"], capture_output=True, text=True).stdout.strip()
    say(f"cluster {context or 'without a context'}, namespace {cluster.namespace}, release {cluster.release}")
    subprocess.run(["kubectl", "apply", "-f", "-"], input=(ROOT / "k8s/cluster/namespace.yaml").read_text().replace("name: dompet", f"name: {cluster.namespace}"), text=True, check=True, stdout=subprocess.DEVNULL)
    say("install")
    cluster.install()
    say("helm test")
    cluster.helm("test", cluster.release)
    with cluster.forwarding():
        story(cluster.url)
        steps = [("undisturbed", lambda: time.sleep(options.quiet))]
        steps += [(f"a pod of {service} is killed", lambda service=service: cluster.kill(service)) for service in SERVICES]
        if cluster.has("postgresql"):
            steps.append(("PostgreSQL is killed", lambda: cluster.kill("postgresql")))
        steps += [
            ("scaled up and down", lambda: scale(cluster)),
            ("upgraded and rolled back", lambda: roll(cluster)),
            ("a node is drained", lambda: drain(cluster)),
            ("the autoscaler acts", lambda: autoscale(cluster)),
            ("the signing key is rotated", lambda: rotate_signing_key(cluster, load)),
            ("a stranger knocks", lambda: isolation(cluster)),
        ]
        chosen = [step for step in steps if not options.only or any(word in step[0] for word in options.only)]
        with Load(cluster.url, options.payers) as load:
            for what, act in chosen:
                say(what)
                load.call_it(what)
                act()
                # Payments must be accepted again before the next thing is broken.
                goal = sum(load.count.values()) + options.payers
                wait_until(lambda: sum(load.count.values()) >= goal or load.broken, f"payments after: {what}")
                must(not load.broken, f"payments that were never answered: {load.broken}")
        load.report()
        load.check()
        story(cluster.url)
        say("the Postman collection")
        newman(cluster)
        audit(cluster)
        # A rolling restart is not a failure: then no attempt may have failed, where the way to the gateway is no port-forward.
        if options.url:
            for what in ("undisturbed", "scaled up and down", "upgraded and rolled back", "the autoscaler acts", "the signing key is rotated"):
                must(not load.failures[what], f"{what}: attempts failed: {dict(load.failures[what])}")
    if options.uninstall:
        cluster.helm("uninstall", cluster.release, "--wait")
        say("uninstalled")
    say("all of it holds")


def on_url(options):
    if options.command == "story":
        return story(options.url)
    with Load(options.url, options.payers) as load, contextlib.suppress(KeyboardInterrupt):
        time.sleep(options.seconds)
    load.report()
    load.check()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    for name, about in (("story", "one story of two users"), ("load", "payments, until told to stop")):
        command = commands.add_parser(name, help=about)
        command.add_argument("--url", default="http://localhost:5000", help="the gateway")
        command.set_defaults(run=on_url)
    command.add_argument("--payers", type=int, default=8, help="how many pay at once")
    command.add_argument("--seconds", type=float, default=60, help="how long")
    command = commands.add_parser("cluster", help="all of it, on the cluster that kubectl points at")
    command.add_argument("--namespace", default="dompet")
    command.add_argument("--release", default="dompet")
    command.add_argument("--values", action="append", help="values files; values-dev.yaml without one")
    command.add_argument("--set", action="append", default=[], help="values, as helm takes them")
    command.add_argument("--url", help="the gateway, where it can be reached without a port-forward; then no attempt may fail while pods roll")
    command.add_argument("--secret", help="the Secret with SECRET_KEY; without it the chart's own")
    command.add_argument("--payers", type=int, default=4, help="how many pay at once")
    command.add_argument("--quiet", type=float, default=10, help="seconds of load before the first thing is broken")
    command.add_argument("--only", action="append", help="only steps whose name has this in it; may be given several times")
    command.add_argument("--policies", action="store_true", help="NetworkPolicies must be enforced")
    command.add_argument("--dompet", help="the local mode's binary, for its audit")
    command.add_argument("--newman", help="newman, where it is installed; npx without it")
    command.add_argument("--uninstall", action="store_true", help="take the release away at the end")
    command.set_defaults(run=on_cluster)
    options = parser.parse_args()
    try:
        options.run(options)
    except Failed as error:
        say(f"FAILED: {error}")
        sys.exit(1)


if __name__ == "__main__":
    main()
