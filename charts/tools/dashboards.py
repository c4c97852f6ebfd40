"""The Grafana dashboards, as a program: a hundred lines here instead of thousands of JSON that nobody can review.

    python charts/tools/dashboards.py            writes charts/dompet/dashboards/*.json
    python charts/tools/dashboards.py --check    fails when they are not what this says

Names of metrics come from the services' code; `.ci/charts` checks that each one is really there.
"""

import json
import pathlib
import sys

HERE = pathlib.Path(__file__).resolve().parent
OUT = HERE.parent / "dompet" / "dashboards"

SOURCE = {"type": "prometheus", "uid": "${datasource}"}
PROBES = "(/api(/v1)?)?/(livez|readyz|health|metrics)"
# Every query is of the chosen namespaces.
NS = 'namespace=~"$namespace"'
GATEWAY = f'{NS},job="dompet-gateway"'
SERVICES = f'{NS},job=~"dompet-.+"'
WALLET = f'{NS},job="dompet-wallet"'
LOG_INS = f'{SERVICES},act="log_in"'
OTHER_ACTS = f'{SERVICES},act!="log_in"'
REAL = f'route!~"{PROBES}"'
TRACES = {
    "title": "Traces of this time",
    "url": "/explore?orgId=1&left=%7B%22datasource%22:%22${traces}%22,%22queries%22:%5B%7B%22refId%22:%22A%22,%22queryType%22:%22traceql%22,"
    "%22query%22:%22%7Bresource.service.name%21%3D%5C%22%5C%22%7D%22%7D%5D,%22range%22:%7B%22from%22:%22${__from}%22,%22to%22:%22${__to}%22%7D%7D",
    "targetBlank": True,
}
LOGS = {
    "title": "Logs of this time",
    "url": "/explore?orgId=1&left=%7B%22datasource%22:%22${logs}%22,%22queries%22:%5B%7B%22refId%22:%22A%22,%22expr%22:%22"
    "%7Bnamespace%3D~%5C%22${namespace:regex}%5C%22%7D%22%7D%5D,%22range%22:%7B%22from%22:%22${__from}%22,%22to%22:%22${__to}%22%7D%7D",
    "targetBlank": True,
}


def graph(title, unit, *queries, about="", stack=False):
    """A panel over time. A query is (expression, legend)."""
    return {
        "type": "timeseries",
        "title": title,
        "description": about,
        "datasource": SOURCE,
        "targets": targets(queries),
        "links": [TRACES, LOGS],
        "fieldConfig": {
            "defaults": {
                "unit": unit,
                "min": 0,
                "custom": {"fillOpacity": 10, "showPoints": "never", "stacking": {"mode": "normal" if stack else "none"}},
            },
            "overrides": [],
        },
        "options": {"legend": {"displayMode": "list", "placement": "bottom"}, "tooltip": {"mode": "multi", "sort": "desc"}},
        "size": (12, 8),
    }


def number(title, unit, expression, *, red=None, about=""):
    """One number. From `red` on it is red."""
    steps = [{"color": "green", "value": None}] + ([{"color": "red", "value": red}] if red is not None else [])
    return {
        "type": "stat",
        "title": title,
        "description": about,
        "datasource": SOURCE,
        "targets": targets([(expression, "")]),
        "fieldConfig": {"defaults": {"unit": unit, "thresholds": {"mode": "absolute", "steps": steps}}, "overrides": []},
        "options": {"reduceOptions": {"calcs": ["lastNotNull"]}, "graphMode": "area", "colorMode": "value"},
        "size": (4, 4),
    }


def row(title):
    return {"type": "row", "title": title, "size": (24, 1), "collapsed": False, "panels": []}


def targets(queries):
    return [
        {"refId": chr(ord("A") + at), "expr": expression, "legendFormat": legend or "__auto", "datasource": SOURCE}
        for at, (expression, legend) in enumerate(queries)
    ]


def rate(metric, labels):
    return f"rate({metric}{{{labels}}}[$__rate_interval])"


def quantile(q, metric, labels, by=""):
    group = f"le, {by}" if by else "le"
    return f"histogram_quantile({q}, sum by ({group}) ({rate(metric + '_bucket', labels)}))"


