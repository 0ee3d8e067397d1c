# SPDX-License-Identifier: Apache-2.0
"""Small graphs, each around one operator or one place where a weight may lie, as other ONNX models:
node by node and number by number what the tools of ONNX Runtime make of the same graph."""

import subprocess

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper
from onnx_parts import parts
from onnxruntime.quantization import quantize_dynamic
from onnxruntime.quantization.matmul_nbits_quantizer import MatMulNBitsQuantizer
from onnxruntime.transformers.float16 import convert_float_to_float16

RNG = np.random.default_rng(11)
MICROSOFT = "com.microsoft"


def value(name, shape, dtype=TensorProto.FLOAT):
    return helper.make_tensor_value_info(name, dtype, shape)


def weight(*shape):
    return RNG.standard_normal(shape).astype(np.float32)


def node(op, inputs, outputs, **attributes):
    return helper.make_node(op, inputs.split(), outputs.split(), name=f"the_{op}", **attributes)


def model(nodes, inputs, outputs, weights, opset=17):
    """Weights that are no Constant of @nodes are initializers."""
    graph = helper.make_graph(nodes, "g", inputs, outputs,
                              [numpy_helper.from_array(w, name) for name, w in weights.items()])
    opsets = [helper.make_opsetid("", opset), helper.make_opsetid(MICROSOFT, 1)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=8)


def matmul(k, n, *outer):
    return model([node("MatMul", "x w", "y")], [value("x", ["batch", *outer, k])],
                 [value("y", ["batch", *outer, n])], {"w": weight(*(1 for _ in outer), k, n)})


def broadcast(k, n, *outer):
    """The matrix has more dimensions than what it is multiplied by."""
    return model([node("MatMul", "x w", "y")], [value("x", ["batch", k])],
                 [value("y", [*(1 for _ in outer), "batch", n])], {"w": weight(*outer, k, n)})


def lstm(directions, **attributes):
    w = {"w": weight(directions, 32, 6), "r": weight(directions, 32, 8), "b": weight(directions, 64)}
    direction = "bidirectional" if directions == 2 else "forward"
    return model([node("LSTM", "x w r b", "y h c", hidden_size=8, direction=direction,
                       **attributes)],
                 [value("x", ["time", "batch", 6])],
                 [value("y", ["time", directions, "batch", 8]),
                  value("h", [directions, "batch", 8]), value("c", [directions, "batch", 8])], w)


def attention():
    nodes = [helper.make_node("Attention", ["x", "w", "b", "mask"], ["y"], name="attention",
                              domain=MICROSOFT, num_heads=2)]
    return model(nodes, [value("x", ["batch", "time", 8]),
                         value("mask", ["batch", "time"], TensorProto.INT32)],
                 [value("y", ["batch", "time", 8])], {"w": weight(8, 24), "b": weight(24)})


def embedding():
    names = ["words", "places", "kinds", "gamma", "beta"]
    shapes = [(20, 8), (10, 8), (2, 8), (8,), (8,)]
    nodes = [helper.make_node("EmbedLayerNormalization", ["ids", "kind", *names], ["y", "mask"],
                              name="embedding", domain=MICROSOFT, epsilon=1e-5)]
    return model(nodes, [value(n, ["batch", "time"], TensorProto.INT32) for n in ("ids", "kind")],
                 [value("y", ["batch", "time", 8]), value("mask", ["batch"], TensorProto.INT32)],
                 {n: weight(*s) for n, s in zip(names, shapes)})


def conv(*kernel, bias=True):
    w = {"w": weight(4, 3, *kernel)} | ({"b": weight(4)} if bias else {})
    return model([node("Conv", "x " + " ".join(w), "y")],
                 [value("x", ["batch", 3, *(8 for _ in kernel)])],
                 [value("y", ["batch", 4, *(9 - k for k in kernel)])], w)


def gemm(**attributes):
    shape = (5, 33) if attributes.get("transB") else (33, 5)
    return model([node("Gemm", "x w b", "y", **attributes)],
                 [value("x", [33, "n"] if attributes.get("transA") else ["n", 33])],
                 [value("y", ["n", 5])], {"w": weight(*shape), "b": weight(5)})


def table():
    """Two uses of one table, one of them of its rows turned over."""
    return model([node("Gather", "w ids", "rows"), node("Transpose", "rows", "turned", perm=[1, 0]),
                  node("MatMul", "turned v", "y"), node("Identity", "w", "z")],
                 [value("ids", [8], TensorProto.INT64)], [value("y", [6, 4]), value("z", [20, 6])],
                 {"w": weight(20, 6), "v": weight(8, 4)})


def tied():
    """A table that is turned over, to be the last product's matrix."""
    return model([node("Gather", "w ids", "rows"), node("Transpose", "w", "turned", perm=[1, 0]),
                  node("MatMul", "rows turned", "y")],
                 [value("ids", [8], TensorProto.INT64)], [value("y", [8, 20])], {"w": weight(20, 6)})


