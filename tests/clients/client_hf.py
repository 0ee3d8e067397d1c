# SPDX-License-Identifier: Apache-2.0
"""Hugging Face folders that views of GGUFs are: the tensors, the numbers of config.json and the
tokenizer of the folder that the GGUF was made of; and ONNX graphs of the same GGUFs."""

import hashlib
import json
import pathlib
import random
import shutil
import subprocess
import sys

import gguf
import gguf.scripts.gguf_new_metadata
import numpy as np
import pytest
import safetensors.numpy
import sentencepiece
import tokenizers

DATA = pathlib.Path(__file__).resolve().parents[1] / "data"
RECIPES = ["Qwen2.5-Nano-Instruct", "Llama-3.2-Nano-Instruct", "gemma-2-nano-it", "gpt2-nano",
           "Phi-3-nano-4k-instruct", "Nano-Mixtral-8x1M-v0.1", "bge-nano-en-v1.5",
           "deepseek-v2-lite-nano"]
MODELS = ["tinylm", *RECIPES]
# Whose config.json alone is looked at: what it says of blocks of several kinds, experts, positions.
CONFIGS = ["CodeShell-nano", "DeepSeek-V3.2-nano", "Dream-nano", "GLM-5-nano", "Hy3-nano", "Jais-2-nano",
           "K-EXAONE-nano", "LFM2-MoE-nano", "LLaDA-MoE-nano", "LLaDA-nano", "Ling-nano", "Ling-nano-2.0",
           "Maincoder-nano", "Mellum-nano", "MiniCPM-nano-sft", "MiniMax-M2-nano", "Nanbeige-nano",
           "Nemotron-3-nano", "Nemotron-H-nano", "Orion-nano", "PLM-nano", "RND1-nano", "command-moe-nano",
           "dots1-nano", "falcon-h1-nano", "gemma-3n-nano-it", "gemma-4-nano-it", "granite-3-nano",
           "llama-embed-nano", "openPangu-Embedded-nano", "qwen3-next-nano", "seed-oss-nano"]
EXPERTS = "Llama-4-nano-text"
LAST_COUNTS = "da64f98dc51d4d686daa6977484fa3ef0c8700e9e7595e59e622ca3273055023"
PIECES = ["hello", "World", " ", "  ", "\n", "\r\n", "\t", "don't", "I'LL", "123", "4", "3.14", "café",
          "Ünï", "中文字", "。", "日本語", "한국어", "Привет", "мир", "مرحبا", "שלום", "ไทย", "हिन्दी",
          "🙂", "👩‍👧", "e\u0301", "ﬁ", "Ｆ", "_", "::", "()", "{", "\\", "\"", "'s", "--", "x=1;",
          "\u00a0", "\u2581", "a" * 40, "<s>", "\x07", "ß", "İ"]


@pytest.fixture(scope="session")
def made(tmp_path_factory, program):
    """Folders, and beside each the GGUF of it."""
    out = tmp_path_factory.mktemp("hf")
    make = [sys.executable, "-B", DATA / "corpus" / "make.py", out, *RECIPES, *CONFIGS, EXPERTS]
    subprocess.run(make, check=True, capture_output=True)
    shutil.copytree(DATA / "models" / "tinylm", out / "tinylm")
    for name in [*MODELS, *CONFIGS]:
        subprocess.run([program, "convert", out / f"{name}.gguf@f16", out / f"{name}-f16.gguf"],
                       check=True)
    return out


@pytest.fixture(scope="session")
def views(made, mounting):
    return mounting(made, "nocache,views=none")


def texts(n):
    rng = random.Random(7)
    return ["".join(rng.choices(PIECES, k=rng.randrange(1, 12))) for _ in range(n)]


