# SPDX-License-Identifier: Apache-2.0
# `bootstrap bench`: figures beside a plain file's and a bare mount's. Sourced by
# packaging/bootstrap. Wants 12 GB of disk under build/bench; more arguments go to bench.py.

need_fuse
say "Building weightfs"
build release -Dbuildtype=release -Dtests=disabled -Dcuda=disabled
mkdir -p "$out/bench"
if [ -n "${WEIGHTFS_BENCH_QUANTIZE:-}" ]; then
    venv
    python=$out/venv/bin/python
else
    # llama-quantize as a function of llama-cpp-python, which PyPI has as source only.
    install_packages g++ cmake
    python=$out/bench-venv/bin/python
    if [ ! -e "$out/bench-venv/.done" ]; then
        say "Building llama-cpp-python to compare with (once; it takes a quarter of an hour)"
        say "  WEIGHTFS_BENCH_QUANTIZE=/path/of/llama-quantize takes one that is there"
        quiet 'making the bench environment' python3 -m venv "$out/bench-venv"
        quiet 'building llama-cpp-python' "$out/bench-venv/bin/pip" install \
            --disable-pip-version-check -q -r "$top/tools/bench/requirements.txt"
        touch "$out/bench-venv/.done"
    fi
fi
quiet 'building baremount' gcc -O2 -D_FILE_OFFSET_BITS=64 -o "$out/bench/baremount" \
    "$top/tools/bench/baremount.c" $(pkg-config --cflags --libs fuse3)
shift
"$python" -B "$top/tools/bench/bench.py" --program "$out/release/weightfs" \
    --work "$out/bench" "$@"
