#!/bin/bash
# Lua files pass luacheck with .luacheckrc. lua/types holds annotations that nothing loads.
set -euo pipefail
# shellcheck source=tests/lint/files.sh
source "$(dirname "$0")/files.sh"

files 'lua/*.lua' 'tests/lua/*.lua' 'examples/*.lua' 'scripts/*.lua' | grep -v '^lua/types/' |
    xargs -r luacheck --quiet --codes --no-color
