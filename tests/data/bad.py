# SPDX-License-Identifier: Apache-2.0
"""Write hostile and damaged inputs: bad.py DIR. The name of a file says what is wrong with it;
unit_bad.c says with which errno each is refused. good.* are what the others were made from."""
import json
import os
import struct
import sys

U8, I8, U16, I16, U32, I32, F32, BOOL, STR, ARR, U64, I64, F64 = range(13)


def text(s):
    s = s if isinstance(s, bytes) else s.encode()
    return struct.pack("<Q", len(s)) + s


def pair(key, kind, value):
    return text(key) + struct.pack("<I", kind) + value


def u32(v):
    return struct.pack("<I", v)


def u64(v):
    return struct.pack("<Q", v & (1 << 64) - 1)


def tensor(name, dims, kind, off, n_dims=None):
    return (text(name) + u32(len(dims) if n_dims is None else n_dims) + b"".join(map(u64, dims)) +
            u32(kind) + u64(off))


ARCH = pair("general.architecture", STR, text("llama"))
TENSORS = [tensor("a.weight", [32, 2], 0, 0), tensor("b.weight", [4], 1, 256)]
DATA = bytes(range(256)) + bytes(32)


def gguf(pairs=(ARCH,), tensors=TENSORS, data=DATA, magic=b"GGUF", version=3, n_pairs=None,
         n_tensors=None, align=32):
    out = (magic + u32(version) + u64(len(tensors) if n_tensors is None else n_tensors) +
           u64(len(pairs) if n_pairs is None else n_pairs) + b"".join(pairs) + b"".join(tensors))
    return out + bytes(-len(out) % align) + data


def with_pair(kind, value, key="x"):
    return gguf([ARCH, pair(key, kind, value)])


def one(dims, kind, off=0, name="a.weight", n_dims=None):
    return gguf(tensors=[tensor(name, dims, kind, off, n_dims)])


