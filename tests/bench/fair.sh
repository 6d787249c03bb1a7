#!/bin/bash
# The benchmark's section for fairness: what one user who does the worst that the limits allow costs
# another. Sourced by run.sh; the work is done by fair.mjs, which starts a server of its own.
# shellcheck disable=SC2153,SC2154  # what run.sh sets

section_fair()
{
    install_node
    install_npm "$ROOT/tests/e2e"
    TIDETALK_BIN=$TIDETALK MOCK_LLM_BIN=$MOCK_LLM SECONDS_EACH=$SECONDS_EACH node "$HERE/fair.mjs"
}
