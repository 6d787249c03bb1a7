#!/bin/bash
# The files that pages show are shown as they are; "lua5.4 scripts/doc_files.lua docs/tasks/*.md" writes
# them anew. Every plugin of examples/ has a page that shows it.
set -euo pipefail
# shellcheck source=tests/lint/files.sh
source "$(dirname "$0")/files.sh"

status=0
lua5.4 scripts/doc_files.lua --check docs/*.md docs/tasks/*.md || status=1
for plugin in examples/plugins/*/plugin.lua; do
    page=docs/$(basename "$(dirname "$plugin")").md # a larger one has a page of its own
    [ -f "$page" ] || grep -qxF -- "<!-- file: $plugin -->" docs/tasks/*.md || {
        echo "no page of docs/tasks/ shows $plugin, and there is no $page"
        status=1
    }
done
exit $status
