#!/bin/bash
# Starts TideTalk from a checkout: installs the Debian packages that are missing, builds the server,
# runs it in the foreground (Ctrl-C ends it). Quick when everything is there already.
#
# usage: ./run.sh [flags of "tidetalk serve"...]
#
# Settings come from tidetalk.yaml, TIDETALK_* variables and the flags; by default the server
# listens on 127.0.0.1:8080 and keeps its data in ./data.
set -euo pipefail
# shellcheck source=scripts/lib.sh
source "$(dirname "$0")/scripts/lib.sh"

build()
{
    local log=$ROOT/build/run-build.log

    mkdir -p "$ROOT/build"
    if [ ! -w "$ROOT/build" ] || { [ -e "$log" ] && [ ! -w "$log" ]; }; then
        die "build/ belongs to $(stat -c %U "$ROOT/build"): remove it, or run this as that user"
    fi
    [ -x "$ROOT/build/release/tidetalk" ] || say "building the server (once, about a minute)"
    if ! build_preset release >"$log" 2>&1; then
        tail -n 40 "$log" >&2
        die "the build failed; everything it said is in build/run-build.log"
    fi
}

# listen_address FLAGS...: where a browser on this machine will find the server, as far as it can be
# told from here
listen_address()
{
    local address=${TIDETALK_LISTEN:-127.0.0.1:8080}

    while [ $# -gt 0 ]; do
        case $1 in
        --listen=*) address=${1#--listen=} ;;
        --listen) address=${2:-$address} ;;
        esac
        shift
    done
    case $address in
    0.0.0.0:* | \*:*) address=127.0.0.1:${address##*:} ;;
    "[::]:"*) address="[::1]:${address##*:}" ;;
    esac
    printf '%s' "$address"
}

print_what_to_try()
{
    local base

    base=http://$(listen_address "$@")
    cat >&2 <<TEXT

TideTalk is starting: open $base/ in a browser. Ctrl-C ends it.

Without a browser, in another terminal:

  BASE=$base
  curl -s \$BASE/readyz
  TOKEN=\$(curl -s \$BASE/api/register -H 'Content-Type: application/json' \\
    -d '{"username":"moon","password":"high-tide"}' | sed -n 's/.*"token":"\([^"]*\)".*/\1/p')
  curl -s \$BASE/api/chat/message -H "Authorization: Bearer \$TOKEN" \\
    -H 'Content-Type: application/json' \\
    -d '{"session_id":"first","model_name":"demo","message":"What can you do?"}'
  curl -sN \$BASE/api/chat/message/stream -H "Authorization: Bearer \$TOKEN" \\
    -H 'Content-Type: application/json' \\
    -d '{"session_id":"first","model_name":"demo","message":"你是谁？"}'

README.md goes on from here.

TEXT
}

case ${1:-} in
-h | --help)
    sed -n '2,/^set /{/^#/s/^# \{0,1\}//p}' "$0"
    exit 0
    ;;
esac
install_packages "${PACKAGES_BUILD[@]}"
build
cd "$ROOT"
print_what_to_try "$@"
exec build/release/tidetalk serve "$@"
