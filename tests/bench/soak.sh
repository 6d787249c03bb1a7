#!/bin/bash
# A server under mixed load for as long as one likes (tests/bench/soak.mjs): chats, streams, clients that
# leave, failing upstreams, uploads, searches, logins, deletions and reloads. Prints the slopes of memory
# and descriptors; a run of 30 minutes or more fails when one of them grows.
#
# usage: tests/bench/soak.sh [MINUTES]      60 by default; 3 is enough to see that it works
set -euo pipefail
# shellcheck source=scripts/lib.sh
source "$(dirname "$0")/../../scripts/lib.sh"

minutes=${1:-60}
[[ $minutes =~ ^[1-9][0-9]{0,3}$ ]] || die "MINUTES is a whole number from 1 to 9999"
cd "$ROOT"
install_packages "${PACKAGES_BUILD[@]}" "${PACKAGES_E2E[@]}"
install_node
install_npm "$ROOT/tests/e2e"
build_preset bench
TIDETALK_BIN=$ROOT/build/bench/tidetalk MOCK_LLM_BIN=$(find "$ROOT/build/bench" -maxdepth 3 -type f -name mock_llm -print -quit) \
    TEST_LOGS=$ROOT/build/test-logs/soak exec node tests/bench/soak.mjs "$minutes"
