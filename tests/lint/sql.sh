#!/bin/bash
# SQL that only one database understands, SQLite's and PostgreSQL's libraries stand in core/db/sqlite*,
# core/db/postgres* and in migrations/; everything else is for any engine (core/db/engine.h). "sql.sh DIR..." looks at these folders;
# without, at core, lua and examples, after it has checked itself on faults that it plants.
set -euo pipefail
ROOT=$(cd "$(dirname "$0")/../.." && pwd)

# check_sql DIR...: prints each line that is not for any engine, as file:line: what, and the line.
# Comments are left out: whole lines that begin as one.
check_sql()
{
    # shellcheck disable=SC2016  # awk reads the dollars
    find "$@" \( -name '*.[ch]' -o -name '*.lua' \) ! -path '*/db/sqlite*' \
        ! -path '*/db/postgres*' -print0 | sort -z |
        xargs -0 -r awk '
        function wrong(what) { printf "%s:%d: %s: %s\n", FILENAME, FNR, what, $0; bad = 1 }
        BEGIN {
            only["insert or (ignore|replace|abort|fail|rollback)|replace into"] = "use ON CONFLICT"
            only["last_insert_rowid"] = "use db.id_of, tt_db_id_of"
            only["json_(each|tree|extract|group_array|group_object) *\\("] = "use values, one for each"
            only["unixepoch *\\(|julianday *\\(|strftime *\\(.%|datetime *\\(.now"] = "bind the time"
            only["[^a-z_.:]date *\\( *[?\047]"] = "bind the day"
            only["(select|from|join|where|and|or|by|,) +[a-z_.]*rowid([^a-z_]|$)"] = "use the id"
            only["sqlite_(schema|master|sequence)|\042 *pragma +[a-z]|without rowid|autoincrement"] \
                = "schema and settings of SQLite"
            only["create +(temp +)?trigger|drop +trigger"] = "triggers belong to migrations"
            only["using +fts5|fts5 *\\(|snippet *\\(|bm25 *\\(|[^a-z_]match +[?\047]"] \
                = "search stands behind tide.search, db/search.h"
            only["[^a-z_]message_search([^a-z_]|$)|message_search_source"] = "the table of FTS5"
            only["[a-z)\047]::[a-z]|[^a-z_](ilike|distinct on|any *[(] *[$?]|unnest *[(]|tsvector|bigserial)"] \
                = "SQL of PostgreSQL"
            only["[a-z_] glob [?\047]|[^a-z_]ifnull *\\(|group_concat *\\(|total_changes *\\("] \
                = "functions of SQLite"
            only["[^a-z_.](max|min) *\\([^()]*,"] = "min and max of two values: use CASE"
            only["when +[?][0-9]* +then|[^a-z_](and|or|where) +[?][0-9]*( +(and|or|order|limit)|\042|$)"] \
                = "a number is no condition: write ? = 1"
            only["(sum|total) *\\( *[a-z_.]+ *(=|<|>|is )"] = "a condition is no number: use CASE"
        }
        {
            line = tolower($0)
            if (line ~ /^[ \t]*(--|\/\*|\*|\/\/)/)
                next
            for (pattern in only)
                if (line ~ pattern)
                    wrong(only[pattern])
            if (FILENAME ~ /\.[ch]$/) {
                gsub(/tt_(sqlite|pg)_engine/, "", line) # those that are named, where engines are listed
                if (line ~ /tt_sqlite_|sqlite3_|sqlite3\.h/)
                    wrong("SQLite belongs to core/db/sqlite*")
                if (line ~ /tt_pg_|libpq|[^a-z]pq(exec|send|get|connect)/)
                    wrong("PostgreSQL belongs to core/db/postgres*")
            }
        }
        END { exit bad }'
}

# plant FILE LINE: the check must find it.
plant()
{
    local dir
    dir=$(mktemp -d)
    mkdir -p "$dir/${1%/*}"
    printf -- '-- a comment\n%s\n' "$2" >"$dir/$1"
    if check_sql "$dir" >/dev/null; then
        echo "the check itself fails: '$2' in $1 was not found"
        rm -r "$dir"
        exit 1
    fi
    rm -r "$dir"
}

