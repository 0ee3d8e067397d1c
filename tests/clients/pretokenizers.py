# SPDX-License-Identifier: Apache-2.0
"""GGUFs with each of the pre-tokenizers that llama.cpp knows, and what it makes of some texts.

    pretokenizers.py LLAMA_CPP     writes tests/data/pretokenizers.tsv anew, by build/bin/libllama.so there
    pretokenizers.py --merges      writes the vocabulary, tests/data/pretokenizers.txt

The merges were trained on texts in one piece, so that they cross all boundaries: where a text is cut
shows in its ids. Each row of the table is a name and, for each hundred texts, the first 16 digits of
the SHA-256 of the ids; a name alone has no way back."""

import ctypes
import itertools
import pathlib
import re
import sys
import tempfile
import unicodedata

import gguf
import numpy as np

TESTS = pathlib.Path(__file__).resolve().parents[1]
GOLDEN, MERGES = TESTS / "data" / "pretokenizers.tsv", TESTS / "data" / "pretokenizers.txt"
sys.path.append(str(TESTS))
import compare_tokenizers  # noqa: E402

digests = compare_tokenizers.digests

TEXTS, N_MERGES = 178, 1500
REFUSED = {"gemma4", "granite-embed-multi-311m", "sarvam-moe", "whitespace"}  # no byte-level BPE
EDGES = [
    " " * 700 + "x", "a" + " " * 600, "\t" * 300 + "\n" * 40 + " " * 33 + "b", "\r\n" * 9 + " \n" * 7 + "  c",
    "1" * 1001, " 1" * 9 + "12 123 1234 12345 123456,1234567.", "a1b22c333d4444", "x" * 400,
    "XMLHttpRequest's HTTPServer'LL aBcD", "'s'S're'RE've'm'LL'd'D 'T' ''t", "don't DON'T we'Ve",
    "<sentinel:12><sentinel:>IMGIMGABCIZ IMGIMGZ", "//n/\n/ /\r\n", "a/b/c\n//\n", "$1.50+<=>^~|`\u20ac\u00a35",
    "...!?\u2026\u3002\uff0c\u3001\u06d4", "\uac00\u3131\u3105\ufe30\u3001\u4e00a\u3042", "a  b   c    d     e",
    " a\u4e00 b\u3042  \u4e00", "K\u00d6LN k\u00f6ln K\u00f6ln \u0416\u0436", "_a_B__c-d--E",
    "\u0e01\u0e02 \u1780\u1781\u0e40"
]
CONTROL = ["<|begin|>", "<|end|>"]
USER = ["<|user|>"]


# --- texts: without what llama.cpp cuts otherwise than the model's own tokenizer ---

def words(text, change):
    """Each run of letters and marks changed."""
    runs = itertools.groupby(text, lambda c: unicodedata.category(c)[0] in "LM")
    return "".join(change("".join(run)) if letters else "".join(run) for letters, run in runs)


def lower(word):
    return "".join(c for c in word.lower() if unicodedata.category(c) not in ("Lu", "Lt"))


def ascii_case(text):
    """llama.cpp: letters beyond ASCII are of both cases."""
    return words(text, lambda word: word if word.isascii() else lower(word))


def one_case(text):
    """llama.cpp: no word ends before a capital letter."""
    def change(word):
        first = word[0].upper()
        capital = len(word) % 2 and len(first) == 1 and unicodedata.category(first) == "Lu"
        return first + lower(word[1:]) if capital else lower(word)
    return words(text, change)


def no_marks(text):
    """llama.cpp: marks are no part of a word."""
    return "".join(c for c in text if unicodedata.category(c)[0] != "M")


def no_han_signs(text):
    """llama.cpp: of the Han script ideographs alone."""
    return re.sub("[\u3005\u3007\u3021-\u3029\u3038-\u303b]", "", text)


def single_blanks(text):
    """llama.cpp: the first digits stay with what is before them, so that blanks are cut in two."""
    runs = ["".join(run) for _, run in itertools.groupby(text, str.isspace)]
    return "".join(" " if run.isspace() and after[0].isnumeric() else run for run, after in zip(runs, runs[1:] + ["."]))