def floats_too():
    """A matrix that a later node takes as it is."""
    return model([node("MatMul", "x w", "a"), node("Mul", "w w", "b"),
                  helper.make_node("MatMul", ["a", "b"], ["y"], name="again")],
                 [value("x", ["n", 32])], [value("y", ["n", 32])], {"w": weight(32, 32)})


def shared():
    return model([node("MatMul", "x w", "a"), node("Relu", "a", "r"),
                  helper.make_node("MatMul", ["r", "w"], ["y"], name="again")],
                 [value("x", ["n", 32])], [value("y", ["n", 32])], {"w": weight(32, 32)})


def inner(nodes, inputs, outputs, weights):
    """A graph for an attribute."""
    return helper.make_graph(nodes, "inner", inputs, outputs,
                             [numpy_helper.from_array(w, name) for name, w in weights.items()])


def branches(op, *lead, used=False, **attributes):
    """Each branch has a matrix, and one of the graph around it."""
    shape = [*lead, "n", 8]
    rows, cols = (33, 32) if "transB" in attributes else (32, 33)

    def branch(y):
        nodes = [helper.make_node(op, ["r", f"{y}_v"], [f"{y}0"], name=f"{y}_own", **attributes),
                 helper.make_node(op, [f"{y}0", "w"], [f"{y}1"], name=f"{y}_outer"),
                 helper.make_node("Add", [f"{y}1", f"{y}_bias"], [y], name=f"{y}_Add")]
        if used and y == "a":
            nodes.insert(0, helper.make_node("ReduceSum", ["a_v"], ["sum"], name="used", keepdims=0))
            nodes[-1].input[1] = "sum"
        return inner(nodes, [], [value(y, shape)],
                     {f"{y}_v": weight(*lead, rows, cols), f"{y}_bias": weight(8)})
    nodes = [node("Relu", "x", "r"),
             node("If", "which", "y", then_branch=branch("a"), else_branch=branch("b"))]
    return model(nodes, [value("x", ["n", 32]), value("which", [], TensorProto.BOOL)],
                 [value("y", shape)], {"w": weight(33, 8)})


def undeclared(shaped=False):
    """A factor whose rank no value_info says: float16's converter infers it."""
    nodes = [node("Relu", "x", "r")]
    if shaped:  # to [1, batch, 2, 32]
        nodes += [node("Shape", "r", "sizes"), node("Gather", "sizes zero", "batch"),
                  node("Unsqueeze", "batch axes", "rows"), node("Concat", "one rows rest", "to", axis=0),
                  helper.make_node("Reshape", ["r", "to"], ["shaped"], name="shape")]
    nodes.append(node("MatMul", "shaped w" if shaped else "r w", "y"))
    numbers = {"zero": np.array(0), "axes": np.array([0]), "one": np.array([1]), "rest": np.array([2, 32])}
    return model(nodes, [value("x", ["batch", 2, 32])],
                 [value("y", [1, "batch", 2, 8] if shaped else ["batch", 2, 8])],
                 {"w": weight(1, 32, 8)} | (numbers if shaped else {}))


def looped():
    """A Loop in a branch of an If: the matrix of the inner graph, and that of the branch."""
    body = inner([node("MatMul", "s m", "p"), helper.make_node("MatMul", ["p", "t"], ["q"], name="again"),
                  node("Identity", "go", "on")],
                 [value("i", [], TensorProto.INT64), value("go", [], TensorProto.BOOL),
                  value("s", ["n", 32])],
                 [value("on", [], TensorProto.BOOL), value("q", ["n", 32])], {"m": weight(32, 40)})
    times = {"times": np.array(2, np.int64), "yes": np.array(True), "t": weight(40, 32)}
    a = inner([node("Loop", "times yes r", "a", body=body)], [], [value("a", ["n", 32])], times)
    b = inner([node("Identity", "r", "b")], [], [value("b", ["n", 32])], {})
    nodes = [node("Relu", "x", "r"), node("If", "which", "y", then_branch=a, else_branch=b)]
    return model(nodes, [value("x", ["n", 32]), value("which", [], TensorProto.BOOL)],
                 [value("y", ["n", 32])], {})


def scanned():
    body = inner([node("MatMul", "s m", "p"), node("Add", "p e", "next"),
                  node("Identity", "next", "out")], [value("s", [1, 32]), value("e", [1, 32])],
                 [value("next", [1, 32]), value("out", [1, 32])], {"m": weight(32, 32)})
    return model([node("Scan", "s0 x", "last all", body=body, num_scan_inputs=1)],
                 [value("s0", [1, 32]), value("x", [5, 1, 32])],
                 [value("last", [1, 32]), value("all", [5, 1, 32])], {})


