# SPDX-License-Identifier: Apache-2.0
"""Write small ONNX models, and what is to be read from them: make.py DIR. Needs onnx (1.23), numpy
and safetensors. NAME.safetensors has the weights of NAME.onnx by the names of the module, as the
safetensors package writes them."""
import os
import sys

import ml_dtypes
import numpy as np
import onnx
import safetensors.numpy
from onnx import TensorProto as T, helper as h, numpy_helper as nh

DIR = sys.argv[1]
RNG = np.random.default_rng(7)


def rand(*shape, scale=1.0):
    return (RNG.standard_normal(shape) * scale).astype(np.float32)


def save(name, nodes, inputs, outputs, inits, weights, opset=17, **kwargs):
    graph = h.make_graph(nodes, name, inputs, outputs, inits)
    model = h.make_model(graph, opset_imports=[h.make_opsetid("", opset)], ir_version=10 if opset > 20 else 8,
                         producer_name="make.py", producer_version="1")
    onnx.checker.check_model(model, full_check=True)
    onnx.save(model, f"{DIR}/{name}.onnx", **kwargs)
    if weights is not None:
        safetensors.numpy.save_file(weights, f"{DIR}/{name}.safetensors", {"format": "pt"})


def floats(name, a):
    """Numbers in float_data, not in raw_data."""
    return h.make_tensor(name, T.FLOAT, a.shape, a.ravel().tolist())


def cnn():
    w1, b1, w2, w3, b3 = rand(8, 3, 3, 3), rand(8), rand(12, 8, 3, 3), rand(10, 12), rand(10)
    bn = {"weight": rand(8), "bias": rand(8), "running_mean": rand(8),
          "running_var": np.abs(rand(8)) + 1}
    x = h.make_tensor_value_info("pixels", T.FLOAT, ["batch", 3, 16, 16])
    y = h.make_tensor_value_info("scores", T.FLOAT, ["batch", 10])
    top = h.make_tensor_value_info("top", T.FLOAT, ["batch", 3])
    which = h.make_tensor_value_info("which", T.INT64, ["batch", 3])
    nodes = [
        h.make_node("Conv", ["pixels", "onnx::Conv_31", "onnx::Conv_32"], ["a"],
                    "/features/features.0/conv/Conv", pads=[1, 1, 1, 1]),
        h.make_node("BatchNormalization", ["a"] + [f"bn.{k}" for k in bn], ["b"], "/bn/BatchNormalization"),
        h.make_node("Relu", ["b"], ["c"], "/relu/Relu"),
        h.make_node("Resize", ["c", "", "scales"], ["d"], "/up/Resize", mode="nearest"),
        h.make_node("MaxPool", ["d"], ["e"], "/pool/MaxPool", kernel_shape=[2, 2], strides=[2, 2]),
        h.make_node("Conv", ["e", "conv2.weight"], ["f"], "/conv2/Conv"),
        h.make_node("GlobalAveragePool", ["f"], ["g"], "/avg/GlobalAveragePool"),
        h.make_node("Flatten", ["g"], ["i"], "/Flatten"),
        h.make_node("Gemm", ["i", "fc.weight", "fc.bias"], ["scores"], "/fc/Gemm", transB=1),
        h.make_node("TopK", ["scores", "k"], ["top", "which"], "/TopK"),
    ]
    inits = [nh.from_array(w1, "onnx::Conv_31"), nh.from_array(b1, "onnx::Conv_32"),
             *(nh.from_array(v, f"bn.{k}") for k, v in bn.items()),
             nh.from_array(np.array([1, 1, 2, 2], np.float32), "scales"),
             floats("conv2.weight", w2), nh.from_array(w3, "fc.weight"), nh.from_array(b3, "fc.bias"),
             nh.from_array(np.array([3], np.int64), "k")]
    save("cnn", nodes, [x], [y, top, which], inits,
         {"features.0.conv.weight": w1, "features.0.conv.bias": b1,
          **{f"bn.{k}": v for k, v in bn.items()}, "scales": np.array([1, 1, 2, 2], np.float32),
          "conv2.weight": w2, "fc.weight": w3, "fc.bias": b3, "k": np.array([3], np.int64)})


