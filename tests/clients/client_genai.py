# SPDX-License-Identifier: Apache-2.0
"""onnxruntime-genai opens mounted folders and generates: the tokens are those that come of the graph
step by step in ONNX Runtime (which client_onnx_graphs holds against numpy), or of numpy."""

import json

import numpy as np
import onnxruntime_genai as genai
import pytest
import tokenizers
from forward import Decoder, read_weights
from onnx_models import BERT, session

NEW = 6
PROMPTS = [[5, 301, 402, 17, 88], [7, 9, 33, 200, 101]]
TEXTS = ["Once upon a time", " leading", "a\nb\tc", "def f(x):\n\treturn x+1", "caf\u00e9 \U0001f642"]
VIEWS = ["tinylm.genai@fp32", "tinylm.genai@int8", "tinylm.genai@int4", "tinylm.genai@q4f16",
         "tinylm.genai@int4+contrib", "tinylm.genai@fp32+opset=23", "tinylm-q4_0.gguf.genai@int4",
         "mistral.genai@int4", "gemma.genai@int4", "gemma-2-nano-it.genai@int4",
         "Qwen2.5-Nano-Instruct.genai@int4", "Qwen3-3M-Base.genai@int4",
         "Qwen3-3M-Base.genai@fp16+contrib", "gpt2-nano.genai@int4",
         "phi3-longrope.genai@int4+contrib", "phi3-partial.genai@fp32+contrib",
         "Phi-3-nano-4k-instruct.genai@int4", "llama-tied-rope3.genai@int4"]


def open_model(folder):
    config = genai.Config(str(folder))  # one thread, as the sessions here
    options = {"intra_op_num_threads": 1, "inter_op_num_threads": 1}
    config.overlay(json.dumps({"model": {"decoder": {"session_options": options}}}))
    return genai.Model(config)


def generate(folder, prompts):
    model = open_model(folder)
    params = genai.GeneratorParams(model)
    length = len(prompts[0]) + NEW
    params.set_search_options(min_length=length, max_length=length, batch_size=len(prompts),
                              do_sample=False, repetition_penalty=1.0)
    generator = genai.Generator(model, params)
    generator.append_tokens(np.array(prompts, np.int32))
    while not generator.is_done():
        generator.generate_next_token()
    return [generator.get_sequence(i).tolist() for i in range(len(prompts))]


def by_hand(graph, prompt, eos):
    """The likeliest token each time, but the one that ends a text."""
    ids, done = list(prompt), 0
    outputs = [o.name for o in graph.get_outputs()]
    cache = {i.name: np.zeros((1, i.shape[1], 0, i.shape[3]),
                              np.float16 if "float16" in i.type else np.float32)
             for i in graph.get_inputs() if i.name.startswith("past_key_values")}
    for _ in range(NEW):
        feed = dict(input_ids=np.array([ids[done:]]), position_ids=np.arange(done, len(ids))[None],
                    attention_mask=np.ones((1, len(ids)), np.int64), **cache)
        got = dict(zip(outputs, graph.run(None, feed)))
        cache = {n: got[n.replace("past_key_values", "present")] for n in cache}
        done = len(ids)
        logits = got["logits"][0, -1].astype(np.float64)
        logits[eos] = -np.inf
        ids.append(int(logits.argmax()))
    return ids


@pytest.mark.parametrize("view", VIEWS)
def test_tokens(graphs, view):
    config = json.loads((graphs / view / "genai_config.json").read_text())
    plain = view.replace("genai@", "onnx@")
    graph = session(graphs / (plain.replace("+contrib", "") if "contrib" in view else plain))
    want = [by_hand(graph, p, config["model"]["eos_token_id"]) for p in PROMPTS]
    assert generate(graphs / view, PROMPTS[:1]) == want[:1]
    if "int8" not in view:  # the scale of activations there is one for the whole batch
        assert generate(graphs / view, PROMPTS) == want


def test_tokens_are_those_of_the_model(graphs, folders):
    config = json.loads((folders / "tinylm" / "config.json").read_text())
    decoder = Decoder(config, read_weights(folders / "tinylm" / "model.safetensors"))
    (ids,) = generate(graphs / "tinylm.genai@fp32", PROMPTS[:1])
    logits = decoder.logits(np.array(ids))
    logits[:, config["eos_token_id"]] = -np.inf
    n = len(PROMPTS[0])
    assert ids[n:] == logits[n - 1 : -1].argmax(-1).tolist()


@pytest.mark.parametrize("view", ["tinylm.genai@int4", "tinylm-q8_0.gguf.genai@int8",
                                  "Phi-3-nano-4k-instruct.genai@int4", "gpt2-nano.genai@int4"])
def test_text(graphs, view):
    tokenizer = genai.Tokenizer(open_model(graphs / view))
    own = tokenizers.Tokenizer.from_file(str(graphs / view / "tokenizer.json"))
    for text in TEXTS:
        ids = tokenizer.encode(text).tolist()
        assert ids == own.encode(text, add_special_tokens=False).ids
        assert tokenizer.decode(np.array(ids, np.int32)).lstrip() == text.lstrip()


def test_the_folder(graphs):
    folder = graphs / "tinylm.genai@int4"
    made = {"genai_config.json", "model.onnx", "model.onnx.data", "tokenizer.json"}
    assert made < {p.name for p in folder.iterdir()}
    config = json.loads((folder / "genai_config.json").read_text())
    assert config["search"]["past_present_share_buffer"] is False
    shared = json.loads((graphs / "tinylm.genai@int4+contrib" / "genai_config.json").read_text())
    assert shared["search"]["past_present_share_buffer"] is True
    assert "position_ids" not in shared["model"]["decoder"]["inputs"]
    assert ((folder / "model.onnx.data").read_bytes()
            == (graphs / "tinylm.onnx@int4.data").read_bytes())


def test_refused(graphs):
    with pytest.raises(OSError, match="not supported"):
        list((graphs / f"{BERT}.genai@fp32").iterdir())
    assert not (graphs / "tinylm.genai@q4_0").exists()