# spare FILE LINE: the check must not find it.
spare()
{
    local dir
    dir=$(mktemp -d)
    mkdir -p "$dir/${1%/*}"
    printf '%s\n' "$2" >"$dir/$1"
    if ! check_sql "$dir"; then
        echo "the check itself fails: '$2' in $1 is no fault"
        rm -r "$dir"
        exit 1
    fi
    rm -r "$dir"
}

cd "$ROOT"
if [ $# -gt 0 ]; then
    check_sql "$@"
    exit
fi
plant lua/a.lua '  "INSERT OR IGNORE INTO t VALUES (?)",'
plant core/app/a.c '    "insert or replace into t"'
plant lua/a.lua '"VALUES (coalesce(?, last_insert_rowid()))"'
plant lua/a.lua 'WHERE id IN (SELECT value FROM json_each(?))'
plant core/chat/a.c '"SELECT json_extract(value, 1)"'
plant lua/a.lua "  OR unixepoch('now') - unixepoch(at) >= ?"
plant lua/a.lua "  AND day >= coalesce(?2, date(?3, ?4))"
plant lua/a.lua "WHERE at < strftime('%s', 'now')"
plant core/app/a.c '"CREATE TRIGGER a AFTER INSERT ON t BEGIN"'
plant lua/a.lua 'WHERE message_search MATCH ? AND user_id = ?'
plant lua/a.lua "SELECT snippet(t, 1, '', '', '', 24)"
plant examples/a/lua/a.lua 'SELECT rowid, a FROM t'
plant core/app/a.c '"SELECT count(*) FROM sqlite_schema"'
plant lua/a.lua 'db.query("PRAGMA page_count")'
plant lua/a.lua 'SET title = CASE WHEN ? THEN ? ELSE title END'
plant lua/a.lua '  .. "AND parent_id IS NULL AND ?4 ORDER BY id",'
plant lua/a.lua 'SELECT coalesce(SUM(session_row = ?2), 0)'
plant core/app/a.c '"UPDATE t SET n = n + max(0, min(?1, 9))"'
plant core/app/a.c '    rc = sqlite3_step(handle);'
plant core/app/a.c '#include <sqlite3.h>'
plant core/app/a.c '    PGresult *result = PQexec(conn, sql);'
plant core/tide/a.c '#include "db/postgres.h" /* tt_pg_open */'
plant core/db/search_index.c '    rc = tt_sqlite_run(conn, "BEGIN", err);'
spare core/db/sqlite_search.c '"SELECT 1 FROM message_search WHERE message_search MATCH ?1"'
spare core/db/db.c '    &tt_sqlite_engine,'
spare lua/a.lua '-- as json_each would'
spare lua/a.lua 'local function date(name)'
spare lua/a.lua 'local n = math.min(1, 2) .. "SELECT MAX(id)"'
spare lua/a.lua 'if policy.is_date(date) then'
spare core/http/a.c '    strftime(date, sizeof(date), "%a, %d %b %Y", &tm);'
spare lua/a.lua 'DELETE FROM message_search_queue WHERE user_id = ? AND id < ?'
spare lua/a.lua 'UPDATE t SET a = CASE WHEN ? = 1 THEN ? ELSE a END WHERE b = ? OR c = ?'
check_sql core lua examples

# Both folders of migrations have the same files, from PostgreSQL's first one on.
shopt -s nullglob
for file in migrations/sqlite/*.sql migrations/postgres/*.sql; do
    name=${file##*/}
    [ "$((10#${name%%_*}))" -gt 25 ] || continue
    for folder in sqlite postgres; do
        if [ ! -f "migrations/$folder/$name" ]; then
            echo "migrations/$folder/$name is missing: both databases have the same versions"
            exit 1
        fi
    done
done
