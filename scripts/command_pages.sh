#!/bin/bash
# Writes what packages bring about the command line, from the program's own help: the page of the manual
# and the completion of bash. Both are committed; tests/e2e/install.sh compares them with the program.
#
# usage: scripts/command_pages.sh PROGRAM [FOLDER]     FOLDER: packaging by default
set -euo pipefail
# shellcheck source=scripts/lib.sh
source "$(dirname "$0")/lib.sh"

program=${1:?usage: scripts/command_pages.sh PROGRAM [FOLDER]}
folder=${2:-$ROOT/packaging}

# Help without what the environment sets
help_of()
{
    env -i "$program" "$@"
}

commands()
{
    help_of help | sed -n 's/^  \([a-z]*\)  *.*/\1/p'
}

# Text for roff: backslashes, leading dots and quotes, and hyphens that are to be copied
escape()
{
    sed -e 's/\\/\\e/g' -e 's/-/\\-/g' -e "s/^[.']/\\\\\&&/" -e 's/…/.../g'
}

about_commands()
{
    local name

    for name in $(commands); do
        help_of "$name" --help | sed '/^Settings come from/,$d' | sed -e '${/^$/d}' |
            sed -e '1s/^usage: tidetalk //' -e '1s/ \[--setting=value …\]$//' | escape |
            sed -e '2d' -e '1s/.*/.TP\n.B &/' -e '3,$s/^$/.sp/'
    done
}

about_settings()
{
    help_of serve --help | sed '1,/^environment, then flags/d' | escape | awk '
        /^  \\-/ { sub(/^ +/, ""); print ".TP"; print ".B " $0; next }
        /^      / { sub(/^ +/, ""); if (/^\[/) print ".br"; print }'
}

manual_page()
{
    cat <<'ROFF'
.\" Written by scripts/command_pages.sh from the help of the program.
.TH TIDETALK 1 "" TideTalk "User Commands"
.SH NAME
tidetalk \- chat server in C with an API in Lua
.SH SYNOPSIS
.B tidetalk
.I command
[arguments] [\-\-setting=value ...]
.SH DESCRIPTION
The server, and everything that is done with it. Each command says more with
.BR \-\-help .
.SH COMMANDS
ROFF
    about_commands
    cat <<'ROFF'
.SH SETTINGS
They come from defaults, then tidetalk.yaml (or
.B \-\-config
.IR FILE ),
then the environment, then flags.
ROFF
    about_settings
    cat <<'ROFF'
.SH FILES
.TP
.I /etc/tidetalk/tidetalk.yaml
settings of the service, from packages
.TP
.I /var/lib/tidetalk
its data
.TP
.I /usr/share/tidetalk
its scripts, migrations and personas
.TP
.I /usr/share/doc/tidetalk
all other documentation
.SH EXIT STATUS
0 done, 1 failed, 2 wrong usage or settings.
ROFF
}

# The words that an argument may be, of "usage: tidetalk user (add NAME [--admin] | list)"
words_of()
{
    help_of "$1" --help | sed -n '1s/^usage: tidetalk [a-z]*//p' | sed 's/\[--setting=value …\]//' |
        grep -oE -- '--[a-z][a-z-]*|(^|[( |])[a-z]+' | grep -oE -- '--[a-z-]+|[a-z]+' | sort -u | tr '\n' ' ' || true
}

settings()
{
    help_of serve --help | sed -n 's/^  \(--[a-z0-9.-]*\) .*/\1=/p' | tr '\n' ' '
}

completion()
{
    local name

    cat <<BASH
# Completion of tidetalk for bash, written by scripts/command_pages.sh from the help of the program.
_tidetalk()
{
    local current=\${COMP_WORDS[COMP_CWORD]} words='' i
    local settings='$(settings | sed 's/ $//')'

    if [ "\$COMP_CWORD" -eq 1 ]; then
        words='$(commands | tr '\n' ' ')help'
    else
        case \${COMP_WORDS[1]} in
BASH
    for name in $(commands); do
        printf "            %s) words='%s' ;;\n" "$name" "$(words_of "$name" | sed 's/ $//')"
    done
    cat <<'BASH'
        esac
        [[ $current == --* ]] && words="$words --help --config= $settings"
    fi
    mapfile -t COMPREPLY < <(compgen -W "$words" -- "$current")
    for ((i = 0; i < ${#COMPREPLY[@]}; i++)); do
        [[ ${COMPREPLY[i]} == *= ]] && compopt -o nospace
    done
    # What no word fits may be a file.
    [ ${#COMPREPLY[@]} -gt 0 ] || mapfile -t COMPREPLY < <(compgen -f -- "$current")
}
complete -F _tidetalk tidetalk
BASH
}

manual_page >"$folder/tidetalk.1"
completion >"$folder/tidetalk.bash"
