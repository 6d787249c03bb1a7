#!/bin/bash
# Runs the command blocks of the README as printed, against a server that begins with an empty data
# folder; the own upstream of the README is the mock. Then: both languages hold the same blocks,
# without an opened address the mock is refused, and the example of a route works.
#
# environment: TIDETALK_BIN, MOCK_LLM_BIN, TEST_LOGS
set -euo pipefail
# shellcheck source=tests/doc_blocks.sh
. "$(dirname "$0")/doc_blocks.sh"

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
    mkdir "$work/lua/routes"
    awk '/^```lua$/ { inside = 1; next } /^```/ { inside = 0 } inside { print }' README.md \
        >"$work/lua/routes/hello.lua"
    sed -i 's|^  require "account.account_routes",$|&\n  require "routes.hello",|' "$work/lua/app.lua"
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

check 'both languages hold the same commands' \
    diff <(all_blocks README.md) <(all_blocks README.zh-CN.md)
start_mock
start_server open TIDETALK_OUTBOUND_ALLOW=127.0.0.0/8
check 'the commands run as printed' run_blocks README.md \
    LLM_URL="http://$mock/echo=1/v1" LLM_KEY=sk-test LLM_MODEL=tide-1
check 'both streams came to their end' has_end_frames 2
check 'the history holds the conversation' grep -q '"role":"assistant"' "$work/out"
check 'the configured upstream answered' grep -q 'tide-1' "$work/out"
check 'the server ends cleanly' ends_cleanly
add_example_route
start_server closed TIDETALK_LUA_DIR="$work/lua"
check 'an address that is not opened is refused' refuses_private_address
check 'the example of a route works' example_answers
finish
