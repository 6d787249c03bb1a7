#!/bin/bash
# What changed in this checkout, and the end-to-end files that cover it. Sourced; the current folder is
# the checkout.

# The commit to compare with: where main branched off, the commit before when this is main; nothing when
# there is none before this one.
base_commit()
{
    local base='' name

    for name in origin/main main; do
        base=$(git merge-base HEAD "$name" 2>/dev/null) && break
    done
    if [ "$base" = "$(git rev-parse -q --verify HEAD)" ]; then
        base=$(git rev-parse -q --verify HEAD~ || true)
    fi
    printf '%s' "$base"
}

# Changed since the base, committed or not, or new, or deleted; every file when there is no base
changed_files()
{
    local base

    base=$(base_commit)
    if [ -z "$base" ]; then
        git ls-files
        return
    fi
    {
        git diff --name-only --no-renames "$base"
        git ls-files --others --exclude-standard
    } | sort -u
}

# The end-to-end files. Each says in its head comment what it covers, in folders of core/ or lua/ or
# other paths of this checkout: "// covers: chat, app/cli, docs/openai.md". Marks there: "// tsan" makes
# it run with the thread sanitizer too, "// smoke" in each quick run and in the empty root of tests/fresh.sh,
# "// late" sometimes with the database engine that answers late.
e2e_files()
{
    git ls-files --cached --others --exclude-standard --deduplicate -- 'tests/e2e/*.test.mjs' 'tests/e2e/*.sh' |
        grep -xE 'tests/e2e/[^/]+'
}

# head_comment FILE: without the comment signs
head_comment()
{
    sed -nE '/^#!/d; /^(\/\/|#)/!q; s/^(\/\/|#) ?//p' "$1"
}

# has_mark MARK FILE
has_mark()
{
    head_comment "$2" | grep -qxF "$1"
}

# covers FILE: what it covers, one a line
covers()
{
    head_comment "$1" | sed -n 's/^covers: //p' | tr -d ' ' | tr ',' '\n'
}

# e2e_marked MARK: the files with this mark
e2e_marked()
{
    local file

    for file in $(e2e_files); do
        if has_mark "$1" "$file"; then printf '%s\n' "$file"; fi
    done
}

# choose N SEED: N of the lines that come in
choose()
{
    awk -v seed="$2" 'BEGIN { srand(seed) } { print rand() "\t" $0 }' | sort -n |
        awk -v n="$1" 'NR <= n { print $2 }'
}

# e2e_chosen: smoke, what changed itself, and what covers something that changed
e2e_chosen()
{
    local changed file name

    changed=$(changed_files)
    for file in $(e2e_files); do
        if has_mark smoke "$file" || grep -qxF "$file" <<<"$changed"; then
            printf '%s\n' "$file"
            continue
        fi
        for name in $(covers "$file"); do
            if grep -qE "^(core/|lua/)?$name(/|$)" <<<"$changed"; then
                printf '%s\n' "$file"
                break
            fi
        done
    done
}