def text():
    """A block with attention: matrices turned over under numbers for names, rows that are no
    multiple of 32, a product of two activations, integers that become floats."""
    emb, q, k, up, b, down = (rand(50, 40), rand(64, 40), rand(64, 40), rand(96, 40), rand(96),
                              rand(40, 96))
    ln = {"weight": rand(40), "bias": rand(40)}
    head = rand(40, 50)
    ids = h.make_tensor_value_info("ids", T.INT64, ["batch", "n"])
    y = h.make_tensor_value_info("logits", T.FLOAT, ["batch", "n", 50])
    shift = h.make_tensor("value", T.FLOAT, [16, 20], rand(16, 20).ravel().tolist())
    nodes = [
        h.make_node("Constant", [], ["table"], "/Constant", value=shift),
        h.make_node("Gather", ["emb.weight", "ids"], ["x"], "/emb/Gather"),
        h.make_node("LayerNormalization", ["x", "ln.weight", "ln.bias"], ["n1"], "/ln/LayerNormalization"),
        h.make_node("MatMul", ["n1", "onnx::MatMul_101"], ["q"], "/layers.0/attn/q/MatMul"),
        h.make_node("MatMul", ["n1", "onnx::MatMul_102"], ["k"], "/layers.0/attn/k/MatMul"),
        h.make_node("Transpose", ["k"], ["kt"], "/layers.0/attn/Transpose", perm=[0, 2, 1]),
        h.make_node("MatMul", ["q", "kt"], ["s"], "/layers.0/attn/MatMul"),
        h.make_node("Cast", ["ids"], ["f"], "/Cast", to=T.FLOAT),
        h.make_node("CumSum", ["f", "axis"], ["cum"], "/CumSum"),
        h.make_node("Unsqueeze", ["cum", "axis1"], ["cum1"], "/Unsqueeze"),
        h.make_node("Mul", ["cum1", "tiny"], ["bias"], "/Mul"),
        h.make_node("Add", ["s", "bias"], ["s1"], "/Add"),
        h.make_node("Softmax", ["s1"], ["p"], "/layers.0/attn/Softmax", axis=-1),
        h.make_node("MatMul", ["p", "n1"], ["a"], "/layers.0/attn/MatMul_1"),
        h.make_node("MatMul", ["a", "onnx::MatMul_103"], ["u"], "/layers.0/up/MatMul"),
        h.make_node("Add", ["u", "layers.0.up.bias"], ["u1"], "/layers.0/up/Add"),
        h.make_node("Max", ["u1", "zero"], ["u2"], "/layers.0/Max"),
        h.make_node("MatMul", ["u2", "onnx::MatMul_104"], ["d"], "/layers.0/down/MatMul"),
        h.make_node("ReduceSum", ["table"], ["t"], "/ReduceSum", keepdims=0),
        h.make_node("Add", ["d", "t"], ["d1"], "/layers.0/Add"),
        h.make_node("MatMul", ["d1", "head"], ["logits"], "/head/MatMul"),
    ]
    inits = [nh.from_array(emb, "emb.weight"), nh.from_array(ln["weight"], "ln.weight"),
             nh.from_array(ln["bias"], "ln.bias"),
             *(nh.from_array(np.ascontiguousarray(w.T), f"onnx::MatMul_{101 + i}")
               for i, w in enumerate([q, k, up, down])),
             nh.from_array(b, "layers.0.up.bias"), nh.from_array(head, "head"),
             nh.from_array(np.array(1, np.int64), "axis"), nh.from_array(np.array([1], np.int64), "axis1"),
             nh.from_array(np.array([1e-9], np.float32), "tiny"),
             nh.from_array(np.array([0], np.float32), "zero")]
    save("text", nodes, [ids], [y], inits,
         {"emb.weight": emb, "ln.weight": ln["weight"], "ln.bias": ln["bias"],
          "layers.0.attn.q.weight": q, "layers.0.attn.k.weight": k, "layers.0.up.weight": up,
          "layers.0.up.bias": b, "layers.0.down.weight": down, "head": head,
          "axis": np.array(1, np.int64), "axis1": np.array([1], np.int64),
          "tiny": np.array([1e-9], np.float32), "zero": np.array([0], np.float32),
          "table": nh.to_array(shift)})


def typed():
    """Every type, in the field of its own and as raw_data."""
    inits, weights, nodes, outputs = [], {}, [], []
    n = 300  # more than 1 KiB of most
    values = RNG.integers(-100, 100, n)
    for name, kind, np_type in [
            ("float", T.FLOAT, np.float32), ("double", T.DOUBLE, np.float64),
            ("half", T.FLOAT16, np.float16), ("bfloat", T.BFLOAT16, ml_dtypes.bfloat16),
            ("int8", T.INT8, np.int8), ("uint8", T.UINT8, np.uint8), ("int16", T.INT16, np.int16),
            ("uint16", T.UINT16, np.uint16), ("int32", T.INT32, np.int32), ("int64", T.INT64, np.int64),
            ("uint32", T.UINT32, np.uint32), ("uint64", T.UINT64, np.uint64), ("bool", T.BOOL, np.bool_)]:
        a = values % 2 == 0 if name == "bool" else values.astype(np_type)
        if name.startswith("uint"):
            a = np.abs(values).astype(np_type)
        own = h.make_tensor(f"{name}.typed", kind, a.shape, a)
        assert not own.HasField("raw_data")
        for t in own, h.make_tensor(f"{name}.raw", kind, a.shape, a.tobytes(), raw=True):
            inits.append(t)
            weights[t.name] = a
            nodes.append(h.make_node("Identity", [t.name], [f"{t.name}.out"], f"id.{t.name}"))
            outputs.append(h.make_tensor_value_info(f"{t.name}.out", kind, a.shape))
    save("typed", nodes, [], outputs, inits, weights)


