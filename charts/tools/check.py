"""What must be true of the objects that the chart renders, and of what is written about them.

    python charts/tools/check.py            helm on PATH, or named by HELM
    python charts/tools/check.py arrow      only the checks with this in their name

Run by .ci/charts. What the architecture is stands here once more, on purpose: a slip in the chart's own table of calls
must not go unseen.
"""

import json
import re
import sys

import kubernetes_validate
import yaml

import check_monitoring  # noqa: F401, its checks are among those that are run
import check_containers  # noqa: F401
import check_network  # noqa: F401
import check_values  # noqa: F401
from rendering import CALLS, CHART, DATABASES, PEERS, ROOT, SERVICES, check, checks, component, deployments, each_rendering, equal, of, pods, render, template

OLDEST, NEWEST = "1.30", "1.37"
# What everything.yaml gives the user service besides.
OF_OTHERS = {"PGSSLCERT", "NODE_NAME", "FEATURE"}
# Kinds of operators, whose schemas are not part of Kubernetes.
OURS = {*SERVICES, "story", "migrations", "verify"}
FOREIGN = {"ServiceMonitor", "PrometheusRule", "HTTPRoute", "Cluster", "Database", "Pooler", "ScheduledBackup"}


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
            if component(thing) in OURS:
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
                        equal(container[probe]["httpGet"], {"path": path, "port": "probes"}, what)


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
        # everything.yaml turns one off.
        unguarded = {"dompet-user"} if name == "everything" else set()
        guarded = {thing["metadata"]["name"] for thing in of(objects, "PodDisruptionBudget")}
        for thing in of(objects, "Deployment"):
            own, what = thing["metadata"]["name"], f"{name}: {thing['metadata']['name']}"
            assert ("replicas" in thing["spec"]) != (own in scaled), f"{what}: replicas belong to the autoscaler where there is one"
            at_least = scaled.get(own, thing["spec"].get("replicas"))
            equal(own in guarded, at_least > 1 and own not in unguarded, f"{what}: a PodDisruptionBudget where there are several pods")


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


def is_no_secret(entry):
    """A variable with a secret's name is taken from a Secret, or has its password put in by Kubernetes."""
    if not re.search("KEY|PASSWORD|URL|EMAIL", entry["name"]) or entry["name"] == "PEER_URL":
        return True
    return "valueFrom" in entry or "DATABASE_PASSWORD)" in entry["value"]


@check
def the_audit_has_the_databases_and_nothing_else():
    for name, objects in each_rendering():
        audits = [(thing, pod) for thing, pod in pods(objects) if component(thing) == "verify"]
        equal(sorted(thing["kind"] for thing, _ in audits), {"dev": ["Pod"], "minimal": []}.get(name, ["CronJob", "Pod"]), f"{name}: audits")
        for thing, pod in audits:
            [container] = pod["spec"]["containers"]
            what = f"{name}: {thing['kind']} {thing['metadata']['name']}"
            env = {entry["name"]: entry for entry in container["env"]}
            equal({variable for variable in env if variable.endswith("_DATABASE_URL")}, {f"{service.upper()}_DATABASE_URL" for service in DATABASES}, what)
            assert not env.keys() & {"SERVICE_KEY", "SECRET_KEY"} and "envFrom" not in container, what
            assert all(is_no_secret(entry) for entry in env.values()), what
            equal(container["args"], ["verify"], what)
            assert "dompet-local" in container["image"] or "mirror" in container["image"], what
            if thing["kind"] == "Pod":
                equal(thing["metadata"]["annotations"]["helm.sh/hook"], "test", what)
            else:
                # Two audits at once would read everything twice, and a lost run must fail where an alert sees it.
                equal(thing["spec"]["concurrencyPolicy"], "Forbid", what)
                assert thing["spec"]["jobTemplate"]["spec"]["activeDeadlineSeconds"] > 0, what


