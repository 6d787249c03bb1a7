#!/bin/bash
# What the scripts share: messages, running as root, installing packages, building a preset.
# Sourced; sets ROOT to the checkout.

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
# shellcheck source=scripts/packages.sh
source "$ROOT/scripts/packages.sh"

say()
{
    printf '==> %s\n' "$*" >&2
}

die()
{
    printf 'error: %s\n' "$*" >&2
    exit 1
}

# Runs a command as root: directly, or through sudo.
as_root()
{
    if [ "$(id -u)" -eq 0 ]; then
        "$@"
    else
        sudo "$@"
    fi
}

# missing_packages NAME...: those that are not installed, one a line
missing_packages()
{
    local installed name

    installed=$(dpkg-query -W -f='${db:Status-Status} ${Package}\n' "$@" 2>/dev/null |
        sed -n 's/^installed //p') || true
    for name in "$@"; do
        grep -qxF -- "$name" <<<"$installed" || printf '%s\n' "$name"
    done
}

apt_get()
{
    as_root env DEBIAN_FRONTEND=noninteractive apt-get -qq -o DPkg::Lock::Timeout=300 \
        -o Acquire::Retries=3 -o Dpkg::Use-Pty=0 "$@"
}

# PostgreSQL without the cluster that Debian creates and starts with it: tests have their own. Whoever
# has set this otherwise keeps it, and a cluster that is there is left alone.
install_postgresql()
{
    local conf=/etc/postgresql-common/createcluster.conf default='#create_main_cluster = true'
    local off='create_main_cluster = false' rc=0

    apt_get install --yes --no-install-recommends postgresql-common >&2 || return
    if ! grep -qxF "$default" "$conf"; then # somebody's own choice
        apt_get install --yes --no-install-recommends postgresql >&2
        return
    fi
    as_root sed -i "s/^$default\$/$off/" "$conf"
    apt_get install --yes --no-install-recommends postgresql >&2 || rc=$?
    as_root sed -i "s/^$off\$/$default/" "$conf"
    return "$rc"
}

# install_packages NAME...: installs what is missing and says so; silent when nothing is
install_packages()
{
    local -a missing

    command -v dpkg-query >/dev/null ||
        die "this is no Debian: install the equivalents of: $*"
    mapfile -t missing < <(missing_packages "$@" | sort -u)
    [ "${#missing[@]}" -eq 0 ] && return 0
    if [ "$(id -u)" -ne 0 ] && ! command -v sudo >/dev/null; then
        die "packages are missing and this user has no sudo. As root:
  apt-get install --no-install-recommends ${missing[*]}"
    fi
    say "installing ${missing[*]}"
    apt_get update >&2 || die "apt-get update failed"
    [[ " ${missing[*]} " != *" postgresql "* ]] || install_postgresql || die "installing packages failed"
    apt_get install --yes --no-install-recommends "${missing[@]}" >&2 ||
        die "installing packages failed"
}

install_node()
{
    command -v node >/dev/null || install_packages "${PACKAGES_NODE[@]}"
    command -v npm >/dev/null || install_packages "${PACKAGES_NPM[@]}"
}

# install_npm DIR: npm ci, unless what is installed comes from this very lock file
install_npm()
{
    local stamp=$1/node_modules/.installed-lock

    cmp -s "$1/package-lock.json" "$stamp" && return 0
    say "npm ci in ${1#"$ROOT"/}"
    (cd "$1" && npm ci --no-audit --no-fund --loglevel=error >&2) || return 1
    cp "$1/package-lock.json" "$stamp"
}

# install_python DIR: a virtual environment in DIR/.venv with exactly what requirements.txt lists, unless
# it was made from this very list. By Debian's Python, for which python3-venv is installed.
install_python()
{
    local venv=$1/.venv stamp=$1/.venv/.installed-requirements

    cmp -s "$1/requirements.txt" "$stamp" && return 0
    say "pip install in ${1#"$ROOT"/}"
    rm -rf "$venv"
    /usr/bin/python3 -m venv "$venv" || return 1
    "$venv/bin/pip" install --quiet --disable-pip-version-check --no-deps --only-binary :all: \
        -r "$1/requirements.txt" >&2 || return 1
    "$venv/bin/pip" check >&2 || return 1
    cp "$1/requirements.txt" "$stamp"
}

# build_preset PRESET [ARGS FOR NINJA...]: configures when needed, then builds
build_preset()
{
    local preset=$1 dir=$ROOT/build/$1
    shift

    if [ ! -f "$dir/build.ninja" ]; then
        (cd "$ROOT" && cmake --preset "$preset" "${CMAKE_LAUNCHER[@]}") || return 1
    fi
    cmake --build "$dir" -- "$@"
}

# ccache is used when it is there; nothing needs it.
CMAKE_LAUNCHER=()
if command -v ccache >/dev/null; then
    CMAKE_LAUNCHER=(-DCMAKE_C_COMPILER_LAUNCHER=ccache)
fi
