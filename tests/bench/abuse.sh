#!/bin/bash
# The benchmark's section for broken scripts: how soon each is stopped, and what other requests notice
# of it. Sourced by run.sh; the work is done by abuse.mjs, which starts a server of its own.
# shellcheck disable=SC2153,SC2154  # what run.sh sets

section_abuse()
{
    install_node
    install_npm "$ROOT/tests/e2e"
    TIDETALK_BIN=$TIDETALK node "$HERE/abuse.mjs"
}
