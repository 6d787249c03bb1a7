#!/bin/bash
# Shell scripts pass shellcheck.
set -euo pipefail
# shellcheck source=tests/lint/files.sh
source "$(dirname "$0")/files.sh"

files '*.sh' .ci/run | xargs -r shellcheck -x
