#!/bin/bash
# clang-tidy, with the checks of .clang-tidy, on the files of core/ that changed (scripts/changes.sh),
# with the flags of the preset TIDY_PRESET (asan). What passed is not looked at again until it, a
# header or the checks change (build/tidy). "tests/lint/tidy.sh --all" looks at every file,
# "--sample N SEED" at N files chosen by the seed.
set -euo pipefail
# shellcheck source=tests/lint/files.sh
source "$(dirname "$0")/files.sh"
# shellcheck source=scripts/changes.sh
source "$ROOT/scripts/changes.sh"

BUILD=build/${TIDY_PRESET:-asan}
DATABASE=$BUILD/compile_commands.json
PASSED=build/tidy

changed_sources()
{
    if [ "${1:-}" = --all ]; then
        files 'core/*.c'
        return
    elif [ "${1:-}" = --sample ]; then
        files 'core/*.c' | choose "$2" "$3"
        return
    fi
    changed_files | sed -n '/^core\/.*\.[ch]$/s/\.h$/.c/p; /^core\/.*\.c$/p' | sort -u | while IFS= read -r name; do
        if [ -f "$name" ]; then printf '%s\n' "$name"; fi
    done
}

# Without the files that the build does not know and those that passed as they are.
to_check()
{
    local common name

    common=$(files .clang-tidy 'core/*.h' | xargs cat | sha256sum)
    while IFS= read -r name; do
        grep -qF "/$name\"" "$DATABASE" || continue
        sum=$({ printf '%s %s' "$common" "$name" && cat "$name"; } | sha256sum)
        [ -e "$PASSED/${sum%% *}" ] || printf '%s %s\n' "$name" "${sum%% *}"
    done
}

# check_one NAME SUM. Flags that clang does not know come from the compiler of the build.
check_one()
{
    clang-tidy -p "$BUILD" --quiet --warnings-as-errors='*' \
        --extra-arg=-Wno-unknown-warning-option "$1" 2>&1 |
        { grep -v -E '^[0-9]+ warnings? generated' || true; }
    [ "${PIPESTATUS[0]}" -eq 0 ] && : >"$PASSED/$2"
}

if [ "${1:-}" = --one ]; then
    check_one "$2" "$3"
    exit
fi
[ -f "$DATABASE" ] || {
    echo "no $DATABASE: build that preset first"
    exit 1
}
mkdir -p "$PASSED"
changed_sources "$@" | to_check | xargs -r -n 2 -P 2 "tests/lint/tidy.sh" --one
