#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""onnx_vary.py PROGRAM [-n MODELS] [-s SEED]: small random ONNX graphs, as PROGRAM's views and as
ONNX Runtime's tools make them: the same nodes and numbers, or both refuse. By hand."""

import argparse
import collections
import pathlib
import random
import subprocess
import sys
import tempfile

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from onnxruntime.quantization import quantize_dynamic
from onnxruntime.quantization.matmul_nbits_quantizer import MatMulNBitsQuantizer
from onnxruntime.transformers.float16 import convert_float_to_float16

sys.path.insert(0, str(pathlib.Path(__file__).with_name("clients")))
from onnx_parts import parts

FLOAT, INT64 = TensorProto.FLOAT, TensorProto.INT64


class Maker:
    """A chain of nodes with a value [batch, WIDTH, ...] between them, known to be of some rank."""

    def __init__(self, seed):
        self.rng, self.np = random.Random(seed), np.random.default_rng(seed)
        self.nodes, self.weights, self.count = [], [], 0

    def name(self, what):
        self.count += 1
        return f"{what}{self.count}"

    def weight(self, *shape, shared=True):
        same = [w for w in self.weights if tuple(w.dims) == shape and w.data_type == FLOAT]
        if same and shared and self.rng.random() < 0.3:
            return self.rng.choice(same).name
        x = self.np.standard_normal(shape).astype(np.float32)
        x *= self.rng.choice([1, 1, 1, 0, 1e-9, 1e6])
        self.weights.append(numpy_helper.from_array(x, self.name("w")))
        return self.weights[-1].name

    def ints(self, *values):
        self.weights.append(numpy_helper.from_array(np.array(values, np.int64), self.name("i")))
        return self.weights[-1].name

    def node(self, op, *inputs, **attributes):
        name = self.name(op) if self.rng.random() < 0.8 else ""
        self.nodes.append(helper.make_node(op, inputs, [self.name("v")], name=name, **attributes))
        return self.nodes[-1].output[0]

    def matmul(self, x, rank, k):
        n = self.rng.choice([1, 6, 8, 32, 33, 40])
        lead = self.rng.choice([(), (), (), (1,), (1, 1), (2,)])
        return self.node("MatMul", x, self.weight(*lead, k, n)), max(rank, len(lead) + 2), n

    def gemm(self, x, rank, k):
        n, turned = self.rng.choice([8, 24, 32]), self.rng.random() < 0.5
        if rank != 2:
            x = self.node("Reshape", x, self.ints(-1, k))
        more = {key: self.rng.choice(values) for key, values in
                dict(alpha=[1.0, 0.5], beta=[1.0, 2.0]).items() if self.rng.random() < 0.3}
        if turned:
            more["transB"] = 1
        c = self.rng.choice([[], [self.weight(n)], [self.weight(1, n)], [self.weight(1)]])
        return self.node("Gemm", x, self.weight(*((n, k) if turned else (k, n))), *c, **more), 2, n

    def conv(self, x, rank, k):
        dims, n = self.rng.choice([1, 2, 3]), self.rng.choice([4, 6])
        x = self.node("Reshape", x, self.ints(*([-1, 2] + [1] * (dims - 1) + [k])))
        group = self.rng.choice([1, 2])
        inputs = [self.weight(n, 2 // group, *[1] * dims)]
        if self.rng.random() < 0.6:
            inputs.append(self.weight(n))
        y = self.node("Conv", x, *inputs, group=group, **({"strides": [1] * dims}
                      if self.rng.random() < 0.5 else {}))
        return y, dims + 2, k

    def gather(self, x, rank, k):
        rows = self.node("Gather", self.weight(k, k), self.ints(*([[1], [1, 2]][0])))
        if self.rng.random() < 0.4:
            rows = self.node("Transpose", self.node("Transpose", rows, perm=[1, 0]), perm=[1, 0])
        return self.node("Add", x, rows), max(rank, 2), k

    def simple(self, x, rank, k):
        op = self.rng.choice(["Relu", "Softmax", "Add", "Mul", "Max", "Dropout", "Identity", "Cast",
                              "Constant", "Tied"])
        if op == "Cast":
            x = self.node("Cast", x, to=self.rng.choice([TensorProto.DOUBLE, TensorProto.FLOAT16]))
            return self.node("Cast", x, to=FLOAT), rank, k
        if op == "Constant":
            c = numpy_helper.from_array(self.np.standard_normal((k,)).astype(np.float32), "c")
            return self.node("Add", x, self.node("Constant", value=c)), rank, k
        if op == "Tied":
            w = self.weight(k, k)
            return self.node("MatMul", x, self.node("Transpose", w, perm=[1, 0])), max(rank, 2), k
        two = op in ("Add", "Mul", "Max")
        return self.node(op, x, *([self.weight(k)] if two else [])), rank, k

    def resize(self, x, rank, k):
        x = self.node("Reshape", x, self.ints(1, 1, -1, k))
        self.weights.append(numpy_helper.from_array(np.array([1, 1, 1, 1], np.float32), self.name("s")))
        return self.node("Resize", x, "", self.weights[-1].name), 4, k

    def lstm(self, x, rank, k):
        """The tool turns what two of them share over twice."""
        both, h = self.rng.choice([False, True]), 8
        d = 2 if both else 1
        x = self.node("Reshape", x, self.ints(-1, 1, k))
        more = [self.weight(d, 8 * h)] if self.rng.random() < 0.5 else []
        w = [self.weight(d, 4 * h, n, shared=False) for n in (k, h)]
        y = self.node("LSTM", x, *w, *more, hidden_size=h, **({"direction": "bidirectional"} if both else {}))
        return y, 4, h

    def branch(self, x, rank, k):
        """An If whose branches use values and weights of the graph around them, and their own."""
        def graph(label):
            inner = Maker(self.rng.randrange(1 << 30))
            inner.count = self.count + 1000 * (1 + label)
            y = inner.node("MatMul", x, self.weight(k, k))
            if self.rng.random() < 0.5:
                y = inner.matmul(y, rank, k)[0]
                y = inner.node("MatMul", y, inner.weight(inner.weights[-1].dims[-1], k))
            y = inner.node("Add", y, inner.node("Mul", y, inner.weight(k)))
            out = helper.make_tensor_value_info(y, FLOAT, None)
            return helper.make_graph(inner.nodes, f"branch{label}", [], [out], inner.weights)
        cond = numpy_helper.from_array(np.array(True), self.name("cond"))
        self.weights.append(cond)
        y = self.node("If", cond.name, then_branch=graph(0), else_branch=graph(1))
        self.count += 5000
        return y, rank, k

    def model(self):
        rank, k = self.rng.choice([2, 3]), 32
        shape = ["batch"] + [3] * (rank - 2) + [k]
        x, outputs = "x", []
        kinds = [self.matmul, self.matmul, self.gemm, self.conv, self.gather, self.simple, self.simple,
                 self.resize, self.lstm, self.branch]
        for _ in range(self.rng.randrange(1, 6)):
            x, rank, k = self.rng.choice(kinds)(x, rank, k)
            if self.rng.random() < 0.15:
                outputs.append(x)
        outputs = list(dict.fromkeys(outputs + [x]))
        if self.weights and self.rng.random() < 0.1:
            outputs.append(self.rng.choice([w.name for w in self.weights if len(w.dims) > 1] or outputs[:1]))
        ends = [helper.make_tensor_value_info(n, FLOAT, None) for n in dict.fromkeys(outputs)]
        g = helper.make_graph(self.nodes, "g", [helper.make_tensor_value_info("x", FLOAT, shape)], ends,
                              self.weights)
        m = helper.make_model(g, opset_imports=[helper.make_opsetid("", self.rng.choice([13, 17, 18]))],
                              ir_version=8)
        return onnx.shape_inference.infer_shapes(m)  # ranks that are declared are known to both


def taken_apart(m):
    """Of what goes in and out the type alone: quantize_dynamic infers sizes too."""
    nodes, numbers, _ = parts(m)
    ends = [(v.name, v.type.tensor_type.elem_type) for v in [*m.graph.input, *m.graph.output]]
    return nodes, sorted(numbers.items()), ends


def blocks(m, bits, block, symmetric):
    tool = MatMulNBitsQuantizer(m, bits=bits, block_size=block, is_symmetric=symmetric)
    tool.process()
    return tool.model.model


def dynamic(m, **how):
    with tempfile.NamedTemporaryFile(suffix=".onnx") as f:
        quantize_dynamic(m, f.name, **how)
        return onnx.load(f.name)


TOOLS = {
    "int8": dynamic, "int8+per_channel": lambda m: dynamic(m, per_channel=True),
    "int4": lambda m: blocks(m, 4, 32, True), "int4+asym+block=16": lambda m: blocks(m, 4, 16, False),
    "int8+block=32": lambda m: blocks(m, 8, 32, True), "fp16": convert_float_to_float16,
    "fp16+keep_io_types": lambda m: convert_float_to_float16(m, keep_io_types=True),
    "q4f16": lambda m: blocks(convert_float_to_float16(m), 4, 32, True),
}


def compare(program, model, spec, folder):
    """"same", "both refuse", or what differs."""
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    try:
        want = taken_apart(TOOLS[spec](copy))
    except Exception as e:
        want = e
    onnx.save(model, folder / "m.onnx")
    out = folder / "out.onnx"
    run = subprocess.run([program, "convert", "-f", "-q", folder / f"m.onnx@{spec}", out], capture_output=True,
                         text=True, check=False)
    if run.returncode:
        return "both refuse" if isinstance(want, Exception) else "refused: " + run.stderr.strip()
    if isinstance(want, Exception):
        return f"only the tool refuses: {type(want).__name__}"
    for what, a, b in zip(("nodes", "numbers", "ends"), taken_apart(onnx.load(out)), want,
                             strict=True):
        if a != b:
            return f"{what} differ\n  ours {[x for x in a if x not in b]}\n  tool {[x for x in b if x not in a]}"
    return "same"


def main():
    p = argparse.ArgumentParser(description=__doc__)
    p.add_argument("program")
    p.add_argument("-n", type=int, default=50)
    p.add_argument("-s", type=int, default=0)
    p.add_argument("--spec", action="append")
    o = p.parse_args()
    seen = collections.Counter()
    with tempfile.TemporaryDirectory() as d:
        for seed in range(o.s, o.s + o.n):
            model = Maker(seed).model()
            for spec in o.spec or TOOLS:
                result = compare(o.program, model, spec, pathlib.Path(d))
                seen[spec, result.split("\n")[0]] += 1
                if result not in ("same", "both refuse"):
                    ops = " ".join(n.op_type for n in model.graph.node)
                    print(f"seed {seed} {spec}: {ops}: {result}"[:1500], flush=True)
    for key, n in sorted(seen.items()):
        print(n, *key)
    return any("same" not in k and "refuse" not in k for k in seen)


if __name__ == "__main__":
    sys.exit(main())
