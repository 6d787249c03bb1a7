#!/bin/bash
# Repeats the inputs of tests/fuzz/corpus with the targets that are built in a folder; no fuzzer needed.
#
# usage: tests/fuzz/replay.sh FOLDER      such as build/asan/fuzz
set -euo pipefail
programs=$(cd "${1:?where are the targets?}" && pwd)
cd "$(dirname "$0")"

for source in *.c; do
    target=${source%.c}
    [ "$target" != replay ] || continue
    echo "$target"
    "$programs/fuzz_$target" "corpus/$target"
done