@check
def databases_are_verified_by_an_authority_of_ones_own():
    for name, objects in each_rendering():
        secret = {"production": ("dompet-database-ca", "ca.crt"), "everything": ("dompet-db-ca", "ca.crt")}.get(name)
        for thing, pod in pods(objects):
            if component(thing) not in {*DATABASES, "migrations", "verify"}:
                continue
            what = f"{name}: {thing['kind']} {thing['metadata']['name']}"
            mounted = {(volume["secret"]["secretName"], item["key"]) for volume in pod["spec"].get("volumes", []) if volume["name"] == "database-ca" for item in volume["secret"]["items"]}
            equal(mounted, {secret} if secret else set(), what)
            for container in pod["spec"]["containers"]:
                env = {entry["name"]: entry.get("value") for entry in container["env"]}
                equal(env.get("PGSSLROOTCERT"), "/etc/dompet/database-ca/ca.crt" if secret else None, what)
                equal(env.get("PGSSLMODE"), "verify-full" if secret else None, what)
                assert not secret or {"name": "database-ca", "mountPath": "/etc/dompet/database-ca", "readOnly": True} in container["volumeMounts"], what
                assert "sslmode=require" not in json.dumps(container), what


@check
def only_who_needs_a_secret_has_it():
    for name, objects in each_rendering():
        databases = {}
        for thing, pod in pods(objects):
            job = component(thing) == "migrations"
            for container in pod["spec"]["containers"] if component(thing) in SERVICES or job else ():
                # A migration's container is called as its service.
                service, what = container["name"], f"{name}: {thing['metadata']['name']}: {container['name']}"
                env = {entry["name"]: entry for entry in container.get("env", [])}
                equal("SERVICE_KEY" in env, not job, f"{what}: SERVICE_KEY")
                equal("SECRET_KEY" in env, service == "user" and not job, f"{what}: SECRET_KEY")
                equal("DATABASE_URL" in env, service in DATABASES, f"{what}: DATABASE_URL")
                told = env.get("PEER_URL", {}).get("value")
                equal(told, f"http://$(POD_IP):{SERVICES[service]}" if service in PEERS and not job else None, f"{what}: PEER_URL")
                assert not told or list(env).index("POD_IP") < list(env).index("PEER_URL"), f"{what}: a variable is put into those after it"
                if service in DATABASES:
                    databases.setdefault(json.dumps([env.get("DATABASE_PASSWORD"), env["DATABASE_URL"]]), set()).add(service)
                for entry in env.values():
                    assert is_no_secret(entry), f"{what}: {entry['name']} is written out"
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
def a_digest_wins_over_the_tag():
    for service in SERVICES:
        sets = ["global.image.registry=registry.example.com", "global.image.tag=v1", f"{service}.image.tag=v2", f"{service}.image.digest=sha256:{'0' * 64}"]
        for thing, pod in pods(render("tests/minimal.yaml", sets=sets)):
            for container in pod["spec"]["containers"]:
                own = container["name"].replace("story", "gateway")
                equal(container["image"], f"registry.example.com/dompet-{own}" + (f"@sha256:{'0' * 64}" if own == service else ":v1"), f"{thing['kind']} {own}")


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
        equal([component(job) for job in jobs], ["migrations"], name)
        for job in jobs:
            # Side by side: Helm runs the hooks of one kind one after the other.
            equal({container["name"] for container in job["spec"]["template"]["spec"]["containers"]}, DATABASES, name)
            asked = sum(int(container["resources"]["requests"]["cpu"].removesuffix("m")) for container in job["spec"]["template"]["spec"]["containers"])
            assert asked <= 100, f"{name}: a Job of seconds asks for {asked}m"
            notes = job["metadata"].get("annotations", {})
            if name in ("dev", "everything"):
                equal(notes, {}, name)
            else:
                equal(notes, {"helm.sh/hook": "pre-install,pre-upgrade", "helm.sh/hook-delete-policy": "before-hook-creation"}, name)
            policy = [thing for thing in of(objects, "NetworkPolicy") if component(thing) == "migrations"]
            equal([thing["metadata"].get("annotations", {}).get("helm.sh/hook") for thing in policy], [notes.get("helm.sh/hook")], f"{name}: a hook runs under the policy of its own release")
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
    # PORT's sisters are read by name; a password and the pod's address are only parts of URLs.
    for name, objects in each_rendering():
        for service in SERVICES:
            names = set(config_of(objects, service))
            names |= {entry["name"] for entry in deployments(objects)[service]["spec"]["template"]["spec"]["containers"][0]["env"]}
            # The driver of PostgreSQL reads the two of TLS; what everything.yaml adds is somebody's own.
            for variable in names - {"DATABASE_PASSWORD", "POD_IP", "PGSSLROOTCERT", "PGSSLMODE"} - OF_OTHERS:
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
