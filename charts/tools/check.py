"""What must be true of the objects that the chart renders, and of what is written about them.

    python charts/tools/check.py            helm on PATH, or named by HELM
    python charts/tools/check.py arrow      only the checks with this in their name

Run by .ci/charts. What the architecture is stands here once more, on purpose: a slip in the chart's own table of calls
must not go unseen.
"""

import itertools
import json
import os
import pathlib
import re
import subprocess
import sys

import kubernetes_validate
import promql_parser
import yaml

ROOT = pathlib.Path(__file__).resolve().parents[2]
CHARTS = ROOT / "charts"
CHART = CHARTS / "dompet"
HELM = os.environ.get("HELM", "helm")
OLDEST, NEWEST = "1.30", "1.37"

SERVICES = {"gateway": 5000, "user": 5001, "wallet": 5002, "transaction": 5003, "payment": 5004}
CALLS = {
    ("gateway", "user"), ("gateway", "wallet"), ("gateway", "transaction"), ("gateway", "payment"),
    ("user", "wallet"), ("wallet", "user"),
    ("transaction", "wallet"), ("transaction", "user"),
    ("payment", "wallet"), ("payment", "user"),
}  # fmt: skip
DATABASES = {"user", "wallet", "transaction", "payment"}
VALUES = {
    "minimal": ["tests/minimal.yaml"],
    "dev": ["dompet/values-dev.yaml"],
    "production": ["dompet/values-production.yaml"],
    "everything": ["tests/everything.yaml"],
}
# Kinds of operators, whose schemas are not part of Kubernetes.
FOREIGN = {"ServiceMonitor", "PrometheusRule", "HTTPRoute", "Cluster", "Database", "Pooler", "ScheduledBackup"}
# Of Prometheus and Kubernetes, not of our code.
BUILT_IN_METRICS = {"up", "process_cpu_seconds_total", "process_resident_memory_bytes", "process_open_fds", "process_max_fds", "process_start_time_seconds"}
PLACEHOLDERS = {"$__rate_interval": "5m", "$namespace": ".*"}

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
    return made + [(thing, thing) for thing in of(objects, "Pod")]


def component(thing):
    return thing["metadata"]["labels"]["app.kubernetes.io/component"]


def deployments(objects):
    return {component(thing): thing for thing in of(objects, "Deployment")}


def equal(got, wanted, what):
    assert got == wanted, f"{what}: is {got}, not {wanted}"


@check
def objects_are_named_and_labelled():
    for name, objects in each_rendering():
        names = [(thing["kind"], thing["metadata"]["name"]) for thing in objects]
        assert len(names) == len(set(names)), f"{name}: two objects of one name"
        for thing in objects:
            labels, what = thing["metadata"]["labels"], f"{name}: {thing['kind']} {thing['metadata']['name']}"
            equal(thing["metadata"]["namespace"], "dompet", what)
            equal(labels["app.kubernetes.io/part-of"], "dompet", what)
            equal(labels["app.kubernetes.io/instance"], "dompet", what)
            assert len(thing["metadata"]["name"]) <= 63, what


@check
def objects_are_valid_for_the_oldest_and_newest_kubernetes():
    for name, objects in each_rendering():
        for thing in objects:
            if thing["kind"] not in FOREIGN:
                for version in (OLDEST, NEWEST):
                    try:
                        kubernetes_validate.validate(thing, version, strict=True)
                    except kubernetes_validate.ValidationError as error:
                        raise AssertionError(f"{name}, Kubernetes {version}: {thing['kind']} {thing['metadata']['name']}: {error.message} at {list(error.path)}")


@check
def every_pod_meets_the_restricted_standard():
    for name, objects in each_rendering():
        for thing, pod in pods(objects):
            spec, what = pod["spec"], f"{name}: {thing['metadata']['name']}"
            context = spec["securityContext"]
            equal(spec["automountServiceAccountToken"], False, what)
            equal(spec["enableServiceLinks"], False, what)
            equal(context["runAsNonRoot"], True, what)
            assert context["runAsUser"] > 0, what
            equal(context["seccompProfile"], {"type": "RuntimeDefault"}, what)
            assert not spec.keys() & {"hostNetwork", "hostPID", "hostIPC", "initContainers"}, what
            for volume in spec.get("volumes", []):
                assert volume.keys() <= {"name", "emptyDir", "configMap", "secret"}, f"{what}: {volume}"
            for container in spec["containers"]:
                own = container["securityContext"]
                equal(own["allowPrivilegeEscalation"], False, what)
                equal(own["capabilities"], {"drop": ["ALL"]}, what)
                # The one exception is explained where it stands.
                equal(own["readOnlyRootFilesystem"], container["name"] != "otel-lgtm", what)
                assert own.get("privileged") is None, what
            if component(thing) in SERVICES or component(thing) == "story" or component(thing).endswith("-migrations"):
                equal(context["runAsUser"], 65532, what)


