# SPDX-License-Identifier: Apache-2.0
# `bootstrap test`: every build and every suite, then one line that counts them all.

passed=0 failed=0 skipped=0 broken=()

# meson_tests FOLDER [ARGUMENT...]: run them and add what came of them.
meson_tests() {
    local dir=$out/$1 counts
    shift
    rm -f "$dir/meson-logs/testlog.json"
    nice meson test -C "$dir" --no-rebuild --print-errorlogs "$@" || broken+=("${dir##*/}")
    counts=$(python3 - "$dir/meson-logs/testlog.json" <<'END'
import json, os, sys
n = {"passed": 0, "failed": 0, "skipped": 0}
if os.path.exists(sys.argv[1]):
    for line in open(sys.argv[1]):
        r = json.loads(line)["result"]
        n["passed" if r in ("OK", "EXPECTEDFAIL") else "skipped" if r == "SKIP" else "failed"] += 1
print(n["passed"], n["failed"], n["skipped"])
END
    )
    add $counts
}

add() {
    passed=$((passed + $1)) failed=$((failed + $2)) skipped=$((skipped + $3))
}

# one NAME COMMAND...: a check that passes or fails as a whole.
one() {
    local name=$1
    shift
    if "$@"; then
        add 1 0 0
    else
        say "FAILED: $name"
        broken+=("$name")
        add 0 1 0
    fi
}

client_tests() {
    local xml=$out/logs/clients.xml counts
    rm -f "$xml"
    nice "$out/venv/bin/python" -B -m pytest -q -p no:cacheprovider --junitxml "$xml" \
        "$top/tests/clients" || broken+=(clients)
    counts=$(python3 - "$xml" <<'END'
import sys, xml.etree.ElementTree as tree
try:
    n = tree.parse(sys.argv[1]).getroot().find("testsuite").attrib
    bad, skipped = int(n["failures"]) + int(n["errors"]), int(n["skipped"])
    print(int(n["tests"]) - bad - skipped, bad, skipped)
except OSError:
    print(0, 1, 0)
END
    )
    add $counts
}

# What it finds lies beside the program; the seeds stay as they are.
fuzz() {
    local found=$out/logs/${1##*/}
    mkdir -p "$found"
    if ! nice "$1" -max_total_time=$fuzz_seconds -rss_limit_mb=2048 -artifact_prefix="$found/" \
        "$found" "$top"/tests/data/{bad,bad_onnx,bad_torch,fuzz} >"$found.log" 2>&1; then
        tail -n 25 "$found.log"
        return 1
    fi
}
fuzz_seconds=${WEIGHTFS_FUZZ_SECONDS:-5}

need_fuse
scratch=$(mktemp -d "${TMPDIR:-/tmp}/weightfs-tests.XXXXXX")
chmod 1777 "$scratch" # ordinary users mount below it
export TMPDIR=$scratch
venv
PATH=$out/venv/bin:$PATH # tests that make models want numpy

export WEIGHTFS_TEST_MODELS=$out/models # made once, for all builds

say "== gcc"
build test -Dwerror=true
meson_tests test
one 'who may include whom' sh "$top/tests/includes.sh"

say "== clang"
CC=clang build clang -Dwerror=true -Dbuildtype=debug -Dc_args=-O0 # kernels too: it is not run
add 1 0 0

say "== arm64: kernels, under qemu"
build arm64 --cross-file "$top/packaging/aarch64.ini" -Dkernels_only=true -Dwerror=true
meson_tests arm64 --timeout-multiplier 4

if command -v nvcc >/dev/null; then
    say "== CUDA: compiled, and run where there is a device"
    build cuda -Dkernels_only=true -Dcuda=enabled -Dgpu_arch=sm_75 -Dwerror=true
    meson_tests cuda --suite gpu
fi

say "== clients"
client_tests

say "== address and undefined behaviour"
build asan -Db_sanitize=address,undefined -Db_lundef=false
ASAN_OPTIONS=detect_leaks=1 UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1 \
    meson_tests asan --no-suite slow --timeout-multiplier 4

say "== hostile files, $fuzz_seconds seconds a reader"
targets=
for name in adapter config gguf imatrix json onnx safetensors spec spm tokenizer torch; do
    targets="$targets tests/fuzz_$name"
done
CC=clang build fuzz -Dfuzz=true -Db_sanitize=address,undefined -Db_lundef=false
while read -r -a batch; do # one a core
    pids=()
    for target in "${batch[@]}"; do
        fuzz "$out/fuzz/$target" &
        pids+=($!)
    done
    for i in "${!batch[@]}"; do
        one "${batch[i]}" wait "${pids[i]}"
    done
done < <(xargs -n "$(nproc)" <<<"$targets")

say "== threads"
targets=threaded
build tsan -Db_sanitize=thread -Db_lundef=false
targets=
TSAN_OPTIONS=halt_on_error=1 meson_tests tsan --suite threads --timeout-multiplier 12

[ ${#broken[@]} -eq 0 ] || say "Not in order: ${broken[*]}"
say "$passed passed, $failed failed, $skipped skipped"
[ ${#broken[@]} -eq 0 ] && [ "$failed" = 0 ] && [ "$passed" -gt 0 ]