def gguf_files():
    yield "good", gguf()
    yield "good-v2", gguf(version=2)
    yield "good-align-8", gguf([ARCH, pair("general.alignment", U32, u32(8))],
                               [TENSORS[0], tensor("b.weight", [4], 1, 256)], DATA, align=8)
    yield "good-pairs-of-all-types", gguf([
        ARCH, pair("u8", U8, b"\1"), pair("i8", I8, b"\xff"), pair("u16", U16, b"\1\0"),
        pair("i16", I16, b"\1\0"), pair("u32", U32, u32(1)), pair("i32", I32, u32(1)),
        pair("f32", F32, u32(1)), pair("bool", BOOL, b"\1"), pair("u64", U64, u64(1)),
        pair("i64", I64, u64(1)), pair("f64", F64, u64(1)), pair("empty", STR, text("")),
        pair("strs", ARR, u32(STR) + u64(2) + text("x") + text("")),
        pair("bools", ARR, u32(BOOL) + u64(2) + b"\0\1"), pair("none", ARR, u32(F32) + u64(0))])
    yield "bad-magic", gguf(magic=b"GGUX")
    yield "v1", gguf(version=1)
    yield "v4", gguf(version=4)
    yield "byteswapped", b"GGUF" + struct.pack(">IQQ", 3, 2, 1) + bytes(300)
    yield "empty", b""
    yield "only-magic", b"GGUF"
    yield "nkv-2e63", gguf(n_pairs=1 << 63)
    yield "nkv-one-more", gguf(n_pairs=2)
    yield "ntensors-2e60", gguf(n_tensors=1 << 60)
    yield "str-2e64", with_pair(STR, u64(-1) + b"x")
    yield "str-over-file", with_pair(STR, u64(100000) + b"x")
    yield "key-2e63", gguf([u64(1 << 63) + b"k"])
    yield "key-empty", with_pair(U8, b"\1", "")
    yield "key-nul", with_pair(U8, b"\1", "a\0b")
    yield "arr-2e61", with_pair(ARR, u32(U64) + u64(1 << 61))
    yield "arr-2e61-strs", with_pair(ARR, u32(STR) + u64(1 << 61))
    yield "nested-array", with_pair(ARR, u32(ARR) + u64(1) + u32(U8) + u64(1) + b"\1")
    yield "kvtype-99", with_pair(99, b"\1")
    yield "arrtype-99", with_pair(ARR, u32(99) + u64(1) + b"\1")
    yield "bool-2", with_pair(BOOL, b"\2")
    yield "bools-2", with_pair(ARR, u32(BOOL) + u64(2) + b"\1\2")
    yield "dup-key", gguf([ARCH, pair("x", U8, b"\1"), pair("y", U8, b"\1"),
                           pair("x", U32, u32(1))])
    for name, value in ("0", 0), ("3", 3), ("2e31", 1 << 31):
        yield "align-" + name, with_pair(U32, u32(value), "general.alignment")
    yield "align-as-i32", with_pair(I32, u32(32), "general.alignment")
    yield "ndims-5", one([1, 1, 1, 1, 1], 0)
    yield "ndims-2e32", one([1], 0, n_dims=0xffffffff)
    yield "ne-negative", one([-32], 0)
    yield "ne-0", one([0, 4], 0)
    yield "ne-product-wraps", one([1 << 32, 1 << 32], 0)
    yield "bytes-wrap", one([1 << 62], 0)
    yield "pad-wraps", gguf(tensors=[tensor("a", [(1 << 62) - 1, 1], 0, 0),
                                     tensor("b", [(1 << 62) - 1, 1], 0, -4),
                                     tensor("c", [4], 0, 0)])
    yield "type-removed", one([32], 4)
    yield "type-unknown", one([32], 250)
    yield "type-2e31", one([32], 1 << 31)
    yield "ne0-not-block", one([16, 4], 2)
    yield "offset-past-end", one([32], 0, 1 << 40)
    yield "offset-wraps", one([32], 0, -32)
    yield "offset-unaligned", gguf(tensors=[TENSORS[0], tensor("b", [4], 1, 257)])
    yield "hole", gguf(tensors=[TENSORS[0], tensor("b", [4], 1, 288)], data=DATA + bytes(64))
    yield "overlap", gguf(tensors=[TENSORS[0], tensor("b", [4], 1, 224)])
    yield "weights-missing", gguf(data=DATA[:255])
    yield "dup-name", gguf(tensors=[TENSORS[0], tensor("a.weight", [4], 1, 256)])
    yield "name-64", one([4], 0, name="n" * 64)
    yield "name-2e63", gguf(tensors=[u64(1 << 63) + b"n"])
    yield "name-dotdot", one([4], 0, name="../../etc/passwd")
    yield "name-nul", one([4], 0, name="a\0b")
    parts = [ARCH, pair("split.no", U16, b"\0\0"), pair("split.tensors.count", I32, u32(2))]
    yield "split-without-name", gguf(parts + [pair("split.count", U16, b"\2\0")])
    yield "split-count-lies-00001-of-00002", gguf(parts + [pair("split.count", U16, b"\3\0")])
    yield "split-missing-00001-of-00002", gguf(parts + [pair("split.count", U16, b"\2\0")])


def part(no, of, total, names):
    tensors = [tensor(n, [8], 0, 32 * i) for i, n in enumerate(names)]
    return gguf([ARCH, pair("split.no", U16, struct.pack("<H", no)),
                 pair("split.count", U16, struct.pack("<H", of)),
                 pair("split.tensors.count", I32, u32(total))], tensors, bytes(32 * len(names)))


def split_files():
    for name, no, total, names in (
            ("good-split", (0, 1), 3, (["a", "b"], ["c"])),
            ("split-no-lies", (0, 0), 2, ("a", "b")),
            ("split-total-lies", (0, 1), 9, ("a", "b")), ("split-dup-name", (0, 1), 2, ("a", "a"))):
        for i in range(2):
            yield f"{name}-0000{i + 1}-of-00002", part(no[i], 2, total, names[i])


