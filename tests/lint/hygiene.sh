#!/bin/bash
# What a stranger would stumble over: unfinished notes, paths and addresses of somebody's machine,
# references to pages that are not here, files that are too long to read.
set -euo pipefail
# shellcheck source=tests/lint/files.sh
source "$(dirname "$0")/files.sh"

MAX_LINES=500
status=0

# report TITLE LINES: fails when there are any
report()
{
    [ -z "$2" ] && return 0
    printf '%s:\n%s\n' "$1" "$2"
    status=1
}

# search PATTERN PATH...: file:line:text of each hit; this file describes what it searches, and
# web/dist is made of web/src and of packages
search()
{
    local pattern=$1
    shift
    files "$@" ':!tests/lint/hygiene.sh' ':!*.lock' ':!web/dist/*' | xargs -r -d '\n' grep -InE -- "$pattern" || true
}

# Tables of data may be as long as they are.
long_files()
{
    files 'core/*' 'lua/*' 'tests/*' 'scripts/*' 'web/src/*' '*.sh' ':!*package-lock.json' \
        ':!tests/data/*' ':!lua/types/*' ':!lua/lib/errors.lua' | xargs -r -d '\n' grep -Ic '' |
        awk -F: -v max=$MAX_LINES '$NF > max { print $1 ": " $NF " lines, at most " max }'
}

report 'unfinished' "$(search '\b(TODO|FIXME|XXX|HACK)\b' .)"
report 'paths of a machine' "$(search '(^|[^[:alnum:]_.}/~-])/(work|root|Users|home/[a-z]+)/' . ':!Dockerfile')"
report 'addresses of package registries and mirrors' \
    "$(search 'https?://[^ "/]*(registry|mirror|artifact|nexus|jfrog|pypi|proxy)[^ "/]*\.[a-z]+' .)"
report 'lock files with download addresses' "$(search '"resolved": *"http' '*package-lock.json')"
report 'references to pages that are not here' \
    "$(search '\b(design|contract)\.md\b|\b[Ii]ssue #?[0-9]\b' core lua scripts tests web \
        examples '*.sh' '*.md')"
report 'files over the limit' "$(long_files)"
exit $status
