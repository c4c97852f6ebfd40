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
import contextlib
import subprocess
import sys
import time

from client import ROOT, SERVICES, Failed, Load, must, say, story, wait_until
from cluster import Cluster
from steps import audit, autoscale, drain, isolation, newman, restore, roll, rotate_signing_key, scale


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
        if not options.only or any(word in "restored" for word in options.only):
            say("restored, with autoscalers")
            restore(cluster)
        story(cluster.url)
        say("the Postman collection")
        newman(cluster)
        audit(cluster)
        say("helm test again, which ends with the audit where verify.enabled")
        cluster.helm("test", cluster.release)
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
        if options.run is on_cluster:
            # Helm only says that something is not ready; why, the events say.
            Cluster(options).show_events()
        sys.exit(1)


if __name__ == "__main__":
    main()
