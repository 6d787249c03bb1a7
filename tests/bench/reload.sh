#!/bin/bash
# The benchmark's section for reloads: how long one takes, and what requests notice of it. Sourced by
# run.sh; the work is done by reload.mjs, which starts a server of its own.
# shellcheck disable=SC2153,SC2154  # what run.sh sets

section_reload()
{
    install_node
    install_npm "$ROOT/tests/e2e"
    TIDETALK_BIN=$TIDETALK node "$HERE/reload.mjs"
}
