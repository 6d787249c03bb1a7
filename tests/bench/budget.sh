#!/bin/bash
# Counts the instructions and system calls of single operations (a chat turn, a relayed token, the
# session list ...), with one worker, against an upstream in lock-step, and holds them against
# tests/bench/budget.tsv: more than 5 % more instructions or 15 % more system calls is a failure. With
# other versions of the libraries, the compiler or valgrind than the table's it only warns.
#
# usage: tests/bench/budget.sh [--record]
#
#   --record      writes the table anew: commit it with the change that explains it
#   TIDETALK_BIN  another build of the server
#
# Columns: instructions of the worker and of the database writer, system calls of both together.
set -euo pipefail
HERE=$(cd "$(dirname "$0")" && pwd)
# shellcheck source=scripts/lib.sh
source "$HERE/../../scripts/lib.sh"

main()
{
    local record=

    case ${1:-} in
    -h | --help)
        sed -n '2,/^set /{/^#/s/^# \{0,1\}//p}' "$0"
        exit 0
        ;;
    --record) record=record ;;
    '') ;;
    *) die "unknown argument '$1'; see --help" ;;
    esac
    install_packages "${PACKAGES_BUILD[@]}" "${PACKAGES_BUDGET[@]}"
    install_node
    install_npm "$ROOT/tests/e2e"
    node --test "$HERE/budget_table.test.mjs" >&2 || die "the table's own test failed"
    build_preset bench tidetalk >&2 || die "the build failed"
    TIDETALK_BIN=${TIDETALK_BIN:-$ROOT/build/bench/tidetalk} \
        node "$HERE/budget.mjs" "$HERE/budget.tsv" $record
}

main "$@"; exit