def external():
    a, b = rand(30, 20), rand(700)
    x = h.make_tensor_value_info("x", T.FLOAT, ["n", 30])
    y = h.make_tensor_value_info("y", T.FLOAT, ["n", 20])
    nodes = [h.make_node("MatMul", ["x", "a"], ["t"], "/MatMul"),
             h.make_node("ReduceSum", ["b"], ["s"], "/ReduceSum", keepdims=0),
             h.make_node("Add", ["t", "s"], ["y"], "/Add")]
    if os.path.exists(f"{DIR}/external.onnx.data"):
        os.remove(f"{DIR}/external.onnx.data")
    save("external", nodes, [x], [y], [nh.from_array(a, "a"), nh.from_array(b, "b")], {"a": a, "b": b},
         save_as_external_data=True, location="external.onnx.data", size_threshold=0)


def edges():
    """What float16 cannot hold, or only just."""
    w = np.array([0, -0.0, 1e-9, -1e-9, 5.96e-8, 2.98e-8, 1e5, -7e4, np.inf, -np.inf, 65519, 65504,
                  6.1e-5, 1 / 3], np.float32)
    x, y = (h.make_tensor_value_info(n, T.FLOAT, [14]) for n in "xy")
    save("edges", [h.make_node("Add", ["x", "w"], ["y"], "/Add")], [x], [y], [nh.from_array(w, "w")], None)


def positions():
    """Integers that become angles."""
    p = h.make_tensor_value_info("positions", T.INT64, ["n"])
    y = h.make_tensor_value_info("y", T.FLOAT, ["n", 4])
    nodes = [h.make_node("Cast", ["positions"], ["f"], "/Cast", to=T.FLOAT),
             h.make_node("Unsqueeze", ["f", "axis"], ["column"], "/Unsqueeze"),
             h.make_node("Mul", ["column", "inv_freq"], ["angle"], "/Mul"),
             h.make_node("Cos", ["angle"], ["cos"], "/Cos"),
             h.make_node("Mul", ["cos", "scale"], ["y"], "/Mul_1")]
    inits = [nh.from_array(np.array([1], np.int64), "axis"), nh.from_array(np.array([2], np.float32), "scale"),
             nh.from_array(np.array([1, 0.1, 0.01, 0.001], np.float32), "inv_freq")]
    save("positions", nodes, [p], [y], inits, None)


def qdq():
    """Weights in integers: a scale for all, for each row, each column, each block; int4; MatMulNBits."""
    rng, nodes, inits, outs, want = np.random.default_rng(3), [], [], [], {}

    def add(name, q, kind, scale, zero=None, **kwargs):
        zero_in = [] if zero is None else [f"{name}_zero_point"]
        names = [f"{name}_quantized", f"{name}_scale", *zero_in]
        stored = q if kind in (T.INT8, T.UINT8) else None
        inits.append(h.make_tensor(names[0], kind, q.shape, (stored if stored is not None else q).ravel().tolist()))
        inits.append(nh.from_array(scale, names[1]))
        if zero is not None:
            inits.append(h.make_tensor(names[2], kind, scale.shape, np.full(scale.shape, zero).ravel().tolist()))
        nodes.append(h.make_node("DequantizeLinear", names, [name], f"{name}_DequantizeLinear", **kwargs))
        outs.append(h.make_tensor_value_info(name, T.FLOAT, q.shape))
        block, axis = kwargs.get("block_size", 0), kwargs.get("axis", 1)
        s = np.repeat(scale, block, axis) if block else scale if scale.ndim == 0 else np.expand_dims(scale, 1 - axis)
        want[name] = (q.astype(np.float32) - np.float32(zero or 0)) * s

    scales = lambda *shape: (rng.random(shape) + 0.5).astype(np.float32)
    add("tensor", rng.integers(-128, 128, (6, 10)), T.INT8, np.float32(0.25) * np.ones((), np.float32))
    add("table", rng.integers(0, 256, (5, 8)), T.UINT8, np.float32(0.5) * np.ones((), np.float32), 131)
    add("rows", rng.integers(-128, 128, (4, 6)), T.INT8, scales(4), 0, axis=0)
    add("cols", rng.integers(-128, 128, (4, 6)), T.INT8, scales(6), 0, axis=1)
    add("blocks", rng.integers(-8, 8, (32, 6)), T.INT4, scales(2, 6), axis=0, block_size=16)
    order = sorted(want)
    save("qdq", nodes, [], outs, inits, {k: want[k] for k in order}, opset=21)


for make in cnn, text, typed, external, edges, positions, qdq:
    make()
