#!/bin/bash
# Prints how many lines of core/ the unit tests, the Lua specs and the end-to-end tests run, by folder, those
# with PostgreSQL included, and fails under 85 %. The build of its own has neither sanitizers nor optimization; it is no part of
# ./test.sh, because it takes as long as that.
#
# usage: tests/coverage.sh [FILE]...      FILE: only these end-to-end files; all by default
set -euo pipefail
# shellcheck source=scripts/lib.sh
source "$(dirname "$0")/../scripts/lib.sh"
# shellcheck source=scripts/changes.sh
source "$ROOT/scripts/changes.sh"

LEAST=85
BUILD=$ROOT/build/coverage
LOGS=$BUILD/logs

# run NAME COMMAND...: its output goes into a log; what fails is named, and counts as run
run()
{
    local name=$1

    shift
    timeout 15m "$@" >"$LOGS/$name.log" 2>&1 || printf 'failed: %s, see %s\n' "$name" "$LOGS/$name.log" >&2
}

number=0

# run_e2e FILE [VARIABLE=VALUE COMMAND...]: beside one other; COMMAND starts what the test needs
run_e2e()
{
    local file=$1 variable=${2:-_=} name

    name=$(basename "$file" .test.mjs)${2:+-${2#*=}}
    while [ "$(jobs -rp | wc -l)" -ge 2 ]; do wait -n || true; done
    TEST_LOGS=$LOGS/$name.d TIDETALK_BIN=$BUILD/tidetalk MOCK_LLM_BIN=$MOCK_LLM_BIN SANITIZER=asan \
        TEST_PORTS=$((10000 + number * 100)) run "$name" env "$variable" "${@:3}" \
        node --test --test-reporter=tap "$ROOT/$file" &
    number=$((number + 1))
}

cd "$ROOT"
install_packages "${PACKAGES_BUILD[@]}" "${PACKAGES_UNIT[@]}" "${PACKAGES_E2E[@]}" "${PACKAGES_POSTGRES[@]}" "${PACKAGES_COVERAGE[@]}"
install_node
install_npm "$ROOT/tests/e2e"
build_preset coverage
find "$BUILD" -name '*.gcda' -delete
mkdir -p "$LOGS"
MOCK_LLM_BIN=$(find "$BUILD" -maxdepth 3 -type f -name mock_llm -print -quit)
export BUILD LOGS MOCK_LLM_BIN

for program in "$BUILD"/unit/unit_*; do
    run "$(basename "$program")" "$program"
done
run lua_specs "$BUILD/tests/lua_specs" tests/lua/*_spec.lua
run fuzz_corpus tests/fuzz/replay.sh "$BUILD/fuzz"

files=("$@")
postgres=()
if [ $# -eq 0 ]; then
    mapfile -t files < <(e2e_files | grep '\.mjs$')
    mapfile -t postgres < <(printf '%s\n' tests/postgres/*.test.mjs; e2e_marked postgres)
fi
for file in "${files[@]}"; do run_e2e "$file"; done
for file in "${postgres[@]}"; do run_e2e "$file" TEST_DATABASE=postgres tests/postgres/run.sh; done
wait

gcovr --root "$ROOT" --filter 'core/' --object-directory "$BUILD" \
    --json-summary "$BUILD/summary.json" "$BUILD" >"$LOGS/gcovr.log"
# shellcheck disable=SC2016  # the dollars are those of JavaScript
node -e '
const summary = JSON.parse(require("node:fs").readFileSync(process.argv[1]));
const folders = new Map();
for (const { filename, line_covered: covered, line_total: total } of summary.files) {
  const folder = filename.split("/").slice(0, 2).join("/");
  const [a, b] = folders.get(folder) ?? [0, 0];
  folders.set(folder, [a + covered, b + total]);
}
const line = (name, covered, total) => console.log(`${name.padEnd(16)} ${String(covered).padStart(6)} of ${
  String(total).padStart(6)} lines  ${(100 * covered / total).toFixed(1)} %`);
for (const [folder, [covered, total]] of [...folders].sort()) line(folder, covered, total);
line("core", summary.line_covered, summary.line_total);
process.exit(summary.line_percent >= Number(process.argv[2]) ? 0 : 1);
' "$BUILD/summary.json" "$LEAST"
