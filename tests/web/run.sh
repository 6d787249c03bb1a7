#!/bin/bash
# The page's tests, in headless Chromium: all, or those whose files are named.
#
# usage: tests/web/run.sh [FILE...]
#   LONG=1           the long form: refresh and offline a hundred times instead of ten
#   PAGE_FROM=server the page is the server's own (its files and headers), not web/dist with those of the tests
#   CHROMIUM=PATH    another browser
#   TIDETALK_BIN, MOCK_LLM_BIN: the programs under test
set -euo pipefail
cd "$(dirname "$0")/../.."

for folder in web tests/e2e tests/web; do
    [ -d "$folder/node_modules" ] || (cd "$folder" && npm ci --silent)
done

mock=${MOCK_LLM_BIN:-$(find "$PWD/build" -name mock_llm -type f -perm -u+x 2>/dev/null | head -n 1)}
server=${TIDETALK_BIN:-$(find "$PWD/build/release" "$PWD/build/asan" -maxdepth 1 -name tidetalk -type f 2>/dev/null | head -n 1)}
if [ -z "$mock" ] || [ -z "$server" ]; then
    echo "Build the server and mock_llm first: scripts/build.sh asan" >&2
    exit 2
fi
export MOCK_LLM_BIN=$mock TIDETALK_BIN=$server

if [ $# -eq 0 ]; then
    set -- tests/web/*.test.mjs
fi
exec node --test --test-concurrency=1 "$@"
