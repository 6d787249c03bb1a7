#!/bin/bash
# From nothing: in an empty Debian 12 root (debootstrap) run.sh must work twice in a row as root, the
# README and a smoke of the tests must pass, the Debian package must install, be upgraded and rolled back with its data, run.sh
# must work for a user with sudo, and the steps of the Dockerfile must give an image's root that starts. Everything happens in a private mount and process namespace; the root
# holds a clone of what is committed and sees nothing of the host that it could write.
# Needs root; skips with the reason otherwise.
#
# environment: FRESH_TEST_GROUPS  arguments for ./test.sh in the root, "smoke readme" by default: the
#                                 whole has run outside; "all": everything
#              FRESH_ONLY         some of "root tests package user image"
#              FRESH_WORKTREE=1   the files as they are now instead of the last commit
#
# build/fresh keeps the empty root and the downloaded packages for the next time.
set -euo pipefail
# shellcheck source=scripts/lib.sh
source "$(dirname "$0")/../scripts/lib.sh"
# shellcheck source=scripts/dockerfile_run.sh
source "$ROOT/scripts/dockerfile_run.sh"
# shellcheck source=tests/fresh_package.sh
source "$ROOT/tests/fresh_package.sh"

RELEASE=bookworm
CACHE=$ROOT/build/fresh
TARBALL=$CACHE/root-$RELEASE.tar
GROUPS_DEFAULT='--no-tsan smoke readme'
roots=''
server=''
port=''
count=0
bad=0

skip()
{
    printf '%s\n' "$*"
    exit 77
}

# ok TEXT COMMAND...: one line of the test protocol
ok()
{
    local text=$1 start=$SECONDS
    shift

    count=$((count + 1))
    if "$@"; then
        echo "ok $count - $text ($((SECONDS - start)) s)"
    else
        echo "not ok $count - $text ($((SECONDS - start)) s)"
        bad=1
    fi
}

# ---- the empty root

