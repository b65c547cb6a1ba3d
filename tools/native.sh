# shellcheck shell=bash
# Sourced by tools/env.sh when it is not known yet whether this system can do the work without the sandbox.

# What is missing here for LEVEL, as "thing (Debian package)", one a line; nothing when all is there.
missing_here() {
  local level=$1 version versions=("$python_version") header pair
  local commands=(g++:g++ cmake:cmake ninja:ninja-build)
  local headers=(llhttp.h:libllhttp-dev wslay/wslay.h:libwslay-dev zlib.h:zlib1g-dev)
  if [ "$level" = test ]; then
    versions=(3.14 3.15)
    commands+=(clang-format:clang-format clang-tidy:clang-tidy shellcheck:shellcheck)
    headers+=(gtest/gtest.h:libgtest-dev)
  fi
  for pair in "${commands[@]}"; do
    type -P "${pair%%:*}" >/dev/null || echo "${pair%%:*} (${pair#*:})"
  done
  for version in "${versions[@]}"; do
    if ! type -P "python$version" >/dev/null; then
      echo "python$version (python$version-dev python$version-venv)"
      continue
    fi
    header=$("python$version" -c 'import sysconfig; print(sysconfig.get_path("include"))')/Python.h
    [ -e "$header" ] || echo "Python $version's headers (python$version-dev)"
    "python$version" -c 'import ensurepip, venv' 2>/dev/null || echo "Python $version's venv (python$version-venv)"
  done
  if type -P g++ >/dev/null; then
    echo 'int main() { if consteval { } return 0; }' | g++ -std=c++23 -x c++ -fsyntax-only - 2>/dev/null ||
      echo "a compiler for C++23 (g++ 14 or later)"
    for pair in "${headers[@]}"; do
      echo "#include <${pair%%:*}>" | g++ -std=c++23 -x c++ -fsyntax-only - 2>/dev/null ||
        echo "${pair%%:*} (${pair#*:})"
    done
  fi
}

# Can this system do the work? Remembers a yes. Ends with one clear line where there is no other way either.
native_works() {
  local level=$1 missing
  missing=$(missing_here "$level" | paste -sd, | sed 's/,/, /g')
  if [ -z "$missing" ]; then
    mkdir -p "$build"
    stat -Lc '%n %.Y %s' "$(type -P "python$python_version")" "$(type -P g++)" "$(type -P cmake)" \
      "$(type -P ninja)" >"$build/.native-$level"
    return 0
  fi
  [ "${ALLCORES_NATIVE:-}" != 1 ] || fail "missing here: $missing; install that (Debian's packages in brackets)"
  if [ ! -e /etc/debian_version ] || ! type -P apt-get >/dev/null; then
    fail "missing here: $missing; install that with this system's package manager (Debian's packages in brackets)"
  fi
  [ "$(id -u)" = 0 ] || [ -e "$("$top/tools/sandbox" path)/.complete" ] ||
    fail "missing here: $missing; run this once as root, to make the Debian 14 sandbox, or install that"
  return 1
}
