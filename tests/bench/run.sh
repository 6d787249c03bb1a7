#!/bin/bash
# Measures the server beside nginx, which does the nearest equivalent in the same run on the same
# machine. Medians of alternated runs. Everything is on loopback and ends with this script.
#
# usage: tests/bench/run.sh [--quick] [SECTION...]
#
#   --quick   about a minute, to see that everything works; its numbers mean little
#   sections  health list chat burst many latency start, all by default; open, search, growth,
#             redis, reload, abuse, fair, gateways and nodes on demand
#   DATA_ROOT the folder for databases ($TMPDIR or /tmp): the disk matters for chat and latency
#   TIDETALK_BIN  another build of the server
#   GROWTH_MAX the most rows in section growth (100000)
#
# What the sections do is in sections.sh; results with explanations in docs/performance.md.
set -euo pipefail
HERE=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=scripts/lib.sh
source "$HERE/../../scripts/lib.sh"
# shellcheck source=tests/bench/lib.sh
source "$HERE/lib.sh"
# shellcheck source=tests/bench/sections.sh
source "$HERE/sections.sh"
# shellcheck source=tests/bench/search.sh
source "$HERE/search.sh"
# shellcheck source=tests/bench/growth.sh
source "$HERE/growth.sh"
# shellcheck source=tests/bench/redis.sh
source "$HERE/redis.sh"
# shellcheck source=tests/bench/reload.sh
source "$HERE/reload.sh"
# shellcheck source=tests/bench/abuse.sh
source "$HERE/abuse.sh"
# shellcheck source=tests/bench/fair.sh
source "$HERE/fair.sh"
# shellcheck source=tests/bench/gateways.sh
source "$HERE/gateways.sh"
# shellcheck source=tests/bench/nodes.sh
source "$HERE/nodes.sh"

PACKAGES_BENCH=(libcmocka-dev curl procps wrk nginx-light libnginx-mod-http-lua)
SECTIONS_ALL=(health list chat burst many latency start)
SECTIONS_LONG=(open search growth redis reload abuse fair gateways nodes) # when asked for: minutes each
BUILD=$ROOT/build/bench
TIDETALK=${TIDETALK_BIN:-$BUILD/tidetalk}
MOCK_LLM=$BUILD/tests/mock_llm/mock_llm
STREAM_CLIENT=$BUILD/tests/bench/stream_client
START_CLOCK=$BUILD/tests/bench/start_clock
NGINX=/usr/sbin/nginx

ROUNDS=3        # of each side, alternated
SECONDS_EACH=4  # a run under load
STREAMS=1000    # at once, in section many
TOKENS=400      # of each, one every 50 ms
OPEN_STREAMS=5000 # at once, in section open
OPEN_TOKENS=30    # of each, one a second
STARTS=10
USERS=24
sections=()

read_arguments()
{
    while [ $# -gt 0 ]; do
        case $1 in
        -h | --help)
            sed -n '2,/^set /{/^#/s/^# \{0,1\}//p}' "$0"
            exit 0
            ;;
        --quick) ROUNDS=1 SECONDS_EACH=1 STREAMS=200 TOKENS=80 STARTS=3 USERS=8
            OPEN_STREAMS=500 OPEN_TOKENS=10 ;;
        -*) die "unknown argument '$1'; see --help" ;;
        *)
            [[ " ${SECTIONS_ALL[*]} ${SECTIONS_LONG[*]} " == *" $1 "* ]] || die "no section '$1'; see --help"
            sections+=("$1")
            ;;
        esac
        shift
    done
    [ "${#sections[@]}" -gt 0 ] || sections=("${SECTIONS_ALL[@]}")
    PACED="tokens=$TOKENS,pace=50,stamp=1"
    SLOW="tokens=$OPEN_TOKENS,pace=1000,stamp=1"
}

machine()
{
    printf '%s cores, %s, Linux %s\n' "$(nproc)" \
        "$(sed -n 's/^PRETTY_NAME="\(.*\)"/\1/p' /etc/os-release)" "$(uname -r | cut -d- -f1)"
    "$TIDETALK" version | head -n 1
    "$NGINX" -v 2>&1 | sed 's/^nginx version: //'
    printf '%s rounds of %s s, 2 workers each, log level warn, access log off\n' "$ROUNDS" \
        "$SECONDS_EACH"
    printf 'load before: %s\n' "$(cut -d' ' -f1 /proc/loadavg)"
}

install_missing()
{
    # Any nginx will do: only what is not there at all is installed.
    [ ! -x "$NGINX" ] || PACKAGES_BENCH=("${PACKAGES_BENCH[@]/nginx-light/}")
    mapfile -t PACKAGES_BENCH < <(printf '%s\n' "${PACKAGES_BENCH[@]}" | grep .)
    install_packages "${PACKAGES_BUILD[@]}" "${PACKAGES_BENCH[@]}"
}

main()
{
    read_arguments "$@"
    install_missing
    build_preset bench tidetalk mock_llm stream_client start_clock >&2 || die "the build failed"
    work=$(mktemp -d "${DATA_ROOT:-${TMPDIR:-/tmp}}/tidetalk-bench.XXXXXX")
    chmod 755 "$work"
    trap cleanup EXIT
    trap 'exit 130' INT TERM HUP
    run=$$
    ulimit -n "$(ulimit -Hn)"

    machine
    start_mock
    start_server
    make_users
    api "$(head -n 1 "$work/readers.txt")" GET /api/chat/sessions >"$work/sessions.json"
    start_nginx
    for section in "${sections[@]}"; do
        "section_$section"
    done
    stop_server
    if grep -E '"level":"(warn|error)"' "$work/server.log" | head -n 5 >&2; then
        say "the server's log has warnings, see above"
    fi
}

# Read as a whole before it runs: an edit in between changes nothing.
main "$@"; exit
