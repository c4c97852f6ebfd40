"""e2e/containers.py, as far as it goes without docker: every container that the chart renders has an environment. Run by check.py."""

import sys

from rendering import ROOT, check, component, each_rendering, equal, pods

sys.path.insert(0, str(ROOT / "e2e"))
from containers import Rendered  # noqa: E402


class Anything(dict):
    """Stands for a Secret or ConfigMap that is not part of the release: it has every key."""

    def get(self, key, default=None):
        return f"value of {key}"


@check
def every_container_has_an_environment_without_a_cluster():
    for name, objects in each_rendering():
        rendered = Rendered(objects)
        missing = Anything()
        rendered.others = lambda kind, name: missing
        for thing, pod in pods(objects):
            for container in pod["spec"]["containers"]:
                what = f"{name}: {thing['metadata']['name']}: {container['name']}"
                found = rendered.environment(container)
                for entry in container.get("env", []):
                    may_be_missing = any(reference.get("optional") for reference in entry.get("valueFrom", {}).values())
                    assert entry["name"] in found or may_be_missing, f"{what}: {entry['name']}"
                for variable, value in found.items():
                    assert isinstance(value, str) and "$(" not in value, f"{what}: {variable} is {value!r}"
                if component(thing) == "migrations":
                    assert found["DATABASE_URL"] and found["DATABASE_SCHEMA"] == container["name"], what


@check
def containers_are_those_of_the_release():
    rendered = Rendered(dict(each_rendering())["dev"])
    # Nothing of a development release is anywhere else.
    for component_, (_, container) in rendered.containers.items():
        equal(rendered.environment(container).get("PORT", "0").isdigit(), True, component_)
    assert {"postgresql", "user", "gateway", "user-migrations", "payment-migrations", "verify"} <= rendered.containers.keys(), sorted(rendered.containers)
    equal(rendered.environment(rendered.containers["wallet"][1])["PEER_URL"], "http://dompet-wallet:5002", "its own address stands for the pod's")
