#!/bin/bash
# The annotations in lua/types/ are complete and docs/lua-api.md is made of them as they are;
# "lua5.4 scripts/lua_api.lua" writes it anew.
set -euo pipefail
# shellcheck source=tests/lint/files.sh
source "$(dirname "$0")/files.sh"

lua5.4 "$ROOT/scripts/lua_api.lua" --check