def share(part, whole):
    """A ratio that is zero, and not nothing, where the part does not occur."""
    return f"(sum({part}) or vector(0)) / sum({whole})"


REQUESTS = "http_request_duration_seconds_count"
DURATION = "http_request_duration_seconds"

OVERVIEW = [
    number("Requests", "reqps", f"sum({rate(REQUESTS, f'{GATEWAY},{REAL}')})"),
    number("Errors", "percentunit", share(rate(REQUESTS, f'{GATEWAY},{REAL},status=~"5.."'), rate(REQUESTS, f"{GATEWAY},{REAL}")), red=0.001,
           about="Answers with 5xx. 0.1% are promised at most."),
    number("99 of 100 within", "s", quantile(0.99, DURATION, f"{GATEWAY},{REAL}"), red=0.25, about="250 ms are promised."),
    number("In flight", "short", f"sum(http_requests_in_flight{{{GATEWAY}}})"),
    number("Pods that answer", "short", f"sum(up{{{SERVICES}}})"),
    number("Entries behind", "short", f"max(follower_lag_entries{{{SERVICES}}})", red=1000, about="The follower of the ledger that is furthest behind."),
    row("Each service"),
    graph("Requests", "reqps", (f"sum by (job) ({rate(REQUESTS, f'{SERVICES},{REAL}')})", "{{job}}")),
    graph("Answers with 5xx", "reqps", (f'sum by (job, status) ({rate(REQUESTS, SERVICES + f",{REAL}," + "status=~" + chr(34) + "5.." + chr(34))})', "{{job}} {{status}}")),
    graph("99 of 100 within", "s", (quantile(0.99, DURATION, f"{SERVICES},{REAL}", "job"), "{{job}}")),
    graph("Half within", "s", (quantile(0.5, DURATION, f"{SERVICES},{REAL}", "job"), "{{job}}")),
    row("Each route of the gateway"),
    graph("Requests", "reqps", (f"sum by (method, route) ({rate(REQUESTS, f'{GATEWAY},{REAL}')})", "{{method}} {{route}}")),
    graph("99 of 100 within", "s", (quantile(0.99, DURATION, f"{GATEWAY},{REAL}", "method, route"), "{{method}} {{route}}")),
    row("Saturation"),
    graph("Processors used", "short", (f"sum by (job) ({rate('process_cpu_seconds_total', SERVICES)})", "{{job}}"), about="1 is one processor, fully."),
    graph("Memory", "bytes", (f"max by (job) (process_resident_memory_bytes{{{SERVICES}}})", "{{job}}"), about="Of the pod that uses most."),
    graph("File descriptors", "percentunit", (f"max by (job) (process_open_fds{{{SERVICES}}} / process_max_fds{{{SERVICES}}})", "{{job}}")),
    graph("Connections", "short", (f"sum by (job) (http_connections{{{SERVICES}}})", "{{job}}"), (f"sum by (job) ({rate('http_connections_refused_total', SERVICES)})", "{{job}}, refused a second"),
          about="Refused: the address had too many already (MAX_CONNECTIONS_PER_ADDRESS)."),
    graph("Requests in flight", "short", (f"sum by (job) (http_requests_in_flight{{{SERVICES}}})", "{{job}}")),
    graph("Spans by what became of them", "ops", (f"sum by (job, outcome) ({rate('trace_spans_total', SERVICES)})", "{{job}} {{outcome}}"), about="Lost: the collector of traces did not take them."),
    graph("Lost lines of logs", "ops", (f"sum by (job) ({rate('log_lines_dropped_total', SERVICES)})", "{{job}}"), about="Nobody read them, and the queue was full."),
    row("Log-in"),
    graph("Hashing a password", "s", (quantile(0.5, "password_hash_duration_seconds", SERVICES), "half within"), (quantile(0.99, "password_hash_duration_seconds", SERVICES), "99 of 100 within")),
    graph("Passwords that wait, and that were refused", "short", (f"sum(password_hashes_waiting{{{SERVICES}}})", "waiting"), (f"sum({rate('password_hashes_refused_total', SERVICES)})", "refused a second")),
    graph("Log-ins", "ops", (f"sum by (result) ({rate('account_acts_total', LOG_INS)})", "{{result}}"), about="Refused: a wrong password, an unknown address or a suspended user. docs/runbooks/DompetLogInsFail.md"),
    graph("Acts on accounts", "ops", (f"sum by (act, result) ({rate('account_acts_total', OTHER_ACTS)})", "{{act}} {{result}}"), about="As they are in the audit log."),
    graph("Records of sessions that are over", "short", (f"max(revocation_records{{{SERVICES}}})", "records"), about="At most one a user; each service keeps as many."),
    graph("Tries that were refused before a password was hashed", "reqps", (f"sum by (rule) ({rate('password_tries_refused_total', SERVICES)})", "{{rule}}"), about="Wrong passwords, and registrations of taken addresses, by the rule that slows them down."),
    row("Rate limits"),
    graph("Requests that were refused", "reqps", (f"sum by (policy) ({rate('gateway_rate_limited_total', GATEWAY)})", "{{policy}}")),
    graph("Gateways that limit alone", "short", (f"count(gateway_rate_limits_shared{{{GATEWAY}}} == 0) or vector(0)", "alone"), (f"sum({rate('gateway_rate_limit_failures_total', GATEWAY)})", "calls of Redis that failed, a second"), about="Where REDIS_URL is set: gateways that Redis does not answer."),
]

