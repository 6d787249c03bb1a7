#!/bin/bash
# Runs the tests: installs what they need, builds with the address and undefined-behaviour
# sanitizers and with the thread sanitizer, prints a line for each suite and the sum at the end.
#
# usage: ./test.sh [--no-fresh] [--no-tsan] [--only TEXT] [--jobs N]
#                  [lint|unit|lua|e2e|readme|fresh]...
#
#   groups      all of them by default
#   --no-fresh  without the test that starts from an empty Debian root
#   --no-tsan   without what is built with the thread sanitizer
#   --only TEXT only suites with TEXT in their name
#   --jobs N    suites that run at the same time; 2 by default
#
# What the suites print is in build/test-logs/<suite>. When CI is set, a skipped test counts as failed.
set -euo pipefail
# shellcheck source=scripts/lib.sh
source "$(dirname "$0")/scripts/lib.sh"
# shellcheck source=scripts/suites.sh
source "$ROOT/scripts/suites.sh"

GROUPS_ALL=(lint unit lua e2e readme fresh)
groups=()
with_fresh=yes
with_tsan=yes
server_env=()

# The thread sanitizer cannot place its memory on kernels that randomise addresses widely.
FIXED_ADDRESSES=()
if setarch -R true 2>/dev/null; then
    FIXED_ADDRESSES=(setarch -R)
fi

read_arguments()
{
    while [ $# -gt 0 ]; do
        case $1 in
        -h | --help)
            sed -n '2,/^set /{/^#/s/^# \{0,1\}//p}' "$0"
            exit 0
            ;;
        --no-fresh) with_fresh=no ;;
        --no-tsan) with_tsan=no ;;
        --only)
            ONLY=${2:?--only needs a text}
            shift
            ;;
        --jobs)
            JOBS=${2:?--jobs needs a number}
            [[ $JOBS =~ ^([1-9]|1[0-9]|2[0-9])$ ]] || die "--jobs takes a number from 1 to 29"
            shift
            ;;
        lint | unit | lua | e2e | readme | fresh) groups+=("$1") ;;
        *) die "unknown argument '$1'; see ./test.sh --help" ;;
        esac
        shift
    done
    [ "${#groups[@]}" -gt 0 ] || groups=("${GROUPS_ALL[@]}")
}

# has GROUP...: whether one of these groups was asked for
has()
{
    local group

    for group in "$@"; do
        [[ " ${groups[*]} " == *" $group "* ]] && return 0
    done
    return 1
}

install_needs()
{
    local group
    local -a needs=("${PACKAGES_BUILD[@]}")

    for group in "${groups[@]}"; do
        if [ "$group" = fresh ] && { [ $with_fresh = no ] || [ "$(id -u)" -ne 0 ]; }; then
            continue
        fi
        declare -n list="PACKAGES_${group^^}"
        needs+=("${list[@]}")
    done
    install_packages "${needs[@]}"
    if has e2e; then
        install_node
        install_npm "$ROOT/tests/e2e"
    fi
}

# Keeps going after an error so that the other suites have something to run. One at a time: each uses
# every core.
run_builds()
{
    ONLY='' suite_alone build_asan 15m scripts/build.sh asan -k 0
    if [ $with_tsan = yes ] && has unit e2e; then
        ONLY='' suite_alone build_tsan 15m scripts/build.sh tsan -k 0
    fi
}

run_lint()
{
    local name

    for name in format hygiene layers shell lua lua_api api_page tidy; do
        suite "lint_$name" 10m tests/lint/$name.sh
    done
}

# What also runs with the thread sanitizer: what several threads share. Layers, or one group of a layer
# whose others stop scripts by a signal, which the sanitizer delays.
UNIT_TSAN=(loop db cache reply upstream 'chat reply_store')

run_unit()
{
    local layer tests

    for layer in tests/unit/*/; do
        layer=$(basename "$layer")
        suite "unit_$layer" 5m "build/asan/unit/unit_$layer"
    done
    if [ $with_tsan = yes ]; then
        for tests in "${UNIT_TSAN[@]}"; do
            # shellcheck disable=SC2086  # a layer, or a layer and a group
            suite "tsan_unit_${tests// /_}" 10m "${FIXED_ADDRESSES[@]}" build/tsan/unit/unit_$tests
        done
    fi
    suite_alone mock_llm 5m tests/mock_llm/selftest.sh "$(find_mock asan)" --no-rates # it measures time
}

run_lua()
{
    local name spec

    for spec in tests/lua/*_spec.lua; do
        [ -f "$spec" ] || continue
        name=${spec##*/}
        suite "lua_${name%_spec.lua}" 5m tests/lua/run.sh "$spec"
    done
}

find_mock()
{
    find "$ROOT/build/$1" -maxdepth 3 -type f -name mock_llm -perm -u+x -print -quit
}

# set_server_env PRESET: sets server_env, what the tests of a whole server need to know
set_server_env()
{
    server_env=(env "TIDETALK_BIN=$ROOT/build/$1/tidetalk" "MOCK_LLM_BIN=$(find_mock "$1")"
        "SANITIZER=$1")
}

run_e2e_file()
{
    local name=$1 file=$2
    local -a command=("$ROOT/$file")

    [[ $file == *.mjs ]] && command=(node --test --test-reporter=tap "$ROOT/$file")
    set_server_env asan
    suite "e2e_$name" 10m "${server_env[@]}" "${command[@]}"
    if [ $with_tsan = yes ] && sed -n '1,2p' "$file" | grep -qE '^(//|#) tsan'; then
        set_server_env tsan
        suite "tsan_e2e_$name" 15m "${server_env[@]}" "${FIXED_ADDRESSES[@]}" "${command[@]}"
    fi
}

# A file whose first line (second, below #!) says "tsan" also runs with the thread sanitizer.
run_e2e()
{
    local file name

    for file in tests/e2e/*.test.mjs tests/e2e/*.sh; do
        [ -f "$file" ] || continue
        name=${file##*/}
        name=${name%.sh}
        run_e2e_file "${name%.test.mjs}" "$file"
    done
}

run_readme()
{
    set_server_env asan
    suite readme 5m "${server_env[@]}" tests/readme.sh
    suite customize 5m "${server_env[@]}" tests/customize.sh
}

run_fresh()
{
    if [ $with_fresh = yes ]; then
        suite fresh 40m tests/fresh.sh
    fi
}

read_arguments "$@"
cd "$ROOT"
install_needs
suites_begin
if has lint unit lua e2e readme; then
    run_builds
fi
for group in "${groups[@]}"; do
    "run_$group"
done
suites_end
