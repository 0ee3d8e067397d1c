# SPDX-License-Identifier: Apache-2.0
"""ONNX Runtime runs mounted graphs: a prompt and steps with the KV cache, alone and in a batch
with padding on the left, against the same model in numpy; encoders likewise."""

import json

import numpy as np
import onnx
import pytest
from forward import Bert, Decoder, Gpt2, read_weights
from onnx_models import BERT, RECIPES, VARIANTS, session
from onnxruntime.transformers.float16 import convert_float_to_float16

PROMPT, STEPS, PADDING = 11, 4, 3
# The largest difference of a logit that rounding explains: that of float32 (a few 1e-6 measured),
# and of weights and values in float16 (a few 1e-3).
BOUNDS = {"fp32": 2e-5, "fp16": 2e-2, "fp32+opset=23": 2e-5, "fp32+contrib": 2e-5}
OTHER_OPERATORS = ["tinylm", "gemma2-window", "Qwen3-3M-Base", "gpt2-nano", "phi3-longrope",
                   "phi3-partial"]


def run(graph, ids, mask):
    """Logits of the prompt, then of single steps."""
    at = np.maximum(np.cumsum(mask, 1) - 1, 0)
    outputs = [o.name for o in graph.get_outputs()]
    cache = {i.name: np.zeros((len(ids), i.shape[1], 0, i.shape[3]),
                              np.float16 if "float16" in i.type else np.float32)
             for i in graph.get_inputs() if i.name.startswith("past_key_values")}
    logits = []
    for a, b in [(0, PROMPT)] + [(i, i + 1) for i in range(PROMPT, PROMPT + STEPS)]:
        feed = dict(input_ids=ids[:, a:b], attention_mask=mask[:, :b], position_ids=at[:, a:b],
                    **cache)
        got = dict(zip(outputs, graph.run(None, feed)))
        cache = {n: got[n.replace("past_key_values", "present")] for n in cache}
        logits.append(got["logits"])
    return np.concatenate(logits, 1)


def cases():
    for name in ["tinylm", *RECIPES, *VARIANTS]:
        for spec in BOUNDS:
            if spec in ("fp32", "fp16") or name in OTHER_OPERATORS:
                yield name, spec


@pytest.mark.parametrize("name, spec", cases())
def test_logits(graphs, folders, name, spec):
    config = json.loads((folders / name / "config.json").read_text())
    weights = {}
    for part in sorted((folders / name).glob("*.safetensors")):
        weights.update(read_weights(part))
    decoder = (Gpt2 if name.startswith("gpt2") else Decoder)(config, weights)
    graph = session(graphs / f"{name}.onnx@{spec}")
    ids = np.random.default_rng(1).integers(3, config["vocab_size"] - 4, (2, PROMPT + STEPS))
    for batch in (1, 2):
        mask = np.ones((batch, PROMPT + STEPS), np.int64)
        mask[0, :PADDING] = batch == 1
        got = run(graph, ids[:batch], mask)
        for row in range(batch):
            valid = mask[row] > 0
            want = decoder.logits(ids[row, valid])
            assert np.abs(got[row, valid] - want).max() < BOUNDS[spec] * max(1, np.abs(want).max())


@pytest.mark.parametrize("name", ["Qwen3-3M-Base", "llama-tied-rope3"])
def test_half_is_as_good_as_what_ort_makes(graphs, folders, tmp_path, name):
    """RMS error beside that of ORT's own conversion of the float32 graph."""
    config = json.loads((folders / name / "config.json").read_text())
    weights = {}
    for part in sorted((folders / name).glob("*.safetensors")):
        weights.update(read_weights(part))
    ids = np.random.default_rng(4).integers(3, config["vocab_size"] - 4, PROMPT + STEPS)
    want = Decoder(config, weights).logits(ids)
    onnx.save(convert_float_to_float16(onnx.load(graphs / f"{name}.onnx@fp32")),
              tmp_path / "half.onnx")
    own, other = (np.sqrt(np.mean((run(session(path), ids[None], np.ones((1, len(ids)), int))[0]
                                   - want) ** 2))
                  for path in (graphs / f"{name}.onnx@fp16", tmp_path / "half.onnx"))
    assert 0 < own < 1.05 * other


