#!/bin/sh
# Builds the wheel of a checkout and installs it, with what it needs, into a virtual environment of its own.
# The container recipe beside this file runs it; so may you.
#
#   packaging/install.sh [CHECKOUT [TARGET]]     the present directory, /opt/barnabas
set -eu
checkout=${1:-.} target=${2:-/opt/barnabas}
wheels=$(mktemp -d)
trap 'rm -rf "$wheels"' EXIT
python3 -m venv "$target"
"$target/bin/python" -m pip --quiet --disable-pip-version-check --no-cache-dir wheel --no-deps -w "$wheels" "$checkout"
"$target/bin/python" -m pip --quiet --disable-pip-version-check --no-cache-dir install "$wheels"/barnabas-*.whl
"$target/bin/barnabas" --version
