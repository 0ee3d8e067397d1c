#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""golden_tokenizers.py WEIGHTFS: GGUFs of folders with odd tokenizers (tokenizer_folders.py, over
those of tests/data/tokenizers) against the SHA-256 of what convert_hf_to_gguf.py makes of them:
tests/data/token_folders.tsv, which convert_vary_tokenizers.py --golden writes. The pre-tokenizer's
name is given to both."""
import hashlib
import json
import os
import random
import subprocess
import sys
import tempfile

import tokenizer_folders

HERE = os.path.dirname(os.path.abspath(__file__))
GOLDEN = os.path.join(HERE, "data", "token_folders.tsv")
BASES = {"bpe": ["words", "added"], "fallback": ["byte-fallback"], "wordpiece": ["wordpiece-words"],
         "pairs": ["words"], "lines": ["wordpiece-words"], "bpe+padding": ["words"],
         "fallback+padding": ["byte-fallback"], "bpe+accents": ["words"]}
EACH = 24
EDITS = {
    "padding": {"padding": {"strategy": "BatchLongest", "direction": "Right", "pad_to_multiple_of": None, "pad_id": 0,
                            "pad_type_id": 0, "pad_token": "<filler>"}},
    "accents": {"normalizer": {"type": "Sequence", "normalizers": [
        {"type": "StripAccents"}, {"type": "BertNormalizer", "clean_text": True, "handle_chinese_chars": True,
                                   "strip_accents": None, "lowercase": False}]}},
}
SEEDS = {"pairs": [*range(EACH), 117, 655],  # the last two: special tokens in a list and in a dictionary
         "fallback": [*range(EACH), 31], "wordpiece": [*range(EACH), 96, 141],  # last: one role in two places
         "bpe+padding": [5, 8, 11, 28, 50, 61], "fallback+padding": [3, 15, 18, 21, 42],
         "bpe+accents": [0, 1, 2, 3]}


def make(top, kind, seed):
    r = random.Random(f"golden {kind}:{seed}")
    folder = os.path.join(top, f"{kind}-{seed}")
    os.mkdir(folder)
    with open(os.path.join(HERE, "data", "tokenizers", r.choice(BASES[kind]), "tokenizer.json"), encoding="utf-8") as f:
        spec = json.load(f)
    kind, _, name = kind.partition("+")
    spec |= EDITS.get(name, {})
    tokenizer_folders.make(folder, kind, r.choice(tokenizer_folders.KINDS[kind]), r, spec, 0)
    return folder


def digest(path):
    with open(path, "rb") as f:
        return hashlib.sha256(f.read()).hexdigest()


def write(top, convert):
    """@convert: the converter; it returns an error, or None."""
    with open(GOLDEN, "w", encoding="utf-8") as f:
        for kind in BASES:
            for seed in SEEDS.get(kind, range(EACH)):
                folder = make(top, kind, seed)
                if not convert(folder, folder + ".gguf"):
                    print(kind, seed, digest(folder + ".gguf"), sep="\t", file=f)
    return 0


def damage(spec):
    """(what is done to tokenizer.json, what validate says)"""
    vocab, merges = spec["model"]["vocab"], spec["model"]["merges"]
    first = next(iter(vocab))
    yield dict(spec, model=dict(spec["model"], merges=[*merges, ["\u0125", "\u0125"]])), "part that is no token"
    yield dict(spec, model=dict(spec["model"], vocab=dict(vocab, again=vocab[first]))), "both have the id"
    twice = [dict(content=text, id=len(vocab), special=True) for text in ("<one>", "<two>")]
    yield dict(spec, added_tokens=twice), "both have the id"


def validate_damaged(program, top):
    """How many damaged tokenizers `validate` takes for sound, or says something else of."""
    folder, wrong = make(top, "bpe", 10**6), 0
    path = os.path.join(folder, "tokenizer.json")
    with open(path, encoding="utf-8") as f:
        spec = json.load(f)
    for changed, why in damage(spec):
        with open(path, "w", encoding="utf-8") as f:
            json.dump(changed, f)
        p = subprocess.run([program, "validate", folder], capture_output=True, text=True)
        if p.returncode != 2 or why not in p.stdout:
            wrong += 1
            print(f"{why}: {p.stdout}{p.stderr}")
    return wrong


def main():
    program, rows = sys.argv[1], 0
    with open(GOLDEN, encoding="utf-8") as f, tempfile.TemporaryDirectory() as top:
        bad = validate_damaged(program, top)
        for kind, seed, want in (line.split() for line in f):
            folder = make(top, kind, int(seed))
            p = subprocess.run([program, "convert", folder + ".gguf@f32+pre=llama-bpe", folder + ".gguf"],
                               capture_output=True, text=True)
            got = "" if p.returncode else digest(folder + ".gguf")
            rows += 1
            if got != want:
                bad += 1
                print(f"{kind} {seed}: {p.stderr.strip() or got}")
    print(f"{rows} folders, {bad} differences")
    return bad > 0 or not rows


if __name__ == "__main__":
    sys.exit(main())
