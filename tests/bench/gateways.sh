#!/bin/bash
# The benchmark's section for gateways: the same request of OpenAI's form through TideTalk, nginx,
# Portkey's gateway and LiteLLM's proxy, and straight to the upstream. Sourced by run.sh.
#
# Portkey and LiteLLM are installed in build/gateways, in exactly the versions that gateways/ lists.
# One that cannot be installed or started is left out, with its error. Prints the table of
# docs/performance.md.
# shellcheck disable=SC2153,SC2154  # what lib.sh and run.sh set

GATEWAYS_OF=(stored tidetalk nginx portkey litellm direct)
declare -A GATEWAY_TITLE=([stored]='TideTalk, chat' [tidetalk]=TideTalk [nginx]=nginx
    [portkey]=Portkey [litellm]=LiteLLM [direct]='the upstream')
GATEWAY_PATH=/v1/chat/completions
GATEWAY_WORKERS=2
gateways=$ROOT/build/gateways
declare -A gateway_address=() gateway_pid=()

# install_gateways: what cannot be installed is not in gateway_pid later
install_gateways()
{
    install_node
    install_packages python3-venv
    mkdir -p "$gateways"
    cp "$HERE"/gateways/{package.json,package-lock.json,.npmrc,requirements.txt} "$gateways"
    install_npm "$gateways" || say 'Portkey is not measured: npm ci failed, see above'
    install_python "$gateways" || say 'LiteLLM is not measured: pip install failed, see above'
}

# begin_gateway NAME URL_PATH COMMAND...: starts it and waits until it answers
begin_gateway()
{
    local name=$1 path=$2 pid
    shift 2

    # Nothing of this shell's settings: no keys, no proxies.
    (cd "$work" && exec env -i PATH="$PATH" HOME="$work" "$@") >"$work/$name.log" 2>&1 &
    pid=$!
    processes+=("$pid")
    if (wait_200 "http://${gateway_address[$name]}$path" "$pid" "$work/$name.log" 6000); then
        gateway_pid[$name]=$pid
    else
        stop "$pid"
        say "${GATEWAY_TITLE[$name]} is not measured: it did not start, see above"
    fi
}

start_portkey()
{
    local port

    [ -d "$gateways/node_modules/@portkey-ai" ] || return 0
    port=$(free_port)
    gateway_address[portkey]=127.0.0.1:$port
    begin_gateway portkey / NODE_ENV=production node "$HERE/gateways/portkey.mjs" "$gateways" \
        "$GATEWAY_WORKERS" "--port=$port" --headless
}

# LiteLLM asks nobody for its table of prices and reports to nobody.
start_litellm()
{
    local port

    [ -x "$gateways/.venv/bin/litellm" ] || return 0
    port=$(free_port)
    gateway_address[litellm]=127.0.0.1:$port
    sed "s|@MOCK@|$mock|g" "$HERE/gateways/litellm.yaml.in" >"$work/litellm.yaml"
    begin_gateway litellm /health/liveliness LITELLM_LOCAL_MODEL_COST_MAP=True LITELLM_LOG=ERROR \
        LITELLM_MODE=PRODUCTION "$gateways/.venv/bin/litellm" --config "$work/litellm.yaml" \
        --host 127.0.0.1 --port "$port" --num_workers "$GATEWAY_WORKERS" --telemetry False \
        --log_config "$HERE/gateways/litellm_log.json"
}

# portkey_headers SCENARIO: where it passes a request on is said by the request
portkey_headers()
{
    printf '%s\n' 'Authorization: Bearer sk-bench-0123456789' 'x-portkey-provider: openai' \
        "x-portkey-custom-host: http://$mock/$1/v1"
}

# whole_answers SIDE: 8 tokens, not streamed, for SECONDS_EACH; sets what load() sets
whole_answers()
{
    local side=$1 pids
    local -a headers=()

    pids=$(gateway_pids "$side" | xargs)
    case $side in
    stored)
        session_name
        load 64 "$SECONDS_EACH" "$pids" "http://$server/api/chat/message" chat \
            "$work/users.txt" words "$session" 0
        return
        ;;
    tidetalk)
        load 64 "$SECONDS_EACH" "$pids" "http://$server$GATEWAY_PATH" openai words \
            "$work/users.txt"
        return
        ;;
    portkey) mapfile -t headers < <(portkey_headers tokens=8) ;;
    esac
    load 64 "$SECONDS_EACH" "$pids" "$(gateway_url "$side" tokens=8)" openai words none \
        "${headers[@]}"
}

# gateway_url SIDE SCENARIO
gateway_url()
{
    case $1 in
    nginx) printf 'http://%s/proxy/%s%s' "$nginx" "$2" "$GATEWAY_PATH" ;;
    direct) printf 'http://%s/%s%s' "$mock" "$2" "$GATEWAY_PATH" ;;
    *) printf 'http://%s%s' "${gateway_address[$1]}" "$GATEWAY_PATH" ;;
    esac
}

