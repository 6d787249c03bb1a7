#!/bin/bash
# The sections of the benchmark. Sourced by run.sh.
# shellcheck disable=SC2153,SC2154  # what lib.sh and run.sh set

# The health route beside "return 200" with the same body.
section_health()
{
    local _

    for _ in $(seq "$ROUNDS"); do
        load 64 "$SECONDS_EACH" "$server_pid" "http://$server/livez" get "$work/readers.txt"
        keep health_ours "$rate"
        keep health_ours_cpu "$cpu"
        load 64 "$SECONDS_EACH" "$(nginx_pids | xargs)" "http://$nginx/livez" get \
            "$work/readers.txt"
        keep health_nginx "$rate"
        keep health_nginx_cpu "$cpu"
    done
    title 'Health route, 64 connections' 'nginx'
    row 'requests a second' "$(median health_ours)" "$(median health_nginx)"
    row 'CPU us a request' "$(median health_ours_cpu)" "$(median health_nginx_cpu)"
}

# The session list: token check, two queries, 20 rows to JSON; the neighbour only encodes.
section_list()
{
    local _

    for _ in $(seq "$ROUNDS"); do
        load 64 "$SECONDS_EACH" "$server_pid" "http://$server/api/chat/sessions" get \
            "$work/readers.txt"
        keep list_ours "$rate"
        keep list_ours_cpu "$cpu"
        load 64 "$SECONDS_EACH" "$(nginx_pids | xargs)" "http://$nginx/sessions" get \
            "$work/readers.txt"
        keep list_nginx "$rate"
        keep list_nginx_cpu "$cpu"
    done
    title 'Session list, 20 rows, 64 connections' 'nginx+Lua'
    row 'requests a second' "$(median list_ours)" "$(median list_nginx)"
    row 'CPU us a request' "$(median list_ours_cpu)" "$(median list_nginx_cpu)"
}

# chat_load NAME COUNT: messages that are answered whole; COUNT sessions, 0: a new one each time
chat_load()
{
    session_name
    load 64 "$SECONDS_EACH" "$server_pid" "http://$server/api/chat/message" chat \
        "$work/users.txt" words "$session" "$2"
    keep "$1" "$rate"
    keep "$1_cpu" "$cpu"
    keep "$1_p50" "$p50"
}

# Chat without streaming. The neighbour stores nothing and has no history.
section_chat()
{
    local _

    for _ in $(seq "$ROUNDS"); do
        chat_load chat_new 0
        chat_load chat_old 256
        load 64 "$SECONDS_EACH" "$(nginx_pids | xargs)" "http://$nginx/chat" chat \
            "$work/users.txt" words none 0
        keep chat_nginx "$rate"
        keep chat_nginx_cpu "$cpu"
        keep chat_nginx_p50 "$p50"
    done
    title 'Chat, not streamed, 64 connections' 'nginx+Lua'
    row 'requests a second, each in a new session' "$(median chat_new)" "$(median chat_nginx)"
    row 'CPU us a request' "$(median chat_new_cpu)" "$(median chat_nginx_cpu)"
    row 'p50 us' "$(median chat_new_p50)" "$(median chat_nginx_p50)"
    row 'requests a second, 256 sessions with growing history' "$(median chat_old)" \
        "$(median chat_nginx)"
    row 'CPU us a request' "$(median chat_old_cpu)" "$(median chat_nginx_cpu)"
}

# our_streams MODEL TOKENS ARGUMENT...: streams from the server
our_streams()
{
    local model=$1 tokens=$2
    shift 2

    session_name
    streams --address "$server" --path /api/chat/message/stream --users "$work/users.txt" \
        --model "$model" --session "$session" --tokens "$tokens" --pid "$server_pid" "$@"
}

# their_streams WAY SCENARIO TOKENS ARGUMENT...: through nginx, WAY is proxy or copy
their_streams()
{
    local way=$1 scenario=$2 tokens=$3 pid
    local -a pids=()
    shift 3

    for pid in $(nginx_pids); do
        pids+=(--pid "$pid")
    done
    streams --address "$nginx" --path "/$way/$scenario/v1/chat/completions" --openai \
        --tokens "$tokens" "${pids[@]}" "$@"
}

# direct_streams SCENARIO TOKENS ARGUMENT...: from the upstream itself
direct_streams()
{
    local scenario=$1 tokens=$2
    shift 2

    streams --address "$mock" --path "/$scenario/v1/chat/completions" --openai \
        --tokens "$tokens" "$@"
}

