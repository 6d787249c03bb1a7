#!/bin/bash
# Runs the tests: installs what they need, builds with the address and undefined-behaviour
# sanitizers and with the thread sanitizer, prints a line for each suite and the sum at the end.
#
# usage: ./test.sh [--no-fresh] [--no-tsan] [--only TEXT] [--jobs N] [--seed N]
#                  [lint|unit|lua|e2e|postgres|nodes|sdk|web|sample|budget|readme|fresh|smoke|long]...
#        ./test.sh quick [--only TEXT] [--jobs N]
#
#   groups      all of them by default, but not "long", of which "sample" is a part (tests/long.sh), and
#               not "smoke", which is a part of unit and e2e for a new machine; "postgres" runs the files
#               of e2e that are marked so with that database, each with a server of PostgreSQL of its own; "nodes" runs
#               several servers on one database
#   quick       while you work: one optimised build without sanitizers, lint, unit, lua, and of e2e the
#               files that cover what changed (scripts/changes.sh) and those marked as smoke
#   --no-fresh  without the test that starts from an empty Debian root
#   --no-tsan   without what is built with the thread sanitizer
#   --only TEXT only suites with TEXT in their name
#   --jobs N    suites that run at the same time; 2 by default, 3 when quick
#   --seed N    the choice of "sample"; by default it is that of the commit's tree, so that who runs the same
#               tree again tests the same
#
# What the suites print is in build/test-logs/<suite>. When CI is set, a skipped test counts as failed.

# shellcheck disable=SC2317  # main calls the groups by their names
set -euo pipefail
# shellcheck source=scripts/lib.sh
source "$(dirname "$0")/scripts/lib.sh"
# shellcheck source=scripts/suites.sh
source "$ROOT/scripts/suites.sh"
# shellcheck source=scripts/changes.sh
source "$ROOT/scripts/changes.sh"

# What takes longest begins first, so that nothing is left to run by itself.
GROUPS_ALL=(fresh e2e web postgres nodes sdk unit sample budget readme lua lint)
GROUPS_QUICK=(e2e unit lua lint)
groups=()
preset=asan
seed=
jobs=
with_fresh=yes
with_tsan=yes
server_env=()

# The thread sanitizer cannot place its memory on kernels that randomise addresses widely.
FIXED_ADDRESSES=()
if setarch -R true 2>/dev/null; then
    FIXED_ADDRESSES=(setarch -R)
fi

# A number made of the tree of the last commit, or without git one by chance
tree_seed()
{
    local tree

    tree=$(git -C "$ROOT" rev-parse --verify --quiet 'HEAD^{tree}' 2>/dev/null) || tree=
    if [ -n "$tree" ]; then echo $((16#${tree:0:7})); else echo $RANDOM; fi
}

read_arguments()
{
    while [ $# -gt 0 ]; do
        case $1 in
        -h | --help)
            sed -n '2,/^$/s/^# \{0,1\}//p' "$0"
            exit 0
            ;;
        --no-fresh) with_fresh=no ;;
        --no-tsan) with_tsan=no ;;
        --only)
            ONLY=${2:?--only needs a text}
            shift
            ;;
        --jobs)
            jobs=${2:?--jobs needs a number}
            JOBS=$jobs
            [[ $JOBS =~ ^([1-9]|1[0-9]|2[0-9])$ ]] || die "--jobs takes a number from 1 to 29"
            shift
            ;;
        --seed)
            seed=${2:?--seed needs a number}
            shift
            ;;
        quick)
            preset=quick
            with_tsan=no
            ;;
        lint | unit | lua | e2e | postgres | nodes | sdk | web | sample | budget | readme | fresh | smoke | long) groups+=("$1") ;;
        *) die "unknown argument '$1'; see ./test.sh --help" ;;
        esac
        shift
    done
    if [ $preset = quick ]; then
        [ "${#groups[@]}" -eq 0 ] || die "quick chooses the groups itself; see ./test.sh --help"
        groups=("${GROUPS_QUICK[@]}")
        JOBS=${jobs:-3} # much of it is waiting
    fi
    [ "${#groups[@]}" -gt 0 ] || groups=("${GROUPS_ALL[@]}")
    seed=${seed:-$(tree_seed)}
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
    local group requirements
    local -a needs=("${PACKAGES_BUILD[@]}")

    for group in "${groups[@]}"; do
        if [ "$group" = fresh ] && { [ $with_fresh = no ] || [ "$(id -u)" -ne 0 ]; }; then
            continue
        fi
        declare -n list="PACKAGES_${group^^}"
        needs+=("${list[@]}")
    done
    install_packages "${needs[@]}"
    if has long; then install_packages "${PACKAGES_POSTGRES[@]}"; fi
    if has e2e postgres nodes web sample budget smoke long; then
        install_node
        install_npm "$ROOT/tests/e2e"
    fi
    if has web; then
        install_npm "$ROOT/web"
        install_npm "$ROOT/tests/web"
    fi
    if has lint; then
        install_python "$ROOT/tests/lint/lua_types"
    fi
    if has sdk; then
        for requirements in "$ROOT"/tests/sdk/{,*/}requirements.txt; do
            install_python "$(dirname "$requirements")"
        done
    fi
}

