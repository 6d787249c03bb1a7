#!/bin/bash
# Runs the command blocks of docs/customize.md as printed, in an empty folder that has what they copy
# from, and looks at what they have brought about.
#
# environment: TIDETALK_BIN, MOCK_LLM_BIN, TEST_LOGS
set -euo pipefail
# shellcheck source=tests/doc_blocks.sh
. "$(dirname "$0")/doc_blocks.sh"

said()
{
    grep -qF -- "$1" "$work/out"
}

make_checkout
check 'the commands run as printed' run_in_checkout "$ROOT/docs/customize.md" customize-dev
check 'the route of the plugin answers' said '"tide":"low"'
check 'the new title is shown' said '"Title":"Why are there two tides a day and not on…"'
check 'a broken file is told with its place' grep -q 'title.lua:[0-9]*:[0-9]*: error: ' "$work/trace"
check 'the filter masks' said '***'
check 'the new route answers' said '"text":"hello"'
check 'the tests pass' said '1 passed, 0 failed'
finish
