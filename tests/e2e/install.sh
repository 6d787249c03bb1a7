#!/bin/bash
# covers: packaging, CMakeLists.txt, app/cli
# What "cmake --install" puts in place is all that packaging/tidetalk.service names, and what is
# installed works by itself: installs below a temporary folder as a package does.
#
# environment: TIDETALK_BIN
set -euo pipefail
cd "$(dirname "$0")/../.."

work=$(mktemp -d "${TMPDIR:-/tmp}/tt-install.XXXXXX")
trap 'rm -rf "$work"' EXIT
count=0
bad=0

check()
{
    local text=$1
    shift

    count=$((count + 1))
    if "$@" >"$work/out" 2>&1; then
        echo "ok $count - $text"
    else
        echo "not ok $count - $text"
        sed 's/^/# /' "$work/out"
        bad=1
    fi
}

# Every path of the unit that a package has to bring is there.
unit_paths_are_there()
{
    local path paths

    paths=$(grep -oE '/usr/[^ ]+' packaging/tidetalk.service | sort -u)
    [ "$(printf '%s\n' "$paths" | wc -l)" -ge 5 ] || { echo "found only: $paths" && return 1; }
    for path in $paths; do
        [ -e "$work/target$path" ] || { echo "$path is not installed" && return 1; }
    done
}

# The installed program with the environment of the unit, from another folder
installed()
{
    local -a settings
    mapfile -t settings < <(sed -n 's|^Environment=\(TIDETALK_[A-Z_]*\)=/usr/|\1='"$work/target"'/usr/|p' \
        packaging/tidetalk.service)

    (cd "$work" && env "${settings[@]}" TIDETALK_DATA_DIR="$work/data" \
        "$work/target/usr/bin/tidetalk" "$@")
}

# The same without any setting: the program finds its files by its own place.
bare()
{
    (cd "$work/bare" && "$work/target/usr/bin/tidetalk" "$@")
}

# A program without an installation says where it looked, and a command that asks a server, where.
says_where()
{
    local command=$1 out

    out=$(cd "$work/bare" && "$program" "$command" 2>&1) && echo "it worked" && return 1
    echo "$out"
    case $out in *"$work/bare"*) ;; *) return 1 ;; esac
}

# What scripts/command_pages.sh wrote is what the program says now.
pages_are_current()
{
    mkdir -p "$work/pages"
    scripts/command_pages.sh "$program" "$work/pages"
    diff -u packaging/tidetalk.1 "$work/pages/tidetalk.1" && diff -u packaging/tidetalk.bash "$work/pages/tidetalk.bash"
}

# complete WORD...: what bash offers for the last word, one a line
complete_words()
{
    bash -c 'source packaging/tidetalk.bash; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1))
        compopt() { :; }; _tidetalk; printf "%s\n" "${COMPREPLY[@]}"' - "$@"
}

completes()
{
    [ "$(complete_words tidetalk rel)" = reload ] || return 1
    [ "$(complete_words tidetalk user un)" = unlock ] || return 1
    [ "$(complete_words tidetalk serve --redis-u)" = --redis-url= ]
}

program=$(realpath "$TIDETALK_BIN")
mkdir -p "$work/bare"
check 'installs below DESTDIR' \
    env DESTDIR="$work/target" cmake --install "$(dirname "$TIDETALK_BIN")" --prefix /usr
check 'brings what the unit names' unit_paths_are_there
check 'brings the unit' cmp packaging/tidetalk.service \
    "$work/target/usr/lib/systemd/system/tidetalk.service"
check 'the page of the manual and the completion are those of the program' pages_are_current
check 'bash completes commands, words and settings' completes
check 'the installed scripts are valid' installed check
check 'the installed migrations apply' installed migrate
check 'finds its scripts without a setting' bare check
check 'finds its migrations without a setting' bare migrate
check 'serve says where it looked for scripts' says_where serve
check 'reload says where it looked for the server' says_where reload
echo "1..$count"
[ $bad -eq 0 ]
