#!/bin/bash
# Builds the Debian package, build/package/tidetalk_VERSION_ARCHITECTURE.deb, and prints its path.
#
# usage: scripts/package.sh
set -euo pipefail
# shellcheck source=scripts/lib.sh
source "$(dirname "$0")/lib.sh"

cd "$ROOT"
install_packages "${PACKAGES_BUILD[@]}" "${PACKAGES_PACKAGE[@]}"
build_preset release >&2
rm -rf build/package
(umask 022 && cpack --config build/release/CPackConfig.cmake -B build/package >&2)
rm -rf build/package/_CPack_Packages
printf '%s\n' "$PWD"/build/package/*.deb
