# SPDX-License-Identifier: Apache-2.0
# `bootstrap test`: every build and every suite, then one line that counts them all.

results=$out/logs/results # a line for each check or suite: passed, failed, skipped; what is not in order
mkdir -p "$out/logs"
: >"$results"

# meson_tests FOLDER [ARGUMENT...]: run them and add what came of them.
meson_tests() {
    local dir=$out/$1 counts
    shift
    rm -f "$dir/meson-logs/testlog.json"
    nice meson test -C "$dir" --no-rebuild --print-errorlogs "$@" || add 0 0 0 "${dir##*/}"
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
    echo "$*" >>"$results"
}

# one NAME COMMAND...: a check that passes or fails as a whole.
one() {
    local name=$1
    shift
    if "$@"; then
        add 1 0 0
    else
        say "FAILED: $name"
        add 0 1 0 "$name"
    fi
}

client_tests() {
    local xml=$out/logs/clients.xml counts
    rm -f "$xml"
    nice "$out/venv/bin/python" -B -m pytest -q -p no:cacheprovider --junitxml "$xml" \
        "$top/tests/clients" || add 0 0 0 clients
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

# beside COMMAND...: while the next things are built, as it mostly waits or has one thread; joined()
# waits for it and shows what it said.
beside() {
    set -m # a process group, for the end of this shell
    "$@" >"$out/logs/beside.log" 2>&1 &
    set +m
    background=$!
}

joined() {
    wait "$background" || add 0 1 0 'what ran beside'
    background=
    cat "$out/logs/beside.log"
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

# The numbers of lines are what a report needs; the rest takes a seventh of the compiler's time.
lines=-Dc_args=-g1

say "== gcc"
build test -Dwerror=true "$lines"
meson_tests test
one 'who may include whom' sh "$top/tests/includes.sh"

say "== clients, while others are built"
beside client_tests

say "== clang"
CC=clang build clang -Dwerror=true -Dbuildtype=plain -Dc_args=-O0 # kernels too: it is not run
add 1 0 0

say "== arm64: kernels, under qemu"
build arm64 --cross-file "$top/packaging/aarch64.ini" -Dkernels_only=true -Dwerror=true
meson_tests arm64 --timeout-multiplier 4

if command -v nvcc >/dev/null; then
    say "== CUDA: compiled, and run where there is a device"
    build cuda -Dkernels_only=true -Dcuda=enabled -Dgpu_arch=sm_75 -Dwerror=true
    meson_tests cuda --suite gpu
fi
joined

# -O1: what is compiled here takes longer than what is run.
sanitized=(-Db_lundef=false -Doptimization=1 "$lines")

say "== address and undefined behaviour"
build asan -Db_sanitize=address,undefined "${sanitized[@]}"
WEIGHTFS_TEST_PART=1 ASAN_OPTIONS=detect_leaks=1 UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1 \
    meson_tests asan --no-suite slow --timeout-multiplier 4

say "== threads, while the next is built"
targets=threaded
build tsan -Db_sanitize=thread "${sanitized[@]}"
TSAN_OPTIONS=halt_on_error=1 beside meson_tests tsan --suite threads --timeout-multiplier 12

say "== hostile files, $fuzz_seconds seconds a reader"
targets=
for name in adapter config gguf imatrix json onnx safetensors spec spm tokenizer torch; do
    targets="$targets tests/fuzz_$name"
done
CC=clang build fuzz -Dfuzz=true -Db_sanitize=address,undefined -Db_lundef=false "$lines"
joined
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

awk '{ p += $1; f += $2; s += $3 }
     NF > 3 { $1 = $2 = $3 = ""; broken = broken (broken ? "," : "") " " substr($0, 4) }
     END {
         if (broken) print "Not in order:" broken
         print p + 0 " passed, " f + 0 " failed, " s + 0 " skipped"
         exit f > 0 || p == 0 || broken != ""
     }' "$results"
