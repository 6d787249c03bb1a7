#!/bin/bash
# The benchmark's section for Redis: what a freeze of it costs. Sourced by run.sh; the work is done by
# redis_freeze.mjs, which starts a server, an upstream and a Redis of its own.
# shellcheck disable=SC2153,SC2154  # what run.sh sets

section_redis()
{
    install_packages redis-server
    install_node
    install_npm "$ROOT/tests/e2e"
    TIDETALK_BIN=$TIDETALK MOCK_LLM_BIN=$MOCK_LLM node "$HERE/redis_freeze.mjs"
}