LEDGER = [
    number("Newest entry", "none", f"max(ledger_head{{{WALLET}}})"),
    number("Movements", "ops", f"sum({rate('ledger_transfers_total', WALLET)})"),
    number("Commits", "ops", f"sum({rate('ledger_batches_total', WALLET)})"),
    number("99 of 100 commits within", "s", quantile(0.99, "ledger_commit_seconds", WALLET), red=0.25),
    number("Calls that wait", "short", f"sum(ledger_waiting_calls{{{WALLET}}})"),
    number("Closures that wait", "short", f"max(closures_pending{{{SERVICES}}})", about="Deleted users whose wallets are still open."),
    row("Money"),
    graph("Movements", "ops", (f"sum by (type, currency) ({rate('ledger_transfers_total', WALLET)})", "{{type}} {{currency}}"), stack=True),
    graph("Value", "short", (f"sum by (type, currency) ({rate('ledger_value_total', WALLET)})", "{{type}} {{currency}}"), about="A second, in the currency's smallest unit."),
    graph("Refused by a limit", "ops", (f"sum by (limit) ({rate('ledger_limited_total', WALLET)})", "{{limit}}"),
        about='Movements that a limit of the caller\'s own wallet refused, by limit. Many of "topup-day": somebody makes money from nothing. Many of another: its figure may be too low.'),
    row("Holds"),
    graph("Holds that are overdue", "s", (f"max(ledger_holds_overdue_seconds{{{WALLET}}})", "oldest"),
        about="For how long the oldest hold whose time is over has kept its money. It cannot be captured any more; its money is not back in its wallet."),
    graph("Holds that expired", "ops", (f"sum({rate('ledger_holds_expired_total', WALLET)})", "expired"),
        about="Holds that gave back what was left of them because their time was over."),
    row("The audit"),
    number("Sum of all balances", "short", f"max(abs(ledger_audit_sum{{{WALLET}}}))", red=1, about="Zero, in every currency. Here: the one that is furthest from it, in its smallest unit."),
    number("Wallets below zero", "short", f"max(ledger_audit_negative_wallets{{{WALLET}}})", red=1),
    number("Checks that fail", "short", f"sum(max by (check) (ledger_audit_failed{{{WALLET}}}))", red=1),
    number("Audited up to", "none", f"max(ledger_audit_seq{{{WALLET}}})"),
    number("Not audited yet", "short", f"clamp_min(max(ledger_head{{{WALLET}}}) - max(ledger_audit_seq{{{WALLET}}}), 0)", about="Entries."),
    number("Last audit", "s", f"time() - max(ledger_audit_last_success_timestamp_seconds{{{WALLET}}})", red=300, about="Seconds since one found everything in order."),
    graph("Entries audited", "ops", (f"sum by (pod) (rate(ledger_audit_seq{{{WALLET}}}[$__rate_interval]))", "{{pod}}")),
    graph("What the audit finds wrong", "short", (f"max by (check) (ledger_audit_failed{{{WALLET}}})", "{{check}}"), (f"max by (currency) (abs(ledger_audit_sum{{{WALLET}}}))", "sum of {{currency}}")),
    graph("Range used by a system account", "percentunit", (f"max by (account, currency) (ledger_audit_range_used_ratio{{{WALLET}}})", "{{account}} {{currency}}"),
        about="How much of the range of 64 bits the balance of a system account has used up. At the end of it nothing more comes in or goes out."),
    row("The writer"),
    graph("Entries in a commit", "short", (f"sum({rate('ledger_batch_size_sum', WALLET)}) / sum({rate('ledger_batch_size_count', WALLET)})", "on average"), (quantile(0.99, "ledger_batch_size", WALLET), "99 of 100 at most")),
    graph("A commit takes", "s", (quantile(0.5, "ledger_commit_seconds", WALLET), "half within"), (quantile(0.99, "ledger_commit_seconds", WALLET), "99 of 100 within")),
    graph("Decided again", "ops", (f"sum({rate('ledger_head_moved_total', WALLET)})", "another replica had written"), (f"sum({rate('ledger_key_taken_total', WALLET)})", "the key was there already")),
    graph("Passed on to the process that writes", "ops", (f"sum by (pod) ({rate('ledger_passed_on_total', WALLET)})", "orders from {{pod}}"), (f"sum({rate('ledger_passed_on_failed_total', WALLET)})", "calls without an answer")),
    graph("Calls that wait for the writer", "short", (f"sum by (pod) (ledger_waiting_calls{{{WALLET}}})", "{{pod}}")),
    row("Followers"),
    graph("Entries behind", "short", (f"max by (job) (follower_lag_entries{{{SERVICES}}})", "{{job}}"), (f"max by (follower) (ledger_feed_lag{{{WALLET}}})", "{{follower}}, as the ledger sees it")),
    graph("Entries applied", "ops", (f"sum by (job) ({rate('follower_applied_total', SERVICES)})", "{{job}}")),
    graph("A catch-up takes", "s", (quantile(0.99, "follower_catch_up_duration_seconds", SERVICES, "job"), "{{job}}, 99 of 100 within")),
    graph("Sessions ended, users deleted", "ops", (f"sum({rate('revocations_total', SERVICES)})", "revocations")),
    graph("Databases that do not go with the ledger", "short", (f"max by (job) (follower_ledger_mismatch{{{SERVICES}}})", "{{job}}"), (f"max by (job) (users_ledger_mismatch{{{SERVICES}}})", "{{job}}"),
        about="1 while a service's database belongs to another ledger, or to another state of it; nobody is served from it. docs/runbooks/DompetDatabasesDiffer.md"),
]