GRAPHS = {
    "matmul": matmul(64, 5), "matmul-odd": matmul(35, 4), "matmul-short": matmul(1, 3),
    "matmul-long": matmul(201, 3), "matmul-lone": matmul(161, 5), "matmul-lone-1": matmul(129, 3), "matmul-1": matmul(32, 8, 4), "matmul-2": matmul(32, 8, 2, 3),
    "matmul-wider": broadcast(32, 8, 1, 1), "matmul-stack": broadcast(32, 8, 2),
    "lstm": lstm(1), "lstm-both": lstm(2, layout=0), "attention": attention(), "embedding": embedding(),
    "conv1": conv(3), "conv2": conv(2, 2), "conv3": conv(2, 2, 2), "conv-plain": conv(3, bias=False),
    "gemm": gemm(), "gemm-b": gemm(transB=1), "gemm-a": gemm(transA=1), "gemm-alpha": gemm(alpha=2.0),
    "if": branches("MatMul"), "if-1": branches("MatMul", 1),
    "if-used": branches("MatMul", used=True), "if-gemm": branches("Gemm"),
    "if-gemm-b": branches("Gemm", transB=1),
    "loop": looped(), "scan": scanned(),
    "undeclared": undeclared(), "undeclared-shape": undeclared(shaped=True),
    "table": table(), "tied": tied(), "shared": shared(), "floats-too": floats_too(),
}
SPECS = ("fp16", "fp16+keep_io_types", "int8", "int8+per_channel", "int4", "int4+asym", "q4f16")


# In Constants: what these are, as initializers are.
CONSTANTS = ("matmul", "conv1", "conv2", "gemm-b", "lstm", "tied")


def with_constants(source):
    made = onnx.ModelProto()
    made.CopyFrom(source)
    nodes = [helper.make_node("Constant", [], [w.name], value=w) for w in source.graph.initializer]
    del made.graph.node[:], made.graph.initializer[:]
    made.graph.node.extend([*nodes, *source.graph.node])
    return made


def tool(source, spec, out):
    if spec.startswith("int8"):
        quantize_dynamic(source, out, per_channel=spec.endswith("per_channel"))
        return onnx.load(out)
    made = onnx.load(source)
    if "f16" in spec or "fp16" in spec:
        made = convert_float_to_float16(made, keep_io_types=spec.endswith("keep_io_types"))
    if "4" in spec.split("f")[0]:
        blocks = MatMulNBitsQuantizer(made, bits=4, block_size=32,
                                      is_symmetric=not spec.endswith("asym"))
        blocks.process()
        made = blocks.model.model
    return made


def ours(program, source, spec, out):
    subprocess.run([program, "convert", "-f", f"{source}@{spec}", out], check=True)
    return onnx.load(out)


@pytest.mark.parametrize("spec", SPECS)
@pytest.mark.parametrize("name", GRAPHS)
def test_equal(program, tmp_path, name, spec):
    onnx.save(GRAPHS[name], tmp_path / "source.onnx")
    want = tool(tmp_path / "source.onnx", spec, tmp_path / "tool.onnx")
    got = ours(program, tmp_path / "source.onnx", spec, tmp_path / "ours.onnx")
    assert parts(got) == parts(want)
    onnxruntime.InferenceSession(tmp_path / "ours.onnx")


@pytest.mark.parametrize("spec", SPECS)
@pytest.mark.parametrize("name", CONSTANTS)
def test_constants_are_weights(program, tmp_path, name, spec):
    """(The tools change an initializer alone, or fail.)"""
    onnx.save(GRAPHS[name], tmp_path / "initializers.onnx")
    onnx.save(with_constants(GRAPHS[name]), tmp_path / "constants.onnx")
    want = tool(tmp_path / "initializers.onnx", spec, tmp_path / "tool.onnx")
    got = ours(program, tmp_path / "constants.onnx", spec, tmp_path / "ours.onnx")
    assert parts(got) == parts(want)


def alike(source):
    """Its branches with the same name for their own matrix."""
    made = onnx.ModelProto()
    made.CopyFrom(source)
    for a in next(n for n in made.graph.node if n.op_type == "If").attribute:
        for n in a.g.node:
            n.input[:] = ["v" if i.endswith("_v") else i for i in n.input]
        for w in a.g.initializer:
            w.name = "v" if w.name.endswith("_v") else w.name
    return made


@pytest.mark.parametrize("spec", SPECS)
@pytest.mark.parametrize("name", ["if", "if-used", "if-gemm-b"])
def test_branches_may_call_theirs_alike(program, tmp_path, name, spec):
    """(The tool for float16 fails.)"""
    onnx.save(GRAPHS[name], tmp_path / "apart.onnx")
    onnx.save(alike(GRAPHS[name]), tmp_path / "alike.onnx")
    onnx.save(tool(tmp_path / "apart.onnx", spec, tmp_path / "tool.onnx"), tmp_path / "tool.onnx")
    ours(program, tmp_path / "alike.onnx", spec, tmp_path / "ours.onnx")
    half = spec in ("fp16", "q4f16")
    x = np.linspace(-1, 1, 64, dtype=np.float16 if half else np.float32).reshape(2, 32)
    for which in (True, False):
        got, want = (onnxruntime.InferenceSession(tmp_path / f).run(None, {"x": x, "which": np.array(which)})
                     for f in ("ours.onnx", "tool.onnx"))
        assert np.array_equal(got, want)
