#!/bin/bash
# Runs a command beside a PostgreSQL of its own: in a temporary folder, on a port of loopback, ended
# with the command. TEST_POSTGRES is its address without a database, "postgres://USER:PASSWORD@HOST:PORT",
# TEST_POSTGRES_PID its process and TEST_POSTGRES_LOG its log. If TEST_POSTGRES is set already, that one is used.
# The data is worth nothing, so nothing waits for the disk, unless TEST_POSTGRES_SYNC=on (what it costs is measured).
#
# usage: tests/postgres/run.sh COMMAND...
set -euo pipefail

[ $# -gt 0 ] || { sed -n '2,/^$/s/^# \{0,1\}//p' "$0"; exit 2; }
if [ -n "${TEST_POSTGRES:-}" ]; then
    exec "$@"
fi

BIN=$(find /usr/lib/postgresql -path '*/bin/initdb' 2>/dev/null | sort -V | tail -n 1)
BIN=${BIN%/initdb}
if [ -z "$BIN" ]; then
    echo "PostgreSQL is not installed (scripts/install.sh e2e)" >&2
    exit 1
fi
AS=() # it refuses to run as root
[ "$(id -u)" -ne 0 ] || AS=(setpriv --reuid=postgres --regid=postgres --clear-groups --reset-env)

folder=$(mktemp -d /tmp/tt_postgres.XXXXXX) # not in TMPDIR, where its user may not go
pid=

# shellcheck disable=SC2317  # called by the trap
end()
{
    if [ -n "$pid" ]; then
        kill -INT "$pid" 2>/dev/null || true # "fast"
        wait "$pid" 2>/dev/null || true
    fi
    rm -rf "$folder"
}
trap end EXIT
trap 'exit 130' INT TERM HUP

free_port()
{
    local port

    for ((port = ${TEST_PORTS:-20000} + 400; ; port++)); do
        (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null || { echo "$port"; return; }
    done
}

password=$(od -An -N16 -tx1 /dev/urandom | tr -d ' \n')
printf '%s\n' "$password" >"$folder/password"
[ ${#AS[@]} -eq 0 ] || chown -R postgres: "$folder"
port=$(free_port)
cd /
"${AS[@]}" "$BIN/initdb" --pgdata="$folder/data" --username=tidetalk --pwfile="$folder/password" \
    --auth-host=scram-sha-256 --auth-local=reject --encoding=UTF8 --locale=C.UTF-8 --no-sync \
    >"$folder/initdb.log" 2>&1 || { cat "$folder/initdb.log" >&2; exit 1; }
cat >>"$folder/data/postgresql.conf" <<CONF
listen_addresses = '127.0.0.1'
port = $port
unix_socket_directories = ''
max_connections = 300
shared_buffers = 64MB
fsync = ${TEST_POSTGRES_SYNC:-off}
full_page_writes = ${TEST_POSTGRES_SYNC:-off}
autovacuum_naptime = 5s
log_min_messages = fatal
CONF
log=${TEST_LOGS:-$folder}/postgres.log
mkdir -p "${log%/*}"
"${AS[@]}" "$BIN/postgres" -D "$folder/data" >"$log" 2>&1 </dev/null &
pid=$!
export PGPASSWORD=$password
for _ in {1..200}; do
    if psql -qAtc 'SELECT 1' "postgres://tidetalk@127.0.0.1:$port/postgres" >/dev/null 2>&1; then
        ready=yes
        break
    fi
    kill -0 "$pid" 2>/dev/null || break
    sleep 0.05
done
if [ -z "${ready:-}" ]; then
    cat "$log" >&2
    exit 1
fi
unset PGPASSWORD
cd "$OLDPWD"
export TEST_POSTGRES_LOG=$log TEST_POSTGRES=postgres://tidetalk:$password@127.0.0.1:$port TEST_POSTGRES_PID=$pid
rc=0
"$@" || rc=$?
exit "$rc"