GATEWAY_PANELS = [
    number("Budget used, fast", "percentunit", 'max(dompet:gateway_errors:ratio_rate1h{namespace=~"$namespace"})', red=0.0144, about="Share of errors over an hour. At 1.44% a month's budget lasts two days."),
    number("Budget used, slow", "percentunit", 'max(dompet:gateway_errors:ratio_rate6h{namespace=~"$namespace"})', red=0.006),
    number("Slow answers", "percentunit", 'max(dompet:gateway_slow:ratio_rate1h{namespace=~"$namespace"})', red=0.144, about="Share of answers after more than 250 ms, over an hour. 1% is promised at most."),
    number("Timeouts", "reqps", f'sum({rate(REQUESTS, GATEWAY + ",status=" + chr(34) + "504" + chr(34))}) or vector(0)'),
    number("Unavailable", "reqps", f'sum({rate(REQUESTS, GATEWAY + f",{REAL},status=" + chr(34) + "503" + chr(34))}) or vector(0)'),
    number("Turned away", "reqps", f'sum({rate(REQUESTS, GATEWAY + ",status=~" + chr(34) + "401|403" + chr(34))}) or vector(0)'),
    row("Answers"),
    graph("By status", "reqps", (f"sum by (status) ({rate(REQUESTS, f'{GATEWAY},{REAL}')})", "{{status}}"), stack=True),
    graph("Timeouts and unavailable services, by route", "reqps", (f'sum by (route, status) ({rate(REQUESTS, GATEWAY + f",{REAL},status=~" + chr(34) + "50[234]" + chr(34))})', "{{status}} {{route}}")),
    row("Repeats"),
    graph("Calls made again", "ops", (f"sum by (job, upstream) ({rate('client_retries_total', SERVICES)})", "{{job}} → {{upstream}}")),
    graph("Calls not made again: the budget was used up", "ops", (f"sum by (job, upstream) ({rate('client_retry_budget_exhausted_total', SERVICES)})", "{{job}} → {{upstream}}")),
    row("Limits"),
    graph("Requests on their way to each service", "none", (f"sum by (upstream) (gateway_upstream_requests_in_flight{{{GATEWAY}}})", "{{upstream}}"),
        about="UPSTREAM_REQUESTS_MAX is the limit for each gateway."),
    graph("Turned away: the service had too many already", "reqps", (f"sum by (upstream) ({rate('gateway_upstream_requests_turned_away_total', GATEWAY)})", "{{upstream}}")),
    row("Streams of events"),
    graph("Open", "none", (f"sum(gateway_streams_open{{{GATEWAY}}})", "gateway"), ('sum(event_streams_open{namespace=~"$namespace"})', "transaction service"),
        about="EVENT_STREAMS_MAX is the limit for each process."),
    graph("Ended from this side, and not opened", "ops", (f"sum by (reason) ({rate('event_streams_ended_total', SERVICES)})", "{{reason}}"),
        (f"sum({rate('event_streams_turned_away_total', SERVICES)}) + sum({rate('gateway_streams_turned_away_total', GATEWAY)})", "no room")),
    row("Promise"),
    graph("Errors", "percentunit", *[(f"max(dompet:gateway_errors:ratio_rate{w}{{{NS}}})", w) for w in ("5m", "1h", "6h", "3d")]),
    graph("Answers after more than 250 ms", "percentunit", *[(f"max(dompet:gateway_slow:ratio_rate{w}{{{NS}}})", w) for w in ("5m", "1h", "6h", "3d")]),
]