# streamed_answers SIDE: 64 tokens that come at once, checked, for SECONDS_EACH
streamed_answers()
{
    local side=$1 address path header pid
    local -a more=(--seconds "$SECONDS_EACH")

    if [ "$side" = stored ]; then
        our_streams burst 64 "${more[@]}"
        return
    fi
    for pid in $(gateway_pids "$side"); do
        more+=(--pid "$pid")
    done
    case $side in
    tidetalk)
        address=$server path=$GATEWAY_PATH
        more+=(--users "$work/users.txt")
        ;;
    *)
        address=$(gateway_url "$side" tokens=64)
        address=${address#http://}
        path=/${address#*/} address=${address%%/*}
        ;;
    esac
    if [ "$side" = portkey ]; then
        while IFS= read -r header; do
            more+=(--header "$header")
        done < <(portkey_headers tokens=64)
    fi
    streams --address "$address" --path "$path" --openai --model burst --tokens 64 "${more[@]}"
}

# gateway_pids SIDE: its processes; of the upstream none, since it is a part of every side
gateway_pids()
{
    case $1 in
    stored | tidetalk) printf '%s\n' "$server_pid" ;;
    nginx) nginx_pids ;;
    direct) ;;
    *) process_tree "${gateway_pid[$1]}" ;;
    esac
}

measure_gateway()
{
    local side=$1 value

    whole_answers "$side"
    for value in rate cpu p50 p99; do
        keep_gateway "$side" "whole_$value" "${!value}"
    done
    streamed_answers "$side"
    for value in streams_per_s cpu_us_per_stream first_p50_us first_p99_us; do
        keep_gateway "$side" "$value" "$(got $value)"
    done
}

# keep_gateway SIDE NAME VALUE: the upstream's own CPU time is nobody's
keep_gateway()
{
    case $1.$2 in
    direct.*cpu*) ;;
    *) keep "gateway_$1_$2" "$3" ;;
    esac
}

# gateway_row LABEL NAME [DIVISOR]: a row of the table, empty where there is no measurement
gateway_row()
{
    local side value

    printf '| %s |' "$1"
    for side in "${sides[@]}"; do
        value=
        [ ! -f "$work/kept.gateway_${side}_$2" ] ||
            value=$(number "$(calc "$(median "gateway_${side}_$2") / ${3:-1}")")
        printf ' %s |' "$value"
    done
    printf '\n'
}

# gateway_table: Markdown, as docs/performance.md has it
gateway_table()
{
    local side

    printf '\n| **gateways**, 64 connections |'
    for side in "${sides[@]}"; do
        printf ' %s |' "${GATEWAY_TITLE[$side]}"
    done
    printf '\n|---|'
    printf -- '---:|%.0s' "${sides[@]}"
    printf '\n'
    gateway_row '8 tokens, not streamed, requests per second' whole_rate
    gateway_row 'CPU us per request' whole_cpu
    gateway_row 'p50 ms' whole_p50 1000
    gateway_row 'p99 ms' whole_p99 1000
    gateway_row '64 tokens, streamed at once, streams per second' streams_per_s
    gateway_row 'CPU us per stream' cpu_us_per_stream
    gateway_row 'first token, p50 ms' first_p50_us 1000
    gateway_row 'first token, p99 ms' first_p99_us 1000
    gateway_row 'memory after the start, MiB (PSS)' memory_idle
    gateway_row 'memory after the load, MiB (PSS)' memory
}

keep_gateway_memory()
{
    local side

    for side in "${sides[@]}"; do
        case $side in
        stored | direct) continue ;; # the process of the side beside it; a part of every side
        esac
        # shellcheck disable=SC2046  # a list of numbers
        keep "gateway_${side}_$1" "$(pss_mib $(gateway_pids "$side"))"
    done
}

section_gateways()
{
    local side _
    local -a sides=()

    install_gateways
    stop_server
    start_server
    stop_nginx
    start_nginx
    start_portkey
    start_litellm
    for side in "${GATEWAYS_OF[@]}"; do
        case $side in
        portkey | litellm) [ -z "${gateway_pid[$side]:-}" ] || sides+=("$side") ;;
        *) sides+=("$side") ;;
        esac
    done
    keep_gateway_memory memory_idle
    warm_gateways
    for _ in $(seq "$ROUNDS"); do
        for side in "${sides[@]}"; do
            measure_gateway "$side"
        done
    done
    keep_gateway_memory memory
    gateway_table
    for side in "${!gateway_pid[@]}"; do
        stop "${gateway_pid[$side]}"
    done
}

# warm_gateways: a round that does not count. Both others compile or load code with their first requests.
warm_gateways()
{
    local side

    for side in "${sides[@]}"; do
        whole_answers "$side"
        streamed_answers "$side"
    done
}