@check
def every_container_has_limits():
    for name, objects in each_rendering():
        for thing, pod in pods(objects):
            for container in pod["spec"]["containers"]:
                resources = container["resources"]
                assert {"cpu", "memory"} <= resources["requests"].keys() and "memory" in resources["limits"], f"{name}: {thing['metadata']['name']}"


@check
def every_server_has_three_probes():
    for name, objects in each_rendering():
        for thing in of(objects, "Deployment", "StatefulSet"):
            for container in thing["spec"]["template"]["spec"]["containers"]:
                what = f"{name}: {thing['metadata']['name']}"
                assert {"startupProbe", "livenessProbe", "readinessProbe"} <= container.keys(), what
                if component(thing) in SERVICES:
                    for probe, path in (("startupProbe", "/livez"), ("livenessProbe", "/livez"), ("readinessProbe", "/readyz")):
                        equal(container[probe]["httpGet"], {"path": path, "port": "http"}, what)


@check
def a_pod_has_the_time_that_its_end_takes():
    for name, objects in each_rendering():
        for service, thing in deployments(objects).items():
            if service in SERVICES:
                told = config_of(objects, service)
                needed = int(told["SHUTDOWN_DELAY"]) + 2 * int(told["SHUTDOWN_TIMEOUT"])
                assert thing["spec"]["template"]["spec"]["terminationGracePeriodSeconds"] > needed, f"{name}: {service}"
                # A probe that says no must be heard before listening ends.
                probe = thing["spec"]["template"]["spec"]["containers"][0]["readinessProbe"]
                assert name == "dev" or int(told["SHUTDOWN_DELAY"]) > probe["periodSeconds"] * probe["failureThreshold"], f"{name}: {service}"


def config_of(objects, service):
    [found] = [thing for thing in of(objects, "ConfigMap") if thing["metadata"]["name"] == f"dompet-{service}"]
    return found["data"]


@check
def replicas_belong_to_one_owner_and_are_protected():
    for name, objects in each_rendering():
        scaled = {thing["spec"]["scaleTargetRef"]["name"]: thing["spec"]["minReplicas"] for thing in of(objects, "HorizontalPodAutoscaler")}
        guarded = {thing["metadata"]["name"] for thing in of(objects, "PodDisruptionBudget")}
        for thing in of(objects, "Deployment"):
            own, what = thing["metadata"]["name"], f"{name}: {thing['metadata']['name']}"
            assert ("replicas" in thing["spec"]) != (own in scaled), f"{what}: replicas belong to the autoscaler where there is one"
            at_least = scaled.get(own, thing["spec"].get("replicas"))
            equal(own in guarded, at_least > 1, f"{what}: a PodDisruptionBudget where there are several pods")


@check
def services_find_their_pods_and_each_other():
    for name, objects in each_rendering():
        services = {thing["metadata"]["name"]: thing for thing in of(objects, "Service")}
        for own, thing in services.items():
            matching = [pod for _, pod in pods(objects) if thing["spec"]["selector"].items() <= pod["metadata"]["labels"].items()]
            equal(len(matching), 1, f"{name}: pods of Service {own}")
            ports = {port["name"] for container in matching[0]["spec"]["containers"] for port in container["ports"]}
            assert {port["targetPort"] for port in thing["spec"]["ports"]} <= ports, f"{name}: ports of Service {own}"
        for service, port in SERVICES.items():
            told = config_of(objects, service)
            equal(told["PORT"], str(port), f"{name}: {service}")
            equal(services[f"dompet-{service}"]["spec"]["ports"][0]["port"], port, f"{name}: {service}")
            known = {variable[: -len("_SERVICE_URL")].lower(): url for variable, url in told.items() if variable.endswith("_SERVICE_URL")}
            equal(known, {callee: f"http://dompet-{callee}:{SERVICES[callee]}" for caller, callee in CALLS if caller == service}, f"{name}: addresses that {service} has")


