#!/bin/bash
# Runs suites for test.sh, several at a time: one line each when it ends, in one piece with what it has
# to say; a time limit each; a folder of logs each, build/test-logs/<suite>. A suite fails when its
# command does, when a sanitizer reported anything (also in a server that the suite started), when it
# leaves processes behind, or when it ran no test at all.
# Sourced after lib.sh; the caller calls suites_begin, suite..., suites_wait, suites_end.

LOGS=$ROOT/build/test-logs
SANITIZER_REPORT='ERROR: (Address|Leak)Sanitizer|WARNING: ThreadSanitizer|: runtime error: '
INTERESTING='^( *not ok|\[  (FAILED|ERROR)|\[   LINE)|: (fatal )?error: |undefined reference'
ONLY=${ONLY:-}
JOBS=${JOBS:-2}
PORTS_A_SUITE=500
passed=0
failed=0
skipped=0
run_id=
work=
first_port=
declare -A running=() # the pid of what runs a suite -> its place, 0 to JOBS - 1

suites_begin()
{
    rm -rf "$LOGS"
    mkdir -p "$LOGS"
    work=$(mktemp -d "${TMPDIR:-/tmp}/tt.XXXXXX")
    run_id=$$.$RANDOM
    # Below the ports that the system hands out by itself, which any connection may take.
    first_port=$((10000 + RANDOM % (22000 - JOBS * PORTS_A_SUITE)))
    export TMPDIR=$work
    trap 'suites_stop; rm -rf "$work"' EXIT
    trap 'exit 130' INT TERM HUP
}

# Ends the running suites, if any, and whatever they started.
suites_stop()
{
    [ "${#running[@]}" -eq 0 ] && return 0
    kill -TERM "${!running[@]}" 2>/dev/null || true
    leftovers "$run_id/" | xargs -r kill -TERM 2>/dev/null || true # some may have ended meanwhile
    end_leftovers "$run_id/" >/dev/null
}

