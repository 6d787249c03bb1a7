#!/bin/bash
# The benchmark's section for growth: what routes take by the number of rows. Sourced by run.sh; the
# work is done by growth.mjs, which starts a server of its own.
# shellcheck disable=SC2153,SC2154  # what run.sh sets

section_growth()
{
    install_node
    install_npm "$ROOT/tests/e2e"
    TIDETALK_BIN=$TIDETALK MOCK_LLM_BIN=$MOCK_LLM node "$HERE/growth.mjs" ||
        die "a route grows faster than its data's logarithm plus its answer"
}
