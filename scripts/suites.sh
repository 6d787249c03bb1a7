#!/bin/bash
# Runs suites for test.sh: one line each, a time limit each, logs in build/test-logs. A suite fails
# when its command does, when a sanitizer reported anything (also in a server that the suite
# started), when it leaves processes behind, or when it ran no test at all.
# Sourced after lib.sh; the caller calls suites_begin, suite..., suites_end.

LOGS=$ROOT/build/test-logs
SANITIZER_REPORT='ERROR: (Address|Leak)Sanitizer|WARNING: ThreadSanitizer|: runtime error: '
INTERESTING='^( *not ok|\[  FAILED)|: (fatal )?error: |undefined reference'
ONLY=${ONLY:-}
passed=0
failed=0
skipped=0
suite_pid=
run_id=
work=

suites_begin()
{
    rm -rf "$LOGS"
    mkdir -p "$LOGS"
    work=$(mktemp -d "${TMPDIR:-/tmp}/tt.XXXXXX")
    run_id=$$.$RANDOM
    export TMPDIR=$work
    trap 'suites_stop; rm -rf "$work"' EXIT
    trap 'exit 130' INT TERM HUP
}

# Ends the running suite, if any, and whatever it started.
suites_stop()
{
    [ -n "$suite_pid" ] && kill -TERM "$suite_pid" 2>/dev/null
    suite_pid=
    end_leftovers >/dev/null
}

# Processes that carry the mark which suite() puts into the environment of what it starts
leftovers()
{
    local file pid

    for file in /proc/[0-9]*/environ; do
        pid=${file//[!0-9]/}
        grep -qzxF "TT_SUITE=$run_id" "$file" 2>/dev/null && printf '%s\n' "$pid"
    done
    return 0
}

# Gives what is left two seconds to end, then kills it by pid and names it.
end_leftovers()
{
    local pid _

    for _ in {1..20}; do
        [ -z "$(leftovers)" ] && return 0
        sleep 0.1
    done
    for pid in $(leftovers); do
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

    left=$(end_leftovers)
    if [ "$rc" -eq 124 ] || [ "$rc" -eq 137 ]; then
        echo "took longer than its limit and was killed"
    elif [ "$rc" -ne 0 ] && [ "$rc" -ne 77 ]; then
        echo "exit code $rc"
    elif compgen -G "$LOGS/$name.san.*" >/dev/null || server_log_has_report "$name"; then
        echo "a sanitizer reported something"
    elif [ -n "$left" ]; then
        echo "left processes behind: $left"
    elif [ "$suite_passed" -eq 0 ] && [ "$suite_skipped" -eq 0 ]; then
        echo "ran no test"
    elif [ "$suite_skipped" -gt 0 ] && [ -n "${CI:-}" ]; then
        echo "skipped a test, which counts as failed when CI is set"
    fi
}

# Whether a log that was written since the suite began holds a sanitizer's report
server_log_has_report()
{
    find "$LOGS" -type f -name '*.log*' -newer "$work/began" -print0 |
        xargs -0 -r grep -lE "$SANITIZER_REPORT" | grep -q .
}

show_reports()
{
    local name=$1 file

    for file in "$LOGS/$name".san.*; do
        [ -f "$file" ] && sed -n '1,40p' "$file"
    done
    find "$LOGS" -type f -name '*.log*' -newer "$work/began" ! -name "$name.log" -print0 |
        { xargs -0 -r grep -E -A 25 "$SANITIZER_REPORT" || true; } | sed -n '1,40p'
}

report()
{
    local name=$1 seconds=$2 fault=$3 log=$LOGS/$1.log

    if [ -z "$fault" ] && [ "$suite_passed" -eq 0 ]; then
        printf 'skip %s  (%s)\n' "$name" "$(tail -n 1 "$log")"
    elif [ -z "$fault" ]; then
        printf 'ok   %s  (%s tests, %s s%s)\n' "$name" "$suite_passed" "$seconds" \
            "$([ "$suite_skipped" -gt 0 ] && echo ", $suite_skipped skipped")"
    else
        [ "$suite_failed" -gt 0 ] || suite_failed=1
        printf 'FAIL %s  (%s; %s)\n' "$name" "$fault" "${log#"$ROOT"/}"
        { grep -E "$INTERESTING" "$log" || true; } | sed -n '1,20s/^/     /p'
        tail -n "${TEST_TAIL:-30}" "$log" | sed 's/^/     /'
        show_reports "$name" | sed 's/^/     /'
    fi
    passed=$((passed + suite_passed))
    failed=$((failed + suite_failed))
    skipped=$((skipped + suite_skipped))
}

# suite NAME LIMIT COMMAND...: LIMIT is timeout's (seconds, or 5m)
suite()
{
    local name=$1 limit=$2 log=$LOGS/$1.log rc=0 start=$EPOCHREALTIME seconds
    shift 2

    [[ $name == *"$ONLY"* ]] || return 0
    touch "$work/began"
    sanitizer_options "$name"
    TT_SUITE=$run_id timeout --kill-after=10 "$limit" "$@" >"$log" 2>&1 </dev/null &
    suite_pid=$!
    wait "$suite_pid" || rc=$?
    suite_pid=
    count_tests "$log" "$rc"
    seconds=$(awk -v a="$start" -v b="$EPOCHREALTIME" 'BEGIN { printf "%.1f", b - a }')
    report "$name" "$seconds" "$(find_fault "$name" "$rc")"
}

# Reports go to files that are named after the suite, whatever becomes of a server's output.
sanitizer_options()
{
    local to="log_path='$LOGS/$1.san'"

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

suites_end()
{
    printf '%s passed, %s failed, %s skipped\n' "$passed" "$failed" "$skipped"
    [ "$failed" -eq 0 ]
}