@pytest.mark.parametrize("name", MODELS)
def test_tensors_are_those_of_the_folder(views, name):
    got = safetensors.numpy.load_file(views / f"{name}-f16.hf@f16" / "model.safetensors")
    want = safetensors.numpy.load_file(views / f"{name}.safetensors@f16")
    want = {n: x for n, x in want.items()
            if n in got or not n.startswith(("lm_head", "pooler", "embeddings.position_ids"))}
    assert set(got) == set(want)
    for tensor, x in want.items():
        if not (name.startswith("gemma") and "norm" in tensor):  # stored with one added
            assert np.array_equal(got[tensor], x), tensor
        else:
            assert np.allclose(got[tensor], x, atol=1e-3), tensor


def describe(program, path):
    done = subprocess.run([program, "info", "-v", "--json", path], check=True, capture_output=True)
    return json.loads(done.stdout)


@pytest.mark.parametrize("name", [n for n in [*MODELS, *CONFIGS] if n[:3] != "bge"])
def test_the_config_gives_the_same_gguf_again(program, made, name, tmp_path):
    """Every pair of the architecture, special tokens, and every tensor. (Some are only converted with
    SentencePiece's own file, which stands beside; how bge pools is in a file of its own.)"""
    source, folder = made / f"{name}-f16.gguf", tmp_path / "folder"
    subprocess.run([program, "convert", made / f"{name}-f16.gguf.hf@f16", folder], check=True)
    if (made / name / "tokenizer.model").exists():
        shutil.copy(made / name / "tokenizer.model", folder)
    a, b = describe(program, source), describe(program, tmp_path / "folder.gguf@f16")
    architecture = a["architecture"] + "."
    for key, value in a["metadata"].items():
        if key.startswith(architecture) or key.endswith(("os_token_id", "add_bos_token")):
            assert b["metadata"].get(key, False) == value, key
    tensors = [{t["name"]: (t["type"], t["shape"]) for t in x["tensor_list"]} for x in (a, b)]
    assert tensors[0] == tensors[1]


@pytest.mark.parametrize("name", ["gemma-3n-nano-it", "gemma-4-nano-it"])
def test_of_what_sees_and_hears_the_text_part_comes_back(views, made, name):
    """Gemma 3n's rows for tokens of images and sounds were added as zeros."""
    got = safetensors.numpy.load_file(views / f"{name}-f16.hf@f16" / "model.safetensors")
    want = safetensors.numpy.load_file(views / f"{name}.safetensors@f16")
    want = {n.replace(".language_model.", "."): x for n, x in want.items() if "_tower" not in n}
    assert got.keys() == want.keys()
    for tensor, x in want.items():
        assert np.array_equal(got[tensor][:len(x)], x), tensor
        assert got[tensor].shape == x.shape or tensor.endswith("per_layer.weight")
        assert not got[tensor][len(x):].any(), tensor


@pytest.mark.parametrize("name", ["EXAONE-4.5-nano", "GLM-OCR-nano"])
def test_blocks_that_predict_are_left_out_where_the_class_has_none(program, tmp_path, name):
    """The text part alone is another class. The others keep them, by the names that they have there."""
    make = [sys.executable, "-B", DATA / "corpus" / "make.py", tmp_path, name]
    subprocess.run(make, check=True, capture_output=True)
    subprocess.run([program, "convert", tmp_path / f"{name}.gguf@f16", tmp_path / "m.gguf"], check=True)
    subprocess.run([program, "convert", tmp_path / "m.gguf.hf@f16", tmp_path / "back"], check=True)
    want, got = describe(program, tmp_path / "m.gguf"), describe(program, tmp_path / "back.gguf@f16")
    blocks = json.loads((tmp_path / "back" / "config.json").read_text())["num_hidden_layers"]
    further = {t["name"] for t in want["tensor_list"] if t["name"].startswith(f"blk.{blocks}.")}
    assert further
    assert {t["name"] for t in got["tensor_list"]} == {t["name"] for t in want["tensor_list"]} - further


def there_and_back(program, folder, config, weights):
    """The folder of the GGUF of @folder with this config.json and these weights: what it has of
    both. The GGUF is m.gguf beside it, and the folder back."""
    (folder / "config.json").write_text(json.dumps(config))
    safetensors.numpy.save_file(weights, folder / "model.safetensors")
    model, back = folder.parent / "m.gguf", folder.parent / "back"
    subprocess.run([program, "convert", f"{folder}.gguf@f16", model], check=True)
    subprocess.run([program, "convert", f"{model}.hf@f16", back], check=True)
    return (safetensors.numpy.load_file(back / "model.safetensors"),
            json.loads((back / "config.json").read_text()))


