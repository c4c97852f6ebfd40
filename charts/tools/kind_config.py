"""kind-config.yaml: that it says what it should, in words that kind knows (kind refuses unknown fields).

    python charts/tools/kind_config.py
"""

import pathlib

import yaml

ROOT = pathlib.Path(__file__).resolve().parents[2]
# From kind's own v1alpha4 types.
CLUSTER = {"kind", "apiVersion", "name", "nodes", "networking", "featureGates", "runtimeConfig", "kubeadmConfigPatches", "kubeadmConfigPatchesJSON6902",
           "containerdConfigPatches", "containerdConfigPatchesJSON6902"}  # fmt: skip
NODE = {"role", "image", "labels", "extraMounts", "extraPortMappings", "kubeadmConfigPatches", "kubeadmConfigPatchesJSON6902"}
MAPPING = {"containerPort", "hostPort", "listenAddress", "protocol"}
NETWORKING = {"ipFamily", "apiServerPort", "apiServerAddress", "podSubnet", "serviceSubnet", "disableDefaultCNI", "kubeProxyMode", "dnsSearch"}

config = yaml.safe_load((ROOT / "kind-config.yaml").read_text())
dev = yaml.safe_load((ROOT / "charts/dompet/values-dev.yaml").read_text())
assert config.keys() <= CLUSTER and config["kind"] == "Cluster" and config["apiVersion"] == "kind.x-k8s.io/v1alpha4"
assert config["networking"].keys() <= NETWORKING and config["networking"]["apiServerAddress"] == "127.0.0.1"
assert [node["role"] for node in config["nodes"]] == ["control-plane", "worker", "worker"]
mappings = [mapping for node in config["nodes"] for mapping in node.get("extraPortMappings", [])]
for node in config["nodes"]:
    assert node.keys() <= NODE, node
for mapping in mappings:
    assert mapping.keys() <= MAPPING and mapping["listenAddress"] == "127.0.0.1" and mapping["hostPort"] != 5000, mapping
assert [mapping["containerPort"] for mapping in mappings] == [dev["gateway"]["service"]["nodePort"]], "the gateway's NodePort"
print("kind-config.yaml: as kind reads it")
