#!/bin/bash
# What takes longer than ./test.sh may, whole: each of its runs has only a part of it, chosen by a seed
# that it prints. Takes the options of ./test.sh: --only TEXT, --jobs N, --no-tsan.
set -euo pipefail
exec "$(dirname "$0")/../test.sh" long "$@"