def same_arrays(got, want):
    return got.keys() == want.keys() and all(np.array_equal(got[key], x) for key, x in want.items())


@pytest.mark.parametrize("blocks", [2, 40])
def test_baichuan_comes_back(program, made, tmp_path, blocks):
    """Of MiniCPM's weights: queries, keys and values are one tensor; llama.cpp tells 13B by 40
    blocks."""
    source = made / "MiniCPM-nano-sft"
    config = json.loads((source / "config.json").read_text())
    for key in ("scale_emb", "scale_depth", "dim_model_base", "num_key_value_heads"):
        del config[key]
    if blocks == 40:
        config["model_max_length"] = config.pop("max_position_embeddings")
    config |= {"architectures": ["BaichuanForCausalLM"], "model_type": "baichuan",
               "num_hidden_layers": blocks}
    subprocess.run([program, "convert", f"{source}.safetensors@f16", tmp_path / "plain"], check=True)
    given = safetensors.numpy.load_file(tmp_path / "plain")
    want = {key: x for key, x in given.items() if ".layers." not in key}
    for i in range(blocks):
        block = {key.split(".", 3)[3]: x for key, x in given.items()
                 if key.startswith(f"model.layers.{i % 2}.")}
        block["self_attn.W_pack.weight"] = np.concatenate(
            [block.pop(f"self_attn.{x}_proj.weight") for x in "qkv"])
        want |= {f"model.layers.{i}.{key}": x for key, x in block.items()}
    folder = tmp_path / "Baichuan"
    folder.mkdir()
    shutil.copy(source / "tokenizer.model", folder)
    got, written = there_and_back(program, folder, config, want)
    assert same_arrays(got, want)
    for key in config.keys() - {"torch_dtype", "transformers_version"}:
        assert written.get(key) == config[key], key


