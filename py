#!/usr/bin/env bash
# The project's Python, with allcores and the tests' packages importable: ./py [ARG ...], as with any python.
# ALLCORES_PYTHON=3.15 for that version.
. "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/tools/env.sh"
enter_environment build "$@"
set_up "$python_version"
exec "$build/venv-$python_version/bin/python" "$@"