# Streams of 64 tokens that come at once: how many a second.
section_burst()
{
    local _ way

    for _ in $(seq "$ROUNDS"); do
        our_streams burst 64 --seconds "$SECONDS_EACH"
        keep burst_ours "$(got streams_per_s)"
        keep burst_ours_cpu "$(got cpu_us_per_stream)"
        for way in proxy copy; do
            their_streams $way tokens=64 64 --seconds "$SECONDS_EACH"
            keep burst_$way "$(got streams_per_s)"
            keep burst_${way}_cpu "$(got cpu_us_per_stream)"
        done
    done
    title 'Streams of 64 tokens, not paced, 64 connections' 'nginx'
    row 'streams a second, beside proxy_pass' "$(median burst_ours)" "$(median burst_proxy)"
    row 'CPU us a stream' "$(median burst_ours_cpu)" "$(median burst_proxy_cpu)"
    row 'streams a second, beside a copy loop in Lua' "$(median burst_ours)" \
        "$(median burst_copy)"
    row 'CPU us a stream' "$(median burst_ours_cpu)" "$(median burst_copy_cpu)"
}

# keep_many NAME: what the stream client said of a run with many streams
keep_many()
{
    local value

    for value in latency_p50_us latency_p99_us cpu_us_per_token rss_begin_kib_per_stream \
        rss_kib_per_stream tokens_per_s; do
        keep "$1_$value" "$(got $value)"
    done
}

# idle NAME PID...: memory of a server that has just started
idle()
{
    local name=$1
    shift

    keep "$name" "$(ps -o rss= -p "$(IFS=, && echo "$*")" | awk '{ s += $1 } END { print s / 1024 }')"
}

# Many streams at 20 tokens a second; the client checks every byte. Servers are fresh and have
# served some streams, so that their caches are full and what is added is what these streams need.
section_many()
{
    local _ rounds=$((ROUNDS > 2 ? 2 : ROUNDS))
    local -a way=(--streams "$STREAMS" --spread 2000 --stamp)

    for _ in $(seq "$rounds"); do
        stop_server
        start_server
        idle many_ours_idle "$server_pid"
        our_streams burst 64 --streams 8 --seconds 6
        our_streams paced "$TOKENS" "${way[@]}"
        keep_many many_ours
        stop_nginx
        start_nginx
        # shellcheck disable=SC2046  # a list of numbers
        idle many_nginx_idle $(nginx_pids)
        their_streams proxy tokens=64 64 --streams 8 --seconds 6
        their_streams proxy "$PACED" "$TOKENS" "${way[@]}"
        keep_many many_nginx
    done
    direct_streams "$PACED" "$TOKENS" "${way[@]}"
    keep_many many_direct
    title "$STREAMS streams at 20 tokens a second, $TOKENS tokens each, every byte checked" nginx
    row 'tokens a second' "$(median many_ours_tokens_per_s)" "$(median many_nginx_tokens_per_s)"
    row 'CPU us a token' "$(median many_ours_cpu_us_per_token)" \
        "$(median many_nginx_cpu_us_per_token)"
    many_latency p50
    many_latency p99
    row 'memory a stream at its begin, KiB' "$(median many_ours_rss_begin_kib_per_stream)" \
        "$(median many_nginx_rss_begin_kib_per_stream)"
    row "memory a stream at its end ($((TOKENS * 23 / 1024)) KiB of text), KiB" \
        "$(median many_ours_rss_kib_per_stream)" "$(median many_nginx_rss_kib_per_stream)"
    row 'memory idle after the start, MiB' "$(median many_ours_idle)" "$(median many_nginx_idle)"
}

# many_latency PERCENTILE: from the upstream's stamp to the client, and without what it takes
# without anything between
many_latency()
{
    local ours theirs direct

    ours=$(median "many_ours_latency_$1_us")
    theirs=$(median "many_nginx_latency_$1_us")
    direct=$(median "many_direct_latency_$1_us")
    row "upstream to client, $1 us (direct: $(number "$direct"))" "$ours" "$theirs"
    row "  added, $1 us" "$(calc "$ours - $direct")" "$(calc "$theirs - $direct")"
}

# keep_open NAME: what the stream client said of a run with very many slow streams
keep_open()
{
    local value

    for value in gap_p50_us gap_p99_us cpu_us_per_token rss_begin_kib_per_stream finished; do
        keep "$1_$value" "$(got $value)"
    done
}

