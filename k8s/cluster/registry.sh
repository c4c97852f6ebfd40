#!/usr/bin/env bash
# A registry beside the kind cluster "dompet", on 127.0.0.1:5050, so that images need not be copied into every node. Run it
# once after `kind create cluster`; a second time changes nothing. Tilt finds the registry by itself.
set -euo pipefail

name=dompet-registry port=5050
docker inspect "$name" >/dev/null 2>&1 ||
    docker run --detach --restart=always --publish "127.0.0.1:$port:5000" --name "$name" registry:2
for node in $(kind get nodes --name dompet); do
    docker exec "$node" mkdir -p "/etc/containerd/certs.d/localhost:$port"
    echo "[host.\"http://$name:5000\"]" |
        docker exec --interactive "$node" cp /dev/stdin "/etc/containerd/certs.d/localhost:$port/hosts.toml"
done
docker network inspect kind --format '{{range .Containers}}{{.Name}} {{end}}' | grep -qw "$name" ||
    docker network connect kind "$name"
kubectl --context kind-dompet apply -f - <<YAML
apiVersion: v1
kind: ConfigMap
metadata: {name: local-registry-hosting, namespace: kube-public}
data:
  localRegistryHosting.v1: |
    host: "localhost:$port"
    help: "https://kind.sigs.k8s.io/docs/user/local-registry/"
YAML
