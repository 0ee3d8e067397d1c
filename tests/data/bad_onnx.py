# SPDX-License-Identifier: Apache-2.0
"""Write hostile and damaged ONNX files: bad_onnx.py DIR. The name of a file says what is wrong with
it; unit_onnx.c says with which errno each is refused, and makes those that need a FIFO or a link.
good.* are what the others were made from."""
import os
import sys


def varint(n):
    out = b""
    n &= (1 << 64) - 1
    while n > 127:
        out += bytes([n & 127 | 128])
        n >>= 7
    return out + bytes([n])


def num(field, n):
    return varint(field << 3) + varint(n)


def msg(field, body, length=None):
    body = body if isinstance(body, bytes) else body.encode()
    return varint(field << 3 | 2) + varint(len(body) if length is None else length) + body


def tensor(name="w", dims=(2, 3), kind=1, raw=bytes(24), more=b""):
    return (b"".join(num(1, d) for d in dims) + num(2, kind) + msg(8, name) +
            (b"" if raw is None else msg(9, raw)) + more)


def entry(key, value):
    return msg(13, msg(1, key) + msg(2, value))


def external(*pairs, dims=(2, 3)):
    return tensor(raw=None, dims=dims, more=b"".join(entry(*p) for p in pairs) + num(14, 1))


def node(op="MatMul", inputs=("x", "w"), outputs=("y",), attrs=b""):
    return (b"".join(msg(1, i) for i in inputs) + b"".join(msg(2, o) for o in outputs) +
            msg(3, f"/fc/{op}") + msg(4, op) + attrs)


def value(name):
    dims = msg(1, msg(2, "n")) + msg(1, num(1, 3))
    return msg(1, name) + msg(2, msg(1, num(1, 1) + msg(2, dims)))


def graph(*inits, nodes=(node(),), more=b""):
    return (b"".join(msg(1, n) for n in nodes) + msg(2, "g") + b"".join(msg(5, i) for i in inits) +
            msg(11, value("x")) + msg(12, value("y")) + more)


OPSET = msg(8, num(2, 17))


def model(g, opset=OPSET):
    return num(1, 8) + msg(2, "bad_onnx.py") + msg(7, g) + opset


def constant(raw, kind=1, dims=(2, 3), op="Constant", more=b""):
    t = tensor(name="", dims=dims, kind=kind, raw=raw)
    return node(op, (), ("w",), msg(5, msg(1, "value") + msg(5, t) + num(20, 4)) + more)


def nested(graphs):
    """Three messages a graph: it is an attribute of a node of another."""
    g = graph(nodes=())
    for _ in range(graphs):
        g = msg(1, msg(5, msg(6, g)))
    return g


