# shellcheck shell=bash
# Sourced after tools/env.sh by what builds: tools/set-up and the stages of ./test.

# progress: shows the last line of its input in place, on a terminal; elsewhere nothing.
progress() {
  local line
  if [ ! -t 2 ]; then cat >/dev/null; return; fi
  while IFS= read -r line; do printf '\r\033[K  %.76s' "$line" >&2; done
  printf '\r\033[K' >&2
}

# logged NAME CMD ARG ...: output into build/NAME.log, of which the end is shown when the command fails.
logged() {
  local log=$build/$1.log
  shift
  if ! "$@" </dev/null 2>&1 | tee "$log" | progress; then
    tail -n 60 "$log" >&2
    fail "failed: $* (the whole log: $log)"
  fi
}

# build_preset PRESET MESSAGE [CMAKE-ARG ...]: configure (where needed) and build one of CMakePresets.json in
# build/PRESET. A folder that another place, compiler, Python or preset left behind is made anew. One at a time.
build_preset() {
  local preset=$1 message=$2 dir=$build/$1 made_of
  shift 2
  mkdir -p "$build"
  exec 7>"$build/.lock-$preset"
  flock 7
  made_of="$top ${ALLCORES_IN_SANDBOX:-native} $(stat -Lc '%n %.Y' "$(type -P g++)" "$(type -P cmake)") $*
$(cat "$top/CMakePresets.json")"
  say "$message"
  export CCACHE_DIR=$build/ccache CCACHE_BASEDIR=$top CCACHE_NOHASHDIR=1 CCACHE_MAXSIZE=2G
  if type -P ccache >/dev/null; then set -- "$@" -DCMAKE_CXX_COMPILER_LAUNCHER=ccache; fi
  if [ "$(cat "$dir/.made-of" 2>/dev/null)" != "$made_of" ]; then
    rm -rf "$dir"
    logged "$preset" cmake --preset "$preset" -S "$top" -B "$dir" "$@"
    echo "$made_of" >"$dir/.made-of"
  fi
  logged "$preset" cmake --build "$dir"
  exec 7>&-
}
