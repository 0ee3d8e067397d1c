#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""make_onnx.py FOLDER BYTES: an ONNX model of products with constant matrices, f32, in external data
of at least BYTES. Needs numpy."""

import os
import sys

import make_model
import numpy as np

SIDE = 4096  # of each matrix


def varint(v):
    out = b""
    while v > 127:
        out += bytes([v & 127 | 128])
        v >>= 7
    return out + bytes([v])


def number(field, v):
    return varint(field << 3) + varint(v)


def message(field, payload):
    payload = payload.encode() if isinstance(payload, str) else payload
    return varint(field << 3 | 2) + varint(len(payload)) + payload


def entry(key, value):
    return message(13, message(1, key) + message(2, str(value)))


def value_info(name):
    dims = message(1, message(2, "batch")) + message(1, number(1, SIDE))
    return message(1, name) + message(2, message(1, number(1, 1) + message(2, dims)))


def graph(layers, data):
    out = b""
    for i in range(layers):
        out += message(1, message(1, f"x{i}") + message(1, f"w{i}") + message(2, f"x{i + 1}") +
                       message(3, f"product{i}") + message(4, "MatMul"))
    out += message(2, "products")
    for i in range(layers):
        size = SIDE * SIDE * 4
        out += message(5, number(1, SIDE) + number(1, SIDE) + number(2, 1) + message(8, f"w{i}") +
                       entry("location", data) + entry("offset", i * size) +
                       entry("length", size) + number(14, 1))
    return out + message(11, value_info("x0")) + message(12, value_info(f"x{layers}"))


def make(folder, size, name="big.onnx"):
    os.makedirs(folder, exist_ok=True)
    layers = -(-size // (SIDE * SIDE * 4))
    rng = np.random.default_rng(1)
    pool = rng.standard_normal(make_model.POOL, dtype=np.float32) * 0.02
    with open(f"{folder}/{name}.data", "wb") as f:
        for i in range(layers):
            make_model.write_weights(f, pool, SIDE * SIDE, i)
    model = number(1, 8) + message(7, graph(layers, f"{name}.data")) + message(8, number(2, 17))
    with open(f"{folder}/{name}", "wb") as f:
        f.write(model)


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    make(sys.argv[1], int(sys.argv[2]))
