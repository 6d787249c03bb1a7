#!/bin/bash
# What the pages name is there: files and folders between backticks, targets of links, and in the
# table "Where is ...?" of docs/architecture.md the functions of each file, as (`name` ...) after it.
# shellcheck disable=SC2016  # backticks are what is looked for
set -euo pipefail
# shellcheck source=tests/lint/files.sh
source "$(dirname "$0")/files.sh"

pages=(README.md README.zh-CN.md examples/README.md docs/*.md docs/tasks/*.md)
failed=0

report()
{
    echo "$1"
    failed=1
}

# Names in capitals, stars and folders of the reader's own stand for something.
stands_for_others()
{
    [[ $1 =~ [A-Z*]{4} || $1 == *'*'* || $1 =~ ^lua/(routes|hooks)(/|$) ]]
}

for page in "${pages[@]}"; do
    while IFS= read -r path; do
        stands_for_others "$path" || [ -e "$path" ] || report "$page: there is no $path"
    done < <(grep -oE '`(core|lua|tests|scripts|docs|packaging|migrations|examples)/[^` ]*`' "$page" |
        tr -d '`' | sort -u)
    while IFS= read -r target; do
        [ -e "$(dirname "$page")/$target" ] || report "$page: the link to $target leads nowhere"
    done < <(grep -oE '\]\([^)#:]+' "$page" | cut -c3- | sort -u)
done

found=0
while IFS=' ' read -r path names; do
    while IFS= read -r name; do
        found=$((found + 1))
        stands_for_others "$path" || grep -qwF -- "$name" "$path" || report "docs/architecture.md: $path has no $name"
    done < <(grep -oE '`[A-Za-z_.]+`' <<<"$names" | tr -d '`')
done < <(sed -n '/^## Where is/,/^## Threads/p' docs/architecture.md |
    grep -oE '`(core|lua)/[^`]*`  *\([^)]*\)' | tr -s ' ' | sed 's/`\([^`]*\)` /\1 /')
[ "$found" -gt 5 ] || report 'docs/architecture.md: the table "Where is ...?" names no functions'
exit "$failed"
