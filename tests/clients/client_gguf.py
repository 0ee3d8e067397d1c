# SPDX-License-Identifier: Apache-2.0
"""The gguf package reads views: each key, each tensor, and numbers near those of the source."""

import json
import subprocess

import gguf
import numpy as np
import pytest

VIEWS = ["tinylm.gguf@f32", "tinylm.gguf@bf16", "tinylm.gguf@q4_0", "tinylm.gguf@q8_0",
         "single.gguf@q4_1", "single.gguf@q5_0", "single.gguf@q5_1", "single.gguf@f16",
         "single.gguf"]
# How far a number may be off, as a part of the largest of its row. q4_0 and q5_0 have one step less
# on one side of zero, so there it is a whole step, elsewhere half of one.
NEAR = {"f32": 0, "bf16": 0, "f16": 2**-11, "q8_0": 0.005, "q5_0": 0.065, "q5_1": 0.04,
        "q4_0": 0.13, "q4_1": 0.08}


@pytest.fixture(scope="module")
def truth(models, convert):
    reader = gguf.GGUFReader(convert(models / "tinylm.gguf@f32"))
    return {t.name: t.data.reshape(t.shape[::-1]) for t in reader.tensors}


@pytest.mark.parametrize("view", VIEWS)
def test_keys_and_tensors_are_those_that_info_tells(program, mount, models, view):
    info = subprocess.run([program, "info", "-v", "--json", models / view], check=True,
                          capture_output=True, text=True)
    info = json.loads(info.stdout)
    reader = gguf.GGUFReader(mount / view)
    fields = {k: f for k, f in reader.fields.items() if not k.startswith("GGUF.")}
    assert list(fields) == list(info["metadata"])
    for key, field in fields.items():
        told, value = info["metadata"][key], field.contents()
        if isinstance(told, dict):
            assert told["length"] == len(value), key
        elif isinstance(told, float):
            assert told == pytest.approx(value), key
        else:
            assert told == value, key
    told = [(t["name"], t["type"], t["shape"], t["bytes"], t["offset"])
            for t in info["tensor_list"]]
    assert told == [(t.name, t.tensor_type.name.lower(), [int(d) for d in reversed(t.shape)],
                     t.n_bytes, t.data_offset) for t in reader.tensors]


@pytest.mark.parametrize("view", VIEWS)
def test_numbers_are_near_those_of_the_source(mount, truth, view):
    near = NEAR[view.split("@")[1]] if "@" in view else NEAR["f16"]
    reader = gguf.GGUFReader(mount / view)
    assert {t.name for t in reader.tensors} == set(truth)
    for t in reader.tensors:
        want = truth[t.name]
        got = gguf.quants.dequantize(t.data, t.tensor_type).reshape(want.shape)
        limit = np.abs(want).max(axis=-1, keepdims=True) * near
        assert np.all(np.abs(got - want) <= limit), t.name
