# SPDX-License-Identifier: Apache-2.0
"""The safetensors package and plain numpy read views: names, shapes and rows of Hugging Face."""

import json
import struct

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