# The mirror that this machine's apt uses for the release: one-line and deb822 sources.
mirror()
{
    { cat /etc/apt/sources.list /etc/apt/sources.list.d/*.list /etc/apt/sources.list.d/*.sources \
        2>/dev/null || true; } | awk -v release=$RELEASE '
        $1 == "deb" {
            sub(/\[[^]]*\]/, "")
            if ($3 == release) { print $2; exit }
        }
        $1 == "URIs:" { uri = $2 }
        $1 == "Suites:" && uri {
            for (i = 2; i <= NF; i++) if ($i == release) { print uri; exit }
        }'
}

make_tarball()
{
    local dir=$1/bootstrap from

    if [ -f "$TARBALL" ] && [ -z "$(find "$TARBALL" -mtime +7)" ]; then
        return
    fi
    from=$(mirror)
    [ -n "$from" ] || skip "apt's sources name no mirror for $RELEASE"
    say "making an empty Debian root"
    mkdir -p "$CACHE"
    debootstrap --variant=minbase $RELEASE "$dir" "$from" >"$CACHE/debootstrap.log" 2>&1 || {
        tail -n 20 "$CACHE/debootstrap.log"
        die "debootstrap failed"
    }
    rm -f "$dir"/var/cache/apt/archives/*.deb
    tar -C "$dir" -cf "$TARBALL.new" .
    mv "$TARBALL.new" "$TARBALL"
    rm -rf "$dir"
}

# What a root needs to know about the network around it: names, certificates, apt's settings.
copy_host_settings()
{
    local bundle=/etc/ssl/certs/ca-certificates.crt

    cp -L /etc/resolv.conf /etc/hosts "$fresh_root/etc/"
    if [ -f $bundle ]; then
        install -D -m 644 $bundle "$fresh_root/usr/local/share/ca-certificates/host.crt"
        install -D -m 644 $bundle "$fresh_root$bundle"
    fi
    apt-config dump | grep -E '^Acquire::(Check-|https?::Proxy)' \
        >"$fresh_root/etc/apt/apt.conf.d/99host" || true
    # As in Debian's images: no fsync for each file of a package, no translations.
    echo force-unsafe-io >"$fresh_root/etc/dpkg/dpkg.cfg.d/speed"
    echo 'Acquire::Languages "none";' >"$fresh_root/etc/apt/apt.conf.d/speed"
    mkdir -p "$CACHE/debs" "$fresh_root/var/cache/apt/archives"
    find "$CACHE/debs" -name '*.deb' -exec cp -t "$fresh_root/var/cache/apt/archives" {} +
}

keep_packages()
{
    find "$1/var/cache/apt/archives" -maxdepth 1 -name '*.deb' -exec cp -n -t "$CACHE/debs" {} +
}

# new_root NAME: sets fresh_root
new_root()
{
    fresh_root=$roots/$1
    mkdir "$fresh_root"
    mount --bind "$fresh_root" "$fresh_root" # tests that mount need "/" to be a mount point
    tar -C "$fresh_root" -xf "$TARBALL"
    copy_host_settings
    mount -t proc proc "$fresh_root/proc"
    mount -t tmpfs -o mode=1777 tmpfs "$fresh_root/dev/shm"
}

# Environment that commands in the root get: little more than proxies and npm's registry.
collect_host_env()
{
    local name value

    host_env=(LANG=C.UTF-8 TERM=dumb CI=true)
    for name in http_proxy https_proxy no_proxy HTTP_PROXY HTTPS_PROXY NO_PROXY; do
        [ -n "${!name:-}" ] && host_env+=("$name=${!name}")
    done
    host_env+=(NODE_EXTRA_CA_CERTS=/etc/ssl/certs/ca-certificates.crt)
    if command -v npm >/dev/null; then
        value=$(npm config get registry)
        [[ $value == http* ]] && host_env+=("npm_config_registry=$value")
    fi
}

# in_root USER DIR COMMAND...: replaces this (sub)shell, so that its pid is the command's
in_root()
{
    local user=$1 dir=$2 home
    shift 2

    home=$(awk -F: -v user="$user" '$1 == user { print $6 }' "$fresh_root/etc/passwd")
    exec chroot "$fresh_root" setpriv --reuid="$user" --regid="$user" --init-groups \
        env --chdir="$dir" -i "${host_env[@]}" HOME="$home" USER="$user" PATH="$ROOT_PATH" \
        TIDETALK_LISTEN="127.0.0.1:$port" "$@"
}

# A clone of what is committed, in the root
clone_checkout()
{
    local to=$1

    if [ "${FRESH_WORKTREE:-}" = 1 ]; then
        mkdir -p "$to"
        (cd "$ROOT" && git ls-files -z -co --exclude-standard --deduplicate |
            xargs -0 -r ls -d 2>/dev/null | tar -cf - -T -) | tar -C "$to" -xf -
        git -C "$to" init -q
        git -C "$to" add -A
        git -C "$to" -c user.name=fresh -c user.email=fresh@localhost commit -q -m 'as it is'
        return
    fi
    [ -z "$(git -C "$ROOT" status --porcelain)" ] ||
        say "what is not committed is not tested (FRESH_WORKTREE=1 would)"
    git clone --quiet --no-hardlinks "$ROOT" "$to"
}

# ---- a server in it

free_port()
{
    while port=$((20000 + RANDOM % 10000)) && (: </dev/tcp/127.0.0.1/$port) 2>/dev/null; do :; done
}

answers_ready()
{
    local status=''

    exec 3<>"/dev/tcp/127.0.0.1/$port" || return 1
    printf 'GET /readyz HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n' >&3
    IFS= read -r -t 5 status <&3 || true
    exec 3>&-
    [[ $status == 'HTTP/1.1 200'* ]]
}

# serve SECONDS COMMAND...: starts it and waits until it is ready
serve()
{
    local limit=$((SECONDS + $1))
    shift

    ("$@") &
    server=$!
    until (answers_ready) 2>/dev/null; do
        if ! kill -0 $server 2>/dev/null || [ $SECONDS -gt $limit ]; then
            echo "# it did not become ready"
            kill -KILL $server 2>/dev/null
            return 1
        fi
        sleep 0.2
    done
}

ends_on_sigterm()
{
    local rc=0

    kill -TERM "$server" && wait "$server" || rc=$?
    [ $rc -eq 0 ] || echo "# exit code $rc after SIGTERM"
    return $rc
}

# ---- the checks

check_root()
{
    new_root main
    clone_checkout "$fresh_root/srv/tidetalk"
    free_port
    ok 'root: run.sh from nothing' serve 900 in_root root /srv/tidetalk ./run.sh
    ok 'root: ends on SIGTERM' ends_on_sigterm
    ok 'root: run.sh again, quickly' serve 20 in_root root /srv/tidetalk ./run.sh
    ok 'root: ends on SIGTERM again' ends_on_sigterm
    keep_packages "$fresh_root"
}

check_tests()
{
    local -a chosen=()

    [ -d "$roots/main/srv" ] || { new_root main && clone_checkout "$fresh_root/srv/tidetalk"; }
    fresh_root=$roots/main
    read -ra chosen <<<"${FRESH_TEST_GROUPS:-$GROUPS_DEFAULT}"
    [ "${chosen[*]}" = all ] && chosen=()
    ok "root: ./test.sh --no-fresh ${chosen[*]}" \
        run_in_root root /srv/tidetalk ./test.sh --no-fresh "${chosen[@]}"
    keep_packages "$fresh_root"
}

run_in_root()
{
    (in_root "$@") >"$CACHE/test.log" 2>&1 || {
        { grep -aE '^(FAIL|skip)' "$CACHE/test.log" || true; } | sed 's/^/# /'
        tail -n 200 "$CACHE/test.log" | sed 's/^/# /'
        return 1
    }
    tail -n 1 "$CACHE/test.log" | sed 's/^/# /'
}

# The root of check_root, where a few packages are taken away so that sudo has something to do.
check_user()
{
    [ -d "$roots/main/srv" ] || { new_root main && clone_checkout "$fresh_root/srv/tidetalk"; }
    fresh_root=$roots/main
    chroot "$fresh_root" sh -c 'apt-get -qq update && apt-get -qq install --yes sudo &&
        apt-get -qq purge --yes libyaml-dev ninja-build && useradd --create-home --home-dir /srv/tide tide &&
        echo "tide ALL=(ALL) NOPASSWD: ALL" >/etc/sudoers.d/tide' >"$CACHE/user.log" 2>&1
    clone_checkout "$fresh_root/srv/tide/tidetalk"
    chroot "$fresh_root" chown -R tide:tide /srv/tide
    free_port
    ok 'user with sudo: run.sh' serve 600 in_root tide /srv/tide/tidetalk ./run.sh
    ok 'user with sudo: ends on SIGTERM' ends_on_sigterm
}

check_image()
{
    local context=$roots/context

    clone_checkout "$context"
    ok 'image: the steps of the Dockerfile' dockerfile_run "$context/Dockerfile" "$context"
    free_port
    image_env+=("TIDETALK_LISTEN=0.0.0.0:$port")
    ok 'image: starts as its user' serve 20 start_image
    ok 'image: the health check answers' in_image "${image_health[@]}"
    ok 'image: ends on SIGTERM' ends_on_sigterm
}

start_image()
{
    [ "$image_user" != root ] || die "the image runs as root"
    exec chroot --userspec="$image_user:$image_user" "$image_root" env --chdir="$image_dir" -i \
        PATH="$ROOT_PATH" "${image_env[@]}" "${image_command[@]}"
}

# Those that use the same root, one after the other.
check_in_turn()
{
    local what

    for what in "$@"; do
        "check_$what"
    done
}

# The image has roots of its own, so it is made meanwhile: much of both is waiting for apt. Its lines come
# behind the others, numbered on.
check_image_meanwhile()
{
    local line pid text=$roots/image.txt

    (
        check_image
        exit $bad
    ) >"$text" &
    pid=$!
    check_in_turn "$@"
    wait $pid || bad=1
    while IFS= read -r line; do
        [[ $line =~ ^(ok|not ok)\ [0-9]+\ (.*) ]] && line="${BASH_REMATCH[1]} $((++count)) ${BASH_REMATCH[2]}"
        printf '%s\n' "$line"
    done <"$text"
}

# Inside the namespaces: $1 is the directory for the roots.
inside()
{
    local -a wanted others=()
    local what with_image=

    roots=$1
    collect_host_env
    read -ra wanted <<<"${FRESH_ONLY:-root tests package user image}"
    for what in "${wanted[@]}"; do
        if [ "$what" = image ]; then with_image=yes; else others+=("$what"); fi
    done
    if [ -z "$with_image" ]; then
        check_in_turn "${others[@]}"
    else
        check_image_meanwhile "${others[@]}"
    fi
    echo "1..$count"
    exit $bad
}

if [ "${1:-}" = --inside ]; then
    inside "$2"
fi
[ "$(id -u)" -eq 0 ] || skip "needs root, for debootstrap and chroot"
command -v debootstrap >/dev/null || skip "debootstrap is not installed"
unshare --mount --pid --fork --mount-proc true 2>/dev/null || skip "unshare is not permitted here"
roots=$(mktemp -d)
trap 'rm -rf --one-file-system "$roots"' EXIT
make_tarball "$roots"
unshare --mount --pid --fork --kill-child --mount-proc --propagation private \
    bash "$0" --inside "$roots"
