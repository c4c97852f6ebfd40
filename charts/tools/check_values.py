"""That values reach the objects, and that wrong ones are refused with a sentence. Run by check.py."""

import json
import re

from rendering import CHART, ROOT, check, component, deployments, each_rendering, equal, of, pods, render, template


@check
def a_repository_replaces_registry_and_prefix():
    objects = render("tests/minimal.yaml", sets=["global.image.registry=registry.example.com", "user.image.repository=mirror.example.com:5000/bank/users", "verify.enabled=true", "verify.image.repository=mirror/audit"])
    images = {container["name"]: container["image"] for _, pod in pods(objects) for container in pod["spec"]["containers"]}
    equal(images["user"], "mirror.example.com:5000/bank/users:0.1.0", "of the user service")
    equal(images["wallet"], "registry.example.com/dompet-wallet:0.1.0", "of the wallet service")
    equal(images["verify"], "mirror/audit:0.1.0", "of the audit")


@check
def a_secret_of_the_charts_own_name_is_refused():
    for field, name in (("global.serviceKey.existingSecret", "dompet-service-key"), ("user.secret.existingSecret", "dompet-user"),
                        ("wallet.database.existingSecret", "dompet-postgresql"), ("payment.database.existingSecret", "dompet-user")):  # fmt: skip
        answer = template("tests/minimal.yaml", sets=[f"{field}={name}"])
        assert answer.returncode != 0 and f"{field} is {name}, which is the name of a Secret that this chart makes" in answer.stderr, f"{field}: {answer.stderr}"
    # The example of production can follow a development install of the same name.
    made = {thing["metadata"]["name"] for thing in of(dict(each_rendering())["dev"], "Secret")}
    named = set(re.findall(r"existingSecret: ([\w-]+)", (CHART / "values-production.yaml").read_text()))
    equal(named & made, set(), "Secrets of values-production.yaml that values-dev.yaml makes")


@check
def a_grace_period_that_is_too_short_is_refused():
    answer = template("tests/minimal.yaml", sets=["wallet.terminationGracePeriodSeconds=20"])
    assert answer.returncode != 0 and "wallet.terminationGracePeriodSeconds is 20, and a pod needs 50 to end" in answer.stderr, answer.stderr
    pod = deployments(render("tests/minimal.yaml", sets=["wallet.terminationGracePeriodSeconds=90"]))["wallet"]["spec"]["template"]["spec"]
    equal(pod["terminationGracePeriodSeconds"], 90, "a longer one")


@check
def users_of_the_platforms_choosing_may_run_the_pods():
    objects = render("tests/minimal.yaml", sets=["global.podSecurityContext.runAsUser=", "global.podSecurityContext.runAsGroup=", "global.podSecurityContext.fsGroup=1000", "verify.enabled=true"])
    for thing, pod in pods(objects):
        context = pod["spec"]["securityContext"]
        equal(sorted(context), ["fsGroup", "runAsNonRoot", "seccompProfile"], f"{thing['kind']} {thing['metadata']['name']}")


@check
def the_values_of_everything_reach_the_objects():
    objects = dict(each_rendering())["everything"]
    user, migrations = deployments(objects)["user"]["spec"]["template"], of(objects, "Job")[0]["spec"]["template"]
    spec, [container] = user["spec"], user["spec"]["containers"]
    equal(user["metadata"]["labels"]["example.com/team"], "payments", "podLabels")
    equal(user["metadata"]["labels"]["app.kubernetes.io/component"], "user", "the selector's labels stay")
    equal(spec["serviceAccountName"], "wallet-user", "serviceAccountName")
    assert "podAntiAffinity" in spec["affinity"], "affinity"
    [spread] = spec["topologySpreadConstraints"]
    equal((spread["whenUnsatisfiable"], spread["labelSelector"]["matchLabels"]["app.kubernetes.io/component"]), ("DoNotSchedule", "user"), "topologySpreadConstraints")
    equal(container["livenessProbe"]["failureThreshold"], 6, "probes")
    equal(container["livenessProbe"]["periodSeconds"], 10, "what a probe does not change")
    added = {"PGSSLCERT", "NODE_NAME", "FEATURE"}
    assert added <= {entry["name"] for entry in container["env"]}, "extraEnv"
    assert {"secretRef": {"name": "more-secrets"}} in container["envFrom"], "extraEnvFrom"
    assert {"name": "client", "mountPath": "/client", "readOnly": True} in container["volumeMounts"], "extraVolumeMounts"
    assert {"name": "client", "secret": {"secretName": "user-client"}} in spec["volumes"], "extraVolumes"
    # What a database asks for, its migrations need too; there the volumes of four services are in one pod.
    [migration] = [one for one in migrations["spec"]["containers"] if one["name"] == "user"]
    assert added <= {entry["name"] for entry in migration["env"]} and {"secretRef": {"name": "more-secrets"}} in migration["envFrom"], "extraEnv of migrations"
    assert {"name": "user-client", "mountPath": "/client", "readOnly": True} in migration["volumeMounts"], "extraVolumeMounts of migrations"
    assert {"name": "user-client", "secret": {"secretName": "user-client"}} in migrations["spec"]["volumes"], "extraVolumes of migrations"
    equal(migrations["metadata"]["annotations"], {"sidecar.istio.io/inject": "false"}, "migrations.podAnnotations")
    [scaler] = [thing for thing in of(objects, "HorizontalPodAutoscaler") if component(thing) == "gateway"]
    equal([metric["type"] for metric in scaler["spec"]["metrics"]], ["Resource", "Resource", "Pods"], "metrics of the autoscaler")
    equal(scaler["spec"]["behavior"]["scaleDown"]["stabilizationWindowSeconds"], 60, "behavior of the autoscaler")
    budgets = {component(thing): thing["spec"] for thing in of(objects, "PodDisruptionBudget")}
    equal(budgets["wallet"]["minAvailable"], "60%", "podDisruptionBudget")
    assert "maxUnavailable" not in budgets["wallet"] and "user" not in budgets, "podDisruptionBudget"
    [door] = [thing["spec"] for thing in of(objects, "Service") if component(thing) == "gateway"]
    equal((door["externalTrafficPolicy"], door["loadBalancerSourceRanges"], door["loadBalancerClass"]), ("Local", ["192.0.2.0/24"], "example.com/lb"), "the gateway's Service")
    for monitor in of(objects, "ServiceMonitor"):
        [endpoint] = monitor["spec"]["endpoints"]
        equal(endpoint["targetPort"], "probes", "ServiceMonitor")
        equal((endpoint["scrapeTimeout"], len(endpoint["relabelings"]), len(endpoint["metricRelabelings"])), ("5s", 2, 1), "ServiceMonitor")
    [ingress] = of(objects, "Ingress")
    equal([rule["host"] for rule in ingress["spec"]["rules"]], ["wallet.example.com", "bank.example.com"], "hosts of the Ingress")
    equal([one["secretName"] for one in ingress["spec"]["tls"]], ["wallet-tls", "bank-tls"], "TLS of the Ingress")
    [extra] = [thing["spec"] for thing in of(objects, "NetworkPolicy") if component(thing) == "extra"]
    equal((extra["ingress"][0]["ports"], extra["egress"][0]["ports"]), ([{"port": 15008}], [{"port": 15012}]), "extra rules of all pods")
    equal(extra["podSelector"]["matchLabels"], {"app.kubernetes.io/part-of": "dompet", "app.kubernetes.io/instance": "dompet"}, "whom the extra rules are for")
    [own] = [thing["spec"] for thing in of(objects, "NetworkPolicy") if thing["metadata"]["name"] == "dompet-user"]
    assert any(rule["ports"] == [{"port": 636}] for rule in own["egress"]), "extra rules of one service"


