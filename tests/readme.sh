#!/bin/bash
# Runs the command blocks of the README as printed: all ```sh blocks, in order, in one shell, against
# a server that begins with an empty data folder; blocks after a line "<!-- shown only: reason -->"
# are left out. The own upstream of the README is the mock. Then: both languages hold the same
# blocks, without an opened address the mock is refused, and the example of a route works.
#
# environment: TIDETALK_BIN, MOCK_LLM_BIN, TEST_LOGS
set -euo pipefail
ROOT=$(cd "$(dirname "$0")/.." && pwd)
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
        grep -q '^listening ' "$work/mock" && break
        sleep 0.05
    done
    mock=$(sed -n 's/^listening //p' "$work/mock")
}

free_port()
{
    while port=$((20000 + RANDOM % 10000)) && (: </dev/tcp/127.0.0.1/$port) 2>/dev/null; do :; done
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
    server=$!
    pids+=("$server")
    for _ in {1..300}; do
        curl -sf -o /dev/null "http://$listen/readyz" && return
        kill -0 "$server" 2>/dev/null || break
        sleep 0.1
    done
    echo "the server did not become ready:"
    tail -n 20 "$TEST_LOGS/readme-$name.server.log"
    exit 1
}

# curl as printed, but an answer of 400 and above ends the block's shell.
run_blocks()
{
    printf 'fail-with-body\n' >"$work/.curlrc"
    {
        echo 'set -euo pipefail'
        blocks "$1"
    } >"$work/blocks.sh"
    env CURL_HOME="$work" TIDETALK_LISTEN="$listen" LLM_URL="http://$mock/echo=1/v1" \
        LLM_KEY=sk-test LLM_MODEL=tide-1 bash -x "$work/blocks.sh" >"$work/out" 2>"$work/trace" && return
    tail -n 5 "$work/trace"
    tail -n 20 "$work/out"
    return 1
}

post()
{
    curl -s -o "$work/body" -w '%{http_code}' -H 'Content-Type: application/json' "${@:3}" \
        -d "$2" "http://$listen$1"
}

refuses_private_address()
{
    local token status

    post /api/register '{"username":"moon","password":"high-tide"}' >/dev/null
    token=$(sed -n 's/.*"token":"\([^"]*\)".*/\1/p' "$work/body")
    status=$(post /api/user/apis "{\"api_name\":\"mine\",\"api_key\":\"sk-test\",
        \"model_name\":\"tide-1\",\"base_url\":\"http://$mock/v1\"}" -H "Authorization: Bearer $token")
    [ "$status" = 422 ] || { echo "# status $status: $(cat "$work/body")" && return 1; }
}

# The example of a new route, in a copy of the scripts
add_example_route()
{
    cp -r lua "$work/lua"
    awk '/^```lua$/ { inside = 1; next } /^```/ { inside = 0 } inside { print }' README.md \
        >"$work/lua/routes/hello.lua"
    sed -i 's|^  require "routes.accounts",$|&\n  require "routes.hello",|' "$work/lua/app.lua"
}

example_answers()
{
    local token

    post /api/login '{"username":"moon","password":"high-tide"}' >/dev/null
    token=$(sed -n 's/.*"token":"\([^"]*\)".*/\1/p' "$work/body")
    curl -s "http://$listen/api/hello" -H "Authorization: Bearer $token" | grep -qF 'Hello, moon'
}

# has_end_frames N: the output holds at least N end frames
has_end_frames()
{
    [ "$(grep -c '"done":true' "$work/out")" -ge "$1" ] && ! grep -q '"code":' "$work/out"
}

ends_cleanly()
{
    kill -TERM "$server" && wait "$server"
}

check 'both languages hold the same commands' \
    diff <(all_blocks README.md) <(all_blocks README.zh-CN.md)
start_mock
start_server open TIDETALK_OUTBOUND_ALLOW=127.0.0.0/8
check 'the commands run as printed' run_blocks README.md
check 'both streams came to their end' has_end_frames 2
check 'the history holds the conversation' grep -q '"role":"assistant"' "$work/out"
check 'the configured upstream answered' grep -q 'tide-1' "$work/out"
check 'the server ends cleanly' ends_cleanly
add_example_route
start_server closed TIDETALK_LUA_DIR="$work/lua"
check 'an address that is not opened is refused' refuses_private_address
check 'the example of a route works' example_answers
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