def deci_nas(given):
    """Blocks of several kinds: keys of two counts, a linear layer for attention, no attention,
    nothing."""
    blocks = [{"attention": {"n_heads_in_group": group or None, "no_op": group == 0,
                             "replace_with_linear": group is None},
               "ffn": {"ffn_mult": mult, "no_op": mult is None, "replace_with_linear": False}}
              for group, mult in ((2, 3.0), (1, 6.0), (None, 3.0), (0, 3.0), (0, None))]
    width, heads = given["model.norm.weight"].size, 4
    out = {key: x for key, x in given.items() if ".layers." not in key}
    rng = np.random.default_rng(5)
    for i, block in enumerate(blocks):
        attention, mult, at = block["attention"], block["ffn"]["ffn_mult"], f"model.layers.{i}."
        shapes = {} if attention["no_op"] else {"input_layernorm": (width,)}
        if mult:
            inner = -(-int(2 * mult * width / 3) // 256) * 256
            shapes |= {"post_attention_layernorm": (width,), "mlp.gate_proj": (inner, width),
                       "mlp.up_proj": (inner, width), "mlp.down_proj": (width, inner)}
        if attention["replace_with_linear"]:
            shapes["self_attn.linear_attn"] = (width, width)
        elif not attention["no_op"]:
            rows = width // attention["n_heads_in_group"]
            shapes |= {"self_attn.q_proj": (width, width), "self_attn.k_proj": (rows, width),
                       "self_attn.v_proj": (rows, width), "self_attn.o_proj": (width, width)}
        out |= {f"{at}{key}.weight": rng.standard_normal(shape).astype(np.float16)
                for key, shape in shapes.items()}
    return out, {"block_configs": blocks, "num_hidden_layers": len(blocks),
                 "num_attention_heads": heads, "num_key_value_heads": None,
                 "intermediate_size": None, "model_type": "nemotron-nas",
                 "architectures": ["DeciLMForCausalLM"], "hidden_size": width}


def deci_7b(given):
    return given, {"num_key_value_heads_per_layer": [2, 2], "model_type": "deci",
                   "architectures": ["DeciLMForCausalLM"]}


@pytest.mark.parametrize("deci", [deci_nas, deci_7b])
def test_blocks_of_deci_come_back(program, made, tmp_path, deci):
    source, folder = made / "Llama-3.2-Nano-Instruct", tmp_path / "Deci"
    shutil.copytree(source, folder, ignore=shutil.ignore_patterns("*.safetensors", "*.index.json"))
    subprocess.run([program, "convert", f"{source}.safetensors@f16", tmp_path / "plain"], check=True)
    want, changes = deci(safetensors.numpy.load_file(tmp_path / "plain"))
    config = json.loads((source / "config.json").read_text()) | changes
    for key in ("head_dim", "num_key_value_heads"):
        config.pop(key, None)
    got, written = there_and_back(program, folder, config, want)
    assert same_arrays(got, want)
    keys = "num_key_value_heads_per_layer"
    assert written.get(keys) == changes.get(keys)
    a, b = describe(program, tmp_path / "m.gguf"), describe(program, tmp_path / "back.gguf@f16")
    for key, value in a["metadata"].items():
        if key.startswith("deci."):
            assert b["metadata"].get(key) == value, key


def biases(given):
    return given | {f"{key.removesuffix('weight')}bias": np.zeros(len(x), np.float16)
                    for key, x in given.items() if ".mlp." in key}


def none_that_predict(given):
    return {key: x for key, x in given.items() if not key.startswith("model.layers.2.")}


# Where a class has other defaults: what is changed in a folder, and what config.json then says.
CHANGED = [("SmolLM3-nano", biases, {"mlp_bias": True}, {"mlp_bias": True}),
           ("glm4-moe-nano", none_that_predict, {"num_nextn_predict_layers": 0}, {"num_nextn_predict_layers": 0}),
           ("Qwen1.5-MoE-nano", dict, {"num_key_value_heads": None, "num_attention_heads": 2},
            {"num_key_value_heads": 2}),
           ("gpt-oss-nano-BF16", dict, {"rope_parameters": {"rope_type": "default", "rope_theta": 1e5}},
            {"rope_theta": 1e5, "rope_scaling": {"rope_type": "default"}}),
           ("apertus-nano", dict, {"rope_scaling": None, "rope_parameters": {"rope_type": "default", "rope_theta": 1e5}},
            {"rope_theta": 1e5, "rope_scaling": {"rope_type": "default"}}),
           ("EuroBERT-nano", dict, {"classifier_pooling": "mean"}, {"classifier_pooling": "mean"}),
           ("EXAONE-3.5-nano", dict, {}, {"num_layers": 1, "activation_function": "silu"}),
           ("mpt-nano", dict, {}, {"attn_config": {"alibi": True, "alibi_bias_max": 8, "clip_qkv": 6.0}}),
           ("Qwen3-3M-Base", dict, {"rope_parameters": {"rope_type": "linear", "factor": 2.0, "rope_theta": 1e4}},
            {"rope_scaling": {"rope_type": "linear", "factor": 2.0}})]


@pytest.mark.parametrize("name, edit, changes, want", CHANGED)
def test_what_is_not_a_default_is_said(program, tmp_path, name, edit, changes, want):
    """As text: transformers wants floats where it has them, and ints elsewhere."""
    make = [sys.executable, "-B", DATA / "corpus" / "make.py", tmp_path, name]
    subprocess.run(make, check=True, capture_output=True)
    folder, plain = tmp_path / name, tmp_path / "plain"
    subprocess.run([program, "convert", f"{folder}.safetensors@f16", plain], check=True)
    for part in folder.glob("*.safetensors*"):
        part.unlink()
    config = json.loads((folder / "config.json").read_text()) | changes
    _, written = there_and_back(program, folder, config, edit(safetensors.numpy.load_file(plain)))
    written = {key: written.get(key) for key in want}
    assert json.dumps(written, sort_keys=True) == json.dumps(want, sort_keys=True)


@pytest.mark.parametrize("name, pattern", [("afmoe-nano", 2), ("embeddinggemma-nano", [False, True])])
def test_windows_that_a_gguf_tells_of_come_back(program, tmp_path, name, pattern):
    """The converter does not write them, but llama.cpp reads them: a list, or a period."""
    make = [sys.executable, "-B", DATA / "corpus" / "make.py", tmp_path, name]
    subprocess.run(make, check=True, capture_output=True)
    subprocess.run([program, "convert", tmp_path / f"{name}.gguf@f16", tmp_path / "m.gguf"], check=True)
    reader = gguf.GGUFReader(tmp_path / "m.gguf")
    writer = gguf.GGUFWriter(tmp_path / "p.gguf", reader.fields["general.architecture"].contents())
    writer.add_sliding_window_pattern(pattern)
    gguf.scripts.gguf_new_metadata.copy_with_new_metadata(reader, writer, {}, [])
    subprocess.run([program, "convert", tmp_path / "p.gguf.hf@f16", tmp_path / "back"], check=True)
    written = json.loads((tmp_path / "back" / "config.json").read_text())
    blocks = range(written["num_hidden_layers"])
    windows = [(i + 1) % pattern > 0 for i in blocks] if isinstance(pattern, int) else pattern
    assert written["layer_types"] == ["sliding_attention" if x else "full_attention" for x in windows]


# Blocks by a list alone, and what the class has where there is no list.
SAME = [("Nemotron-H-nano", {}, {"num_hidden_layers": None, "hybrid_override_pattern": None,
                                 "layers_block_type": ["linear_attention", "mlp", "full_attention"]}),
        ("Mellum-nano", {"layer_types": ["full_attention", "full_attention"]}, {"layer_types": None})]


@pytest.mark.parametrize("name, one, other", SAME)
def test_a_config_that_says_the_same_gives_the_same(program, made, tmp_path, name, one, other):
    files = []
    for part, changes in (("one", one), ("other", other)):
        folder = tmp_path / part / name
        shutil.copytree(made / name, folder)
        config = json.loads((folder / "config.json").read_text()) | changes
        (folder / "config.json").write_text(json.dumps({key: x for key, x in config.items() if x is not None}))
        subprocess.run([program, "convert", f"{folder}.gguf@f16", tmp_path / f"{part}.gguf"], check=True)
        files.append((tmp_path / f"{part}.gguf").read_bytes())
    assert files[0] == files[1]


def test_ternary_weights_come_back_as_numbers(program, tmp_path):
    """That the GGUF has upstream's numbers is for the golden tests."""
    make = [sys.executable, "-B", DATA / "corpus" / "make.py", tmp_path, "bitnet-b1.58-Nano"]
    subprocess.run(make, check=True, capture_output=True)
    folder, plain = tmp_path / "bitnet-b1.58-Nano", tmp_path / "plain"
    subprocess.run([program, "convert", f"{folder}.safetensors@f32", plain], check=True)
    subprocess.run([program, "convert", f"{folder}.gguf@bf16", tmp_path / "m.gguf"], check=True)
    subprocess.run([program, "convert", tmp_path / "m.gguf.hf@f32", tmp_path / "back"], check=True)
    got = safetensors.numpy.load_file(tmp_path / "back" / "model.safetensors")
    want = safetensors.numpy.load_file(plain)
    assert got.keys() == want.keys()
    assert all(np.array_equal(got[key], x) for key, x in want.items())
    assert "quantization_config" not in json.loads((tmp_path / "back" / "config.json").read_text())


@pytest.mark.parametrize("name", [*MODELS, "gemma-4-nano-it"])
def test_texts_are_split_as_before(views, made, name):
    got = tokenizers.Tokenizer.from_file(str(views / f"{name}-f16.hf@f16" / "tokenizer.json"))
    if (made / name / "tokenizer.model").exists():
        pieces = sentencepiece.SentencePieceProcessor(str(made / name / "tokenizer.model"))
        # SentencePiece has no control tokens in a text, and Gemma's are not its own
        want, sample = pieces.encode, [t for t in texts(400) if "<s>" not in t]
    else:
        original = tokenizers.Tokenizer.from_file(str(made / name / "tokenizer.json"))
        want = lambda t: original.encode(t, add_special_tokens=False).ids
        sample = texts(400)
    for text in sample:
        assert got.encode(text, add_special_tokens=False).ids == want(text), repr(text)


def test_a_unigram_splits_texts_as_sentencepiece(program, tmp_path):
    """(Of characters that are joined `tokenizers` looks up the whole in the table of the normalizer.)"""
    make = [sys.executable, "-B", DATA / "corpus" / "make.py", tmp_path, "t5-nano-v1_0"]
    subprocess.run(make, check=True, capture_output=True)
    gguf = tmp_path / "t5.gguf"
    subprocess.run([program, "convert", tmp_path / "t5-nano-v1_0.gguf@f32", gguf], check=True)
    subprocess.run([program, "convert", f"{gguf}.hf@f32", tmp_path / "back"], check=True)
    got = tokenizers.Tokenizer.from_file(str(tmp_path / "back" / "tokenizer.json"))
    pieces = sentencepiece.SentencePieceProcessor(str(tmp_path / "t5-nano-v1_0" / "spiece.model"))
    for text in (t for t in texts(400) if "<s>" not in t and "\u200d" not in t):
        assert got.encode(text, add_special_tokens=False).ids == pieces.encode(text), repr(text)
    config = json.loads((tmp_path / "t5-nano-v1_0" / "config.json").read_text())
    assert got.encode("a").ids[-1] == config["eos_token_id"]


def test_of_equal_lines_in_vocab_txt_the_last_counts(program, made, tmp_path):
    """The hash is of what convert_hf_to_gguf.py makes of the folder."""
    folder = tmp_path / "bge-nano-en-v1.5"
    shutil.copytree(made / folder.name, folder)
    (folder / "tokenizer.json").unlink()
    lines = (folder / "vocab.txt").read_text(encoding="utf-8").split("\n")
    lines[2000] = lines[1500]
    (folder / "vocab.txt").write_text("\n".join(lines), encoding="utf-8")
    subprocess.run([program, "convert", f"{folder}.gguf@f16", tmp_path / "out"], check=True)
    assert hashlib.sha256((tmp_path / "out").read_bytes()).hexdigest() == LAST_COUNTS


@pytest.mark.parametrize("view", ["hf@auto", "onnx@fp32"])
def test_what_has_no_way_back_says_what_to_do(program, tmp_path, view):
    writer = gguf.GGUFWriter(tmp_path / "m.gguf", "grok")
    writer.add_tensor("token_embd.weight", np.zeros((4, 32), np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    done = subprocess.run([program, "convert", tmp_path / f"m.gguf.{view}", tmp_path / "out"], capture_output=True)
    assert done.returncode and b'"grok"; .safetensors@auto has its tensors' in done.stderr
    subprocess.run([program, "convert", tmp_path / "m.gguf.safetensors@auto", tmp_path / "out"], check=True)
    assert safetensors.numpy.load_file(tmp_path / "out").popitem()[1].shape == (4, 32)


def test_special_tokens(views):
    config = json.loads((views / "tinylm-f16.hf@f16" / "tokenizer_config.json").read_text())
    assert (config["bos_token"], config["eos_token"]) == ("<s>", "</s>")
    tokenizer = tokenizers.Tokenizer.from_file(
        str(views / "tinylm-f16.hf@f16" / "tokenizer.json"))
    assert tokenizer.encode("a").ids[0] == 1
    assert tokenizer.encode("a</s>").ids[-1] == 2
    generation = json.loads((views / "tinylm-f16.hf@f16" / "generation_config.json").read_text())
    assert (generation["bos_token_id"], generation["eos_token_id"]) == (1, 2)


@pytest.mark.parametrize("name", ["tinylm", "Qwen2.5-Nano-Instruct", "gpt2-nano"])
def test_a_graph_of_a_gguf_has_the_weights_of_the_folder(program, made, name, tmp_path):
    def data(view):
        subprocess.run([program, "convert", "-f", view, tmp_path / "out"], check=True)
        return (tmp_path / "out").read_bytes()

    (tmp_path / "m.gguf").write_bytes(data(made / f"{name}.gguf@f32"))
    got = data(tmp_path / "m.gguf.onnx@fp32.data")
    assert got == data(made / f"{name}.onnx@fp32.data")


# Tensors that are turned over on the way back: of each of the folder's the GGUF's.
TURNED = {"gpt2-nano": {"attn.c_attn.weight": ["attn_qkv"], "attn.c_proj.weight": ["attn_output"],
                        "mlp.c_fc.weight": ["ffn_up"], "mlp.c_proj.weight": ["ffn_down"]},
          EXPERTS: {"experts.gate_up_proj": ["ffn_gate_exps", "ffn_up_exps"],
                    "experts.down_proj": ["ffn_down_exps"]}}


@pytest.mark.parametrize("quantized", ["q8_0", "q4_k"])
@pytest.mark.parametrize("name", TURNED)
def test_blocks_are_turned_over(made, program, name, quantized):
    """What the gguf package decodes and numpy turns over."""
    source = made / f"{name}-{quantized}.gguf"
    subprocess.run([program, "convert", made / f"{name}.gguf@{quantized}", source], check=True)
    blocks = {t.name: t for t in gguf.GGUFReader(source).tensors}
    for dtype in ("f32", "f16"):
        out = made / f"{name}-{quantized}-{dtype}"
        subprocess.run([program, "convert", f"{made / source.stem}.hf@{dtype}", out], check=True)
        checked = 0
        for key, got in safetensors.numpy.load_file(out / "model.safetensors").items():
            layer = next((part for part in key.split(".") if part.isdigit()), None)
            for end, names in TURNED[name].items():
                if not key.endswith(end):
                    continue
                parts = [blocks[f"blk.{layer}.{n}.weight"] for n in names]
                assert all(gguf.GGML_QUANT_SIZES[t.tensor_type][0] > 1 for t in parts), key
                want = np.concatenate([gguf.quants.dequantize(t.data, t.tensor_type)
                                       for t in parts], axis=-2).swapaxes(-1, -2)
                assert got.shape == want.shape, key
                assert got.tobytes() == want.astype(got.dtype).tobytes(), key
                checked += 1
        assert checked >= len(TURNED[name])


# Interleaved halves, experts of one matrix each, keys and values out of a latent vector.
BLOCKS = [("gpt-oss-nano", "auto"), ("dbrx-nano", "q4_0"), ("deepseek-v2-lite-nano", "q8_0")]


@pytest.mark.parametrize("name, quantized", BLOCKS)
def test_blocks_come_back_as_numbers_do(program, tmp_path, name, quantized):
    """As the f32 file with the same numbers, whose way back the golden tests look at."""
    def load(out):
        subprocess.run([program, "convert", f"{tmp_path / out}.gguf.hf@f32", tmp_path / out], check=True)
        return safetensors.numpy.load_file(tmp_path / out / "model.safetensors")

    make = [sys.executable, "-B", DATA / "corpus" / "make.py", tmp_path, name]
    subprocess.run(make, check=True, capture_output=True)
    source, plain = tmp_path / "blocks.gguf", tmp_path / "plain.gguf"
    subprocess.run([program, "convert", tmp_path / f"{name}.gguf@{quantized}", source], check=True)
    subprocess.run([program, "convert", f"{source}@f32+requantize", plain], check=True)
    assert any(gguf.GGML_QUANT_SIZES[t.tensor_type][0] > 1 for t in gguf.GGUFReader(source).tensors)
    got, want = load("blocks"), load("plain")
    assert got.keys() == want.keys()
    for key, x in want.items():
        assert got[key].shape == x.shape and got[key].tobytes() == x.tobytes(), key
