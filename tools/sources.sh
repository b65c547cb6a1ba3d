# shellcheck shell=bash
# Sourced after tools/env.sh: the project's own source files by kind, each ended by a zero byte. Files that git does not
# know yet count too, ignored ones don't; without git (an unpacked archive) all files count.

listed() {
  if git -C "$top" rev-parse --git-dir >/dev/null 2>&1; then
    git -C "$top" -c safe.directory='*' ls-files -z --cached --others --exclude-standard |
      while IFS= read -r -d '' file; do [ ! -e "$top/$file" ] || printf '%s\0' "$file"; done
  else
    (cd "$top" && find . -path ./build -prune -o -type f -print0) | sed -z 's|^\./||'
  fi
}

cpp_files() { listed | grep -zE '^(src|tests|benchmarks|examples)/.*\.(cpp|h|c)$'; }

# What clang-tidy starts from.
cpp_units() { listed | grep -zE '^src/.*\.cpp$'; }

shell_files() {
  listed | while IFS= read -r -d '' file; do
    case $file in
      *.sh) printf '%s\0' "$file" ;;
      *.*) ;;
      *) if IFS= read -r first <"$top/$file" && [[ $first =~ ^'#!'.*(bash|/sh) ]]; then printf '%s\0' "$file"; fi ;;
    esac
  done 2>/dev/null
  printf '.ci/run\0'
}
