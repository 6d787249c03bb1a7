#!/bin/bash
# Sourced by the lint scripts: the files of this checkout, tracked or new, without ignored ones.

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
cd "$ROOT" || exit 1

# files PATTERN...: as git understands patterns; files that are deleted but still tracked are left out
files()
{
    git ls-files --cached --others --exclude-standard --deduplicate -- "$@" |
        while IFS= read -r name; do
            if [ -f "$name" ]; then printf '%s\n' "$name"; fi
        done
}
