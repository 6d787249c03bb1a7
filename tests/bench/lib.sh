#!/bin/bash
# What the sections of the benchmark share: starting and ending processes, users, the load
# generators, medians, the table. Sourced by run.sh, which sets ROOT, work, binaries and times.
# shellcheck disable=SC2034,SC2153,SC2154  # variables that run.sh sets, or reads

processes=()
mock_pid='' nginx_pid='' server_pid=''
mock='' nginx='' server=''

# ---- processes ----

# stop PID: ends a process that we started and waits for it
stop()
{
    kill "$1" 2>/dev/null || return 0
    wait "$1" 2>/dev/null || true
}

cleanup()
{
    local pid

    for pid in "${processes[@]}"; do
        stop "$pid"
    done
    rm -rf "$work"
}

# give_up MESSAGE: ends the run, showing the end of the server's log
give_up()
{
    tail -n 20 "$work/server.log" >&2
    die "$1"
}

# free_port: prints a port that nobody listens on, below those that the system gives to clients
free_port()
{
    local port

    while :; do
        port=$((10000 + RANDOM % 20000))
        (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null || break
    done
    printf '%s' "$port"
}

# wait_200 URL PID LOG [TRIES]: until it answers; 10 s
wait_200()
{
    local _

    for _ in $(seq "${4:-500}"); do
        curl -fs -o /dev/null "$1" && return 0
        kill -0 "$2" 2>/dev/null || break
        sleep 0.02
    done
    tail -n 20 "$3" >&2
    die "no answer from $1"
}

start_mock()
{
    local _

    "$MOCK_LLM" --listen 127.0.0.1:0 --threads 2 --no-record >"$work/mock.out" 2>&1 &
    mock_pid=$!
    processes+=("$mock_pid")
    for _ in {1..200}; do
        grep -q '^listening ' "$work/mock.out" && break
        sleep 0.02
    done
    mock=$(sed -n 's/^listening //p' "$work/mock.out")
    [ -n "$mock" ] || die "the mock upstream did not start"
}

# server_env DATA_DIR: prints the settings, one a line
server_env()
{
    printf '%s\n' "TIDETALK_LISTEN=$server" "TIDETALK_DATA_DIR=$1" "TIDETALK_LUA_DIR=$ROOT/lua" \
        "TIDETALK_MIGRATIONS_DIR=$ROOT/migrations" "TIDETALK_PERSONAS=$ROOT/style.yaml" \
        TIDETALK_WORKERS=2 TIDETALK_LOG_LEVEL=warn TIDETALK_OUTBOUND_ALLOW=127.0.0.0/8 \
        TIDETALK_LIMITS_USER_REPLIES=0
}

# start_server [DATA_DIR]: sets server_pid; the port stays the same for the whole run
start_server()
{
    local -a settings

    server_data=${1:-$work/data}
    server=${server:-127.0.0.1:$(free_port)}
    mapfile -t settings < <(server_env "$server_data")
    (cd "$work" && exec env "${settings[@]}" "$TIDETALK" serve) >>"$work/server.log" 2>&1 &
    server_pid=$!
    processes+=("$server_pid")
    wait_200 "http://$server/readyz" "$server_pid" "$work/server.log"
}

stop_server()
{
    stop "$server_pid"
}

start_nginx()
{
    nginx=${nginx:-127.0.0.1:$(free_port)}
    sed -e "s|@DIR@|$work|g" -e "s|@SOURCE@|$HERE/nginx|g" -e "s|@MOCK@|$mock|g" \
        -e "s|@LISTEN@|$nginx|g" -e "s|@FILES@|$(ulimit -Hn)|g" \
        -e "s|@HEALTH@|$(curl -s "http://$server/livez")|g" "$HERE/nginx/nginx.conf.in" \
        >"$work/nginx.conf"
    "$NGINX" -p "$work" -c "$work/nginx.conf" >"$work/nginx.out" 2>&1 &
    nginx_pid=$!
    processes+=("$nginx_pid")
    wait_200 "http://$nginx/livez" "$nginx_pid" "$work/nginx.log"
}

stop_nginx()
{
    stop "$nginx_pid"
}

# process_tree PID: it and all that it started
process_tree()
{
    local child

    printf '%s\n' "$1"
    for child in $(pgrep -P "$1"); do
        process_tree "$child"
    done
}

# nginx_pids: master and workers
nginx_pids()
{
    process_tree "$nginx_pid"
}

# ---- users, models, sessions ----

# api TOKEN METHOD PATH [BODY]: prints the answer, ends the run when it is none
api()
{
    local -a body=()

    [ $# -lt 4 ] || body=(-d "$4")
    curl -sS --fail-with-body -X "$2" "http://$server$3" -H "Authorization: Bearer $1" \
        -H 'Content-Type: application/json' "${body[@]}" || die "$2 $3 failed"
}

# add_model TOKEN NAME SCENARIO
add_model()
{
    api "$1" POST /api/user/apis "{\"api_name\":\"$2\",\"model_name\":\"$2\",\"api_key\":\
\"sk-bench-0123456789\",\"base_url\":\"http://$mock/$3/v1\"}" >/dev/null
}

# make_users: USERS users with the models of the sections, their tokens in users.txt; four of them
# have exactly 20 sessions and stand in readers.txt
make_users()
{
    local i n token

    for ((i = 0; i < USERS; i++)); do
        token=$(api none POST /api/register "{\"username\":\"bench-$run-$i\",\"password\":\
\"high-tide\"}" | sed -n 's/.*"token":"\([^"]*\)".*/\1/p')
        if [ "$i" -lt 4 ]; then
            for ((n = 0; n < 20; n++)); do
                api "$token" POST /api/chat/session '{"model_name":"demo"}' >/dev/null
            done
            printf '%s\n' "$token" >>"$work/readers.txt"
            continue
        fi
        add_model "$token" words tokens=8
        add_model "$token" one tokens=1
        add_model "$token" burst tokens=64
        add_model "$token" paced "$PACED"
        add_model "$token" slow "$SLOW"
        printf '%s\n' "$token" >>"$work/users.txt"
    done
}

# ---- load ----

# session_name: a prefix that no run before has used; sets session
session_name()
{
    sessions_made=$((${sessions_made:-0} + 1))
    session=s$run-$sessions_made
}

# pids_cpu_us PID...: CPU time they have used
pids_cpu_us()
{
    local pid

    for pid in "$@"; do
        cat "/proc/$pid/stat"
    done | awk -v hz="$(getconf CLK_TCK)" '
        { sub(/.*\) /, ""); t += $12 + $13 } END { printf "%.0f\n", t * 1e6 / hz }'
}

# pss_mib PID...: their memory, what they share counted once
pss_mib()
{
    local pid

    for pid in "$@"; do
        cat "/proc/$pid/smaps_rollup"
    done | awk '/^Pss:/ { s += $2 } END { print s / 1024 }'
}

# load CONNECTIONS SECONDS "PID..." URL ARGUMENT...: wrk; sets rate, p50, p99, cpu (us a request)
load()
{
    local connections=$1 seconds=$2 url=$4 threads=2 before after requests failed time _
    local -a pids
    read -ra pids <<<"$3"
    shift 4

    [ "$connections" -gt 1 ] || threads=1
    before=$(pids_cpu_us "${pids[@]}")
    wrk -t$threads -c"$connections" -d"${seconds}s" --timeout 10s -s "$HERE/wrk/load.lua" "$url" -- "$@" \
        >"$work/wrk.out" || give_up "wrk failed"
    after=$(pids_cpu_us "${pids[@]}")
    read -r _ requests failed time p50 p99 < <(grep '^RESULT ' "$work/wrk.out")
    [ "$failed" -eq 0 ] || give_up "$failed of $requests requests to $url failed"
    rate=$(calc "$requests / $time")
    cpu=$(calc "($after - $before) / $requests")
}

# streams ARGUMENT...: the stream client; its answer is in $work/streams.json
streams()
{
    timeout 600 "$STREAM_CLIENT" "$@" >"$work/streams.json" || give_up "streams failed"
}

# got NAME: a number of what the stream client said
got()
{
    sed -n "s/.*\"$1\":\\([-0-9.]*\\).*/\\1/p" "$work/streams.json"
}

# ---- numbers ----

calc()
{
    awk "BEGIN { printf \"%.4f\", $1 }"
}

# keep NAME VALUE: one more measurement
keep()
{
    printf '%s\n' "$2" >>"$work/kept.$1"
}

# median NAME
median()
{
    sort -n "$work/kept.$1" | awk '{ v[NR] = $1 } END {
        printf "%.4f", NR % 2 ? v[(NR + 1) / 2] : (v[NR / 2] + v[NR / 2 + 1]) / 2 }'
}

# ---- the table ----

title()
{
    printf '\n%s\n' "$1"
    printf '  %-52s %12s %12s %8s\n' '' TideTalk "$2" "${3:-ratio}"
}

number()
{
    [ -z "$1" ] || awk -v v="$1" 'BEGIN {
        printf(v >= 1000 || v <= -1000 ? "%.0f" : v >= 10 || v <= -10 ? "%.1f" : "%.2f", v) }'
}

# row LABEL OURS [THEIRS [NOTE]]: a ratio when there is a neighbour and no note
row()
{
    local note=${4:-}

    if [ -n "${3:-}" ] && [ -z "$note" ]; then
        note=$(awk -v a="$2" -v b="$3" 'BEGIN { if (b > 0) printf "%.2fx", a / b }')
    fi
    printf '  %-52s %12s %12s %8s\n' "$1" "$(number "$2")" "$(number "${3:-}")" "$note"
}
