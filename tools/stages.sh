# shellcheck shell=bash
# The stages of ./test, in order; sourced by it. A stage is a function that runs in a subshell of its own with set -e.
. "$top/tools/building.sh"
stages=(lint unit sanitizers python packages applications examples package)
versions=(3.14 3.15)
pytest_arguments=()

# C++ unit tests of one preset.
unit_tests() {
  build_preset "$1" "building the C++ unit tests: $1"
  ctest --test-dir "$build/$1" --output-on-failure --no-tests=error -j2
}

run_pytest() {
  local version=$1
  shift
  set_up "$version"
  say "pytest on Python $version: ${*/#"$top/"/}"
  "$build/venv-$version/bin/python" -X faulthandler -m pytest "$@" "${pytest_arguments[@]}"
}

stage_unit() { unit_tests release; }

stage_sanitizers() {
  unit_tests asan
  unit_tests tsan
}

# Stress tests have a short form, which belongs to every run.
stage_python() {
  local version folders=("$top/tests/python")
  ! compgen -G "$top/tests/stress/test_*.py" >/dev/null || folders+=("$top/tests/stress")
  for version in "${versions[@]}"; do run_pytest "$version" "${folders[@]}"; done
}

# Packages from PyPI, each in a process of its own, and on one Python the quick ones of their own tests.
stage_packages() {
  local version folders
  for version in "${versions[@]}"; do
    folders=("$top/tests/packages")
    ALLCORES_PACKAGES=$("$top/tools/packages" "$version")
    if [ "$version" = 3.14 ]; then
      folders+=("$top/tests/conformance/packages")
      ALLCORES_SUITES=$("$top/tools/packages" "$version" tests/conformance/packages)
    fi
    export ALLCORES_PACKAGES ALLCORES_SUITES ALLCORES_SUITES_SHORT=1
    run_pytest "$version" "${folders[@]}" --durations 5
  done
}

# Applications of PyPI's frameworks over real sockets, on one Python (ALLCORES_PYTHON). The clients are from PyPI too, so
# pytest runs in their environment; it finds plugins there that it is not to have.
stage_applications() {
  local python
  python=$("$top/tools/packages" "$python_version" tests/applications)
  set_up "$python_version"
  say "pytest on Python $python_version: tests/applications tests/conformance/starlette"
  PYTHONPATH=$top/python PYTEST_DISABLE_PLUGIN_AUTOLOAD=1 "$python" -X faulthandler -m pytest "$top/tests/applications" \
    "$top/tests/conformance/starlette" --durations 5 "${pytest_arguments[@]}"
}

# Only on demand, as it takes long: all of packages' own tests that are chosen. Says how many passed.
stage_suites() {
  local version
  for version in "${versions[@]}"; do
    ALLCORES_SUITES=$("$top/tools/packages" "$version" tests/conformance/packages)
    export ALLCORES_SUITES
    run_pytest "$version" "$top/tests/conformance/packages" -rP --durations 0 -o faulthandler_timeout=0
  done
}

# What some of them need is installed for this stage only.
stage_examples() {
  set_up 3.14 examples
  run_pytest 3.14 "$top/examples"
}

stage_lint() { "$top/tools/lint"; }

# Only on demand: each target explores for ALLCORES_FUZZ_SECONDS (60), from its corpus and what earlier runs found. The
# one of messages has ALLCORES_PYTHON in it.
stage_fuzz() {
  local target name found
  build_preset fuzz "building the fuzz targets for Python $python_version" "-DPython_EXECUTABLE=$(type -P "python$python_version")"
  for target in "$build"/fuzz/fuzz_*; do
    [ -f "$target" ] && [ -x "$target" ] || continue
    name=${target##*/fuzz_}
    found=$build/fuzz-found/$name
    mkdir -p "$found"
    say "exploring $name"
    "$target" -max_len=4096 -timeout=10 -rss_limit_mb=2048 -max_total_time="${ALLCORES_FUZZ_SECONDS:-60}" \
      -print_final_stats=1 -artifact_prefix="$found/" "$found" "$top/tests/fuzz/corpus/$name"
  done
}

stage_package() { "$top/tools/check-package" "${versions[@]}"; }

run_stages() {
  local stage chosen=() started total=$SECONDS table=() passed=0 failed=0 status
  while [ $# -gt 0 ]; do
    case $1 in
      --) shift; pytest_arguments=("$@"); break ;;
      *)
        declare -F "stage_$1" >/dev/null || fail "no stage named $1; there are: ${stages[*]}"
        chosen+=("$1"); shift ;;
    esac
  done
  [ ${#chosen[@]} -gt 0 ] || chosen=("${stages[@]}")
  for stage in "${chosen[@]}"; do
    say "stage $stage"
    started=$SECONDS
    # Not in a condition: there, bash ignores set -e.
    set +e
    ( set -e; "stage_$stage" )
    status=$?
    set -e
    if [ $status = 0 ]; then passed=$((passed + 1)); else failed=$((failed + 1)); fi
    table+=("$(printf '%-12s %-8s %4d s' "$stage" "$([ $status = 0 ] && echo passed || echo FAILED)" \
      $((SECONDS - started)))")
  done
  printf '\n'
  printf '%s\n' "${table[@]}"
  printf '%-12s %-8s %4d s\n' all "" $((SECONDS - total))
  echo "stages: $passed passed, $failed failed"
  [ $failed = 0 ]
}
