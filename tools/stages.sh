# The stages of ./test, in order; sourced by it.
stages=(unit sanitizers python examples)

# C++ unit tests of one preset.
unit_tests() {
  local dir=$build/$1
  [ -e "$dir/build.ninja" ] || quietly "$1" cmake --preset "$1" -S "$top" -B "$dir"
  quietly "$1" cmake --build "$dir"
  ctest --test-dir "$dir" --output-on-failure --no-tests=error -j2
}

stage_unit() { unit_tests release; }

stage_sanitizers() {
  unit_tests asan
  unit_tests tsan
}

stage_python() {
  local version
  for version in 3.14 3.15; do
    set_up "$version"
    say "pytest on Python $version"
    "$build/venv-$version/bin/python" -X faulthandler -m pytest "$top/tests/python"
  done
}

stage_examples() {
  set_up 3.14
  "$build/venv-3.14/bin/python" -X faulthandler -m pytest "$top/examples"
}

run_stages() {
  local stage
  [ $# -gt 0 ] || set -- "${stages[@]}"
  for stage in "$@"; do
    declare -F "stage_$stage" >/dev/null || fail "no stage named $stage; there are: ${stages[*]}"
  done
  for stage in "$@"; do
    say "stage $stage"
    "stage_$stage"
  done
  say "all stages passed: $*"
}
