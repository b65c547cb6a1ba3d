# shellcheck shell=bash
# Sourced by run, test, py and bench: where things are, which environment does the work, and whether set-up is done.
#
# The usual case, everything being set up, must stay cheap (it is in front of every ./py): no program is started here
# that is not needed for the answer. The slow parts live in tools/native.sh and tools/set-up.
set -euo pipefail
# Without this, bash goes on after a Ctrl-C that its child did not die of.
trap 'trap - INT; kill -s INT $$' INT
top=$(readlink -f "${BASH_SOURCE[0]}")
top=${top%/tools/env.sh}
build=$top/build
python_version=${ALLCORES_PYTHON:-3.14}

say() { echo "allcores: $*" >&2; }
fail() { say "$*"; exit 1; }

case $python_version in
  3.1[4-9] | 3.[2-9][0-9]) ;;
  *) fail "ALLCORES_PYTHON=$python_version: allcores needs Python 3.14 or later, named as in 3.14" ;;
esac

# enter_environment LEVEL ARG ...: return when this system can do the work itself, else run the calling script again in
# the sandbox, with its arguments. LEVEL is "build" (what ./run and ./py need) or "test" (all that ./test needs).
# ALLCORES_NATIVE=1 never takes the sandbox, ALLCORES_NATIVE=0 always does.
enter_environment() {
  local level=$1 command found=()
  shift
  [ -z "${ALLCORES_IN_SANDBOX:-}" ] || return 0
  if [ "${ALLCORES_NATIVE:-}" != 0 ]; then
    for command in "python$python_version" g++ cmake ninja; do
      command=$(type -P "$command") || break
      found+=("$command")
    done
    # All commands are there: the rest of the answer is remembered for as long as these files stay what they are.
    if [ ${#found[@]} = 4 ] && [ "$(stat -Lc '%n %.Y %s' "${found[@]}")" = "$(cat "$build/.native-$level" 2>&1)" ]; then
      return 0
    fi
    if [ ${#found[@]} = 4 ] || [ "${ALLCORES_NATIVE:-}" = 1 ] || [ ! -e "$("$top/tools/sandbox" path)/.complete" ]; then
      . "$top/tools/native.sh"
      ! native_works "$level" || return 0
    fi
  fi
  exec "$top/tools/sandbox" run "$(readlink -f "$0")" "$@"
}

# contained CMD ARG ...: run with the guarantee that no process of it is left when it ends, or when this shell is killed.
contained() {
  if type -P setpriv >/dev/null; then
    setpriv --pdeathsig KILL "$top/tools/contained" "$@"
  else
    "$top/tools/contained" "$@"
  fi
}

# What the set-up of a version of Python depends on, as text: this checkout's place, the tools, the sources. Source
# files count with their time and size, so new, changed and removed ones show; ninja then knows what to do about it.
fingerprint() {
  echo "$top ${ALLCORES_IN_SANDBOX:-native}"
  stat -Lc '%n %.Y %s' "$(type -P "python$1")" "$(type -P g++)" "$(type -P cmake)" 2>&1
  find "$top/src" "$top/CMakeLists.txt" "$top/CMakePresets.json" "$top/tools/set-up" \
    -type f -not -name '.*' -printf '%p %T@ %s\n'
}

same_text() { [ -e "$2" ] && [ "$(<"$1")" = "$(<"$2")" ]; }

is_set_up() {
  local version=$1 venv=$build/venv-$1 group
  [ -x "$venv/bin/python" ] && [ -e "$build/.ready-$version" ] &&
    compgen -G "$top/python/allcores/_core.cpython-${version/./}-*.so" >/dev/null || return 1
  shift
  for group in "" "${@/#/-}"; do
    same_text "$top/tools/requirements$group.txt" "$venv/.installed-requirements$group.txt" || return 1
  done
  [ "$(fingerprint "$version")" = "$(<"$build/.ready-$version")" ]
}

# set_up VERSION [GROUP ...]: the virtual environment and the extension module for one version of Python, made or brought
# up to date; GROUP adds the packages of tools/requirements-GROUP.txt. One at a time on a checkout: whoever waited finds
# it done. The lock goes with its holder, however that ends.
set_up() {
  ! is_set_up "$@" || return 0
  mkdir -p "$build"
  exec 8>"$build/.lock-$1"
  if ! flock -n 8; then
    say "waiting for another command that is setting up Python $1"
    flock 8
  fi
  if ! is_set_up "$@"; then contained "$top/tools/set-up" "$@" || exit; fi
  exec 8>&-
}