SMOKE_LAYERS=(cache files) # of the unit tests

# Keeps going after an error so that the other suites have something to run. One at a time: each uses
# every core. A new machine that is only looked at needs a part.
run_builds()
{
    local -a targets=()

    if ! has lint unit lua e2e postgres nodes sdk web sample long; then
        targets=(tidetalk mock_llm "${SMOKE_LAYERS[@]/#/unit_}")
    fi
    ONLY='' suite_alone "build_$preset" 15m scripts/build.sh "$preset" -k 0 "${targets[@]}"
    if [ "$with_tsan" = yes ] && has unit e2e long; then
        ONLY='' suite_alone build_tsan 15m scripts/build.sh tsan -k 0
    fi
}

run_lint()
{
    local name

    for name in tests/lint/*.sh; do
        name=$(basename "$name" .sh)
        [ "$name" = files ] || suite "lint_$name" 10m env "TIDY_PRESET=$preset" "tests/lint/$name.sh"
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
        suite "unit_$layer" 5m "build/$preset/unit/unit_$layer"
    done
    if [ "$with_tsan" = yes ]; then
        for tests in "${UNIT_TSAN[@]}"; do
            # shellcheck disable=SC2086  # a layer, or a layer and a group
            suite "tsan_unit_${tests// /_}" 10m "${FIXED_ADDRESSES[@]}" build/tsan/unit/unit_$tests
        done
    fi
    suite fuzz_corpus 5m tests/fuzz/replay.sh "build/$preset/fuzz"
    suite runner 2m tests/runner.sh
}

# It measures time.
run_mock()
{
    suite_alone mock_llm 5m tests/mock_llm/selftest.sh "$(find_program "$preset" mock_llm)" --no-rates
}

run_lua()
{
    suite lua_specs 5m "$(find_program "$preset" lua_specs)" tests/lua/*_spec.lua
}

# find_program PRESET NAME: one of those that the tests bring
find_program()
{
    find "$ROOT/build/$1" -maxdepth 3 -type f -name "$2" -perm -u+x -print -quit
}

# set_server_env PRESET: sets server_env, what the tests of a whole server need to know
set_server_env()
{
    server_env=(env "TIDETALK_BIN=$ROOT/build/$1/tidetalk" "MOCK_LLM_BIN=$(find_program "$1" mock_llm)"
        "SANITIZER=$1")
}

# run_e2e_file PRESET LIMIT FILE [PREFIX [VARIABLE=VALUE...]]: PREFIX is what the suite's name begins with
run_e2e_file()
{
    local preset=$1 limit=$2 file=$3 prefix=${4:-} name
    local -a command=("$ROOT/$file")

    name=$prefix'e2e_'$(basename "${file%.sh}" .test.mjs)
    set_server_env "$preset"
    server_env+=("${@:5}")
    [[ $file == *.mjs ]] && command=(node --test --test-reporter=tap "${command[@]}")
    [[ " ${*:5} " == *" TEST_DATABASE=postgres "* ]] && command=("$ROOT/tests/postgres/run.sh" "${command[@]}")
    if [ "$preset" = tsan ]; then
        name=tsan_$name
        command=("${FIXED_ADDRESSES[@]}" "${command[@]}")
    fi
    suite "$name" "$limit" "${server_env[@]}" "${command[@]}"
}

# Those with the thread sanitizer first: they take longest.
run_e2e()
{
    local file
    local -a chosen

    if [ "$preset" = quick ]; then mapfile -t chosen < <(e2e_chosen); else mapfile -t chosen < <(e2e_files); fi
    for file in "${chosen[@]}"; do
        if [ "$with_tsan" = yes ] && has_mark tsan "$file"; then run_e2e_file tsan 15m "$file"; fi
    done
    for file in "${chosen[@]}"; do
        run_e2e_file "$preset" 10m "$file"
        if has_mark plugins "$file"; then
            run_e2e_file "$preset" 10m "$file" plugins_ TEST_PLUGINS=1 TIDETALK_E2E_RELOADS=30
        fi
    done
}

run_postgres()
{
    local file

    for file in tests/postgres/*.test.mjs $(e2e_marked postgres); do
        run_e2e_file "$preset" 10m "$file" postgres_ TEST_DATABASE=postgres
    done
}

run_nodes()
{
    local file

    for file in tests/nodes/*.test.mjs; do
        run_e2e_file "$preset" 10m "$file" nodes_ TEST_DATABASE=postgres
    done
}

# Stock clients in Python, and public conformance suites. A folder has packages of its own.
run_sdk()
{
    local file name

    set_server_env "$preset"
    for file in tests/sdk/{,*/}test_*.py; do
        name=$(basename "$file" .py)
        suite "sdk_${name#test_}" 10m "${server_env[@]}" "$(dirname "$file")/.venv/bin/python" -B "$file"
    done
}

