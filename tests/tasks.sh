#!/bin/bash
# Runs the command blocks of each page of docs/tasks/ as printed, each after those of
# docs/tasks/README.md, in a folder and with a server of its own. A line of a ```text block is a line of
# what they print; "…" stands for anything.
#
# environment: TIDETALK_BIN, MOCK_LLM_BIN, TEST_LOGS
set -euo pipefail
# shellcheck source=tests/doc_blocks.sh
. "$(dirname "$0")/doc_blocks.sh"

make_checkout()
{
    rm -rf "$work/checkout"
    mkdir -p "$work/checkout/build/release"
    cp -r lua style.yaml migrations examples "$work/checkout/"
    ln -s "$(realpath "$TIDETALK_BIN")" "$work/checkout/build/release/tidetalk"
}

run_page()
{
    local result=0

    free_port
    listen=127.0.0.1:$port
    cat "$ROOT/docs/tasks/README.md" "$1" >"$work/page.md"
    (cd "$work/checkout" && run_blocks "$work/page.md") || result=1
    cp "$work/checkout/mine/dev.log" "$TEST_LOGS/tasks-$(basename "$1" .md).server.log" || result=1
    return "$result"
}

# Whether each line of the page's ```text blocks is a line of the output
printed()
{
    local line pattern found=0

    while IFS= read -r line; do
        pattern=$(printf '%s' "$line" | sed 's/[][\.*^$]/\\&/g; s/…/.*/g')
        grep -qx -- "$pattern" "$work/out" "$work/trace" && continue
        echo "not printed: $line"
        found=1
    done < <(awk '/^```text$/ { inside = 1; next } /^```/ { inside = 0 } inside' "$1")
    return "$found"
}

for page in ${1:-docs/tasks/*.md}; do
    name=$(basename "$page" .md)
    [ "$name" != README ] || continue
    make_checkout
    check "$name: the commands run as printed" run_page "$page"
    check "$name: they print what the page shows" printed "$page"
done
finish
