# SPDX-License-Identifier: Apache-2.0
"""Write hostile and damaged files of PyTorch: bad_torch.py DIR. The name of a file says what is
wrong with it; unit_torch.c says with which errno each is refused. good.* are what the others were
made from."""
import os
import struct
import sys
import zlib

PICKLE = "data.pkl"


def text(s):
    return b"X" + struct.pack("<I", len(s)) + s.encode()


def number(n):
    if 0 <= n < 256:
        return b"K" + bytes([n])
    if -(1 << 31) <= n < 1 << 31:
        return b"J" + struct.pack("<i", n)
    raw = n.to_bytes(n.bit_length() // 8 + 1, "little", signed=True)
    return b"\x8a" + bytes([len(raw)]) + raw


def name(module, attr):
    return f"c{module}\n{attr}\n".encode()


def tup(*items):
    return b"(" + b"".join(items) + b"t"


def storage(key="0", kind="FloatStorage", elems=6, where=None):
    ident = [text("storage"), name("torch", kind), text(key), text("cpu"), number(elems)]
    return tup(*ident, *([where] if where else [])) + b"Q"


def tensor(store=None, off=0, size=(2, 3), stride=(3, 1), func="_rebuild_tensor_v2"):
    return (name("torch._utils", func) +
            tup(store or storage(), number(off), tup(*map(number, size)),
                tup(*map(number, stride)), b"\x89", name("collections", "OrderedDict") + b")R") +
            b"R")


def program(body, stop=b"."):
    return b"\x80\x02" + body + stop


def state(*pairs):
    return program(b"}(" + b"".join(text(k) + v for k, v in pairs) + b"u")


GOOD = state(("w", tensor()))
DATA = struct.pack("<6f", *range(6))


class Member:
    """One member; the fields of its two headers can be made to lie."""

    def __init__(self, path, data, method=0, flags=0x0808, size=None, local_path=None, extra=None,
                 packed=None, local_size=None, central=True):
        self.path, self.data, self.method, self.flags = path, data, method, flags
        z = zlib.compressobj(9, zlib.DEFLATED, -15)
        self.packed = packed or (data if method == 0 else z.compress(data) + z.flush())
        self.size = len(data) if size is None else size
        self.local_path = local_path or path
        self.extra = extra
        self.local_size = local_size
        self.crc = zlib.crc32(data) if size is None else 0
        self.central = central


def archive(members=None, pkl=GOOD, data=DATA, before=b"", comment=b"", count=None, zip64=None,
            tail=b"", offsets=None, gap=b""):
    if members is None:
        members = [Member("archive/data.pkl", pkl), Member("archive/data/0", data)]
    out, central = bytearray(before), bytearray()
    for i, m in enumerate(members):
        at = len(out) if not offsets or offsets[i] is None else offsets[i]
        path, local = m.path.encode(), m.local_path.encode()
        extra = m.extra
        if extra is None:
            pad = -(len(out) + 30 + len(local) + 4) % 64
            extra = b"FB" + struct.pack("<H", pad) + b"Z" * pad
        sizes = (0, 0, 0) if m.local_size is None else (m.crc, m.local_size, m.local_size)
        out += struct.pack("<IHHHHHIIIHH", 0x04034b50, 0, m.flags, m.method, 0, 0, *sizes,
                           len(local), len(extra)) + local + extra + m.packed
        if m.flags & 8 and m.packed:
            out += struct.pack("<IIII", 0x08074b50, m.crc, len(m.packed), m.size)
        if m.central:
            central += struct.pack("<IHHHHHHIIIHHHHHII", 0x02014b50, 0, 0, m.flags, m.method, 0, 0,
                                   m.crc, len(m.packed), m.size, len(path), 0, 0, 0, 0, 0, at) + path
    out += gap
    start, n = len(out), sum(m.central for m in members) if count is None else count
    out += central
    if zip64:
        record = dict(size=44, n=n, bytes=len(central), off=start, at=len(out), locator_disk=0)
        record.update(zip64)
        out += struct.pack("<IQHHIIQQQQ", 0x06064b50, record["size"], 45, 45, 0, 0, record["n"],
                           record["n"], record["bytes"], record["off"])
        out += struct.pack("<IIQI", 0x07064b50, record["locator_disk"], record["at"], 1)
    out += struct.pack("<IHHHHIIH", 0x06054b50, 0, 0, n, n, len(central), start, len(comment))
    return bytes(out) + comment + tail


def legacy(body=GOOD, keys=("0",), data=((6, DATA),), version=1001, little=b"\x88", tail=b""):
    out = program(b"\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19") + program(number(version))
    out += program(b"}" + text("little_endian") + little + b"s") + body
    out += program(b"](" + b"".join(map(text, keys)) + b"e")
    for n, raw in data:
        out += struct.pack("<Q", n & (1 << 64) - 1) + raw
    return out + tail


def bomb(levels):
    """Each tuple holds the one before twice: 2^levels tensors when it is walked."""
    body = tensor(func="_rebuild_tensor_v2") + b"q\0"
    for _ in range(levels):
        body += b"h\0h\0\x86q\0"
    return program(body)


def pickles():
    t = tensor()
    yield "os-system-reduce", program(name("os", "system") + tup(text("true")) + b"R")
    yield "posix-system-reduce", program(name("posix", "system") + tup(text("true")) + b"R")
    yield "builtins-eval", program(name("builtins", "eval") + tup(text("1")) + b"R")
    yield "getattr-reduce", program(name("builtins", "getattr") + tup(text("a"), text("b")) + b"R")
    yield "stack-global", program(text("os") + text("system") + b"\x93")
    yield "inst", program(b"(ios\nsystem\n")
    yield "obj", program(b"(" + name("torch", "Size") + b"o")
    yield "persid-text", program(b"P0\n")
    yield "persid-tuple", program(tup(text("module"), text("x")) + b"Q")
    yield "ext1", program(b"\x82\1")
    yield "long4-negative", program(b"\x8b" + struct.pack("<i", -1))
    yield "frame", program(b"\x95" + struct.pack("<Q", 1 << 62))
    yield "memo-bomb", bomb(60)
    yield "memo-index", program(t + b"r" + struct.pack("<I", 0xffffffff))
    yield "memo-missing", program(b"h\7")
    yield "cycle", program(b"]q\0h\0a")
    yield "cycle-dict", program(b"}q\0" + text("a") + b"h\0s")
    yield "deep", program(b"]" * 5000 + b"a" * 4999)
    yield "no-stop", program(b"}", stop=b"")
    yield "empty", b""
    yield "proto-255", b"\x80\xff" + GOOD[2:]
    yield "stack-empty", program(b"R")
    yield "mark-missing", program(b"]e")
    yield "mark-left", program(b"(}")
    yield "two-left", program(b"}}")
    yield "below-mark", program(b"](a")
    yield "odd-setitems", program(b"}(" + text("a") + b"u")
    yield "append-to-dict", program(b"}K\1a")
    yield "reduce-a-text", program(text("os") + b")R")
    yield "text-too-long", program(b"X\xff\xff\xff\x7fabc")
    yield "global-cut", program(b"ctorch\nSize", stop=b"")
    yield "no-tensor", program(b"}" + text("a") + b"K\1s")
    yield "number", program(b"K\1")
    yield "dup-name", state(("w", t), ("w", t))
    yield "name-nul", state(("w", t), ("a\0b", t), ("w", t))
    for what, args in {
        "stride-wraps": dict(size=(1 << 32, 3), stride=(1 << 62, 1)),
        "stride-negative": dict(stride=(-3, 1)),
        "stride-out-of-storage": dict(size=(3, 3)),
        "stride-fewer": dict(stride=(1,)),
        "shape-negative": dict(size=(-2, 3)),
        "shape-wraps": dict(size=(1 << 62, 1 << 62), stride=(0, 0)),
        "shape-nine": dict(size=(1,) * 9, stride=(1,) * 9),
        "offset-out": dict(off=1),
        "offset-wraps": dict(off=(1 << 63) - 1),
        "offset-2e70": dict(off=1 << 70),
        "storage-lies": dict(store=storage(elems=7)),
        "storage-2e62": dict(store=storage(elems=1 << 62)),
        "storage-negative": dict(store=storage(elems=-6)),
        "storage-missing": dict(store=storage(key="1")),
        "storage-dotdot": dict(store=storage(key="../data.pkl")),
        "storage-quantized": dict(store=storage(kind="QInt8Storage")),
        "qtensor": dict(func="_rebuild_qtensor"),
        "qtensor-storage": dict(store=storage(kind="QInt8Storage"), func="_rebuild_qtensor"),
        "storage-untyped": dict(store=storage(kind="UntypedStorage", elems=24)),
        "storage-is-no-storage": dict(store=number(1)),
        "sparse": dict(func="_rebuild_sparse_tensor"),
        "part-out": dict(store=storage(where=tup(text("k"), number(5), number(2)))),
    }.items():
        yield what, state(("w", tensor(**args)))


def archives():
    pkl, data = Member("archive/data.pkl", GOOD), Member("archive/data/0", DATA)
    yield "good", archive()
    yield "good-zip64", archive(zip64={})
    yield "good-deflated-pickle", archive([Member("a/data.pkl", GOOD, method=8),
                                           Member("a/data/0", DATA)])
    yield "good-no-folder", archive([Member("data.pkl", GOOD), Member("data/0", DATA)])
    yield "good-comment", archive(comment=b"hello")
    yield "good-local-sizes", archive([pkl, Member("archive/data/0", DATA, flags=0x0800,
                                                   local_size=24)])
    yield "big-endian", archive([pkl, data, Member("archive/byteorder", b"big")])
    yield "encrypted-flag", archive([pkl, Member("archive/data/0", DATA, flags=0x0809)])
    yield "name-mismatch", archive([pkl, Member("archive/data/0", DATA, local_path="archive/data/1")])
    yield "dup-entry", archive([pkl, data, data])
    yield "dup-pickle", archive([pkl, data, Member("other/data.pkl", GOOD)])
    yield "overlap", archive([pkl, data, Member("archive/data/0", DATA)], offsets=[None, None, 64])
    yield "same-place", archive([pkl, data, Member("archive/data/1", DATA, central=True)],
                                offsets=[None, None, 0])
    yield "deflated-storage", archive([pkl, Member("archive/data/0", DATA, method=8)])
    yield "deflate-bomb", archive([Member("archive/data.pkl", bytes(1 << 20), method=8,
                                          size=0xfffffffe), data])
    yield "deflate-longer", archive([Member("archive/data.pkl", GOOD, method=8, size=1 << 20), data])
    yield "deflate-shorter", archive([Member("archive/data.pkl", GOOD, method=8, size=10), data])
    yield "method-14", archive([pkl, Member("archive/data/0", DATA, method=14, packed=DATA)])
    yield "zip64-lies", archive(zip64={"off": 1})
    yield "zip64-count", archive(zip64={"n": 1 << 40})
    yield "zip64-elsewhere", archive(zip64={"at": 0})
    yield "zip64-disk", archive(zip64={"locator_disk": 1})
    yield "zip64-size", archive(zip64={"size": 1 << 60})
    yield "two-eocd", archive(comment=archive()[-22:])
    yield "two-archives", archive() + archive()
    yield "prefix-junk", b"#!/bin/sh\n" + archive()
    yield "prefix-counted", archive(before=b"PK\3\4" + bytes(60))
    yield "suffix-junk", archive(tail=b"junk")
    yield "hidden-member", archive([pkl, data, Member("archive/data/9", DATA, central=False)])
    yield "gap-before-directory", archive(gap=bytes(100))
    yield "count-more", archive(count=3)
    yield "count-fewer", archive(count=1)
    for what, path in (("dotdot", "archive/../data/0"), ("absolute", "/data/0"),
                       ("dot", "archive/./x"), ("double-slash", "archive//x"),
                       ("backslash", "archive\\x"), ("nul", "archive/\0x"), ("none", "")):
        yield "entry-" + what, archive([pkl, data, Member(path, DATA)])
    yield "stored-two-sizes", archive([pkl, Member("archive/data/0", DATA, size=1 << 20)])
    yield "local-size-lies", archive([pkl, Member("archive/data/0", DATA, local_size=20)])
    yield "crc-wrong", archive([Member("archive/data.pkl", GOOD, size=len(GOOD)), data]).replace(
        struct.pack("<II", 0, len(GOOD)), struct.pack("<II", 1, len(GOOD)))
    yield "no-pickle", archive([data])
    yield "no-members", archive([])
    yield "not-a-zip", b"PK\3\4" + bytes(100)


def legacies():
    yield "good", legacy()
    yield "good-part", legacy(state(("w", tensor(storage(where=tup(text("v"), number(2), number(4))),
                                                 size=(2, 2), stride=(2, 1)))))
    yield "version", legacy(version=1000)
    yield "big-endian", legacy(little=b"\x89")
    yield "tail", legacy(tail=b"\0")
    yield "storage-cut", legacy(data=((6, DATA[:20]),))
    yield "storage-2e62", legacy(data=((1 << 62, DATA),))
    yield "storage-shorter", legacy(data=((5, DATA[:20]),))
    yield "keys-fewer", legacy(keys=())
    yield "keys-twice", legacy(keys=("0", "0"))
    yield "keys-unknown", legacy(keys=("1",))
    yield "two-types", legacy(state(("w", tensor()),
                                    ("v", tensor(storage(kind="DoubleStorage", elems=3), size=(3,),
                                                 stride=(1,)))))
    yield "os-system", legacy(program(name("os", "system") + tup(text("true")) + b"R"))
    yield "no-stop", legacy(program(b"}", stop=b""), data=())


def main(folder):
    files = {f"{k}.pt": v for k, v in archives()}
    files.update({f"pickle-{k}.pt": archive(pkl=v) for k, v in pickles()})
    files.update({f"legacy-{k}.pth": v for k, v in legacies()})
    files["legacy-tar.pt"] = (b"sys_info" + bytes(249) + b"ustar").ljust(1024, b"\0")
    files["empty.pt"] = b""
    files["text.pt"] = b"import torch\n"
    os.makedirs(folder, exist_ok=True)
    for path, data in files.items():
        with open(os.path.join(folder, path), "wb") as f:
            f.write(data)


if __name__ == "__main__":
    main(sys.argv[1])