def logits_of(graphs, name):
    ids = np.random.default_rng(3).integers(3, 1500, (2, PROMPT + STEPS))
    return run(session(graphs / name), ids, np.ones_like(ids)).astype(np.float64)


@pytest.mark.parametrize("name", ["tinylm-q4_0", "tinylm-q8_0"])
def test_blocks_of_a_gguf_are_those_of_the_graph(graphs, name):
    """What MatMulNBits computes with them is what the decoded numbers give."""
    want = logits_of(graphs, f"{name}.gguf.onnx@fp32")
    got = logits_of(graphs, f"{name}.gguf.onnx@int8")
    assert np.abs(got - want).max() < 2e-5 * np.abs(want).max()
    size = (graphs / f"{name}.gguf.onnx@int8.data").stat().st_size
    assert size < 0.6 * (graphs / f"{name}.gguf.onnx@fp32.data").stat().st_size


def test_ends_may_stay_float32(graphs):
    inside = logits_of(graphs, "tinylm.onnx@fp16")
    assert np.array_equal(logits_of(graphs, "tinylm.onnx@fp16+keep_io_types"), inside)
    inputs = session(graphs / "tinylm.onnx@fp16+keep_io_types").get_inputs()
    assert all("float16" not in i.type for i in inputs)


def test_few_bits(graphs):
    """Of blocks of 4 bits those bits, exactly; of floats what 4 and 8 bits hold."""
    exact = logits_of(graphs, "tinylm-q4_0+pure.gguf.onnx@fp32")
    got = logits_of(graphs, "tinylm-q4_0+pure.gguf.onnx@int4")
    assert np.abs(got - exact).max() < 2e-5 * np.abs(exact).max()
    want = logits_of(graphs, "tinylm.onnx@fp32")
    for spec in ("int4", "q4f16", "int8"):
        got = logits_of(graphs, f"tinylm.onnx@{spec}")
        rms = np.sqrt(np.mean((got - want) ** 2) / np.mean(want**2))
        assert 0.001 < rms < 0.2, spec


@pytest.mark.parametrize("name", [BERT, "roberta", "distilbert"])
def test_states_of_encoders(graphs, folders, name):
    config = json.loads((folders / BERT / "config.json").read_text())
    roberta, types = name == "roberta", None if name == "distilbert" else np.arange(20) // 9 % 2
    types = np.zeros(20, int) if roberta else types
    bert = Bert(config, read_weights(folders / BERT / "model.safetensors"), 1 if roberta else None)
    for spec, bound in (("fp32", 2e-5), ("fp16", 2e-2)):
        graph = session(graphs / f"{name}.onnx@{spec}")
        ids = np.random.default_rng(2).integers(3, config["vocab_size"], (2, 20))
        mask = np.ones((2, 20), np.int64)
        mask[0, -6:] = 0
        feed = dict(input_ids=np.where(mask > 0, ids, 1), attention_mask=mask)
        if name == BERT:
            feed["token_type_ids"] = np.tile(types, (2, 1))
        assert set(feed) == {i.name for i in graph.get_inputs()}
        (got,) = graph.run(["last_hidden_state"], feed)
        for row, n in ((0, 14), (1, 20)):
            want = bert.states(ids[row, :n], None if types is None else types[:n])
            assert np.abs(got[row, :n] - want).max() < bound * np.abs(want).max()


def test_the_interface_is_that_of_optimum(graphs):
    graph = session(graphs / "tinylm.onnx@fp32")
    inputs = {i.name: (i.type, i.shape) for i in graph.get_inputs()}
    assert list(inputs)[:3] == ["input_ids", "attention_mask", "position_ids"]
    assert inputs["input_ids"] == ("tensor(int64)", ["batch_size", "sequence_length"])
    cache = ["batch_size", 2, "past_sequence_length", 64]
    assert inputs["past_key_values.3.value"] == ("tensor(float)", cache)
    outputs = {o.name: o.shape for o in graph.get_outputs()}
    assert outputs["logits"] == ["batch_size", "sequence_length", 1536]
    assert outputs["present.0.key"] == ["batch_size", 2, "total_sequence_length", 64]
