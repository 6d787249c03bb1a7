#!/bin/bash
# The benchmark's section for several servers on one database. Sourced by run.sh; the work is done by
# nodes.mjs, which starts servers of its own beside a PostgreSQL that waits for the disk.
# shellcheck disable=SC2153,SC2154  # what run.sh sets

section_nodes()
{
    install_packages postgresql
    install_node
    install_npm "$ROOT/tests/e2e"
    stop_server
    TEST_DATABASE=postgres TEST_POSTGRES_SYNC=on TEST_LOGS=$work TIDETALK_BIN=$TIDETALK \
        STREAM_CLIENT=$STREAM_CLIENT MOCK=$mock ROUNDS=$ROUNDS SECONDS_EACH=$SECONDS_EACH \
        "$ROOT/tests/postgres/run.sh" node "$HERE/nodes.mjs"
    start_server
}
