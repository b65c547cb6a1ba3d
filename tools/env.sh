# Sourced by run, test, py and bench: where we are, whether this system can build natively, and the steps of set-up.
# Every step is cheap when there is nothing to do, safe to interrupt, and safe to run twice at once (a lock on build/).
set -euo pipefail
top=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
build=$top/build
python_version=${ALLCORES_PYTHON:-3.14}

fail() { echo "allcores: $*" >&2; exit 1; }
say() { echo "allcores: $*" >&2; }

# What is missing for a native build, one word each; nothing when it can be done.
missing_here() {
  local header
  for command in "python$python_version" g++ cmake ninja; do
    command -v "$command" >/dev/null || echo "$command"
  done
  command -v "python$python_version" >/dev/null &&
    { header=$("python$python_version" -c 'import sysconfig; print(sysconfig.get_path("include"))')/Python.h
      [ -e "$header" ] || echo "python$python_version-dev"
      "python$python_version" -c 'import ensurepip' 2>/dev/null || echo "python$python_version-venv"; }
  for header in llhttp.h gtest/gtest.h; do
    [ -e "/usr/include/$header" ] || [ -e "/usr/local/include/$header" ] || echo "$header"
  done
  if command -v g++ >/dev/null; then
    echo 'int main(){}' | g++ -std=c++23 -x c++ -fsyntax-only - 2>/dev/null || echo "a C++23 compiler"
  fi
}

# Run the calling script again inside the sandbox, unless this system can do the work itself. Call with "$@".
enter_environment() {
  [ -z "${ALLCORES_IN_SANDBOX:-}" ] || return 0
  if [ "${ALLCORES_NATIVE:-}" = 1 ]; then return 0; fi
  local missing
  missing=$(missing_here | tr '\n' ' ')
  [ -n "$missing" ] || return 0
  [ "${ALLCORES_NATIVE:-}" != only ] || fail "missing here: $missing"
  if [ ! -e /etc/debian_version ] || ! command -v apt-get >/dev/null; then
    fail "missing here: $missing- install CPython >= 3.14 with headers, a C++23 compiler, CMake, Ninja, llhttp and GoogleTest"
  fi
  [ "$(id -u)" = 0 ] || [ -e "$("$top/tools/sandbox" path)/.complete" ] ||
    fail "missing here: $missing- run as root once, to make the Debian 14 sandbox, or install them"
  "$top/tools/sandbox" make
  exec "$top/tools/sandbox" run "$(readlink -f "$0")" "$@"
}

# with_lock NAME CMD ARG ...: one at a time on this checkout. The lock ends with the command, however that ends.
with_lock() {
  local name=$1
  shift
  mkdir -p "$build"
  ( flock 8; "$@" 8>&- ) 8>"$build/.$name.lock"
}

# quietly NAME CMD ARG ...: output to a log that is shown when the command fails.
quietly() {
  local log=$build/$1.log
  shift
  "$@" >"$log" 2>&1 </dev/null || { tail -n 60 "$log" >&2; fail "failed: $* (the whole log: $log)"; }
}

# The virtual environment for one version of Python, with the packages of tools/requirements.txt.
make_venv() {
  local version=$1 venv=$build/venv-$1 stamp
  stamp=$(sha256sum <"$top/tools/requirements.txt" | cut -c1-16)
  [ "$(cat "$venv/.stamp" 2>/dev/null)" != "$stamp" ] || return 0
  say "setting up Python $version"
  rm -rf "$venv"
  quietly "venv-$version" "python$version" -m venv "$venv"
  quietly "venv-$version" "$venv/bin/python" -m pip install -q -r "$top/tools/requirements.txt"
  echo "$top/python" >"$(echo "$venv"/lib/python*/site-packages)/allcores-checkout.pth"
  echo "$stamp" >"$venv/.stamp"
}

# The extension module for one version of Python, put into python/allcores/ (the names differ by ABI tag).
build_module() {
  local version=$1 dir=$build/module-$1
  [ -e "$dir/build.ninja" ] ||
    quietly "module-$version" cmake --preset "module-$version" -S "$top" -B "$dir"
  [ -n "$(ninja -C "$dir" -n 2>/dev/null | grep -v 'no work to do' | grep -v '^ninja: Entering')" ] || return 0
  say "building for Python $version"
  quietly "module-$version" cmake --build "$dir"
}

set_up() {
  with_lock setup make_venv "$1"
  with_lock setup build_module "$1"
}