@check
def only_who_needs_a_secret_has_it():
    for name, objects in each_rendering():
        databases = {}
        for thing, pod in pods(objects):
            service = component(thing).removesuffix("-migrations")
            if service not in SERVICES:
                continue
            env = {entry["name"]: entry for entry in pod["spec"]["containers"][0].get("env", [])}
            what = f"{name}: {thing['metadata']['name']}"
            job = thing["kind"] == "Job"
            equal("SERVICE_KEY" in env, not job, f"{what}: SERVICE_KEY")
            equal("SECRET_KEY" in env, service == "user" and not job, f"{what}: SECRET_KEY")
            equal("DATABASE_URL" in env, service in DATABASES, f"{what}: DATABASE_URL")
            if service in DATABASES:
                databases.setdefault(json.dumps([env.get("DATABASE_PASSWORD"), env["DATABASE_URL"]]), set()).add(service)
            for entry in env.values():
                secret = re.search("KEY|PASSWORD|URL|EMAIL", entry["name"])
                assert not secret or "valueFrom" in entry or "$(DATABASE_PASSWORD)" in entry["value"], f"{what}: {entry['name']} is written out"
        equal({frozenset(who) for who in databases.values()}, {frozenset({service}) for service in DATABASES}, f"{name}: each its own database")
        if name != "dev":
            equal(of(objects, "Secret"), [], f"{name}: no Secret is made for production")


@check
def production_without_secrets_is_refused_with_a_sentence():
    full = ["tests/minimal.yaml"]
    for field in ("global.serviceKey.existingSecret", "user.secret.existingSecret", *(f"{service}.database.existingSecret" for service in sorted(DATABASES))):
        answer = template(*full, sets=[f"{field}="])
        assert answer.returncode != 0 and f"{field} is empty. Make a Secret with" in answer.stderr, f"{field}: {answer.stderr}"
    assert "existingSecret is empty" in template().stderr


@check
def values_that_are_not_there_are_refused():
    for wrong in ("walet.replicas=1", "wallet.replica=1", "wallet.replicas=many", "global.images.tag=1", "global.otlp.ratio=2", "wallet.config.SECRET_KEY=x",
                  "gateway.service.type=Open", "ingress.paths={/metrics}", "global.postgresql.passwords.user=a/b", "global.services.wallet.port=1",
                  "wallet.image.digest=latest", "wallet.image.digest=sha256:0"):  # fmt: skip
        answer = template("tests/minimal.yaml", sets=[wrong])
        assert answer.returncode != 0 and "schema" in answer.stderr, f"{wrong} was taken: {answer.stderr}"


@check
def a_digest_wins_over_the_tag():
    for service in SERVICES:
        sets = ["global.image.registry=registry.example.com", "global.image.tag=v1", f"{service}.image.tag=v2", f"{service}.image.digest=sha256:{'0' * 64}"]
        for thing, pod in pods(render("tests/minimal.yaml", sets=sets)):
            image, own = pod["spec"]["containers"][0]["image"], component(thing).removesuffix("-migrations").replace("story", "gateway")
            equal(image, f"registry.example.com/dompet-{own}" + (f"@sha256:{'0' * 64}" if own == service else ":v1"), f"{thing['kind']} {thing['metadata']['name']}")


@check
def two_releases_share_a_namespace():
    def names(release):
        return {(thing["kind"], thing["metadata"]["name"]) for thing in render("dompet/values-dev.yaml", release=release)}

    equal(names("one") & names("two"), set(), "objects of both releases")


@check
def an_upgrade_without_a_difference_restarts_nothing_and_a_difference_does():
    def annotations(*sets):
        return {component(thing): thing["spec"]["template"] for thing in of(render("tests/minimal.yaml", sets=sets), "Deployment")}

    before = annotations()
    equal(annotations(), before, "rendered twice")
    changed = {service for service, pod in annotations("payment.config.LOG=x").items() if pod != before[service]}
    equal(changed, {"payment"}, "restarted by a changed setting")
    changed = {service for service, pod in annotations("user.secret.revision=two").items() if pod != before[service]}
    equal(changed, {"user"}, "restarted by a changed revision")


