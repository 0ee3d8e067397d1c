# SPDX-License-Identifier: Apache-2.0
"""Many odd tokenizers against the converter: convert_vary_tokenizers.py [-n N] [-s SEED] LLAMA_CPP
WEIGHTFS OUT [KIND...]

As convert_vary.py, but of folders of tokenizer_folders.py, whose models are one tensor. Two things are
compared: the hash by which the converter finds the pre-tokenizer, and the whole file with a name
given. Needs sentencepiece besides. With --golden the table of golden_tokenizers.py is written anew."""
import argparse
import collections
import hashlib
import json
import logging
import os
import random
import re
import shutil
import subprocess
import sys

import sentencepiece
from sentencepiece import sentencepiece_model_pb2
from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

import compare_tokenizers
import golden_tokenizers
import tokenizer_folders
from convert_vary import PRE, Upstream
from tokenizer_folders import KINDS, OLDER

LLAMA3 = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*"
          r"|\s*[\r\n]+|\s+(?!\S)|\s+")
SPM = {
    "bpe": {"model_type": "bpe", "byte_fallback": True},
    "user": {"model_type": "bpe", "byte_fallback": True, "user_defined_symbols": "<u1>,<|im_x|>,zq y,\u2581\u2581",
             "control_symbols": "<c1>", "pad_id": 3},
    "unigram": {"model_type": "unigram"},
    "identity": {"model_type": "unigram", "normalization_rule_name": "identity", "add_dummy_prefix": False,
                 "remove_extra_whitespaces": False},
    "t5": {"model_type": "unigram", "pad_id": 0, "eos_id": 1, "unk_id": 2, "bos_id": -1},
    "folding": {"model_type": "unigram", "normalization_rule_name": "nmt_nfkc_cf", "byte_fallback": True},
}


def texts():
    with open(__file__, encoding="utf-8") as f:
        return f.read().split("\n\n") + [t.replace("\0", "") for t in compare_tokenizers.texts(400)]


def byte_level(**options):
    return pre_tokenizers.ByteLevel(add_prefix_space=False, **options)


def train_bpe(pre, norm=None):
    t = Tokenizer(models.BPE())
    t.normalizer, t.pre_tokenizer, t.decoder = norm, pre, decoders.ByteLevel()
    t.train_from_iterator(texts(), trainers.BpeTrainer(
        vocab_size=700, special_tokens=["<unk>", "<s>", "</s>"], show_progress=False,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet()))
    return t


def train_fallback(norm, pre, decoder):
    t = Tokenizer(models.BPE(byte_fallback=True, fuse_unk=True, unk_token="<unk>"))
    t.normalizer, t.pre_tokenizer, t.decoder = norm, pre, decoder
    special = ["<unk>", "<s>", "</s>"] + [f"<0x{i:02X}>" for i in range(256)]
    t.train_from_iterator(texts(), trainers.BpeTrainer(vocab_size=900, special_tokens=special, show_progress=False))
    spec = json.loads(t.to_str())
    spec["added_tokens"] = spec["added_tokens"][:3]
    return Tokenizer.from_str(json.dumps(spec))