# The page as the server has it, in headless Chromium.
run_web()
{
    local file

    set_server_env "$preset"
    for file in tests/web/*.test.mjs; do
        suite "web_$(basename "$file" .test.mjs)" 15m "${server_env[@]}" PAGE_FROM=server \
            node --test --test-reporter=tap "$ROOT/$file"
    done
}

# What shows that everything is there that the server and its tests need
run_smoke()
{
    local file layer

    for layer in "${SMOKE_LAYERS[@]}"; do
        suite "unit_$layer" 5m "build/$preset/unit/unit_$layer"
    done
    for file in $(e2e_marked smoke); do
        run_e2e_file "$preset" 10m "$file"
    done
}

# What is longer than a run may be: larger doses of what e2e has, all files with the database engine that
# answers every read late (core/db/sqlite_late.c) and with PostgreSQL, clang-tidy on every file
run_long()
{
    local name file
    local -a presets=(asan)

    if [ "$with_tsan" = yes ]; then presets+=(tsan); fi
    suite long_lint_tidy 30m tests/lint/tidy.sh --all
    for name in "${presets[@]}"; do
        run_e2e_file "$name" 90m tests/e2e/kill.test.mjs long_ TIDETALK_KILL_ROUNDS=200
        run_e2e_file "$name" 60m tests/e2e/reload_storm.test.mjs long_ TIDETALK_E2E_RELOADS=5000
        run_e2e_file "$name" 30m tests/e2e/concurrency.test.mjs long_ TIDETALK_E2E_STREAMS=1000
    done
    for file in $(e2e_files); do
        run_e2e_file asan 15m "$file" late_ TEST_DATABASE=sqlite-late
        has_mark sqlite "$file" || run_e2e_file asan 15m "$file" postgres_ TEST_DATABASE=postgres
    done
    for file in $(e2e_marked bytes); do
        run_e2e_file asan 30m "$file" bytes_ TEST_TCP=bytes
    done
    for file in $(e2e_marked reloads); do
        run_e2e_file asan 15m "$file" reloads_ TEST_RELOADS=1
    done
    run_e2e_file asan 30m tests/postgres/failover.test.mjs long_postgres_ TEST_DATABASE=postgres TIDETALK_FAILOVERS=20
    run_e2e_file asan 120m tests/e2e/disk_faults.test.mjs long_ TIDETALK_FAULT_ROUNDS=all
}

# A part of run_long that is chosen by the seed. (The kills of e2e have a seed of their own.) Of the files
# with the late engine those that are marked "late": they read the most, in the most different ways.
run_sample()
{
    local file

    say "seed $seed"
    suite sample_lint_tidy 10m tests/lint/tidy.sh --sample 8 "$seed"
    for file in $(e2e_marked late | choose 5 "$seed"); do
        run_e2e_file asan 15m "$file" late_ TEST_DATABASE=sqlite-late "TT_LATE_SEED=$seed"
    done
    for file in $(e2e_marked bytes | choose 2 "$seed"); do
        run_e2e_file asan 15m "$file" bytes_ TEST_TCP=bytes
    done
    for file in $(e2e_marked reloads | choose 2 "$seed"); do
        run_e2e_file asan 15m "$file" reloads_ TEST_RELOADS=1
    done
}

# What single operations cost, in instructions and system calls: counts, which a busy machine hardly
# changes. Its own build, without sanitizers.
run_budget()
{
    suite budget 10m tests/bench/budget.sh
}

run_readme()
{
    set_server_env "$preset"
    suite readme 5m "${server_env[@]}" tests/readme.sh
    suite customize 5m "${server_env[@]}" tests/customize.sh
    suite tasks 10m "${server_env[@]}" tests/tasks.sh
}

run_fresh()
{
    if [ "$with_fresh" = yes ]; then
        suite fresh 40m tests/fresh.sh
    fi
}

main()
{
    local group

    read_arguments "$@"
    cd "$ROOT"
    install_needs
    suites_begin
    if has lint unit lua e2e postgres nodes sdk web sample smoke long readme; then
        run_builds
    fi
    for group in "${groups[@]}"; do
        "run_$group"
    done
    if has unit; then run_mock; fi
    suites_end
}

main "$@"; exit # one line: an edit of this file does not reach a run of it
