#!/bin/bash
# The routes in docs/api.md are those of the route tables in lua/ as they are; "lua5.4 scripts/api_page.lua"
# writes them anew.
set -euo pipefail
# shellcheck source=tests/lint/files.sh
source "$(dirname "$0")/files.sh"

lua5.4 scripts/api_page.lua --check
