#!/bin/bash
# Looks for inputs that break the checks of the fuzz targets, with libFuzzer, one target at a time.
#
# usage: tests/fuzz/run.sh MINUTES [TARGET]...      MINUTES is for each target; all targets by default
#
# What it learns stays in build/fuzz-corpus/TARGET; an input that breaks a check is written to
# build/fuzz-found/ and makes the script fail. Such an input is added to tests/fuzz/corpus/TARGET with
# its repair; ./test.sh repeats what is there.
set -euo pipefail
# shellcheck source=scripts/lib.sh
source "$(dirname "$0")/../../scripts/lib.sh"

minutes=${1:?how many minutes for each target?}
shift
[[ $minutes =~ ^[1-9][0-9]{0,3}$ ]] || die "MINUTES is a whole number from 1 to 9999"

cd "$ROOT"
targets=("$@")
[ "${#targets[@]}" -gt 0 ] || mapfile -t targets < <(cd tests/fuzz && ls corpus)
install_packages "${PACKAGES_BUILD[@]}" "${PACKAGES_FUZZ[@]}"
build_preset fuzz "${targets[@]/#/fuzz_}"

found=build/fuzz-found
mkdir -p "$found"
failed=0
for target in "${targets[@]}"; do
    learned=build/fuzz-corpus/$target
    mkdir -p "$learned"
    options=(-max_total_time=$((minutes * 60)) -max_len=4096 -timeout=5 -print_final_stats=1
        "-artifact_prefix=$found/$target-")
    [ ! -f "tests/fuzz/$target.dict" ] || options+=("-dict=tests/fuzz/$target.dict")
    say "$target"
    nice "build/fuzz/fuzz/fuzz_$target" "${options[@]}" "$learned" "tests/fuzz/corpus/$target" \
        >"$found/$target.log" 2>&1 || failed=1
    grep -E '^(SUMMARY|stat::number_of_executed_units|Test unit written)|ERROR' "$found/$target.log" || true
done
exit $failed