# Very many streams that say little, as an evening's chats do: what an open one costs in memory, and
# how even its pace stays. Ideal is a word a second.
section_open()
{
    local -a way=(--streams "$OPEN_STREAMS" --spread $((OPEN_STREAMS)) --stamp)

    stop_server
    start_server
    our_streams burst 64 --streams 8 --seconds 6
    our_streams slow "$OPEN_TOKENS" "${way[@]}"
    keep_open open_ours
    their_streams proxy tokens=64 64 --streams 8 --seconds 6
    their_streams proxy "$SLOW" "$OPEN_TOKENS" "${way[@]}"
    keep_open open_nginx
    title "$OPEN_STREAMS streams at a token a second, every byte checked" nginx
    row 'streams that came whole' "$(median open_ours_finished)" "$(median open_nginx_finished)"
    row 'between two tokens, p50 ms' "$(calc "$(median open_ours_gap_p50_us) / 1000")" \
        "$(calc "$(median open_nginx_gap_p50_us) / 1000")"
    row 'between two tokens, p99 ms' "$(calc "$(median open_ours_gap_p99_us) / 1000")" \
        "$(calc "$(median open_nginx_gap_p99_us) / 1000")"
    row 'CPU us a token' "$(median open_ours_cpu_us_per_token)" \
        "$(median open_nginx_cpu_us_per_token)"
    row 'memory a stream when all have begun, KiB' \
        "$(median open_ours_rss_begin_kib_per_stream)" \
        "$(median open_nginx_rss_begin_kib_per_stream)"
}

# one_client NAME: latency of a sync chat and of a stream's first token at one client
one_client()
{
    session_name
    load 1 "$SECONDS_EACH" "$server_pid" "http://$server/api/chat/message" chat \
        "$work/users.txt" words "$session" 0
    keep "$1_p50" "$p50"
    keep "$1_p99" "$p99"
    our_streams one 1 --streams 1 --seconds "$SECONDS_EACH"
    keep "$1_first_p50" "$(got first_p50_us)"
    keep "$1_first_p99" "$(got first_p99_us)"
}

direct_client()
{
    load 1 "$SECONDS_EACH" "$mock_pid" "http://$mock/tokens=8/v1/chat/completions" raw words
    keep direct_p50 "$p50"
    keep direct_p99 "$p99"
    direct_streams tokens=1 1 --streams 1 --seconds "$SECONDS_EACH"
    keep direct_first_p50 "$(got first_p50_us)"
    keep direct_first_p99 "$(got first_p99_us)"
}

# added NAME LABEL: four rows with what a client waits longer than without us
added()
{
    local value

    for value in p50 p99 first_p50 first_p99; do
        row "$2, ${value/first_/first token }" "$(median "$1_$value")" \
            "$(median "direct_$value")" \
            "+$(number "$(calc "$(median "$1_$value") - $(median "direct_$value")")")"
    done
}

# sync_us DIR: what one small write that must reach the disk takes there
sync_us()
{
    LC_ALL=C dd if=/dev/zero of="$1/sync" bs=4096 count=500 oflag=dsync 2>&1 |
        sed -n 's/.* \([0-9.e-]*\) s,.*/\1/p' | awk '{ printf "%.1f", $1 * 1e6 / 500 }'
}

# One client: the same on the disk and on a file system in memory, where a sync costs nothing.
section_latency()
{
    local _ rounds=$((ROUNDS > 2 ? 2 : ROUNDS)) memory

    memory=$(mktemp -d /dev/shm/tidetalk-bench.XXXXXX)
    stop_server
    cp -r "$work/data" "$memory/data"
    for _ in $(seq "$rounds"); do
        start_server "$memory/data"
        one_client memory
        stop_server
        start_server
        one_client disk
        stop_server
        direct_client
    done
    rm -rf "$memory"
    start_server
    title "One client, us (a sync of the disk: $(sync_us "$work") us)" direct added
    added disk 'on the disk'
    added memory 'in memory'
}

# From exec to the first 200 of /readyz, ms: with an empty folder and with a database.
section_start()
{
    local _ address
    local -a settings

    address=$server
    server=127.0.0.1:$(free_port)
    mapfile -t settings < <(server_env "$work/fresh")
    for _ in $(seq "$STARTS"); do
        rm -rf "$work/fresh"
        keep start_first "$(start_once "${settings[@]}")"
        keep start_again "$(start_once "${settings[@]}")"
    done
    server=$address
    printf '\n%-54s %12s\n' 'Start to the first 200, ms' TideTalk
    row 'first start, empty folder' "$(median start_first)"
    row 'later start' "$(median start_again)"
}

# start_once SETTING...: prints the milliseconds
start_once()
{
    (cd "$work" && env "$@" "$START_CLOCK" "127.0.0.1:${server##*:}" /readyz "$TIDETALK" serve \
        2>>"$work/start.log") || die "the server did not start: $(tail -n 5 "$work/start.log")"
}
