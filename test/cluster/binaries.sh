#!/usr/bin/env bash
# Builds the real Kubernetes programs that the tests use from their Go modules,
# once: the result is kept in the user's cache under a name that changes with
# whatever it is built from. Prints the folder that holds them.
#
#   binaries.sh            kubectl alone: a minute or two
#   binaries.sh cluster    a whole control plane with kubectl and helm: some minutes;
#                          and the program cluster (main.go), which runs all of it
#
# The flags are those of `go test` without -race, so that the compile cache of
# the product serves here too.
set -euo pipefail
cd "$(dirname "$0")"

case "${1:-kubectl}" in
kubectl)
  commands=(k8s.io/kubernetes/cmd/kubectl)
  what="kubectl"
  ;;
cluster)
  commands=(
    k8s.io/kubernetes/cmd/kube-apiserver
    k8s.io/kubernetes/cmd/kube-controller-manager
    k8s.io/kubernetes/cmd/kubectl
    go.etcd.io/etcd/server/v3
    helm.sh/helm/v4/cmd/helm
  )
  what="a Kubernetes control plane, kubectl and helm"
  ;;
*)
  echo "usage: $0 [kubectl|cluster]" >&2
  exit 2
  ;;
esac

key=$(cat go.mod go.sum "$(basename "$0")" <(echo "$what") <(go version) <(go env GOARCH GOOS) | sha256sum | cut -c1-16)
cache="${XDG_CACHE_HOME:-${HOME:-/tmp}/.cache}/ark/cluster"
target="$cache/$key"
mkdir -p "$cache"

exec 9>"$cache/lock"
flock 9
if [ ! -d "$target" ]; then
  echo "building $what from Go modules (once, some minutes)" >&2
  partial=$(mktemp -d "$cache/build.XXXXXX")
  trap 'rm -rf "$partial"' EXIT
  version=k8s.io/component-base/version
  go build -o "$partial/" -ldflags "-s -w \
    -X $version.gitVersion=v1.37.2 -X $version.gitMajor=1 -X $version.gitMinor=37 \
    -X $version.gitTreeState=clean -X $version.buildDate=1970-01-01T00:00:00Z \
    -X helm.sh/helm/v4/internal/version.version=v4.3.1" \
    "${commands[@]}" >&2
  # The package of etcd is called server.
  if [ -e "$partial/server" ]; then mv "$partial/server" "$partial/etcd"; fi
  chmod 755 "$partial"
  mv "$partial" "$target"
fi
if [ "${1:-kubectl}" = kubectl ]; then
  echo "$target"
  exit
fi

# Our own program changes more often: it is built apart, and stands in a folder
# with links to the others.
sources=$(find . -name '*.go' ! -name '*_test.go' -print0 | sort -z | xargs -0 cat | sha256sum | cut -c1-16)
all="$target-$sources"
if [ ! -d "$all" ]; then
  partial=$(mktemp -d "$cache/build.XXXXXX")
  trap 'rm -rf "$partial"' EXIT
  go build -o "$partial/cluster" . >&2
  for program in "$target"/*; do ln -s "$program" "$partial/"; done
  chmod 755 "$partial"
  mv "$partial" "$all"
fi
echo "$all"
