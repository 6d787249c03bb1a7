# The Debian package in an empty root: it installs with what it depends on, serves as its unit says, and
# keeps data and settings through an upgrade, a rollback and a purge. Sourced by tests/fresh.sh.
# There is no systemd in the root: the unit's command and environment are run by hand.
# shellcheck shell=bash disable=SC2154  # roots, fresh_root, host_env, port: those of tests/fresh.sh

# later_package FILE: writes one of a later version beside it: one more migration, other default settings.
# Prints its path.
later_package()
{
    local folder=$roots/later engine last text later=${1%/*}/later.deb

    dpkg-deb -R "$1" "$folder"
    sed -i 's/^Version: .*/&.1/' "$folder/DEBIAN/control"
    echo '# changed by the later package' >>"$folder/etc/tidetalk/tidetalk.yaml"
    for engine in sqlite postgres; do
        last=$(find "$folder/usr/share/tidetalk/migrations/$engine" -name '*.up.sql' -printf '%f\n' | sort | tail -n 1)
        text=$(printf '%04d_later' $((10#${last%%_*} + 1)))
        echo 'CREATE TABLE later (n BIGINT);' >"$folder/usr/share/tidetalk/migrations/$engine/$text.up.sql"
        echo 'DROP TABLE later;' >"$folder/usr/share/tidetalk/migrations/$engine/$text.down.sql"
    done
    dpkg-deb --root-owner-group -b "$folder" "$later" >&2
    printf '%s\n' "$later"
}

# apt_root ARGUMENT...: apt-get in the root, without questions
apt_root()
{
    chroot "$fresh_root" env -i "${host_env[@]}" PATH="$ROOT_PATH" DEBIAN_FRONTEND=noninteractive apt-get -qq --yes \
        -o Dpkg::Options::=--force-confold "$@" >"$CACHE/package.log" 2>&1 || {
        sed 's/^/# /' "$CACHE/package.log"
        return 1
    }
}

# The installed program as its unit starts it, as a user who owns nothing but the data
as_unit()
{
    local -a settings
    mapfile -t settings < <(sed -n 's/^Environment=//p' "$fresh_root/usr/lib/systemd/system/tidetalk.service")

    in_root daemon /etc/tidetalk "${settings[@]}" /usr/bin/tidetalk "$@"
}

# api PATH [curl's arguments]
api()
{
    local path=$1
    shift

    curl -sS --fail --max-time 20 -H "Authorization: Bearer $token" -H 'Content-Type: application/json' \
        "http://127.0.0.1:$port$path" "$@"
}

write_data()
{
    token=''
    token=$(api /api/register -d '{"username":"moon","password":"high-tide"}' |
        sed -n 's/.*"token":"\([^"]*\)".*/\1/p')
    [ -n "$token" ] && api /api/chat/message -d '{"session_id":"kept","model_name":"demo","message":"Hello"}' >/dev/null
}

data_is_there()
{
    api /api/chat/sessions/kept/messages | grep -q '"Hello"'
}

settings_are_kept()
{
    grep -q '^# mine$' "$fresh_root/etc/tidetalk/tidetalk.yaml"
}

# With `token` in use: starts it, looks at the data, ends it.
serves_the_data()
{
    serve 30 as_unit serve || return 1
    data_is_there && ends_on_sigterm
}

# The older program says what to do about a newer database.
refuses_newer_data()
{
    local out rc=0

    out=$( (as_unit serve) 2>&1) || rc=$?
    printf '%s\n' "$out" | sed 's/^/# /'
    [ $rc -eq 2 ] && [[ $out == *'migrate --down'* ]]
}

migrations_after()
{
    (as_unit migrate "$@") >"$CACHE/package.log" 2>&1 || { sed 's/^/# /' "$CACHE/package.log"; return 1; }
    sed -n 's/^schema version //p' "$CACHE/package.log"
}

check_package()
{
    local file later version

    [ -d "$roots/main/srv" ] || { new_root main && clone_checkout "$fresh_root/srv/tidetalk"; }
    fresh_root=$roots/main
    ok 'package: scripts/package.sh' run_in_root root /srv/tidetalk scripts/package.sh
    file=$(echo "$roots"/main/srv/tidetalk/build/package/*.deb)
    keep_packages "$fresh_root"
    later=$(later_package "$file")

    new_root package
    cp "$file" "$later" "$fresh_root/srv/"
    file=/srv/${file##*/}
    free_port
    ok 'package: apt knows the mirror' apt_root update
    ok 'package: installs with what it needs' apt_root install "$file"
    keep_packages "$fresh_root"
    install -d -m 700 -o 1 -g 1 "$fresh_root/var/lib/tidetalk" # systemd's part: StateDirectory
    ok 'package: serves as its unit says' serve 30 as_unit serve
    ok 'package: takes data' write_data
    ok 'package: ends on SIGTERM' ends_on_sigterm
    version=$(migrations_after --dry-run)
    echo '# mine' >>"$fresh_root/etc/tidetalk/tidetalk.yaml"

    ok 'package: is upgraded' apt_root install /srv/later.deb
    ok 'package: settings are kept' settings_are_kept
    ok 'package: the later version serves the data' serves_the_data
    ok 'package: the older version is installed again' apt_root install --allow-downgrades "$file"
    ok 'package: it refuses newer data and says what to do' refuses_newer_data
    apt_root install /srv/later.deb
    ok 'package: the later version takes its migration back' test "$(migrations_after --down "$version")" = "$version"
    ok 'package: is rolled back' apt_root install --allow-downgrades "$file"
    ok 'package: the older version serves the data' serves_the_data
    ok 'package: is removed with its settings' apt_root purge tidetalk
    ok 'package: its data stays' test -f "$fresh_root/var/lib/tidetalk/tidetalk.db"
    ok 'package: nothing else stays' test ! -e "$fresh_root/usr/share/tidetalk" -a ! -e "$fresh_root/etc/tidetalk"
}