def whole_numbers(text):
    """llama.cpp: digits of all scripts, whatever stands behind them."""
    text = "".join(c for c in text if c.isdecimal() or not c.isnumeric())
    goes_on = (c.isalpha() or c == "_" or not c.isascii() for c in text[1:] + " ")
    return "".join(c + "." if c.isdecimal() and more else c for c, more in zip(text, goes_on))


def ascii_digits(text):
    """llama.cpp: \\d is ASCII."""
    return "".join(c for c in text if c.isascii() or not c.isdecimal())


def ascii_blanks(text):
    """llama.cpp: others are no sign (U+3000), nor in a range of letters (U+2028)."""
    return "".join(c for c in text if c.isascii() or not c.isspace())


def no_byte_digits(text):
    """llama.cpp: digits stay with the blank before them, and bytes whose letters are digits with others."""
    return "".join(c for c in text if not c.isnumeric() and not set(c.encode()) & set(b"\xb2\xb3\xb9\xbc\xbd\xbe"))


CHANGES = {
    "tekken gpt-4o llama4 kanana2 talkie minimax-m2": (ascii_case, no_marks),
    "granite-embed-multi-97m": (ascii_case,),
    "youtu": (one_case,),
    "kimi-k2": (one_case, no_marks, no_han_signs),
    "tiny_aya cohere2moe": (one_case, whole_numbers, single_blanks),
    "afmoe": (single_blanks,),
    "superbpe": (ascii_digits,),
    "deepseek-llm deepseek-coder": (ascii_blanks,),
    "falcon": (no_byte_digits,),
}


def texts(name, n=TEXTS):
    """In NFC, as some of the models' tokenizers normalize, which llama.cpp does not."""
    changes = next((c for names, c in CHANGES.items() if name in names.split()), ())
    out = [unicodedata.normalize("NFC", t.replace("\0", "")) for t in compare_tokenizers.texts(n) + EDGES]
    for change in changes:
        out = [change(text) for text in out]
    marked = "".join(CONTROL[1:] + USER)
    return [text + marked + text[:5] if i % 8 == 0 else text for i, text in enumerate(out)]


# --- GGUFs ---

def byte_letters():
    """The letters that stand for bytes, by byte."""
    own = [*range(0x21, 0x7f), *range(0xa1, 0xad), *range(0xae, 0x100)]
    others = iter(range(0x100, 0x200))
    return [chr(b) if b in own else chr(next(others)) for b in range(256)]


def vocabulary():
    """Tokens and merges; some words are tokens which no merges make."""
    letters = byte_letters()
    merges = MERGES.read_text(encoding="utf-8").splitlines()
    spelled = ["".join(letters[b] for b in (blank + word).encode())
               for word in compare_tokenizers.WORDS if word[0] not in "<[\0" for blank in ("", " ")]
    return list(dict.fromkeys(letters + [m.replace(" ", "") for m in merges] + spelled)), merges


def write_gguf(path, pre, tokens, merges, control=CONTROL, user=USER, flags=(), sep=None):
    """Of a model with one block of zeros. The first of @control begins a text, the second ends it."""
    w = gguf.GGUFWriter(path, "llama")
    named = [t for t in [*control, *user] if t not in tokens]
    tokens = [*tokens, *named]
    kinds = {**dict.fromkeys(control, gguf.TokenType.CONTROL), **dict.fromkeys(user, gguf.TokenType.USER_DEFINED)}
    for key, value in (("context_length", 64), ("embedding_length", 32), ("block_count", 1), ("head_count", 2),
                       ("feed_forward_length", 32), ("vocab_size", len(tokens)), ("layer_norm_rms_eps", 1e-5)):
        getattr(w, f"add_{key}")(value)
    w.add_tokenizer_model("gpt2")
    w.add_tokenizer_pre(pre)
    w.add_token_list(tokens)
    w.add_token_types([kinds.get(t, gguf.TokenType.NORMAL) for t in tokens])
    w.add_token_merges(merges)
    w.add_bos_token_id(tokens.index(control[0]))
    w.add_eos_token_id(tokens.index(control[1]))
    if sep:
        w.add_sep_token_id(tokens.index(sep))
    for key, value in dict(flags).items():
        w.add_bool(f"tokenizer.ggml.{key}", value)
    shapes = {"token_embd": (len(tokens), 32), "output_norm": (32,), "blk.0.attn_norm": (32,), "blk.0.ffn_norm": (32,)}
    shapes |= {f"blk.0.attn_{x}": (32, 32) for x in ("q", "k", "v", "output")}
    shapes |= {f"blk.0.ffn_{x}": (32, 32) for x in ("gate", "up", "down")}
    for name, shape in shapes.items():
        w.add_tensor(name + ".weight", np.zeros(shape, np.float32))
    w.write_header_to_file()
    w.write_kv_data_to_file()
    w.write_tensors_to_file()
    w.close()


