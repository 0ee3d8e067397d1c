# SPDX-License-Identifier: Apache-2.0
"""A graph taken apart, so that two can be compared."""

import onnx
from onnx import numpy_helper


def attribute(a):
    v = onnx.helper.get_attribute_value(a)
    if isinstance(v, onnx.TensorProto):
        return v.data_type, tuple(v.dims), numpy_helper.to_array(v).tobytes()
    if isinstance(v, onnx.GraphProto):
        nodes, numbers, ends = graph_parts(v)
        return nodes, numbers, [name for name, _ in ends]
    return tuple(v) if hasattr(v, "__len__") and not isinstance(v, bytes) else v


def graph_parts(graph):
    """Nodes (their order does not matter), numbers, and what goes in and out. A Constant is an
    initializer."""
    nodes, numbers = [], {t.name: t for t in graph.initializer}
    for n in graph.node:
        if n.op_type == "Constant" and [a.name for a in n.attribute] == ["value"]:
            numbers[n.output[0]] = n.attribute[0].t
        else:
            attributes = sorted((a.name, attribute(a)) for a in n.attribute)
            nodes.append((n.domain.removeprefix("ai.onnx"), n.op_type, n.name, tuple(n.input),
                          tuple(n.output), attributes))
    numbers = {name: (t.data_type, tuple(t.dims), numpy_helper.to_array(t).tobytes())
               for name, t in numbers.items()}
    values = [(v.name, v.type.SerializeToString()) for ends in (graph.input, graph.output)
              for v in ends]
    return sorted(nodes, key=repr), numbers, values


def parts(model):
    return graph_parts(model.graph)
