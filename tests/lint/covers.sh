#!/bin/bash
# Each end-to-end file says in its head comment what it covers, and each name there is a folder of core/
# or lua/ or another path of this checkout; every folder of core/ and lua/ that has code is covered by
# somebody. ./test.sh quick chooses by that (scripts/changes.sh).
set -euo pipefail
# shellcheck source=tests/lint/files.sh
source "$(dirname "$0")/files.sh"
# shellcheck source=scripts/changes.sh
source "$ROOT/scripts/changes.sh"

status=0

report()
{
    printf '%s\n' "$1"
    status=1
}

all=''
for file in $(e2e_files); do
    names=$(covers "$file")
    [ -n "$names" ] || report "$file: no line \"covers: FOLDER, ...\" in its head comment"
    for name in $names; do
        [ -e "core/$name" ] || [ -e "lua/$name" ] || [ -e "$name" ] ||
            report "$file: covers $name, which is neither a folder of core/ or lua/ nor a path"
    done
    all+=$names$'\n'
done
for file in tests/nodes/*.test.mjs; do
    all+=$(covers "$file")$'\n'
done
# Types are annotations, which nothing loads.
for folder in $(files 'core/*.c' 'lua/*.lua' | xargs -n 1 dirname | sort -u | grep -vxE 'lua(/types)?'); do
    name=${folder#*/}
    while [ "$name" != . ] && ! grep -qxE "(core/|lua/)?$name" <<<"$all"; do
        name=$(dirname "$name")
    done
    [ "$name" != . ] || report "$folder: no end-to-end file covers it"
done
[ -n "$(e2e_marked smoke)" ] || report 'no end-to-end file is marked as smoke'
exit $status
