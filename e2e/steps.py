"""What is done to a release while payments go on, and how the money is counted afterwards."""

import http.client
import json
import os
import shutil
import subprocess
import time
import uuid

from client import PASSWORD, ROOT, SERVICES, Api, answers, free_port, must, say, wait_until


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
    ready = lambda: int(cluster.kubectl("get", "deployment", cluster.name("gateway"), "-o", "jsonpath={.status.readyReplicas}") or 0)
    there = ready()
    scaling = {"enabled": "true", "minReplicas": 1, "maxReplicas": there + 2, "targetCPU": 5}
    cluster.install("--set", ",".join(f"gateway.autoscaling.{name}={value}" for name, value in scaling.items()))
    wait_until(lambda: ready() > there, "one gateway more")
    say(f"  gateways: {there} before, {ready()} by the autoscaler")
    # An upgrade of the same release must not take the autoscaler's replicas away.
    before = ready()
    cluster.helm("upgrade", cluster.release, str(ROOT / "charts/dompet"), "--reuse-values")
    must(ready() >= before, "an upgrade took the autoscaler's replicas away")
    # The autoscaler has set replicas, which the revision before owns: Helm must be told to take the field back.
    cluster.helm("rollback", cluster.release, str(revision), "--force-conflicts")
    cluster.settle()


def restore(cluster):
    """docs/OPERATIONS.md, *After a restore*, word by word, with autoscalers on: they leave services that are at 0 alone. The backup is of
    the moment at which everything stood still, so no payment may be missing afterwards."""
    scaled = [service for service in SERVICES if service != "wallet"]
    sets = ",".join(f"{service}.autoscaling.{field}" for service in scaled for field in ("enabled=true", "minReplicas=1", "maxReplicas=2"))
    cluster.install("--set", sets)
    cluster.kubectl("delete", "horizontalpodautoscaler", "--all")
    cluster.kubectl("scale", "deployment", "--all", "--replicas=0")
    for service in SERVICES:
        cluster.kubectl("wait", "--for=delete", "pod", "--timeout=120s", "-l", f"app.kubernetes.io/instance={cluster.release},app.kubernetes.io/component={service}")
    if cluster.has("postgresql"):
        inside = ("exec", "--stdin", f"{cluster.name('postgresql')}-0", "--")
        for service in ("user", "wallet"):
            dump = cluster.kubectl(*inside, "pg_dump", f"dompet_{service}")
            cluster.kubectl(*inside, "psql", "--quiet", "--command", f'drop schema "{service}" cascade', f"dompet_{service}")
            cluster.kubectl(*inside, "psql", "--quiet", "--set=ON_ERROR_STOP=1", f"dompet_{service}", stdin=dump)
        for service in ("transaction", "payment"):
            cluster.kubectl(*inside, "psql", "--quiet", "--command", f"drop schema {service} cascade", f"dompet_{service}")
    else:
        say("  LEFT OUT: dump and restore need a database that is part of the release")
    cluster.kubectl("delete", "jobs", "-l", "app.kubernetes.io/component=migrations")
    cluster.kubectl("scale", "deployment", "--all", "--replicas=1")
    cluster.install("--set", sets, "--force-conflicts", "--wait")
    for service in SERVICES:
        must(cluster.pods(service), f"{service} has no pod after a restore")
    scalers = cluster.kubectl("get", "horizontalpodautoscaler", "-o", "name").split()
    must(len(scalers) == len(scaled), f"autoscalers after a restore: {scalers}")
    wait_until(lambda: answers(cluster.url()), "every service through the gateway", 120)
    if cluster.has("postgresql"):
        # Followers read the ledger anew; the audit below wants them at its end.
        head = int(cluster.sql("wallet", "select seq from ledger_head"))
        for service in ("transaction", "payment"):
            wait_until(lambda service=service: int(cluster.sql(service, "select seq from feed_position where id = 0")) >= head, f"{service} at the ledger's head", 120)


def isolation(cluster):
    """NetworkPolicies hold: a pod that is nobody reaches the gateway, unless its clients are named, and nothing else."""
    policies = json.loads(cluster.kubectl("get", "networkpolicy", "-o", "json"))["items"]
    doors = [policy["spec"]["ingress"] for policy in policies if policy["metadata"]["name"] == cluster.name("gateway")]
    is_open = all(any("from" not in rule for rule in rules) for rules in doors)
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
            reached = {name for name, answer in seen.items() if answer != "unreachable"}
            must("user-service" in reached or not is_open, f"a stranger cannot reach the gateway: {seen}")
            if reached - ({"user-service"} if is_open else set()):
                must(not cluster.options.policies, f"a stranger reached what it may not: {seen}")
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
    # What a person does by hand begins with a demo user.
    status, _, _ = Api(cluster.url).insist("POST", "/auth/login", {"email": "john@example.com", "password": "password123"})
    if status != 200:
        variables["my_email"] = ""
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
        entries = "(select seq from postings union all select seq from account_events) entries"
        must(cluster.sql("wallet", f"select max(seq) = count(*) and max(seq) = (select seq from ledger_head) from {entries}") == "t", "the log has a gap")
        twice = "select count(*) from (select key from postings group by key having count(*) > 1) twice"
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
