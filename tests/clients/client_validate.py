# SPDX-License-Identifier: Apache-2.0
"""`weightfs validate` on damaged ONNX models, which onnx.checker refuses too; and on sound ones, those
among them whose nodes ONNX Runtime's converter left out of order."""

import json
import pathlib
import subprocess

import onnx
import pytest

DATA = pathlib.Path(__file__).resolve().parents[1] / "data" / "onnx"


def use_nothing(g):
    g.node[2].input[0] = "nowhere"


def yield_twice(g):
    g.node[1].output[0] = g.node[0].output[0]


def name_another_output(g):
    g.output[0].name = "nowhere"


def lose_a_weight(g):
    del g.initializer[0]


def have_a_weight_twice(g):
    g.initializer.append(g.initializer[0])


def enlarge_a_weight(g):
    g.initializer[0].dims[0] += 1


def take_a_name_away(g):
    g.initializer[0].name = ""


# (what is done, what is told)
DAMAGE = [(use_nothing, "its input nowhere is made nowhere"), (yield_twice, "is there already"),
          (lose_a_weight, "is made nowhere"),
          (name_another_output, "the output nowhere of the graph"),
          (have_a_weight_twice, "occurs twice"), (enlarge_a_weight, "as its shape says"),
          (take_a_name_away, "has no name")]


def validate(program, path):
    done = subprocess.run([program, "validate", "--json", path], capture_output=True, text=True)
    return done.returncode, json.loads(done.stdout)["structure"]


@pytest.mark.parametrize("damage, why", DAMAGE, ids=lambda x: getattr(x, "__name__", ""))
def test_damaged_graphs(program, tmp_path, damage, why):
    model = onnx.load(DATA / "text.onnx")
    damage(model.graph)
    path = tmp_path / "damaged.onnx"
    path.write_bytes(model.SerializeToString())
    with pytest.raises(Exception):
        onnx.checker.check_model(path, full_check=True)
    status, structure = validate(program, path)
    assert status == 2 and structure["result"] == "bad" and why in structure["detail"]


@pytest.mark.parametrize("path", [*DATA.glob("*.onnx"), *(DATA / "ort").glob("*.onnx")],
                         ids=lambda p: p.name)
def test_sound_graphs(program, path):
    _, structure = validate(program, path)
    assert structure["result"] == "ok"
