#!/bin/bash
# Runs the command blocks of each page of docs/tasks/ as printed, each after those of
# docs/tasks/README.md, in a folder and with a server of its own. A line of a ```text block is a line of
# what they print; "…" stands for anything.
#
# environment: TIDETALK_BIN, MOCK_LLM_BIN, TEST_LOGS
set -euo pipefail
# shellcheck source=tests/doc_blocks.sh
. "$(dirname "$0")/doc_blocks.sh"

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

# What a reader of docs/tasks/README.md runs who has a server already
blocks_for_running()
{
    awk '/^### A server to try things/ { skip = 1 }
        /^### Or the server that runs/ { skip = 0; mine = 1 }
        /^### Then/ { mine = 0 }
        !skip && !(mine && /^<!-- shown only/)' docs/tasks/README.md
}

# Three of the pages also on the server of ./run.sh
RUNNING='persona tool-loop moderation'

for page in ${1:-docs/tasks/*.md}; do
    name=$(basename "$page" .md)
    [ "$name" != README ] || continue
    make_checkout
    cat docs/tasks/README.md "$page" >"$work/page.md"
    check "$name: the commands run as printed" run_in_checkout "$work/page.md" "tasks-$name"
    check "$name: they print what the page shows" printed "$page"
    [[ " $RUNNING " == *" $name "* ]] || continue
    make_checkout
    serve_checkout "$(realpath "$TEST_LOGS")/tasks-running-$name.server.log"
    { blocks_for_running && cat "$page"; } >"$work/page.md"
    cd "$work/checkout"
    check "$name: the commands run on a server that runs" run_blocks "$work/page.md"
    cd "$ROOT"
    check "$name: they print what the page shows there" printed "$page"
    check "$name: the server ends cleanly" ends_cleanly
done
finish
