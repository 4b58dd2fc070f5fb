#!/bin/sh
# Puts uv at .tools/uv: the one on PATH where it is recent enough, else a pinned one in an environment of its own.
# Usage: find-uv.sh VERSION
set -eu

version=$1
oldest=0.9

fail() {
    echo "make: $1" >&2
    exit 1
}

newest_of() {
    printf '%s\n%s\n' "$1" "$2" | sort -V | tail -n 1
}

command -v python3 >/dev/null 2>&1 || fail "python3 is missing: install Python 3.11 or newer"
python3 -c 'import sys; sys.exit(sys.version_info < (3, 11))' ||
    fail "python3 is $(python3 -V 2>&1 | cut -d ' ' -f 2): Python 3.11 or newer is needed"

mkdir -p .tools || fail "$(pwd)/.tools cannot be made: the checkout must be writable"
if found=$(command -v uv 2>/dev/null) && installed=$(uv --version 2>/dev/null | cut -d ' ' -f 2); then
    if [ "$(newest_of "$installed" "$oldest")" = "$installed" ]; then
        ln -sf "$found" .tools/uv
        exit 0
    fi
fi

python3 -c 'import venv, ensurepip' 2>/dev/null ||
    fail "python3 has no venv module: install it (on Debian and Ubuntu: apt install python3-venv)"
echo "installing uv $version into .tools"
python3 -m venv .tools/environment || fail "the environment .tools/environment cannot be made"
.tools/environment/bin/python -m pip install --quiet --disable-pip-version-check "uv==$version" ||
    fail "uv $version cannot be installed: is the Python package index in reach?"
ln -sf environment/bin/uv .tools/uv
