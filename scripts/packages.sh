#!/bin/bash
# The Debian packages that TideTalk needs, in one place: everything that installs reads this list.
# No versions: whatever the system's release offers is used.
# shellcheck disable=SC2034  # the lists are for whoever sources this file

PACKAGES_BUILD=(
    gcc libc6-dev cmake ninja-build pkg-config
    libmicrohttpd-dev liblua5.4-dev libcurl4-openssl-dev libsqlite3-dev libyaml-dev libsodium-dev
    libhiredis-dev libarchive-dev libexpat1-dev libpq-dev zlib1g-dev
    lua-cjson poppler-utils tzdata ca-certificates gzip brotli
)

# The built program on a machine that does not build (the last stage of the Dockerfile).
PACKAGES_RUN=(
    libmicrohttpd12 liblua5.4-0 libcurl4 libsqlite3-0 libyaml-0-2 libsodium23
    libhiredis0.14 libarchive13 libexpat1 libpq5 zlib1g
    lua-cjson poppler-utils tzdata ca-certificates
)

PACKAGES_PACKAGE=(dpkg-dev file) # scripts/package.sh

# Tests, by the group of ./test.sh that needs them.
PACKAGES_LINT=(libcmocka-dev clang-format clang-tidy lua-check lua5.4 shellcheck git python3-venv)
PACKAGES_UNIT=(libcmocka-dev curl gzip procps redis-server)
PACKAGES_LUA=(libcmocka-dev)
PACKAGES_E2E=(
    libcmocka-dev curl git procps redis-server lua-check xz-utils
    lua-dkjson lua-inspect lua-messagepack lua-penlight # plugin_libraries.test.mjs
)
PACKAGES_POSTGRES=("${PACKAGES_E2E[@]}" postgresql sqlite3) # tests/postgres/run.sh; see install_postgresql
PACKAGES_NODES=("${PACKAGES_POSTGRES[@]}")
PACKAGES_SDK=(libcmocka-dev procps python3-venv)
PACKAGES_WEB=("${PACKAGES_E2E[@]}" chromium fonts-noto-cjk)
PACKAGES_SMOKE=("${PACKAGES_UNIT[@]}" "${PACKAGES_E2E[@]}")
PACKAGES_SAMPLE=("${PACKAGES_LINT[@]}" "${PACKAGES_E2E[@]}")
PACKAGES_LONG=("${PACKAGES_SAMPLE[@]}")
PACKAGES_README=(libcmocka-dev curl procps)
PACKAGES_FRESH=(debootstrap git curl)
PACKAGES_FUZZ=(clang libclang-rt-dev libcmocka-dev) # tests/fuzz/run.sh
PACKAGES_COVERAGE=(gcovr) # tests/coverage.sh
PACKAGES_BUDGET=(libcmocka-dev valgrind strace procps)

# Only when no node or npm is there: another Node may be installed, and Debian's conflicts with it.
PACKAGES_NODE=(nodejs)
PACKAGES_NPM=(npm)
