#!/usr/bin/env bash
# Builds the real Kubernetes programs that the tests use from their Go modules,
# once: the result is kept in the user's cache under a name that changes with
# whatever it is built from. Prints the folder that holds them.
#
# The flags are those of `go test` without -race, so that the compile cache of
# the product serves here too.
set -euo pipefail
cd "$(dirname "$0")"

commands=(k8s.io/kubernetes/cmd/kubectl)

key=$(cat go.mod go.sum "$(basename "$0")" <(go version) <(go env GOARCH GOOS) | sha256sum | cut -c1-16)
cache="${XDG_CACHE_HOME:-${HOME:-/tmp}/.cache}/ark/cluster"
target="$cache/$key"
mkdir -p "$cache"

exec 9>"$cache/lock"
flock 9
if [ ! -d "$target" ]; then
  echo "building kubectl from its module (once, a few minutes)" >&2
  partial=$(mktemp -d "$cache/build.XXXXXX")
  trap 'rm -rf "$partial"' EXIT
  version=k8s.io/component-base/version
  go build -o "$partial/" -ldflags "-s -w \
    -X $version.gitVersion=v1.37.2 -X $version.gitMajor=1 -X $version.gitMinor=37 \
    -X $version.gitTreeState=clean -X $version.buildDate=1970-01-01T00:00:00Z" \
    "${commands[@]}" >&2
  chmod 755 "$partial"
  mv "$partial" "$target"
fi
echo "$target"
