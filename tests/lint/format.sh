#!/bin/bash
# C files look as .clang-format says; "clang-format -i FILE" puts one right.
set -euo pipefail
# shellcheck source=tests/lint/files.sh
source "$(dirname "$0")/files.sh"

files '*.c' '*.h' | xargs -r clang-format --dry-run -Werror