@check
def migrations_are_hooks_unless_the_database_is_in_the_release():
    for name, objects in each_rendering():
        jobs = of(objects, "Job")
        equal({component(job) for job in jobs}, {f"{service}-migrations" for service in DATABASES}, name)
        for job in jobs:
            notes = job["metadata"].get("annotations", {})
            if name in ("dev", "everything"):
                equal(notes, {}, name)
            else:
                equal(notes, {"helm.sh/hook": "pre-install,pre-upgrade", "helm.sh/hook-delete-policy": "before-hook-creation"}, name)
            assert "ttlSecondsAfterFinished" not in job["spec"], f"{name}: its logs stay"


@check
def the_story_is_there_only_while_it_is_tested():
    for name, objects in each_rendering():
        played = [thing for thing in objects if component(thing) == "story"]
        equal(sorted(thing["kind"] for thing in played), ["NetworkPolicy", "NetworkPolicy", "Pod"], name)
        for thing in played:
            notes, pod = thing["metadata"]["annotations"], thing["kind"] == "Pod"
            equal(notes["helm.sh/hook"], "test", name)
            # The pod's logs are read afterwards; its way in is closed when it has passed.
            equal("hook-succeeded" in notes["helm.sh/hook-delete-policy"], not pod, name)
            if pod:
                [container] = thing["spec"]["containers"]
                equal(container["image"], deployments(objects)["gateway"]["spec"]["template"]["spec"]["containers"][0]["image"], name)
                equal(container["args"], ["story", "--url", "http://dompet-gateway:5000"], name)
                assert "env" not in container and "envFrom" not in container, f"{name}: it needs no secret"


# --- NetworkPolicies: what can reach what, found out as a cluster would ---

OUTSIDE = "outside"


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
        if source != target:
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
        users = DATABASES | {f"{service}-migrations" for service in DATABASES}
        wanted = {(caller, callee, SERVICES[callee]) for caller, callee in CALLS}
        wanted |= {(service, database, 5432) for service in users}
        wanted |= {(who, OUTSIDE, 53) for who in users | {"gateway", "story"}}
        wanted |= {(OUTSIDE, "gateway", 5000), ("story", "gateway", 5000)}
        if name in ("production", "everything"):
            wanted |= {(OUTSIDE, service, port) for service, port in SERVICES.items()}
            wanted |= {(service, OUTSIDE, 4318 if name == "production" else 443) for service in SERVICES}
        if name in ("dev", "everything"):
            wanted |= {("otel-lgtm", service, port) for service, port in SERVICES.items()} | {("otel-lgtm", OUTSIDE, 53)}
        if name == "dev":
            wanted |= {(service, "otel-lgtm", 4318) for service in SERVICES}
            # The gateway's door is open to everybody there, so whoever may call its port may do so; nobody else has that port in its egress.
        got = arrows(objects)
        if name == "everything":
            # The operator's pods are limited where they are reached, not where they reach to.
            got = {arrow for arrow in got if "db" not in arrow and arrow[0] != "pooler"}
        equal(sorted(got - wanted), [], f"{name}: allowed, and not in the architecture")
        equal(sorted(wanted - got), [], f"{name}: in the architecture, and not allowed")


# --- Alerts, runbooks, dashboards ---


def rules():
    for path in sorted((CHART / "rules").glob("*.yaml")):
        for group in yaml.safe_load(path.read_text())["groups"]:
            yield from group["rules"]


def panels():
    for path in sorted((CHART / "dashboards").glob("*.json")):
        for panel in json.loads(path.read_text())["panels"]:
            yield path.name, panel


def expressions():
    """Every query of the chart: (where, text)."""
    for rule in rules():
        yield rule.get("alert", rule.get("record")), rule["expr"]
    for name, panel in panels():
        for target in panel.get("targets", []):
            yield f"{name}: {panel['title']}", target["expr"]