def safe(header, data=bytes(32), length=None):
    if not isinstance(header, bytes):
        header = json.dumps(header).encode()
    return u64(len(header) if length is None else length) + header + data


def info(dtype="F32", shape=(8,), offsets=(0, 32)):
    return {"dtype": dtype, "shape": list(shape), "data_offsets": list(offsets)}


def safetensors_files():
    yield "good", safe({"__metadata__": {"format": "pt"}, "a": info()})
    yield "good-unsorted", safe({"b": info(shape=(4,), offsets=(16, 32)),
                                 "a": info(shape=(2, 2), offsets=(0, 16))})
    yield "good-empty", safe({}, b"")
    yield "good-zero-dim", safe({"a": info(shape=(0, 7), offsets=(0, 0)), "b": info()})
    yield "good-padded", safe(json.dumps({"a": info()}).encode() + b"     ")
    yield "good-f4", safe({"a": info("F4", (64,))})
    yield "under-8-bytes", b"\1\0\0\0"
    yield "len-2e64", safe({"a": info()}, length=-1)
    yield "len-over-100M", safe({"a": info()}, length=100000001)
    yield "len-over-file", safe({"a": info()}, length=500)
    yield "len-0", safe(b"", length=0)
    yield "not-json", safe(b"{]")
    yield "array", safe(b"{" + b"}]")
    yield "non-utf8", safe(b'{"a\xff":{"dtype":"F32","shape":[8],"data_offsets":[0,32]}}')
    yield "depth-1e5", safe(b'{"a":' + b"[" * 100000 + b"]" * 100000 + b"}")
    one = b'"a":' + json.dumps(info()).encode()
    yield "dup-key", safe(b"{" + one + b"," + one + b"}")
    yield "dup-offsets", safe(b'{"a":{"dtype":"F32","shape":[8],"data_offsets":[0,4],'
                              b'"data_offsets":[0,32]}}')
    yield "float-offset", safe({"a": info(offsets=(0.0, 32.0))})
    yield "negative-offset", safe({"a": info(offsets=(-32, 0))})
    yield "huge-offset", safe({"a": info(offsets=(0, 1 << 70))})
    yield "begin-after-end", safe({"a": info(offsets=(32, 0))})
    yield "three-offsets", safe({"a": info(offsets=(0, 32, 32))})
    yield "hole", safe({"a": info(shape=(4,), offsets=(0, 16)),
                        "b": info(shape=(2,), offsets=(24, 32))})
    yield "hole-at-start", safe({"a": info(shape=(4,), offsets=(16, 32))})
    yield "overlap", safe({"a": info(shape=(6,), offsets=(0, 24)),
                           "b": info(shape=(4,), offsets=(16, 32))})
    yield "trailing-bytes", safe({"a": info()}, bytes(33))
    yield "weights-missing", safe({"a": info()}, bytes(31))
    yield "shape-wraps", safe({"a": info(shape=(1 << 32, 1 << 32))})
    yield "bytes-wrap", safe({"a": info(shape=(1 << 62,))})
    yield "shape-lies", safe({"a": info(shape=(7,))})
    yield "shape-negative", safe({"a": info(shape=(-8,))})
    yield "ndims-9", safe({"a": info(shape=(8,) + (1,) * 8)})
    yield "odd-f4", safe({"a": info("F4", (63,))})
    yield "unknown-dtype", safe({"a": info("F33")})
    yield "dtype-missing", safe({"a": {"shape": [8], "data_offsets": [0, 32]}})
    yield "tensor-null", safe({"a": None})
    yield "metadata-not-string", safe({"__metadata__": {"n": 1}, "a": info()})
    yield "metadata-array", safe({"__metadata__": [], "a": info()})


def main():
    out = sys.argv[1]
    os.makedirs(out, exist_ok=True)
    for suffix, files in (("gguf", gguf_files), ("gguf", split_files),
                          ("safetensors", safetensors_files)):
        for name, data in files():
            with open(os.path.join(out, f"{name}.{suffix}"), "wb") as f:
                f.write(data)


main()
