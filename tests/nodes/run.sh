#!/bin/bash
# What ./test.sh has of nodes in a bounded form, as long as you like, on a PostgreSQL of its own: a history of clients over
# three nodes, of which two have a fault at any time; kills of owners; simulated schedules. Each prints its seed.
#
# usage: tests/nodes/run.sh [--minutes N] [--kills N] [--seed S]
#
#   --minutes N  of the history; 30 by default
#   --kills N    200 by default
#   --seed S     of all of them; by chance by default
#
# Needs build/asan (scripts/build.sh asan), or TIDETALK_BIN and MOCK_LLM_BIN.
set -euo pipefail
# shellcheck source=scripts/lib.sh
source "$(dirname "$0")/../../scripts/lib.sh"

minutes=30
kills=200
seed=$RANDOM
while [ $# -gt 0 ]; do
    case $1 in
    --minutes | --kills | --seed)
        [[ ${2:-} =~ ^[0-9]+$ ]] || die "$1 needs a number"
        declare "${1#--}=$2"
        shift 2
        ;;
    *)
        sed -n '2,/^$/s/^# \{0,1\}//p' "$0"
        exit 2
        ;;
    esac
done

cd "$ROOT"
export TEST_DATABASE=postgres SANITIZER=${SANITIZER:-asan}
export TIDETALK_BIN=${TIDETALK_BIN:-$ROOT/build/asan/tidetalk}
export MOCK_LLM_BIN=${MOCK_LLM_BIN:-$(find "$ROOT/build/asan" -type f -name mock_llm -perm -u+x -print -quit)}
export TEST_LOGS=${TEST_LOGS:-$ROOT/build/test-logs/nodes}
export TIDETALK_HISTORY_SECONDS=$((60 * minutes)) TIDETALK_HISTORY_NODES=3 TIDETALK_HISTORY_FAULTS=2
export TIDETALK_NODE_KILLS=$kills
export TIDETALK_HISTORY_SEED=$seed TIDETALK_KILL_SEED=$seed TIDETALK_SIMULATION_SEED=$seed
say "seed $seed"
exec tests/postgres/run.sh node --test --test-concurrency=1 --test-reporter=tap \
    tests/nodes/{simulation,kills,history}.test.mjs