def golden():
    """Names, each with its digests."""
    rows = (line.split("\t") for line in GOLDEN.read_text(encoding="utf-8").splitlines())
    return {name: digests for name, *digests in rows}


# --- llama.cpp ---

class ModelParams(ctypes.Structure):
    """struct llama_model_params of llama.cpp 0c1e570."""
    _fields_ = [("devices", ctypes.c_void_p), ("overrides", ctypes.c_void_p), ("modes", ctypes.c_int32 * 5),
                ("tensor_split", ctypes.c_void_p), ("callbacks", ctypes.c_void_p * 2), ("kv", ctypes.c_void_p),
                ("vocab_only", ctypes.c_bool), ("others", ctypes.c_bool * 5)]


class Llama:
    def __init__(self, top):
        self.lib = ctypes.CDLL(f"{top}/build/bin/libllama.so")
        self.lib.llama_model_default_params.restype = ModelParams
        for name in ("llama_model_load_from_file", "llama_model_get_vocab"):
            getattr(self.lib, name).restype = ctypes.c_void_p
        self.lib.llama_model_load_from_file.argtypes = [ctypes.c_char_p, ModelParams]
        self.lib.llama_model_get_vocab.argtypes = self.lib.llama_model_free.argtypes = [ctypes.c_void_p]

    def ids(self, path, data):
        params = self.lib.llama_model_default_params()
        params.vocab_only = True
        model = self.lib.llama_model_load_from_file(str(path).encode(), params)
        if not model:
            raise SystemExit(f"llama.cpp does not load {path}")
        vocab, lines = ctypes.c_void_p(self.lib.llama_model_get_vocab(model)), []
        for text in (t.encode() for t in data):
            ids = (ctypes.c_int32 * (len(text) + 8))()
            n = self.lib.llama_tokenize(vocab, text, len(text), ids, len(ids), ctypes.c_bool(True), ctypes.c_bool(True))
            lines.append(" ".join(map(str, ids[:n])))
        self.lib.llama_model_free(model)
        return lines


def train():
    from tokenizers import Tokenizer, models, pre_tokenizers, trainers
    t = Tokenizer(models.BPE())
    t.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    data = [text.replace("</s>", "") for text in compare_tokenizers.texts(3000)]  # llama.cpp knows it by its text
    t.train_from_iterator(data, trainers.BpeTrainer(
        vocab_size=256 + N_MERGES, initial_alphabet=byte_letters(), max_token_length=12, show_progress=False))
    merges = re.findall(r'\["((?:[^"\\]|\\.)*)","((?:[^"\\]|\\.)*)"\]', t.to_str())
    MERGES.write_text("".join(" ".join(pair).replace('\\"', '"').replace("\\\\", "\\") + "\n" for pair in merges),
                      encoding="utf-8")


def main(top):
    with open(f"{top}/src/llama-vocab.cpp", encoding="utf-8") as f:
        names = dict.fromkeys(re.findall(r'tokenizer_pre == "(.*?)"', f.read()))
    llama, rows, (tokens, merges) = Llama(top), [], vocabulary()
    with tempfile.TemporaryDirectory() as out:
        for name in names:
            write_gguf(f"{out}/{name}.gguf", name, tokens, merges)
            row = [] if name in REFUSED else digests(llama.ids(f"{out}/{name}.gguf", texts(name)))
            rows.append("\t".join([name, *row]) + "\n")
    GOLDEN.write_text("".join(rows), encoding="utf-8")


if __name__ == "__main__":
    train() if sys.argv[1] == "--merges" else main(sys.argv[1])
