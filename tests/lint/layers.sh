#!/bin/bash
# Includes go in one direction (docs/architecture.md): a file of core/ includes its own layer and
# those to its left, if CMakeLists.txt links them; http, db, cache, files and reply never include
# each other; a library's header belongs to one layer, Lua's to three. The rooms of core/app have an
# order as well: settings, reload, page, admin, what lies in app itself, cli. "layers.sh DIR" looks at
# DIR instead of core; before it looks at core it checks itself on wrong includes that it plants.
set -euo pipefail
ROOT=$(cd "$(dirname "$0")/../.." && pwd)

# check_layers DIR: prints each wrong include as file:line: message
check_layers()
{
    # shellcheck disable=SC2016  # awk reads the dollars
    find "$1" -name '*.[ch]' -print0 | sort -z | xargs -0 -r awk -v top="$1/" '
        BEGIN {
            rank["base"] = 1; rank["loop"] = 2
            rank["http"] = rank["db"] = rank["cache"] = rank["files"] = rank["reply"] = 3
            rank["upstream"] = 4; rank["node"] = rank["chat"] = 5; rank["script"] = 6; rank["tide"] = 7
            rank["serve"] = 8; rank["app"] = 9
            room["app/settings"] = 1; room["app/reload"] = 2; room["app/page"] = 3
            room["app/admin"] = 4; room["app"] = 5; room["app/cli"] = 6
            only["lua.h"] = only["lauxlib.h"] = only["lualib.h"] = only["luaconf.h"] \
                = "script tide serve"
            only["microhttpd.h"] = "http"; only["curl.h"] = "files upstream"; only["multi.h"] = only["zlib.h"] = "upstream"
            only["archive.h"] = only["archive_entry.h"] = only["expat.h"] = "files"
            only["sodium.h"] = only["yaml.h"] = "base"
            only["sqlite3.h"] = only["libpq-fe.h"] = "db"; only["hiredis.h"] = only["async.h"] = "cache"
        }
        function wrong(text) { printf "%s:%d: %s\n", FILENAME, FNR, text; bad = 1 }
        function room_of(path) { sub(/\/[^\/]*$/, "", path); return path }
        function check(name, parts, count, last) {
            count = split(name, parts, "/")
            last = parts[count]
            if (!(parts[1] in rank) && last in only && index(" " only[last] " ", " " layer " ") == 0)
                wrong(name " belongs to " only[last] " only")
            else if (count > 1 && parts[1] in rank && parts[1] != layer \
                     && rank[parts[1]] >= rank[layer])
                wrong(layer " must not include " name)
            else if (layer == "app" && parts[1] == "app" && !(room_of(name) in room))
                wrong("unknown room " room_of(name))
            else if (layer == "app" && parts[1] == "app" && room[room_of(name)] > room[own])
                wrong(own " must not include " name)
            else if (name ~ /\.\./)
                wrong("includes start at core/, not with ..: " name)
        }
        FNR == 1 { layer = substr(FILENAME, length(top) + 1); sub(/\/.*/, "", layer)
                   if (!(layer in rank)) wrong("unknown layer " layer)
                   own = room_of(substr(FILENAME, length(top) + 1))
                   if (layer == "app" && !(own in room)) wrong("unknown room " own) }
        /^[ \t]*#[ \t]*include[ \t]*["<]/ {
            name = $0
            sub(/^[^"<]*["<]/, "", name); sub(/[">].*/, "", name)
            check(name)
        }
        END { exit bad }'
}

# plant FILE INCLUDE: the check must find it
plant()
{
    local dir
    dir=$(mktemp -d)
    mkdir -p "$dir/${1%/*}"
    printf '#include <stdio.h>\n#include "base/buf.h"\n#include %s\n' "$2" >"$dir/$1"
    if check_layers "$dir" >/dev/null; then
        echo "the check itself fails: #include $2 in $1 was not found"
        rm -r "$dir"
        exit 1
    fi
    rm -r "$dir"
}

if [ $# -gt 0 ]; then
    check_layers "$1"
    exit
fi
plant base/a.c '"loop/loop.h"'
plant loop/a.h '"http/http.h"'
plant http/a.c '"db/db.h"'
plant upstream/a.c '"chat/frames.h"'
plant db/a.c '"reply/reply.h"'
plant reply/a.c '"http/http.h"'
plant chat/a.c '"script/vm.h"'
plant node/a.c '"chat/frames.h"'
plant chat/a.c '"node/node.h"'
plant chat/a.c '<lua.h>'
plant script/a.c '"tide/modules.h"'
plant tide/a.c '"serve/dispatch.h"'
plant cache/a.c '"db/db.h"'
plant reply/a.c '"upstream/client.h"'
plant files/a.c '"http/http.h"'
plant db/a.c '"script/vm.h"'
plant script/a.c '"app/worker.h"'
plant app/a.c '<lua.h>'
plant app/a.c '<lua5.4/lauxlib.h>'
plant script/a.c '<microhttpd.h>'
plant script/a.c '<curl/curl.h>'
plant app/a.c '<sqlite3.h>'
plant script/a.c '<archive.h>'
plant app/a.c '<yaml.h>'
plant db/a.c '<hiredis/hiredis.h>'
plant base/a.c '"../loop/loop.h"'
plant app/settings/a.c '"app/reload/builder.h"'
plant app/settings/a.c '"app/app.h"'
plant app/reload/a.c '"app/admin/admin.h"'
plant app/reload/a.h '"app/worker.h"'
plant app/page/a.c '"app/admin/admin.h"'
plant app/admin/a.c '"app/app.h"'
plant app/admin/a.c '"app/cli/cli.h"'
plant app/a.c '"app/cli/cli.h"'
plant app/attic/a.c '"base/str.h"'
plant app/cli/a.c '"app/attic/a.h"'
# check_links: what a layer includes is in its LINK, or in the LINK of what is
check_links()
{
    grep -rnE '^#[ \t]*include "[a-z]+/' core | awk '
        NR == FNR { if (match($0, /tt_layer\([a-z]+ LINK [^)]*/)) {
                        split(substr($0, RSTART + 9, RLENGTH - 9), words, " ")
                        for (i = 3; i in words; i++) if (words[i] ~ /^[a-z]+$/) {
                            uses[words[1], words[i]] = 1; known[words[1]] = known[words[i]] = 1 }
                        delete words }
                    next }
        FNR == 1 { for (a in known) for (b in known) for (c in known)
                       if (uses[b, a] && uses[a, c]) uses[b, c] = 1 }
        { split($0, at, ":"); layer = at[1]; sub(/^core\//, "", layer); sub(/\/.*/, "", layer)
          name = $0; sub(/^[^"]*"/, "", name); sub(/\/.*/, "", name)
          if (name != layer && !uses[layer, name]) {
              printf "%s:%s: %s is not in the LINK of %s (CMakeLists.txt)\n", at[1], at[2], name, layer
              bad = 1 } }
        END { exit bad }' CMakeLists.txt -
}
cd "$ROOT"
check_layers core
check_links
