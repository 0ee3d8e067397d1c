# SPDX-License-Identifier: Apache-2.0
"""ONNX models of the source as other ONNX models: the files that ONNX Runtime's tools made
(tests/data/onnx/make_ort.py), equal node by node and number by number; they run, and give what the
source gives."""

import pathlib
import shutil
import subprocess

import numpy as np
import onnx
import onnxruntime
import pytest
import safetensors.numpy
from onnx import numpy_helper
from onnx_parts import parts
from onnxruntime.quantization.matmul_nbits_quantizer import MatMulNBitsQuantizer
from onnxruntime.transformers.float16 import convert_float_to_float16

DATA = pathlib.Path(__file__).resolve().parents[1] / "data" / "onnx"
MODELS = DATA.parent / "models"
TOOLS = [(name, spec) for name in ("cnn", "text") for spec in
         ("fp16", "int4", "q4f16", "int8", "int8+per_channel")]
TOOLS += [("edges", "fp16")]
# of blocks: bits, block, symmetric, float16
BLOCKS = {"int4+asym": (4, 32, False, False), "int4+block=16": (4, 16, True, False),
          "int4+asym+block=64": (4, 64, False, False), "int4+block=128": (4, 128, True, False),
          "int4+asym+block=256": (4, 256, False, False), "int8+block=32": (8, 32, True, False),
          "int8+asym+block=128": (8, 128, False, False), "q4f16+asym": (4, 32, False, True),
          "q4f16+block=64": (4, 64, True, True), "q8f16": (8, 32, True, True),
          "q8f16+asym+block=16": (8, 16, False, True)}


@pytest.fixture(scope="module")
def onnx_mount(mounting, tmp_path_factory):
    src = tmp_path_factory.mktemp("onnx")
    for path in DATA.glob("*.onnx*"):
        shutil.copy(path, src)
    return mounting(src, f"cache={tmp_path_factory.mktemp('cache')}")


@pytest.mark.parametrize("name,spec", TOOLS)
def test_the_model_is_that_of_onnx_runtime(onnx_mount, name, spec):
    got = parts(onnx.load(onnx_mount / f"{name}.onnx@{spec}"))
    want = parts(onnx.load(DATA / "ort" / f"{name}@{spec}.onnx"))
    assert got[0] == want[0]
    assert got[1].keys() == want[1].keys()
    for key in want[1]:
        assert got[1][key] == want[1][key], key
    assert got[2] == want[2]


@pytest.mark.parametrize("spec", BLOCKS)
@pytest.mark.parametrize("name", ["cnn", "text", "external"])
def test_blocks_are_those_of_the_quantizer(onnx_mount, name, spec):
    bits, block, symmetric, half = BLOCKS[spec]
    model = onnx.load(DATA / f"{name}.onnx")
    tool = MatMulNBitsQuantizer(convert_float_to_float16(model) if half else model, bits=bits,
                                block_size=block, is_symmetric=symmetric)
    tool.process()
    got, want = parts(onnx.load(onnx_mount / f"{name}.onnx@{spec}")), parts(tool.model.model)
    assert got == want


@pytest.mark.parametrize("name", ["cnn", "text", "edges", "external"])
def test_ends_that_stay_float32_are_those_of_the_converter(onnx_mount, name):
    want = convert_float_to_float16(onnx.load(DATA / f"{name}.onnx"), keep_io_types=True)
    view = onnx_mount / f"{name}.onnx@fp16+keep_io_types"
    assert parts(onnx.load(view)) == parts(want)
    onnx.checker.check_model(str(view), full_check=True)


@pytest.mark.parametrize("name", ["cnn", "text", "external", "typed"])
def test_nothing_changes_where_nothing_has_to(onnx_mount, name):
    got, want = onnx.load(onnx_mount / f"{name}.onnx@fp32"), onnx.load(DATA / f"{name}.onnx")
    if name != "typed":  # it has small floats
        assert parts(got) == parts(want)
    assert all(t.HasField("raw_data") for t in got.graph.initializer)
    onnx.checker.check_model(str(onnx_mount / f"{name}.onnx@auto"), full_check=True)


def run(path, feeds):
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(str(path), options, ["CPUExecutionProvider"])
    kinds = {i.name: np.float16 if "float16" in i.type else None for i in session.get_inputs()}
    feeds = {k: v.astype(kinds[k] or v.dtype) for k, v in feeds.items()}
    return session.run(None, feeds)[0].astype(np.float32)