BIG = 400  # floats: more than the skeleton keeps
GOOD = model(graph(tensor()))
FILES = {
    "good": GOOD,
    "good-scalar": model(graph(tensor(dims=(), raw=bytes(4)))),
    "good-empty-tensor": model(graph(tensor(dims=(0, 3), raw=b""))),
    "good-big": model(graph(tensor(dims=(BIG,), raw=bytes(4 * BIG)))),
    "good-big-constant": model(graph(nodes=(constant(bytes(4 * BIG), dims=(BIG,)), node()))),
    "good-padded-varints": num(1, 8) + b"\xba\x80\x80\x00" + b"%c\x80\x00" % (len(graph(tensor())) | 128)
    + graph(tensor()) + OPSET,
    "good-strings": model(graph(tensor(), tensor("s", (1,), 8, None, msg(6, "text")))),
    "good-unknown-fields": GOOD + msg(999, b"later") + num(1000, 5) + b"\x85\x3f1234",
    "good-depth-5": model(nested(5)),
    "good-nine-dims-small": model(graph(tensor(dims=(1,) * 9, raw=bytes(4)))),
    "empty": b"",
    "zeros": bytes(64),
    "no-graph": num(1, 8) + OPSET,
    "no-opset": model(graph(tensor()), b""),
    "two-graphs": GOOD + msg(7, graph(tensor())),
    "depth-1e4": model(nested(3333)),
    "depth-30": model(nested(30)),
    "varint-11-bytes": b"\x08" + b"\x80" * 10 + b"\x01" + GOOD,
    "varint-unended": GOOD + b"\x08\x80",
    "tag-zero": GOOD + b"\x00\x00",
    "tag-too-large": GOOD + varint(1 << 35) + b"\x00",
    "len-2e63": num(1, 8) + varint(7 << 3 | 2) + varint(1 << 63),
    "len-over-end": num(1, 8) + msg(7, graph(tensor()), 1 << 20) + OPSET,
    "len-over-parent": model(msg(5, tensor(), 4000) + graph()),
    "group-wire": GOOD + b"\x0b\x0c",
    "wire-7": GOOD + b"\x0f\x00",
    "dims-negative": model(graph(tensor(dims=(-2, 3)))),
    "dims-product-wraps": model(graph(tensor(dims=(1 << 32, 1 << 32, 4)))),
    "dims-bits-wrap": model(graph(tensor(dims=(1 << 60,)))),
    "dims-nine-big": model(graph(tensor(dims=(1,) * 8 + (BIG,), raw=bytes(4 * BIG)))),
    "shape-not-data": model(graph(tensor(raw=bytes(20)))),
    "no-data": model(graph(tensor(raw=None))),
    "data-twice": model(graph(tensor(more=msg(4, bytes(24))))),
    "raw-twice": model(graph(tensor(more=msg(9, bytes(24))))),
    "field-of-another-type": model(graph(tensor(raw=None, more=msg(10, bytes(48))))),
    "floats-one-by-one": model(graph(tensor(raw=None, more=b"\x25\0\0\0\0" * 6))),
    "varints-too-few": model(graph(tensor(kind=7, raw=None, more=msg(7, b"\x05" * 5)))),
    "varints-too-many": model(graph(tensor(kind=7, raw=None, more=msg(7, b"\x05" * 7)))),
    "varints-of-11-bytes": model(graph(tensor(kind=7, dims=(1,), raw=None, more=msg(7, b"\x85" * 10 + b"\1")))),
    "varints-unended": model(graph(tensor(kind=7, raw=None, more=msg(7, b"\x05" * 5 + b"\x80")))),
    "type-unknown-big": model(graph(tensor(dims=(BIG,), kind=77, raw=bytes(4 * BIG)))),
    "name-missing": model(graph(tensor(name=""))),
    "name-twice": model(graph(tensor(), tensor())),
    "big-attribute": model(graph(tensor(), nodes=(node(), constant(bytes(4 * BIG), dims=(BIG,), op="Foo")))),
    "constant-shape-not-data": model(graph(nodes=(constant(bytes(4 * BIG), dims=(BIG + 1,)), node()))),
    "location-none": model(graph(external(("offset", "0")))),
    "location-empty": model(graph(external(("location", "")))),
    "location-dotdot": model(graph(external(("location", "../data")))),
    "location-inner-dotdot": model(graph(external(("location", "a/../../data")))),
    "location-ends-dotdot": model(graph(external(("location", "a/..")))),
    "location-absolute": model(graph(external(("location", "/etc/passwd")))),
    "location-absent": model(graph(external(("location", "absent.data")))),
    "location-folder": model(graph(external(("location", ".")))),
    "location-symlink": model(graph(external(("location", "link")))),
    "location-parent-symlink": model(graph(external(("location", "up/passwd")))),
    "location-fifo": model(graph(external(("location", "fifo")))),
    "offset-wraps": model(graph(external(("location", "d.data"), ("offset", str((1 << 64) - 8))))),
    "offset-over-64-bits": model(graph(external(("location", "d.data"), ("offset", str(1 << 65))))),
    "offset-1PiB": model(graph(external(("location", "d.data"), ("offset", str(1 << 50))))),
    "offset-past-end": model(graph(external(("location", "d.data"), ("offset", "41")))),
    "offset-hex": model(graph(external(("location", "d.data"), ("offset", "0x10")))),
    "negative-offset": model(graph(external(("location", "d.data"), ("offset", "-8")))),
    "negative-length": model(graph(external(("location", "d.data"), ("length", "-24")))),
    "length-not-shape": model(graph(external(("location", "d.data"), ("length", "23")))),
    "dup-external-key": model(graph(external(("location", "d.data"), ("location", "d.data")))),
    "good-external": model(graph(external(("location", "d.data"), ("offset", "40"), ("length", "24")))),
}

if __name__ == "__main__":
    os.makedirs(sys.argv[1], exist_ok=True)
    for name, data in FILES.items():
        with open(f"{sys.argv[1]}/{name}.onnx", "wb") as f:
            f.write(data)
    with open(f"{sys.argv[1]}/d.data", "wb") as f:
        f.write(bytes(64))
