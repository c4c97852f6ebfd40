"""NetworkPolicies: what can reach what, found out as a cluster would. Run by check.py."""

import itertools

from rendering import CALLS, DATABASES, PEERS, SERVICES, check, component, each_rendering, equal, of, pods

OUTSIDE = "outside"
# The port of probes and metrics.
PROBES = 9090


def arrows(objects):
    """Every (from, to, port) that is allowed at both ends, and those that lead out or in."""
    running = {component(thing): pod for thing, pod in pods(objects)}
    for cluster in of(objects, "Cluster"):
        running["db"] = {"metadata": {"labels": {"cnpg.io/cluster": cluster["metadata"]["name"]}}, "spec": {"containers": [{"ports": [{"containerPort": 5432}]}]}}
    for pooler in of(objects, "Pooler"):
        running["pooler"] = {"metadata": {"labels": {"cnpg.io/poolerName": pooler["metadata"]["name"]}}, "spec": {"containers": [{"ports": [{"containerPort": 5432}]}]}}
    policies = of(objects, "NetworkPolicy")
    allowed = {}
    for who, pod in running.items():
        for direction in ("ingress", "egress"):
            applying = [policy["spec"] for policy in policies if direction.title() in policy["spec"]["policyTypes"] and selects(policy["spec"]["podSelector"], pod)]
            rules = [rule for policy in applying for rule in policy.get(direction, [])]
            allowed[who, direction] = rules if applying else [{}]
    found = set()
    for (source, from_pod), (target, to_pod) in itertools.product(running.items(), repeat=2):
        if source != target or source in SERVICES:
            out = ports(allowed[source, "egress"], "to", to_pod, to_pod)
            into = ports(allowed[target, "ingress"], "from", from_pod, to_pod)
            found |= {(source, target, port) for port in meet(out, into)}
            # Each end by itself must say the same, because the other may be a pod that nothing limits. What is open to
            # everybody is an arrow from or to the outside.
            found |= {(source, target, port) for port in ports(allowed[source, "egress"], "to", to_pod, to_pod, anybody=False)}
            found |= {(source, target, port) for port in ports(allowed[target, "ingress"], "from", from_pod, to_pod, anybody=False)}
    for who, pod in running.items():
        for direction, side in (("egress", "to"), ("ingress", "from")):
            for rule in allowed[who, direction]:
                peers = rule.get(side)
                if peers is None or any("podSelector" not in peer or "namespaceSelector" in peer for peer in peers):
                    numbers = {port["port"] if isinstance(port["port"], int) else named(pod, port["port"]) for port in rule.get("ports", [{"port": 0}])}
                    found |= {(who, OUTSIDE, port) if direction == "egress" else (OUTSIDE, who, port) for port in numbers}
    return found


def selects(selector, pod):
    assert selector.keys() <= {"matchLabels"}, selector
    return selector.get("matchLabels", {}).items() <= pod["metadata"].get("labels", {}).items()


def ports(rules, side, other, target, anybody=True):
    found = set()
    for rule in rules:
        peers = rule.get(side)
        if anybody if peers is None else any("namespaceSelector" not in peer and "podSelector" in peer and selects(peer["podSelector"], other) for peer in peers):
            found |= {port["port"] if isinstance(port["port"], int) else named(target, port["port"]) for port in rule.get("ports", [{"port": 0}])}
    return found


def named(pod, name):
    return next(port["containerPort"] for container in pod["spec"]["containers"] for port in container.get("ports", []) if port.get("name") == name)


def meet(one, other):
    """The ports of both; 0 stands for all."""
    if 0 in one:
        return other
    return one if 0 in other else one & other


@check
def what_no_policy_names_is_denied():
    for name, objects in each_rendering():
        [deny] = [policy["spec"] for policy in of(objects, "NetworkPolicy") if policy["metadata"]["name"] == "dompet-default-deny"]
        equal(sorted(deny["policyTypes"]), ["Egress", "Ingress"], name)
        assert not deny.keys() & {"ingress", "egress"}, name
        for thing, pod in pods(objects):
            assert selects(deny["podSelector"], pod), f"{name}: {thing['metadata']['name']}"


@check
def every_arrow_has_a_policy_and_there_is_none_besides():
    for name, objects in each_rendering():
        database = {"dev": "postgresql", "everything": "pooler"}.get(name, OUTSIDE)
        users = DATABASES | {"migrations"} | ({"verify"} if name != "minimal" else set())
        wanted = {(caller, callee, SERVICES[callee]) for caller, callee in CALLS | {(service, service) for service in PEERS}}
        wanted |= {(service, database, 5432) for service in users}
        wanted |= {(who, OUTSIDE, 53) for who in users | {"gateway", "story"}}
        wanted |= {(OUTSIDE, "gateway", 5000), ("story", "gateway", 5000)}
        if name in ("production", "everything"):
            wanted.add(("gateway", "valkey", 6379))
        if name in ("production", "everything"):
            wanted |= {(OUTSIDE, service, PROBES) for service in SERVICES}
            wanted |= {(service, OUTSIDE, 4318 if name == "production" else 443) for service in SERVICES}
        if name in ("dev", "everything"):
            wanted |= {("otel-lgtm", service, PROBES) for service in SERVICES} | {("otel-lgtm", OUTSIDE, 53)}
        if name == "dev":
            wanted |= {(service, "otel-lgtm", 4318) for service in SERVICES}
            # The gateway's door is open to everybody there, so whoever may call its port may do so; nobody else has that port in its egress.
        got = arrows(objects)
        if name == "everything":
            # What its values add, to all pods and to one.
            ours = users | {"gateway", "story", "otel-lgtm"}
            wanted |= {(who, OUTSIDE, port) for who in ours for port in (5353, 15012)} | {(OUTSIDE, who, 15008) for who in ours} | {("user", OUTSIDE, 636)}
            wanted |= {("valkey", OUTSIDE, 15012), (OUTSIDE, "valkey", 15008)}
            # The operator's pods are limited where they are reached, not where they reach to.
            got = {arrow for arrow in got if "db" not in arrow and arrow[0] != "pooler"}
        equal(sorted(got - wanted), [], f"{name}: allowed, and not in the architecture")
        equal(sorted(wanted - got), [], f"{name}: in the architecture, and not allowed")