FEEDS = {
    "cnn": {"pixels": np.random.default_rng(1).standard_normal((2, 3, 16, 16)).astype(np.float32)},
    "text": {"ids": np.arange(22).reshape(2, 11) % 50},
    "edges": {"x": np.ones(14, np.float32)},
    "external": {"x": np.random.default_rng(1).standard_normal((4, 30)).astype(np.float32)},
}


@pytest.mark.parametrize("spec", ["auto", "fp32"])
@pytest.mark.parametrize("name", FEEDS)
def test_it_runs_and_gives_what_the_source_gives(onnx_mount, name, spec):
    want = run(DATA / f"{name}.onnx", FEEDS[name])
    assert np.array_equal(run(onnx_mount / f"{name}.onnx@{spec}", FEEDS[name]), want)


@pytest.mark.parametrize("name,spec", TOOLS)
def test_it_runs_and_gives_what_the_tools_model_gives(onnx_mount, name, spec):
    want = run(DATA / "ort" / f"{name}@{spec}.onnx", FEEDS[name])
    assert np.array_equal(run(onnx_mount / f"{name}.onnx@{spec}", FEEDS[name]), want)


def test_positions_stay_exact_in_float16(onnx_mount):
    onnx.checker.check_model(str(onnx_mount / "positions.onnx@fp16"), full_check=True)
    feeds = {"positions": np.array([1, 2047, 3001, 70001])}
    got = run(onnx_mount / "positions.onnx@fp16", feeds)
    assert np.abs(got - run(DATA / "positions.onnx", feeds)).max() <= 2**-10  # of a number below 2


@pytest.mark.parametrize("spec", ["f32", "q8_0", "q4_k_m"])
def test_an_exported_folder_becomes_the_gguf_of_the_folder(program, tmp_path, spec):
    folder, exported = MODELS / "tinylm", tmp_path / "export" / "tinylm"
    ignore = shutil.ignore_patterns("*.safetensors*")
    shutil.copytree(folder, exported, ignore=ignore)
    made = []
    for view, out in [(MODELS / "tinylm.onnx@fp32", exported / "model.onnx"),
                      (exported / f"model.gguf@{spec}", tmp_path / "of-onnx.gguf"),
                      (MODELS / f"tinylm.gguf@{spec}+from=f32", tmp_path / "of-folder.gguf")]:
        if spec in ("f32", "q8_0"):
            view = pathlib.Path(str(view).removesuffix("+from=f32"))
        subprocess.run([program, "convert", "-q", view, out], check=True)
        made.append(out)
    assert made[1].read_bytes() == made[2].read_bytes()
    assert (exported / "tinylm.onnx@fp32.data").exists()


def test_blocks_of_four_bits_are_floats_in_safetensors(program, tmp_path):
    source = {t.name: numpy_helper.to_array(t)
              for t in onnx.load(DATA / "ort" / "text@int4.onnx").graph.initializer}
    levels, scales = source["onnx::MatMul_104_Q4"], source["onnx::MatMul_104_scales"]
    q = np.stack([levels & 15, levels >> 4], -1).reshape(*scales.shape, 32).astype(np.float32)
    want = ((q - 8) * scales[..., None]).reshape(len(scales), -1)
    shutil.copy(DATA / "ort" / "text@int4.onnx", tmp_path / "blocks.onnx")
    out = tmp_path / "out.safetensors"
    subprocess.run([program, "convert", "-q", tmp_path / "blocks.safetensors@f32", out], check=True)
    got = safetensors.numpy.load_file(out)
    assert np.array_equal(got["layers.0.down.weight"], want)
    assert "onnx::MatMul_104_scales" not in got


