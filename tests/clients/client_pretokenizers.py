# SPDX-License-Identifier: Apache-2.0
"""The tokenizer.json that is rebuilt from a GGUF, for each pre-tokenizer that llama.cpp knows: the ids
are those of llama.cpp, whose digests are kept."""

import itertools
import json
import re
import subprocess

import pretokenizers
import pytest
import tokenizers

GOLDEN = pretokenizers.golden()
TABLE = pretokenizers.TESTS.parent / "formats" / "tokenizer" / "hf_json_pre.c"
FALCON = pretokenizers.TESTS / "data" / "corpus" / "tokenizers" / "falcon" / "tokenizer.json"


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    out, vocabulary = tmp_path_factory.mktemp("pre"), pretokenizers.vocabulary()
    for name in GOLDEN:
        pretokenizers.write_gguf(out / f"{name}.gguf", name, *vocabulary)
    return out


@pytest.fixture(scope="module")
def views(models, mounting):
    return mounting(models, "nocache,views=none")


def test_all_names_are_judged():
    rows = re.findall(r'\.names = ((?:"[^"]*"\s*)+),', TABLE.read_text(encoding="utf-8"))
    names = set("".join(itertools.chain.from_iterable(re.findall(r'"([^"]*)"', r) + [" "] for r in rows)).split())
    assert names == {name for name, digests in GOLDEN.items() if digests}


@pytest.fixture(scope="module")
def digests():
    """Of the same tokenizer and texts once."""
    known = {}

    def run(spec, name):
        texts = pretokenizers.texts(name)
        key = (spec, tuple(texts))
        if key not in known:
            tokenizer = tokenizers.Tokenizer.from_str(spec)
            known[key] = pretokenizers.digests([" ".join(map(str, tokenizer.encode(t).ids)) for t in texts])
        return known[key]

    return run


@pytest.mark.parametrize("name", [name for name in GOLDEN if GOLDEN[name]])
def test_texts_are_split_as_llama_cpp_does(views, digests, name):
    spec = (views / f"{name}.gguf.hf@f32" / "tokenizer.json").read_text(encoding="utf-8")
    assert digests(spec, name) == GOLDEN[name]


@pytest.mark.parametrize("name", [name for name in GOLDEN if not GOLDEN[name]])
def test_others_are_refused_by_name(program, models, tmp_path, name):
    done = subprocess.run([program, "convert", models / f"{name}.gguf.hf@f32", tmp_path / "back"],
                          capture_output=True, text=True)
    assert done.returncode != 0
    assert f'"{name}" has no way back' in done.stderr


def test_texts_are_split_as_the_model_s_own_tokenizer_does(program, tmp_path):
    """Falcon cuts after bytes became letters, which llama.cpp does not."""
    own = tokenizers.Tokenizer.from_file(str(FALCON))
    spec = json.loads(own.to_str())
    tokens = sorted(spec["model"]["vocab"], key=spec["model"]["vocab"].get)
    added = [t["content"] for t in spec["added_tokens"]]
    pretokenizers.write_gguf(tmp_path / "m.gguf", "falcon", tokens, [" ".join(m) for m in spec["model"]["merges"]],
                             control=added, user=())
    subprocess.run([program, "convert", tmp_path / "m.gguf.hf@f32", tmp_path / "back"], check=True)
    got = tokenizers.Tokenizer.from_file(str(tmp_path / "back" / "tokenizer.json"))
    for text in pretokenizers.texts("", 1000):
        assert got.encode(text, add_special_tokens=False).ids == own.encode(text, add_special_tokens=False).ids, text


@pytest.mark.parametrize("bos, eos, sep", itertools.product([False, True], repeat=3))
def test_what_stands_around_a_pair_comes_back(program, tmp_path, bos, eos, sep):
    """llama.cpp: what begins, a text, what ends it, what is between, the other text, what ends it."""
    flags = {"add_bos_token": bos, "add_eos_token": eos, "add_sep_token": sep}
    pretokenizers.write_gguf(tmp_path / "m.gguf", "qwen2", *pretokenizers.vocabulary(), flags=flags, sep="<|user|>")
    subprocess.run([program, "convert", tmp_path / "m.gguf.hf@f32", tmp_path / "back"], check=True)
    got = tokenizers.Tokenizer.from_file(str(tmp_path / "back" / "tokenizer.json"))
    begin, end, between = (["<|begin|>"] * bos, ["<|end|>"] * eos, ["<|user|>"] * sep)
    assert got.encode("a", "b").tokens == [*begin, "a", *end, *between, "b", *end]
    assert got.encode("a").tokens == [*begin, "a", *end]
    done = subprocess.run([program, "info", "-v", "--json", f"{tmp_path}/back.gguf@f32+pre=qwen2"],
                          capture_output=True, check=True)
    again = json.loads(done.stdout)["metadata"]
    assert {key: again[f"tokenizer.ggml.{key}"] for key in flags} == flags
