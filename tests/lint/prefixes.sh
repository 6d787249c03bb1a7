#!/bin/bash
# A prefix belongs to one layer: the first word after tt_ (TT_) of whatever a header of core/
# declares is used by that layer only, so that a name says where it is. "prefixes.sh DIR" looks at
# DIR instead of core; before it looks at core it checks itself on a name that it plants.
set -euo pipefail
ROOT=$(cd "$(dirname "$0")/../.." && pwd)

# check_prefixes DIR: prints each prefix that headers of two layers declare, with the places
check_prefixes()
{
    # shellcheck disable=SC2016  # awk reads the dollars
    find "$1" -name '*.h' -print0 | sort -z | xargs -0 -r awk -v top="$1/" '
        FNR == 1 { layer = substr(FILENAME, length(top) + 1); sub(/\/.*/, "", layer) }
        # Declarations begin in the first column: functions, and structs and enums with a body.
        /^(struct|enum) tt_[a-z0-9_]+ \{/ || /^[a-z][A-Za-z0-9_ *]*[ *]tt_[a-z0-9_]+\(/ {
            name = $0
            if (name ~ /^(struct|enum) tt_[a-z0-9_]+ \{/) sub(/^(struct|enum) /, "", name)
            else { sub(/\(.*/, "", name); sub(/.*[ *]/, "", name) }
            sub(/[^a-z0-9_].*/, "", name)
            prefix = name
            sub(/^tt_/, "", prefix); sub(/_.*/, "", prefix)
            if (!(prefix in owner)) { owner[prefix] = layer; place[prefix] = name " in " FILENAME }
            else if (owner[prefix] != layer) {
                printf "%s:%d: %s: the prefix tt_%s belongs to %s (%s)\n", FILENAME, FNR, name,
                       prefix, owner[prefix], place[prefix]
                bad = 1
            }
        }
        END { exit bad }'
}

planted=$(mktemp -d)
trap 'rm -r "$planted"' EXIT
mkdir "$planted/base" "$planted/loop"
printf 'int tt_thing_new(void);\n' >"$planted/base/a.h"
printf 'struct tt_thing_part {\n' >"$planted/loop/b.h"
if check_prefixes "$planted" >/dev/null; then
    echo "the check itself fails: two layers with the prefix tt_thing_ were not found"
    exit 1
fi
cd "$ROOT"
check_prefixes "${1:-core}"
