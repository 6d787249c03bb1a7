#!/bin/bash
# How many assertions the tests have, by the language they are written in, to compare two commits.
#
# usage: tests/count_assertions.sh [COMMIT]     the files as they are, or those of a commit
set -euo pipefail
cd "$(dirname "$0")/.."
where=${1:---untracked} # git grep's own word for the files as they are
sum=0

# count NAME PATTERN PATH...: each place, also several on a line; calls in loops count once
count()
{
    local name=$1 pattern=$2 number
    shift 2

    number=$({ git grep -hoE -e "$pattern" "$where" -- "$@" || true; } | wc -l)
    printf '%-6s %6d\n' "$name" "$number"
    sum=$((sum + number))
}

[ $# -eq 0 ] || git rev-parse -q --verify "$1^{commit}" >/dev/null || {
    echo "no commit $1" >&2
    exit 1
}
count C '\b(assert_[a-z_]+|fail_msg) ?\(' 'tests/unit/*.[ch]'
count node '\bassert[A-Za-z]*(\.[A-Za-z]+)*\(' 'tests/e2e/*.mjs'
count lua '\bassert(\.[a-z_.]+)?[ (]|\btest\.(equal|truthy|same|raises)\(' 'tests/lua/*.lua' 'lua/tests/*.lua' \
    'examples/*_test.lua'
count shell '^ *(check|ok|is|has|within) .' 'tests/*.sh'
printf '%-6s %6d\n' sum "$sum"
