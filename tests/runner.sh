#!/bin/bash
# The runner of the suites itself (scripts/suites.sh): what must make a suite fail does, and suites that
# run at the same time are not blamed for each other.
set -euo pipefail
# shellcheck source=scripts/lib.sh
source "$(dirname "$0")/../scripts/lib.sh"
# shellcheck source=scripts/suites.sh
source "$ROOT/scripts/suites.sh"
# shellcheck disable=SC2034  # for suites.sh
ONLY='' JOBS=2
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
LOGS=$folder/logs
count=0
bad=0

# ok TEXT COMMAND...: one line of the test protocol
ok()
{
    local text=$1
    shift

    count=$((count + 1))
    if "$@" >/dev/null; then echo "ok $count - $text"; else
        echo "not ok $count - $text"
        bad=1
    fi
}

# shellcheck disable=SC2317  # ok calls it
told()
{
    grep -qE -- "$1" "$folder/out"
}

# Ended; perhaps nobody has waited for it yet.
# shellcheck disable=SC2317  # ok calls it
is_gone()
{
    ! grep -qz . "/proc/$(cat "$folder/$1")/cmdline" 2>/dev/null
}

# Started at the same time in pairs; CI as somebody's own machine has it.
run_them()
{
    unset CI
    suites_begin
    suite passes 1m echo '3 passed, 0 failed, 1 skipped'
    suite fails 1m bash -c 'echo "1 passed, 2 failed"; exit 1'
    suite leaves 1m bash -c "echo 'ok 1 - x'; echo 1..1; sleep 300 & echo \$! >$folder/left; disown"
    suite beside 1m bash -c "echo '1 passed, 0 failed'; sleep 1"
    # shellcheck disable=SC2016  # for the suites' own shells
    suite reports 1m bash -c 'echo "1 passed, 0 failed"; echo "==1==ERROR: AddressSanitizer: x" >"$TEST_LOGS/server-1.log"'
    suite idle 1m true
    suite empty 1m bash -c 'echo 1..0'
    suite endless 1 sleep 300
    suite crashes 1m bash -c "printf '[==========] x\n[  PASSED  ] 4 test(s).\n'; kill -SEGV \$\$"
    suites_wait
    # Each waits for the other, so they must run at the same time.
    suite ports_a 1m bash -c "echo \$TEST_PORTS >$folder/a; until [ -s $folder/b ]; do sleep 0.1; done"
    suite ports_b 1m bash -c "echo \$TEST_PORTS >$folder/b; until [ -s $folder/a ]; do sleep 0.1; done"
    suite skips 1m bash -c 'echo no such tool; exit 77'
    suites_end
}

# A run that is ended takes along what it started.
run_and_end()
{
    suites_begin
    suite long 1m bash -c "echo \$\$ >$folder/long; sleep 300"
    until [ -s "$folder/long" ]; do sleep 0.1; done
    kill -TERM "$BASHPID"
    suites_end
}

rc=0
(run_them) >"$folder/out" 2>&1 || rc=$?
sed 's/^/# /; s/Sanitizer/-/' "$folder/out" # no report of this suite
ok 'a run with failures fails' [ $rc -ne 0 ]
ok 'what passes is told with its number' told '^ok   passes  \(3 tests, .* s, 1 skipped\)$'
ok 'an exit code' told '^FAIL fails  \(exit code 1;'
ok 'a process left behind' told '^FAIL leaves  \(left processes behind: sleep 300'
ok 'it is ended' is_gone left
ok 'the suite beside it passes' told '^ok   beside  '
ok 'a report in a server log' told '^FAIL reports  \(a sanitizer reported something;'
ok 'it is shown' told '^     .*ERROR: AddressSanitizer: x'
ok 'a command without tests is one' told '^ok   idle  \(1 tests,'
ok 'no test at all' told '^FAIL empty  \(ran no test;'
ok 'the limit' told '^FAIL endless  \(took longer than its limit'
ok 'a crash' told '^FAIL crashes  \(exit code 139;'
ok 'two at a time' told '^ok   ports_b '
ok 'other ports for each' bash -c "! cmp -s $folder/a $folder/b"
ok 'a skipped suite' told '^skip skips  \(no such tool\)$'
ok 'the slowest' told '^slowest: .*endless'
ok 'the sum' told '^14 passed, 7 failed, 2 skipped$'
rc=0
(run_and_end) >"$folder/out" 2>&1 || rc=$?
echo "# exit code $rc"
ok 'a run that is ended says so' [ $rc -eq 130 ]
ok 'and leaves nothing' is_gone long
echo "1..$count"
exit $bad