# leftovers MARK: processes that carry the mark which run_suite() puts into the environment of what it
# starts, or one that begins with it
leftovers()
{
    local file pid

    for file in /proc/[0-9]*/environ; do
        pid=${file//[!0-9]/}
        grep -qzE "^TT_SUITE=${1//./\\.}" "$file" 2>/dev/null && printf '%s\n' "$pid"
    done
    return 0
}

# Gives what is left two seconds to end, then kills it by pid and names it.
end_leftovers()
{
    local mark=$1 pid _

    for _ in {1..20}; do
        [ -z "$(leftovers "$mark")" ] && return 0
        sleep 0.1
    done
    for pid in $(leftovers "$mark"); do
        tr '\0' ' ' <"/proc/$pid/cmdline" 2>/dev/null | cut -c1-200
        echo
        kill -KILL "$pid" 2>/dev/null
    done
    return 0
}

# count_tests LOG RC: sets suite_passed, suite_failed, suite_skipped from what the tool printed
# (cmocka, TAP, or a last line "N passed, N failed"); any other command is one test.
count_tests()
{
    local log=$1 rc=$2 tool='none'

    grep -q '^\[==========\]' "$log" && tool='cmocka'
    grep -qE '^(# pass [0-9]+|1\.\.[0-9]+)$' "$log" && tool='tap'
    grep -qE '^[0-9]+ passed, [0-9]+ failed' "$log" && tool='line'
    read -r suite_passed suite_failed suite_skipped < <(awk -v tool=$tool -v rc="$rc" '
        tool == "cmocka" && $2 == "PASSED" { p += $4 }
        tool == "cmocka" && $2 == "FAILED" && $4 ~ /^[0-9]+$/ { f += $4 }
        tool == "cmocka" && $2 == "SKIPPED" && $4 ~ /^[0-9]+$/ { s += $4 }
        tool == "tap" && /^# pass / { node = 1; p = $3 }
        tool == "tap" && /^# (fail|cancelled) / { f = node == 1 ? $3 : f + $3; node = 2 }
        tool == "tap" && /^# skipped / { s = $3 }
        tool == "tap" && !node && /^ok / { if (/# SKIP/) s++; else p++ }
        tool == "tap" && !node && /^not ok / { f++ }
        tool == "line" && /^[0-9]+ passed, [0-9]+ failed/ { p = $1; f = $3; s = $5 }
        END {
            if (tool == "none") { p = rc == 0; s = rc == 77 }
            print p + 0, f + 0, s + 0
        }' "$log")
}

# Why a suite that ended must count as failed though its tests may say otherwise; empty: it need not
find_fault()
{
    local name=$1 rc=$2 left

    left=$(end_leftovers "$run_id/$name/")
    if [ "$rc" -eq 124 ] || [ "$rc" -eq 137 ]; then
        echo "took longer than its limit and was killed"
    elif [ "$rc" -ne 0 ] && [ "$rc" -ne 77 ]; then
        echo "exit code $rc"
    elif grep -rqE "$SANITIZER_REPORT" "$LOGS/$name" || compgen -G "$LOGS/$name/san.*" >/dev/null; then
        echo "a sanitizer reported something"
    elif [ -n "$left" ]; then
        echo "left processes behind: $left"
    elif [ "$suite_passed" -eq 0 ] && [ "$suite_skipped" -eq 0 ]; then
        echo "ran no test"
    elif [ "$suite_skipped" -gt 0 ] && [ -n "${CI:-}" ]; then
        echo "skipped a test, which counts as failed when CI is set"
    fi
}

show_reports()
{
    local folder=$1 file

    for file in "$folder"/san.*; do
        [ -f "$file" ] && sed -n '1,40p' "$file"
    done
    { grep -rhE -A 25 --exclude=output.log --exclude='san.*' "$SANITIZER_REPORT" "$folder" || true; } |
        sed -n '1,40p'
}

report()
{
    local name=$1 seconds=$2 fault=$3 log=$LOGS/$1/output.log

    if [ -z "$fault" ] && [ "$suite_passed" -eq 0 ]; then
        printf 'skip %s  (%s)\n' "$name" "$(tail -n 1 "$log")"
    elif [ -z "$fault" ]; then
        printf 'ok   %s  (%s tests, %s s%s)\n' "$name" "$suite_passed" "$seconds" \
            "$([ "$suite_skipped" -gt 0 ] && echo ", $suite_skipped skipped")"
    else
        printf 'FAIL %s  (%s; %s)\n' "$name" "$fault" "${log#"$ROOT"/}"
        { grep -E -A 1 --no-group-separator "$INTERESTING" "$log" || true; } | sed -n '1,30s/^/     /p'
        tail -n "${TEST_TAIL:-30}" "$log" | sed 's/^/     /'
        show_reports "${log%/*}" | sed 's/^/     /'
    fi
}

# run_suite PLACE NAME LIMIT COMMAND...: what one suite is, in a process of its own. Leaves its report
# and its numbers (passed, failed, skipped, seconds, seconds of CPU time) in $work.
run_suite()
{
    local place=$1 name=$2 limit=$3 rc=0 start=$EPOCHREALTIME seconds cpu fault
    shift 3

    mkdir -p "$LOGS/$name"
    sanitizer_options "$LOGS/$name/san"
    export TEST_LOGS=$LOGS/$name TEST_PORTS=$((first_port + place * PORTS_A_SUITE))
    # Outside, bash would tell of a signal that ended it.
    {
        TT_SUITE=$run_id/$name/ timeout --kill-after=10 "$limit" "$@" >"$LOGS/$name/output.log" 2>&1 </dev/null
    } 2>/dev/null || rc=$?
    times >"$work/times.$place"
    cpu=$(awk 'NR == 2 { gsub(/[ms]/, " "); print $1 * 60 + $2 + $3 * 60 + $4 }' "$work/times.$place")
    seconds=$(awk -v a="$start" -v b="$EPOCHREALTIME" 'BEGIN { printf "%.1f", b - a }')
    count_tests "$LOGS/$name/output.log" "$rc"
    fault=$(find_fault "$name" "$rc")
    report "$name" "$seconds" "$fault" >"$work/report.$name"
    [ -z "$fault" ] || [ "$suite_failed" -gt 0 ] || suite_failed=1
    echo "$suite_passed $suite_failed $suite_skipped $seconds $cpu $name" >"$work/numbers.$place"
}

# Reports go to files in the suite's folder, whatever becomes of a server's output.
sanitizer_options()
{
    local to="log_path='$1'"

    export ASAN_OPTIONS="detect_leaks=1:$to"
    export UBSAN_OPTIONS="print_stacktrace=1:$to"
    export TSAN_OPTIONS="halt_on_error=0:exitcode=66:second_deadlock_stack=1:$to"
    if [ -f "$ROOT/tests/tsan.supp" ]; then
        TSAN_OPTIONS+=":suppressions='$ROOT/tests/tsan.supp'"
    fi
    if [ -f "$ROOT/tests/lsan.supp" ]; then
        export LSAN_OPTIONS="print_suppressions=0:suppressions='$ROOT/tests/lsan.supp'"
    fi
}

# free_place: the first place that no suite has
free_place()
{
    local place=0

    while [[ " ${running[*]} " == *" $place "* ]]; do
        place=$((place + 1))
    done
    echo "$place"
}

# suite NAME LIMIT COMMAND...: starts it when one of the JOBS places is free. LIMIT is timeout's
# (seconds, or 5m).
suite()
{
    local place

    [[ $1 == *"$ONLY"* ]] || return 0
    suites_wait $((JOBS - 1))
    place=$(free_place)
    run_suite "$place" "$@" &
    running[$!]=$place
}

# suite_alone NAME LIMIT COMMAND...: one that nothing else may run beside
suite_alone()
{
    suites_wait
    suite "$@"
    suites_wait
}

# suites_wait [N]: until at most N suites run (0), telling how each went
suites_wait()
{
    local pid

    while [ "${#running[@]}" -gt "${1:-0}" ]; do
        wait -n -p pid "${!running[@]}" || true
        report_suite "${running[$pid]}"
        unset "running[$pid]"
    done
}

# report_suite PLACE: prints the report of the suite that has ended there and adds its numbers
report_suite()
{
    local numbers name

    read -r -a numbers <"$work/numbers.$1" || die "a suite ended without its numbers"
    rm "$work/numbers.$1"
    name=${numbers[5]}
    cat "$work/report.$name"
    passed=$((passed + numbers[0]))
    failed=$((failed + numbers[1]))
    skipped=$((skipped + numbers[2]))
    printf '%s\t%s\t%s\n' "${numbers[3]}" "${numbers[4]}" "$name" >>"$LOGS/seconds.tsv"
}

# The five suites that took longest; all of them, with their CPU time, are in build/test-logs.
slowest()
{
    local line

    [ -f "$LOGS/seconds.tsv" ] || return 0
    line=$(sort -rn "$LOGS/seconds.tsv" | awk -F '\t' 'NR <= 5 { printf "%s%s %s s", (NR > 1 ? ", " : ""), $3, $1 }')
    printf 'slowest: %s\n' "$line"
}

suites_end()
{
    suites_wait
    slowest
    printf '%s passed, %s failed, %s skipped\n' "$passed" "$failed" "$skipped"
    [ "$failed" -eq 0 ]
}