def metrics_of(where, text):
    for placeholder, value in PLACEHOLDERS.items():
        text = text.replace(placeholder, value)
    assert "$" not in text, f"{where}: {text}"
    try:
        tree = promql_parser.parse(text)
    except ValueError as error:
        raise AssertionError(f"{where}: {error}: {text}")
    found = set()

    def visit(node):
        if isinstance(node, promql_parser.VectorSelector):
            found.add(node.name)
        for child in ("expr", "lhs", "rhs", "param", "vector_selector"):
            inner = getattr(node, child, None)
            if inner is not None and isinstance(inner, promql_parser.Expr):
                visit(inner)
        for inner in getattr(node, "args", None) or []:
            visit(inner)

    visit(tree)
    assert found or text == "vector(0)", f"{where}: no metric in {text}"
    return found


@check
def every_expression_parses_and_asks_for_a_metric_that_exists():
    code = "\n".join(path.read_text() for folder in ("crates", "services", "gateway", "local") for path in (ROOT / folder).rglob("*.rs"))
    known = set(re.findall(r'"([a-z][a-z0-9_]+)"', code)) | {rule["record"] for rule in rules() if "record" in rule} | BUILT_IN_METRICS
    for where, text in expressions():
        for metric in metrics_of(where, text):
            base = re.sub("_(bucket|sum|count)$", "", metric)
            assert metric in known or base in known, f"{where}: there is no metric {metric}"


@check
def every_alert_has_a_test_and_a_runbook():
    alerts = {rule["alert"] for rule in rules() if "alert" in rule}
    fired, silent = set(), set()
    for path in (CHART / "rules/tests").glob("*.yaml"):
        for test in yaml.safe_load(path.read_text())["tests"]:
            for case in test.get("alert_rule_test", []):
                (fired if case["exp_alerts"] else silent).add(case["alertname"])
    equal(fired, alerts, "alerts that a test makes fire")
    equal(silent, alerts, "alerts that a test finds silent")
    pages = {path.stem for path in (ROOT / "docs/runbooks").glob("Dompet*.md")}
    equal(pages, alerts, "runbooks")
    for rule in rules():
        if "alert" in rule:
            equal(rule["annotations"]["runbook"], f"docs/runbooks/{rule['alert']}.md", rule["alert"])
            assert rule["labels"]["severity"] in ("page", "ticket"), rule["alert"]


@check
def dashboards_have_a_templated_source_and_lead_on():
    for name, panel in panels():
        if panel["type"] != "row":
            equal(panel["datasource"]["uid"], "${datasource}", f"{name}: {panel['title']}")
        if panel["type"] == "timeseries":
            equal([link["title"] for link in panel["links"]], ["Traces of this time", "Logs of this time"], f"{name}: {panel['title']}")


@check
def rules_reach_prometheus_as_they_are_written():
    for name in ("production", "everything"):
        [made] = of(dict(each_rendering())[name], "PrometheusRule")
        equal([rule for group in made["spec"]["groups"] for rule in group["rules"]], list(rules()), f"{name}: rules")


@check
def versions_agree():
    cargo = re.search(r'^version = "(.+)"$', (ROOT / "Cargo.toml").read_text(), re.M).group(1)
    for path in (CHART / "Chart.yaml", CHART / "charts/service/Chart.yaml"):
        chart = yaml.safe_load(path.read_text())
        equal((chart["version"], chart["appVersion"]), (cargo, cargo), str(path.relative_to(ROOT)))
        for dependency in chart.get("dependencies", []):
            equal(dependency["version"], cargo, dependency["alias"])


@check
def every_setting_that_the_chart_makes_is_one_that_the_code_reads():
    code = "\n".join(path.read_text() for folder in ("crates", "services", "gateway") for path in (ROOT / folder).rglob("*.rs"))
    # PORT's sisters are read by name; a password is only part of the URL.
    for name, objects in each_rendering():
        for service in SERVICES:
            names = set(config_of(objects, service))
            names |= {entry["name"] for entry in deployments(objects)[service]["spec"]["template"]["spec"]["containers"][0]["env"]}
            for variable in names - {"DATABASE_PASSWORD"}:
                assert f'env = "{variable}"' in code, f"{name}: {service} reads no {variable}"


def main():
    failed = 0
    chosen = [function for function in checks if all(word in function.__name__ for word in sys.argv[1:])]
    for function in chosen:
        what = function.__name__.replace("_", " ")
        try:
            function()
            print(f"ok      {what}")
        except AssertionError as error:
            failed += 1
            print(f"FAILED  {what}\n        {error}")
    print(f"{len(chosen) - failed} passed, {failed} failed")
    sys.exit(failed > 0)


main()
