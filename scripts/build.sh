#!/bin/bash
# Configures, when needed, and builds a preset of CMakePresets.json in build/<preset>.
#
# usage: scripts/build.sh PRESET [arguments for ninja...]
set -euo pipefail
# shellcheck source=scripts/lib.sh
source "$(dirname "$0")/lib.sh"

build_preset "$@"
