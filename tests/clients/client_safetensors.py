# SPDX-License-Identifier: Apache-2.0
"""The safetensors package and plain numpy read views: names, shapes and rows of Hugging Face."""

import json
import shutil
import struct
import subprocess

import numpy as np
import pytest
import safetensors.numpy


def read_bf16(path):
    """A safetensors file of bf16, which numpy does not have, as f32."""
    data = path.read_bytes()
    n = struct.unpack("<Q", data[:8])[0]
    header, body = json.loads(data[8 : 8 + n]), data[8 + n :]
    out = {}
    for name, t in header.items():
        if name == "__metadata__":
            continue
        bits = np.frombuffer(body[slice(*t["data_offsets"])], "<u2").astype(np.uint32) << 16
        assert t["dtype"] == "BF16"
        out[name] = bits.view(np.float32).reshape(t["shape"])
    return out


@pytest.fixture(scope="module")
def truth(models):
    return read_bf16(models / "tinylm" / "model.safetensors")


def same(got, want, dtype):
    assert set(got) == set(want)
    for name in want:
        assert got[name].dtype == dtype
        assert np.array_equal(got[name], want[name].astype(dtype)), name


def test_a_folder_as_f32_and_f16(mount, truth):
    same(safetensors.numpy.load_file(mount / "tinylm.safetensors@f32"), truth, np.float32)
    same(safetensors.numpy.load_file(mount / "tinylm.safetensors@f16"), truth, np.float16)


def test_a_folder_as_bf16(mount, truth):
    same(read_bf16(mount / "tinylm.safetensors@bf16"), truth, np.float32)


def test_a_gguf_gives_the_names_shapes_and_rows_of_hugging_face_back(mount, truth):
    got = safetensors.numpy.load_file(mount / "single.safetensors@f16")
    same(got, truth, np.float16)


def test_one_tensor_by_mmap(mount, truth):
    with safetensors.safe_open(mount / "tinylm.safetensors@f32", framework="numpy") as f:
        name = "model.layers.2.self_attn.q_proj.weight"
        assert np.array_equal(f.get_tensor(name), truth[name])
        assert np.array_equal(f.get_slice(name)[7:9, :], truth[name][7:9, :])


def test_numpy_maps_a_view(mount, convert, models):
    view = "tinylm.gguf@q8_0"
    got = np.memmap(mount / view, np.uint8, "r")
    assert np.array_equal(got, np.fromfile(convert(models / view), np.uint8))


# The folder as each kind of source; safetensors.numpy has no bf16.
SOURCES = {"safe.safetensors": "safetensors@bf16", "torch.pt": "pt@bf16", "gguf.gguf": "gguf@bf16",
           "graph.onnx": "onnx@fp32"}


@pytest.fixture(scope="module")
def sources(program, models, mounting, tmp_path_factory):
    src = tmp_path_factory.mktemp("sources")
    shutil.copytree(models / "tinylm", src / "tinylm")
    for name, view in SOURCES.items():
        subprocess.run([program, "convert", src / f"tinylm.{view}", src / name], check=True)
    return mounting(src, "nocache,views=none")


@pytest.mark.parametrize("source", [n.split(".")[0] for n in SOURCES])
def test_every_source(sources, truth, source):
    for spec, dtype in (("f32", np.float32), ("f16", np.float16)):
        got = safetensors.numpy.load_file(sources / f"{source}.safetensors@{spec}")
        if source == "graph":  # which has numbers of its own
            got = {name: x for name, x in got.items() if name in truth}
        same(got, truth, dtype)
    if source != "graph":
        same(read_bf16(sources / f"{source}.safetensors@bf16"), truth, np.float32)


@pytest.mark.parametrize("source", ["tinylm", "gguf"])
def test_folders(sources, truth, source):
    """The weights, and config.json beside them."""
    for spec, dtype in (("f32", np.float32), ("f16", np.float16)):
        folder = sources / f"{source}.hf@{spec}"
        same(safetensors.numpy.load_file(folder / "model.safetensors"), truth, dtype)
        config = json.loads((folder / "config.json").read_text())
        assert config["architectures"] == ["LlamaForCausalLM"]
        assert config.get("dtype", config.get("torch_dtype")) == {"f32": "float32", "f16": "float16"}[spec]
    same(read_bf16(sources / f"{source}.hf@bf16" / "model.safetensors"), truth, np.float32)