def train_wordpiece(**options):
    t = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    t.normalizer = normalizers.BertNormalizer(**options)
    t.pre_tokenizer, t.decoder = pre_tokenizers.BertPreTokenizer(), decoders.WordPiece()
    t.train_from_iterator(texts(), trainers.WordPieceTrainer(
        vocab_size=900, show_progress=False, special_tokens=["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]))
    return t


def train_unigram(charsmap):
    t = Tokenizer(models.Unigram())
    t.normalizer = normalizers.Precompiled(charsmap)
    t.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Metaspace()])
    t.decoder = decoders.Metaspace()
    t.train_from_iterator([x for x in texts() if x.isascii()], trainers.UnigramTrainer(
        vocab_size=500, unk_token="<unk>", show_progress=False, special_tokens=["<s>", "<pad>", "</s>", "<unk>"]))
    return t


class Bases:
    """Tokenizers that the folders are made of, trained when they are first wanted."""

    def __init__(self, top):
        self.top, self.known = top, {}
        os.makedirs(top, exist_ok=True)

    def spm(self, name):
        path = f"{self.top}/{name}"
        if not os.path.exists(path + ".model"):
            lines = iter([t.replace("\n", " ") for t in texts() if t.isascii()])
            sentencepiece.SentencePieceTrainer.train(
                sentence_iterator=lines, model_prefix=path, vocab_size=400, character_coverage=0.98,
                hard_vocab_limit=False, minloglevel=2, **SPM[name])
        return path + ".model"

    def json(self, kind, r):
        if kind not in self.known:
            self.known[kind] = [t.to_str() for t in self.train(kind)]
        return json.loads(r.choice(self.known[kind]))

    def train(self, kind):
        split = pre_tokenizers.Sequence([pre_tokenizers.Split(Regex(LLAMA3), "isolated"), byte_level(use_regex=False)])
        if kind == "bpe":
            return [train_bpe(byte_level()), train_bpe(split), train_bpe(split, normalizers.NFC()),
                    train_bpe(byte_level(), normalizers.Lowercase()),
                    train_bpe(pre_tokenizers.Sequence([pre_tokenizers.Digits(True), byte_level()]))]
        if kind == "fallback":
            plain = [decoders.Replace("\u2581", " "), decoders.ByteFallback(), decoders.Fuse()]
            prepend = normalizers.Sequence([normalizers.Prepend("\u2581"), normalizers.Replace(" ", "\u2581")])
            return [train_fallback(prepend, None, decoders.Sequence(plain + [decoders.Strip(" ", 1, 0)])),
                    train_fallback(None, pre_tokenizers.Metaspace(split=False, prepend_scheme="first"),
                                   decoders.Sequence(plain)),
                    train_fallback(normalizers.Replace(" ", "\u2581"),
                                   pre_tokenizers.Split(" ", "merged_with_previous"), decoders.Sequence(plain))]
        if kind == "wordpiece":
            return [train_wordpiece(), train_wordpiece(lowercase=False), train_wordpiece(strip_accents=False)]
        model = sentencepiece_model_pb2.ModelProto()
        with open(self.spm("unigram"), "rb") as f:
            model.ParseFromString(f.read())
        return [train_unigram(model.normalizer_spec.precompiled_charsmap)]


def write_spm(folder, arch, r, bases):
    name = r.choice(sorted(SPM) if arch in ("llama", "mistral", "gemma", "phi3") else ["unigram", "t5", "folding"])
    file = {"t5": "spiece.model", "xlmr": "sentencepiece.bpe.model"}.get(arch, "tokenizer.model")
    shutil.copy(bases.spm(name), f"{folder}/{file}")
    return sentencepiece.SentencePieceProcessor(bases.spm(name)).vocab_size()


def make(out, kind, seed, bases):
    r = random.Random(f"{kind}:{seed}")
    arch = r.choice(KINDS[kind])
    folder = f"{out}/{kind}-{seed}"
    os.makedirs(folder)
    spec, n = (None, write_spm(folder, arch, r, bases)) if kind == "spm" else (bases.json(OLDER.get(kind, kind), r), 0)
    tokenizer_folders.make(folder, kind, arch, r, spec, n)
    return folder


class Listening(Upstream):
    """The converter, which tells the hash of the pre-tokenizer and goes on with PRE."""

    def __init__(self, path):
        super().__init__(path)
        from conversion.base import TextModel
        with open(sys.modules["conversion.base"].__file__, encoding="utf-8") as f:
            source = f.read()
        text = eval(re.search(r"^ +chktxt = (.*)$", source, re.M)[1])  # a literal
        self.digest, self.known = None, dict(re.findall(r'chkhsh == "(\w+)":(?:\n +#.*)*\n +res = "(.*)"', source))

        def listen(_, tokenizer):
            self.digest = hashlib.sha256(str(tokenizer.encode(text)).encode()).hexdigest()
            return PRE
        TextModel.get_vocab_base_pre = listen

    def convert(self, folder, out, kind):
        self.digest = None
        try:
            return super().convert(folder, out, kind)
        except BaseException as e:  # tokenizers panics at some texts
            if isinstance(e, KeyboardInterrupt):
                raise
            return str(e)


def compare(upstream, program, folder):
    theirs, ours = folder + ".theirs.gguf", folder + ".ours.gguf"
    failed = upstream.convert(folder, theirs, "f32")
    named = f"+pre={PRE}" if upstream.digest else ""
    p = subprocess.run([program, "convert", f"{folder}.gguf@f32{named}", ours], capture_output=True, text=True,
                       check=False)
    if failed:
        return ("both refuse" if p.returncode else "upstream fails"), failed
    if p.returncode:
        return "refused here", p.stderr.strip()
    with open(theirs, "rb") as a, open(ours, "rb") as b:
        if a.read() != b.read():
            return "different", ""
    if not upstream.digest or upstream.digest in upstream.known:
        return "same", ""
    p = subprocess.run([program, "convert", f"{folder}.gguf@f32", ours], capture_output=True, text=True, check=False)
    return ("same", "") if upstream.digest in p.stderr else ("other hash", p.stderr.strip())


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("llama_cpp")
    parser.add_argument("program")
    parser.add_argument("out")
    parser.add_argument("-n", type=int, default=10)
    parser.add_argument("-s", "--seed", type=int, default=0)
    parser.add_argument("--golden", action="store_true")
    parser.add_argument("kinds", nargs="*")
    args = parser.parse_args()
    upstream, bases = Listening(args.llama_cpp), Bases(args.out + "/bases")
    logging.disable(logging.CRITICAL)
    if args.golden:
        return golden_tokenizers.write(args.out, lambda folder, out: upstream.convert(folder, out, "f32"))
    bad = 0
    for kind in args.kinds or KINDS:
        counts = collections.Counter()
        for seed in range(args.seed, args.seed + args.n):
            folder = make(args.out, kind, seed, bases)
            result, message = compare(upstream, args.program, folder)
            counts[result] += 1
            if result in ("different", "refused here", "other hash"):
                bad += 1
                print(f"{folder}: {result} {message}", flush=True)
            else:
                if result == "upstream fails":
                    print(f"{folder}: {result} {message}", flush=True)
                shutil.rmtree(folder)
                for end in (".theirs.gguf", ".ours.gguf"):
                    if os.path.exists(folder + end):
                        os.unlink(folder + end)
        print(f"{kind}: " + ", ".join(f"{n} {what}" for what, n in counts.items()), flush=True)
    return bad > 0


if __name__ == "__main__":
    sys.exit(main())
