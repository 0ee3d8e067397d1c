#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Makes tests/data/kernels.bin: what a real ggml writes for some thousand numbers, in every type.

    tests/golden_kernels.py PATH/libggml-base.so tests/data/kernels.bin

The library is that of llama.cpp 0c1e570, built by cmake with its defaults. The file, all numbers
little-endian: "wfk1", u32 n, n floats, then to the end records of
    u32 type      enum ggml_type
    u32 elems     how many of the floats it is of, from the first on
    u32 bytes     length of the blocks
    u32 weighted  1: encoded with the importance data below, in rows of 256; else without
    u64 hash      FNV-1a over the decoded floats, all NaNs as 0xffffffff
    blocks        padded to 4 bytes
Importance data of element i is (i * 37 % 101 + 1) / 16, by its place in the row.
"""
import ctypes
import math
import random
import struct
import sys

ROW = 256
TYPES = {  # ggml id: (name, block elements, block bytes)
    1: ("f16", 1, 2), 30: ("bf16", 1, 2),
    2: ("q4_0", 32, 18), 3: ("q4_1", 32, 20), 6: ("q5_0", 32, 22), 7: ("q5_1", 32, 24),
    8: ("q8_0", 32, 34), 10: ("q2_K", 256, 84), 11: ("q3_K", 256, 110), 12: ("q4_K", 256, 144),
    13: ("q5_K", 256, 176), 14: ("q6_K", 256, 210), 16: ("iq2_xxs", 256, 66),
    17: ("iq2_xs", 256, 74), 18: ("iq3_xxs", 256, 98), 19: ("iq1_s", 256, 50),
    20: ("iq4_nl", 32, 18), 21: ("iq3_s", 256, 110), 22: ("iq2_s", 256, 82),
    23: ("iq4_xs", 256, 136), 29: ("iq1_m", 256, 56), 34: ("tq1_0", 256, 54),
    35: ("tq2_0", 256, 66), 39: ("mxfp4", 32, 17), 40: ("nvfp4", 64, 36), 41: ("q1_0", 128, 18),
    42: ("q2_0", 64, 18),
}
NEED_WEIGHTS = {16, 17, 19}
NO_WEIGHTS = {1, 30, 8, 34, 35, 39, 40, 41, 42}
TAME_ONLY = {16, 17, 18, 19, 20, 21, 22, 23, 29}  # ggml may abort on the wild ones


def f32(x):
    return struct.unpack("<f", struct.pack("<f", x))[0]


def raw_finite(r):
    while True:
        bits = r.getrandbits(32)
        if bits & 0x7f800000 != 0x7f800000:
            return struct.unpack("<f", struct.pack("<I", bits))[0]


def rows():
    """Rows of 256: first the tame ones, then None, then the wild ones."""
    r = random.Random(1)
    gauss, top = r.gauss, 3.4028234663852886e38
    for scale in (0.02, 1.0, 1e-4):
        yield [gauss(0, scale) for _ in range(ROW)]
    yield [r.uniform(-1, 1) for _ in range(ROW)]
    yield [0.0] * ROW
    yield [gauss(0, 0.02) * (50 if r.random() < 0.02 else 1) for _ in range(ROW)]
    yield [3 + gauss(0, 0.01) for _ in range(ROW)]
    yield [-abs(gauss(0, 1)) for _ in range(ROW)]
    yield [float(r.randint(-4, 4)) for _ in range(ROW)]
    yield [gauss(0, 2.0 ** (i // 16 - 8)) for i in range(ROW)]
    yield [gauss(0, 1) if i % 32 == 5 else 0.0 for i in range(ROW)]
    yield [r.choice((0.5, -0.5)) for _ in range(ROW)]
    yield None
    yield [r.choice((0.0, -0.0)) for _ in range(ROW)]
    yield [r.uniform(-1, 1) * 2.0 ** -126 for _ in range(ROW)]
    yield [r.uniform(-1, 1) * 2.0 ** -(100 + i // 8) for i in range(ROW)]
    yield [r.uniform(-1, 1) * top for _ in range(ROW)]
    yield [r.uniform(-1, 1) * 2.0 ** (60 + i // 32 * 2) for i in range(ROW)]
    yield [raw_finite(r) for _ in range(ROW)]
    yield [(r.randint(-127, 126) + 0.5) / 64 if i % 32 else 127 / 64 for i in range(ROW)]
    yield [r.choice((1, -1)) * 0.49999997 if i % 32 else 127.0 for i in range(ROW)]
    yield [-1.5 + r.randint(0, 3) * 2.0 ** -23 for i in range(ROW)]


def decoded_hash(lib, name, blocks, elems):
    fn = {"f16": "ggml_fp16_to_fp32_row", "bf16": "ggml_bf16_to_fp32_row"}.get(
        name, "dequantize_row_" + name)
    out = (ctypes.c_float * elems)()
    getattr(lib, fn)(blocks, out, ctypes.c_int64(elems))
    h = 0xcbf29ce484222325
    for v, bits in zip(out, memoryview(bytes(out)).cast("I")):
        for byte in (0xffffffff if math.isnan(v) else bits).to_bytes(4, "little"):
            h = (h ^ byte) * 0x100000001b3 & 0xffffffffffffffff
    return h


def encode(lib, ggml_type, floats, weighted):
    """The blocks of @floats as a ctypes buffer."""
    name, block_elems, block_bytes = TYPES[ggml_type]
    n = len(floats)
    src, dst = (ctypes.c_float * n)(*floats), (ctypes.c_uint8 * (n // block_elems * block_bytes))()
    if name in ("f16", "bf16"):
        fn = lib.ggml_fp32_to_fp16_row if name == "f16" else lib.ggml_fp32_to_bf16_row
        fn(src, dst, ctypes.c_int64(n))
        return dst
    weights = (ctypes.c_float * ROW)(*[(i * 37 % 101 + 1) / 16 for i in range(ROW)])
    lib.ggml_quantize_chunk(ggml_type, src, dst, ctypes.c_int64(0), ctypes.c_int64(n // ROW),
                            ctypes.c_int64(ROW), weights if weighted else None)
    return dst


def main(library, path):
    lib = ctypes.CDLL(library)
    lib.ggml_quantize_chunk.restype = ctypes.c_size_t
    tame, floats = 0, []
    for row in rows():
        if row is None:
            tame = len(floats)
        else:
            floats += [f32(v) for v in row]
    out = b"wfk1" + struct.pack(f"<I{len(floats)}f", len(floats), *floats)
    for ggml_type, (name, _, _) in TYPES.items():
        elems = tame if ggml_type in TAME_ONLY else len(floats)
        for weighted in (0, 1):
            if ggml_type in (NO_WEIGHTS if weighted else NEED_WEIGHTS):
                continue
            n = tame if weighted else elems
            blocks = encode(lib, ggml_type, floats[:n], weighted)
            data = bytes(blocks)
            out += struct.pack("<IIIIQ", ggml_type, n, len(data), weighted,
                               decoded_hash(lib, name, blocks, n))
            out += data + bytes(-len(data) % 4)
    with open(path, "wb") as f:
        f.write(out)


main(*sys.argv[1:])