DASHBOARDS = {"overview": ("Dompet: overview", OVERVIEW), "ledger": ("Dompet: the ledger", LEDGER), "gateway": ("Dompet: the gateway", GATEWAY_PANELS)}


def dashboard(name, title, panels):
    placed, x, y, height = [], 0, 0, 0
    for at, panel in enumerate(panels):
        panel = dict(panel)
        width, own_height = panel.pop("size")
        if x + width > 24:
            x, y, height = 0, y + height, 0
        placed.append({"id": at + 1, **panel, "gridPos": {"x": x, "y": y, "w": width, "h": own_height}})
        x, height = x + width, max(height, own_height)
    source = lambda variable, label, kind: {"name": variable, "label": label, "type": "datasource", "query": kind, "refresh": 1}
    return {
        "uid": f"dompet-{name}",
        "title": title,
        "tags": ["dompet"],
        "editable": False,
        "schemaVersion": 41,
        "refresh": "30s",
        "time": {"from": "now-1h", "to": "now"},
        "templating": {
            "list": [
                source("datasource", "Metrics", "prometheus"),
                source("traces", "Traces", "tempo"),
                source("logs", "Logs", "loki"),
                {
                    "name": "namespace", "label": "Namespace", "type": "query", "datasource": SOURCE, "refresh": 2, "multi": True, "includeAll": True, "allValue": ".*",
                    "query": {"query": 'label_values(up{job="dompet-gateway"}, namespace)', "refId": "namespace"},
                    "current": {"text": "All", "value": "$__all"},
                },
            ]
        },
        "links": [{"type": "dashboards", "tags": ["dompet"], "title": "Dompet", "asDropdown": False, "keepTime": True, "includeVars": True}],
        "panels": placed,
    }


def main():
    stale = []
    for name, (title, panels) in DASHBOARDS.items():
        text = json.dumps(dashboard(name, title, panels), indent=1, ensure_ascii=False) + "\n"
        path = OUT / f"{name}.json"
        if "--check" not in sys.argv:
            path.write_text(text)
        elif not path.exists() or path.read_text() != text:
            stale.append(path.name)
    if stale:
        sys.exit(f"not what charts/tools/dashboards.py says: {', '.join(stale)}; run it")


main()
