#!/bin/bash
# Runs specs with busted under Lua 5.4, which is not what "busted" by itself takes on every system.
#
# usage: tests/lua/run.sh [spec files or busted options...]
set -euo pipefail
cd "$(dirname "$0")/../.."
if [ $# -eq 0 ]; then
    set -- --pattern=_spec tests/lua
fi
exec lua5.4 "$(command -v busted)" --output=TAP --lpath='./lua/?.lua;./?.lua' "$@"
