#!/bin/bash
# Installs the packages of a purpose, those that are missing. Used by hand and by the Dockerfile.
#
# usage: scripts/install.sh build|run|lint|unit|lua|e2e|web|readme|fresh...
set -euo pipefail
# shellcheck source=scripts/lib.sh
source "$(dirname "$0")/lib.sh"

[ $# -gt 0 ] || die "usage: scripts/install.sh build|run|lint|unit|lua|e2e|web|readme|fresh..."
wanted=()
for purpose in "$@"; do
    declare -n list="PACKAGES_${purpose^^}"
    [ "${#list[@]}" -gt 0 ] || die "no list of packages for '$purpose'"
    wanted+=("${list[@]}")
done
install_packages "${wanted[@]}"
