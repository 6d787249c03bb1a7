#!/bin/bash
# The tests that docs/upstream-cases.md names are there: `file`: title of a test, or for the data of cases
# their kinds with commas between them, with a star for several. Every kind of case is named.
set -euo pipefail
cd "$(dirname "$0")/../.."

page=docs/upstream-cases.md
failed=0

report()
{
    echo "$page: $1"
    failed=1
}

# file and kind of each case
kinds=$(grep -roE '^\{"name":"[a-z0-9_]+' --include='*.jsonl' tests/data/upstream_cases |
    sed 's/:{"name":"/ /' | sort -u)
named=''

# check_kinds FILE NAMES
check_kinds()
{
    local kind found

    for kind in ${2//,/ }; do
        found=$(grep -xE -- "$1 ${kind//\*/.*}" <<<"$kinds") || report "$1 has no $kind"
        named+=$found$'\n'
    done
}

count=0
# shellcheck disable=SC2016  # backticks are what is looked for
while IFS= read -r entry; do
    file=${entry#\`}
    file=${file%%\`*}
    title=${entry#*\`: }
    count=$((count + 1))
    if [ ! -f "$file" ]; then
        report "there is no $file"
    elif [[ $file == *.jsonl ]]; then
        check_kinds "$file" "$title"
    else
        grep -qF -- "$title" "$file" || report "$file has no test \"$title\""
    fi
done < <(sed -n 's/^| .* | .* | \(.*\) |$/\1/p' "$page" | sed 's/<br>/\n/g' | grep '^`')
[ "$count" -gt 50 ] || report "the tables name $count tests"

while IFS= read -r case; do
    report "no table names $case"
done < <(comm -23 <(printf '%s\n' "$kinds") <(sort -u <<<"$named"))
exit "$failed"
