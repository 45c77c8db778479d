#!/bin/sh
# Prints the best Python for this project: one that runs, is 3.11 or newer and can make virtual environments.
# $1: the user's own choice, or nothing.
works() {
    "$1" -c 'import sys, venv, ensurepip, ssl; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1
}
if [ -n "$1" ]; then
    works "$1" && { echo "$1"; exit 0; }
    echo "PYTHON=$1 does not run, is older than 3.11, or lacks venv." >&2
    exit 1
fi
# A shim of pyenv runs only versions that are switched on; the versions themselves lie beside it.
shims=$(dirname "$(command -v python3 2>/dev/null || echo /nowhere/python3)")
case "$shims" in */shims) beside=$(dirname "$shims")/versions ;; *) beside=${PYENV_ROOT:-$HOME/.pyenv}/versions ;; esac
for version in 3.13 3.12 3.11 3.14; do
    for candidate in "python$version" "$beside/$version".*/bin/python3; do
        found=$(command -v "$candidate" 2>/dev/null) || continue
        works "$found" && { echo "$found"; exit 0; }
    done
done
works python3 && { command -v python3; exit 0; }
echo "Python 3.11 or newer with venv is needed. Install one, or say where it is: make PYTHON=/path/to/python3" >&2
exit 1