@pytest.mark.parametrize("spec", ["int4+asym", "int4+asym+block=16", "int8+asym+block=16"])
def test_blocks_with_zero_points_are_floats_in_safetensors(program, tmp_path, spec):
    block = 16 if "block" in spec else 32
    subprocess.run([program, "convert", "-q", DATA / f"text.onnx@{spec}", tmp_path / "b.onnx"], check=True)
    source = {t.name: numpy_helper.to_array(t) for t in onnx.load(tmp_path / "b.onnx").graph.initializer}
    q = source[f"onnx::MatMul_104_Q{spec[3]}"]
    scales, zeros = (source["onnx::MatMul_104_" + s] for s in ("scales", "zero_points"))
    if spec[3] == "4":
        q, zeros = (np.stack([x & 15, x >> 4], -1).reshape(len(x), -1) for x in (q, zeros))
    q = q.reshape(*scales.shape, block).astype(np.float32)
    want = (q - zeros[:, : scales.shape[1], None].astype(np.float32)) * scales[..., None]
    out = tmp_path / "out.safetensors"
    subprocess.run([program, "convert", "-q", tmp_path / "b.safetensors@f32", out], check=True)
    got = safetensors.numpy.load_file(out)
    assert np.array_equal(got["layers.0.down.weight"], want.reshape(len(scales), -1))
    assert "onnx::MatMul_104_zero_points" not in got


def branch(kind, bias):
    """A graph of its own: a matrix called as in the other one, and a bias in a Constant."""
    rng = np.random.default_rng(len(kind))
    numbers = {"w": rng.standard_normal((16, 16), np.float32), bias: rng.standard_normal(16, np.float32)}
    nodes = [onnx.helper.make_node("Constant", [], [bias], value=numpy_helper.from_array(numbers[bias])),
             onnx.helper.make_node("MatMul", ["x", "w"], [kind + "_m"]),
             onnx.helper.make_node("Add", [kind + "_m", bias], [kind + "_y"])]
    y = onnx.helper.make_tensor_value_info(kind + "_y", onnx.TensorProto.FLOAT, [1, 16])
    return onnx.helper.make_graph(nodes, kind, [], [y], [numpy_helper.from_array(numbers["w"], "w")]), numbers


def write_branches(path):
    (then, a), (other, b) = branch("then", "then_b"), branch("other", "other_b")
    few = numpy_helper.from_array(np.ones(4, np.float32))
    nodes = [onnx.helper.make_node("If", ["c"], ["m"], then_branch=then, else_branch=other),
             onnx.helper.make_node("Constant", [], ["scales"], value=few),
             onnx.helper.make_node("Identity", ["m"], ["y"])]
    ends = [onnx.helper.make_tensor_value_info(n, t, d) for n, t, d in (
        ("c", onnx.TensorProto.BOOL, []), ("x", onnx.TensorProto.FLOAT, [1, 16]), ("y", onnx.TensorProto.FLOAT, [1, 16]))]
    graph = onnx.helper.make_graph(nodes, "main", ends[:2], ends[2:])
    onnx.save(onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 17)]), path)
    # attributes come in the order of their names
    return {"w": b["w"], "graph_2/w": a["w"], "other_b": b["other_b"], "then_b": a["then_b"]}


def test_weights_of_branches_are_tensors(program, tmp_path):
    want = write_branches(tmp_path / "m.onnx")
    out = tmp_path / "out.safetensors"
    subprocess.run([program, "convert", "-q", tmp_path / "m.safetensors@f32", out], check=True)
    got = safetensors.numpy.load_file(out)
    assert got.keys() == want.keys()
    assert all(np.array_equal(got[name], want[name]) for name in want)


def field(number, payload):
    """A field of protobuf that is a message; its length takes two bytes."""
    return bytes([number << 3 | 2, len(payload) & 127 | 128, len(payload) >> 7]) + payload


def test_an_attribute_with_two_graphs_is_refused(program, tmp_path):
    graphs = [branch(kind, kind + "_b")[0] for kind in ("then", "other")]
    attribute = b"".join(onnx.helper.make_attribute("then_branch", g).SerializeToString() for g in graphs)
    opset = onnx.helper.make_opsetid("", 17).SerializeToString()
    (tmp_path / "m.onnx").write_bytes(field(7, field(1, field(5, attribute))) + field(8, opset))
    done = subprocess.run([program, "info", tmp_path / "m.onnx"], capture_output=True, text=True)
    assert done.returncode == 2
    assert "graphs that run into each other" in done.stderr


def test_weights_lie_where_they_do_in_the_source(onnx_mount):
    model = onnx.load(onnx_mount / "external.onnx@fp32", load_external_data=False)
    places = [e.value for t in model.graph.initializer for e in t.external_data if e.key == "location"]
    assert places == ["external.onnx@fp32.data"] * 2
    assert (onnx_mount / places[0]).stat().st_size > 2048
    model = onnx.load(onnx_mount / "text.onnx@fp32", load_external_data=False)
    assert not any(t.external_data for t in model.graph.initializer)