@check
def docs_are_let_in_with_the_document_that_they_read():
    for name, objects in each_rendering():
        for thing in of(objects, "Ingress", "HTTPRoute"):
            text = json.dumps(thing)
            equal('"/docs"' in text, '"/openapi.json"' in text, f"{name}: {thing['kind']}")


@check
def the_web_pages_are_let_in_and_probes_are_not():
    """Each address that the gateway answers, as its pages' table has them."""
    pages = json.loads((ROOT / "gateway/pages/routes.json").read_text())
    for name, objects in each_rendering():
        for thing in of(objects, "Ingress", "HTTPRoute"):
            prefixes, exact = let_in(thing)

            def enters(path):
                return path in exact or any(path == prefix or path.startswith(prefix + "/") for prefix in prefixes)

            for page in [*pages, "/assets/index.js", "/docs/", "/openapi.json", "/api/v1/wallets", "/health"]:
                assert enters(page.replace("{id}", "1")), f"{name}: {thing['kind']}: {page}"
            for hidden in ("/metrics", "/livez", "/readyz", "/internal/log"):
                assert not enters(hidden), f"{name}: {thing['kind']}: {hidden}"


def let_in(thing):
    """The prefixes and the exact paths of an Ingress or HTTPRoute."""
    if thing["kind"] == "Ingress":
        found = [(path["pathType"], path["path"]) for rule in thing["spec"]["rules"] for path in rule["http"]["paths"]]
    else:
        found = [(match["path"]["type"], match["path"]["value"]) for rule in thing["spec"]["rules"] for match in rule["matches"]]
    return {path for kind, path in found if kind != "Exact"}, {path for kind, path in found if kind == "Exact"}


@check
def origins_reach_every_service():
    """A page may call a service at its own port, so that all five heed the same list."""
    for name, objects in each_rendering():
        origins = {component(thing): thing["data"].get("CORS_ORIGINS") for thing in of(objects, "ConfigMap") if "PORT" in thing.get("data", {})}
        expected = "https://wallet.example.com" if name == "production" else None
        equal(set(origins.values()), {expected}, f"{name}: CORS_ORIGINS")
        equal(len(origins), 5, f"{name}: services")


@check
def values_that_are_not_there_are_refused():
    for wrong in ("walet.replicas=1", "wallet.replica=1", "wallet.replicas=many", "global.images.tag=1", "global.otlp.ratio=2", "wallet.config.SECRET_KEY=x",
                  "gateway.service.type=Open", "ingress.paths={/metrics}", "global.postgresql.passwords.user=a/b", "global.services.wallet.port=1",
                  "wallet.image.digest=latest", "wallet.image.digest=sha256:0", "global.log.level=warning", "global.log.level=verbose", "user.podLabels.app\\.kubernetes\\.io/name=x",
                  "user.probes.liveness.path=/x", "user.serviceAccountName=A_B", "verify.schedule=nightly", "rules.overrides.DompetServiceErrors.limit=1", "global.networkPolicy.dnsPorts={}",
                  "user.extraEnv[0].value=x", "user.affinity.nodes=x", "wallet.image.repository=/x", "user.service.externalTrafficPolicy=local", "global.database.caSecret.secret=x"):  # fmt: skip
        answer = template("tests/minimal.yaml", sets=[wrong])
        assert answer.returncode != 0 and "schema" in answer.stderr, f"{wrong} was taken: {answer.stderr}"
