#!/bin/bash
# clang-tidy, with the checks of .clang-tidy, on the files of core/ that changed: since main branched
# off, or since the commit before when this is main. What passed is not looked at again until it, a
# header or the checks change (build/tidy). "tests/lint/tidy.sh --all" looks at every file.
set -euo pipefail
# shellcheck source=tests/lint/files.sh
source "$(dirname "$0")/files.sh"

DATABASE=build/asan/compile_commands.json
PASSED=build/tidy

# The commit to compare with; nothing when there is none before this one.
base_commit()
{
    local base='' name

    for name in origin/main main; do
        base=$(git merge-base HEAD "$name" 2>/dev/null) && break
    done
    if [ "$base" = "$(git rev-parse -q --verify HEAD)" ]; then
        base=$(git rev-parse -q --verify HEAD~ || true)
    fi
    printf '%s' "$base"
}

changed_files()
{
    local base

    base=$(base_commit)
    if [ "${1:-}" = --all ] || [ -z "$base" ]; then
        files 'core/*.c'
        return
    fi
    {
        git diff --name-only --diff-filter=d "$base" -- 'core/*.[ch]'
        git ls-files --others --exclude-standard -- 'core/*.[ch]'
    } | sed 's/\.h$/.c/' | sort -u | while IFS= read -r name; do
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
    clang-tidy -p build/asan --quiet --warnings-as-errors='*' \
        --extra-arg=-Wno-unknown-warning-option "$1" 2>&1 |
        { grep -v -E '^[0-9]+ warnings? generated' || true; }
    [ "${PIPESTATUS[0]}" -eq 0 ] && : >"$PASSED/$2"
}

if [ "${1:-}" = --one ]; then
    check_one "$2" "$3"
    exit
fi
[ -f "$DATABASE" ] || {
    echo "no $DATABASE: build the asan preset first"
    exit 1
}
mkdir -p "$PASSED"
changed_files "${1:-}" | to_check | xargs -r -n 2 -P 2 "tests/lint/tidy.sh" --one
