# SPDX-License-Identifier: Apache-2.0
"""Graphs in 8 and 4 bits are those that ONNX Runtime's own tools make of the float32 graph: the same
numbers in their weights, and the same logits, bit for bit."""

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper
from onnx_models import session
from onnxruntime.quantization import quantize_dynamic
from onnxruntime.quantization.matmul_nbits_quantizer import MatMulNBitsQuantizer


BLOCKS = {"int4": dict(bits=4, block_size=32, is_symmetric=True),
          "int4+asym+block=64": dict(bits=4, block_size=64, is_symmetric=False),
          "int8+block=128": dict(bits=8, block_size=128, is_symmetric=True)}


def split_gemms(model):
    """Gemm as MatMul and Add with the weight turned over, which is all that the tools look at."""
    weights = {t.name: t for t in model.graph.initializer}
    nodes = []
    for n in model.graph.node:
        if n.op_type != "Gemm":
            nodes.append(n)
            continue
        x, w, *bias = n.input
        if any(a.name == "transB" and a.i for a in n.attribute):
            turned = numpy_helper.to_array(weights[w]).T.copy()
            w += "_t"  # the embeddings may be the same weight
            weights[w] = numpy_helper.from_array(turned, w)
        y = n.output[0] + ("/MatMul" if bias else "")
        nodes.append(helper.make_node("MatMul", [x, w], [y], name=n.name))
        if bias:
            nodes.append(helper.make_node("Add", [y, *bias], n.output, name=n.name + "/Add"))
    used = {i for n in nodes for i in n.input}
    del model.graph.node[:], model.graph.initializer[:]
    model.graph.node.extend(nodes)
    model.graph.initializer.extend(t for name, t in weights.items() if name in used)
    return model


def tool(graphs, name, spec, out):
    model = split_gemms(onnx.load(graphs / f"{name}.onnx@fp32"))
    if spec == "int8":
        onnx.save(model, out / "float.onnx")
        quantize_dynamic(out / "float.onnx", out / "made.onnx")
    else:
        made = MatMulNBitsQuantizer(model, **BLOCKS[spec])
        made.process()
        onnx.save(made.model.model, out / "made.onnx")
    return out / "made.onnx"


def weights(path):
    """The numbers of all weights, whatever their names."""
    arrays = [numpy_helper.to_array(t) for t in onnx.load(path).graph.initializer]
    return sorted((a.dtype.str, a.shape, a.tobytes()) for a in arrays if a.size > 4)


def logits(path):
    graph = session(path)
    mask = np.ones((2, 9), np.int64)
    mask[0, :3] = 0
    feed = dict(input_ids=np.random.default_rng(0).integers(3, 500, (2, 9)), attention_mask=mask,
                position_ids=np.maximum(mask.cumsum(1) - 1, 0))
    for i in graph.get_inputs():
        if i.name.startswith("past_key_values"):
            feed[i.name] = np.zeros((2, i.shape[1], 0, i.shape[3]), np.float32)
    return graph.run(["logits"], feed)[0]


@pytest.mark.parametrize("spec", ["int8", *BLOCKS])
@pytest.mark.parametrize("name", ["tinylm", "gemma-2-nano-it", "gpt2-nano"])
def test_equal(graphs, tmp_path, name, spec):
    made, view = tool(graphs, name, spec, tmp_path), graphs / f"{name}.onnx@{spec}"
    assert weights(view) == weights(made)
    assert np.array_equal(logits(view), logits(made))
