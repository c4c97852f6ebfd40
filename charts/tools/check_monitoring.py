"""Alerts, runbooks, dashboards. Run by check.py."""

import json
import re

import promql_parser
import yaml

from rendering import CHART, ROOT, check, each_rendering, equal, of, template

# Of Prometheus and Kubernetes, not of our code.
BUILT_IN_METRICS = {"up", "process_cpu_seconds_total", "process_resident_memory_bytes", "process_open_fds", "process_max_fds", "process_start_time_seconds", "kube_job_failed", "kube_cronjob_status_last_successful_time", "kube_cronjob_created"}
PLACEHOLDERS = {"$__rate_interval": "5m", "$namespace": ".*"}


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


RUNBOOKS = {"production": "https://docs.example.com/dompet/runbooks"}


def made_rules(objects):
    [made] = of(objects, "PrometheusRule")
    return [rule for group in made["spec"]["groups"] for rule in group["rules"]]


@check
def rules_reach_prometheus_as_they_are_written_with_a_link_to_their_page():
    for name in ("production", "everything"):
        made, changed = made_rules(dict(each_rendering())[name]), {"DompetServiceErrors", "DompetLedgerContention"} if name == "everything" else set()
        for rule in made:
            link = rule.get("annotations", {}).pop("runbook_url", None)
            base = RUNBOOKS.get(name)
            equal(link, f"{base}/{rule['alert']}.md" if base and "alert" in rule else None, f"{name}: {rule.get('alert')}: runbook_url")
        as_written = lambda some: [rule for rule in some if rule.get("alert") not in changed]
        equal(as_written(made), as_written(rules()), f"{name}: rules")


@check
def thresholds_are_settable_where_an_alert_has_one():
    made = {rule["alert"]: rule for rule in made_rules(dict(each_rendering())["everything"]) if "alert" in rule}
    [written] = [rule for rule in rules() if rule.get("alert") == "DompetServiceErrors"]
    changed = made["DompetServiceErrors"]
    equal(changed["expr"].split(), written["expr"].replace("> 0.05", "> 0.02").split(), "threshold")
    equal((changed["for"], changed["labels"]), ("10m", {"severity": "page", "team": "payments"}), "for, severity, labels")
    assert "DompetLedgerContention" not in made, "an alert that was turned off"
    for wrong, sentence in (("DompetNobody.for=1m", "there is no alert DompetNobody"), ("DompetAvailabilityBurnsFast.threshold=1", "does not end in one number")):
        answer = template("tests/minimal.yaml", sets=["rules.enabled=true", f"rules.overrides.{wrong}"])
        assert answer.returncode != 0 and sentence in answer.stderr, f"{wrong}: {answer.stderr}"
    for rule in rules():
        if "alert" in rule and re.search(r"[<>]=? *[0-9.]+\s*$", rule["expr"]):
            answer = template("tests/minimal.yaml", sets=["rules.enabled=true", f"rules.overrides.{rule['alert']}.threshold=123"])
            assert answer.returncode == 0 and re.search(r"[<>]=? 123$", answer.stdout, re.M), f"{rule['alert']}: {answer.stderr}"
