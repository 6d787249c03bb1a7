#!/bin/bash
# For tests of documents, sourced by them: runs the ```sh blocks of a page as printed, in order, in one
# shell; blocks after a line "<!-- shown only: reason -->" are left out.
#
# environment: TIDETALK_BIN, MOCK_LLM_BIN, TEST_LOGS
set -euo pipefail
ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$ROOT"
: "${TIDETALK_BIN:?}" "${MOCK_LLM_BIN:?}" "${TEST_LOGS:=build/test-logs}"
work=$(mktemp -d)
pids=()
passed=0
failed=0

cleanup()
{
    for pid in "${pids[@]}"; do
        kill -TERM "$pid" 2>/dev/null && wait "$pid"
    done
    rm -rf "$work"
}
trap cleanup EXIT

# check NAME COMMAND...
check()
{
    local name=$1
    shift

    if "$@"; then
        echo "ok - $name"
        passed=$((passed + 1))
    else
        echo "not ok - $name"
        failed=$((failed + 1))
    fi
}

# blocks FILE: the ```sh blocks that are to be run
blocks()
{
    awk '
        /^<!-- shown only: .+ -->$/ { skip = 1; next }
        /^```sh$/ && !inside { inside = 1; next }
        /^```/ && inside { inside = 0; skip = 0; next }
        inside && !skip { print }' "$1"
}

# all_blocks FILE: also the others, to compare the languages
all_blocks()
{
    awk '/^```sh$/ { inside = 1 } inside { print } /^```$/ { inside = 0 }' "$1"
}

start_mock()
{
    "$MOCK_LLM_BIN" --listen 127.0.0.1:0 >"$work/mock" 2>&1 &
    pids+=($!)
    for _ in {1..100}; do
        grep -q '^listening ' "$work/mock" 2>/dev/null && break
        sleep 0.05
    done
    # shellcheck disable=SC2034  # for who sources this
    mock=$(sed -n 's/^listening //p' "$work/mock")
}

# Among the ports of this suite, where scripts/suites.sh has given it some
free_port()
{
    while port=$((${TEST_PORTS:-20000} + RANDOM % 500)) && (: </dev/tcp/127.0.0.1/$port) 2>/dev/null; do :; done
}

# start_server NAME [VARIABLE=VALUE...]: sets listen; the log goes to the test logs
start_server()
{
    local name=$1
    shift

    free_port
    listen=127.0.0.1:$port
    env "$@" TIDETALK_LISTEN=$listen TIDETALK_DATA_DIR="$work/data-$name" \
        "$TIDETALK_BIN" serve 2>"$TEST_LOGS/readme-$name.server.log" &
    wait_ready "$TEST_LOGS/readme-$name.server.log"
}

# wait_ready LOG: until the server that was just started in the background, on listen, is ready
wait_ready()
{
    server=$!
    pids+=("$server")
    for _ in {1..300}; do
        curl -sf -o /dev/null "http://$listen/readyz" && return
        kill -0 "$server" 2>/dev/null || break
        sleep 0.1
    done
    echo "the server did not become ready:"
    tail -n 20 "$1"
    exit 1
}

# serve_checkout LOG: the server in $work/checkout as ./run.sh starts it
serve_checkout()
{
    free_port
    listen=127.0.0.1:$port
    env --chdir="$work/checkout" TIDETALK_LISTEN=$listen "$(realpath "$TIDETALK_BIN")" serve 2>"$1" &
    wait_ready "$1"
}

# run_blocks FILE [VARIABLE=VALUE...]: curl as printed, but an answer of 400 and above ends the
# blocks' shell. What they print is in $work/out.
run_blocks()
{
    printf 'fail-with-body\n' >"$work/.curlrc"
    {
        echo 'set -euo pipefail'
        # shellcheck disable=SC2016  # for the blocks' own shell: what they started ends with them
        echo 'trap '"'"'for job in $(jobs -p); do kill "$job"; done'"'"' EXIT'
        blocks "$1"
    } >"$work/blocks.sh"
    env CURL_HOME="$work" TIDETALK_LISTEN="$listen" "${@:2}" \
        bash -x "$work/blocks.sh" >"$work/out" 2>"$work/trace" && return
    tail -n 5 "$work/trace"
    tail -n 20 "$work/out"
    return 1
}

# $work/checkout, a folder that has what the pages copy from
make_checkout()
{
    rm -rf "$work/checkout"
    mkdir -p "$work/checkout/build/release"
    cp -r lua style.yaml migrations examples "$work/checkout/"
    ln -s "$(realpath "$TIDETALK_BIN")" "$work/checkout/build/release/tidetalk"
}

# run_in_checkout FILE NAME: its blocks, in there; what the server in mine/ logs goes to the test logs
run_in_checkout()
{
    local result=0

    free_port
    listen=127.0.0.1:$port
    (cd "$work/checkout" && run_blocks "$1") || result=1
    cp "$work/checkout/mine/dev.log" "$TEST_LOGS/$2.server.log" || result=1
    return "$result"
}

ends_cleanly()
{
    kill -TERM "$server" && wait "$server"
}

# The last line of a test: how it went.
finish()
{
    echo "$passed passed, $failed failed"
    [ "$failed" -eq 0 ]
}
