#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""hf_folders.py PROGRAM FOLDER...: Hugging Face folders made of GGUFs against those that the GGUFs
were made of: logits of both, loaded by transformers, and how both tokenizers split a text in many
scripts. Prints a line a folder and a type. Needs torch, transformers and sentencepiece, so CI does not run it."""

import os
import subprocess
import sys
import tempfile

import sentencepiece
import torch
import transformers as tr

PROGRAM, FOLDERS = os.path.abspath(sys.argv[1]), sys.argv[2:]
TEXTS = ["Hello world", "  two  spaces\n\n\nlines\t tabs ", "naïve café ÀÉÎ", "数字 123456 中文。",
         "👩‍👩‍👧 emoji 🙂", "don't I'LL we've", "x = foo(bar[1:2], *args)  # code", "",
         "Привет, мир! 3.14159", "a" * 50, "مرحبا بالعالم", "한국어 텍스트", "\r\n mixed\r ends ",
         "ＦＵＬＬ width ﬁ ligature", "1234567890 12 3 4567"]


def convert(view, out):
    done = subprocess.run([PROGRAM, "convert", view, out], capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"{view}: {done.stderr.strip()}")


def load(folder):
    model = tr.AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32,
                                                    attn_implementation="eager")
    return model.eval()


def same_ids(folder, back):
    """SentencePiece itself is the judge where the folder has its model: transformers splits some
    texts otherwise."""
    tokenizer = tr.AutoTokenizer.from_pretrained(back)
    pieces = os.path.join(folder, "tokenizer.model")
    if os.path.exists(pieces):
        model = sentencepiece.SentencePieceProcessor(pieces)
        texts, want = [t for t in TEXTS if t], model.encode
    else:
        original = tr.AutoTokenizer.from_pretrained(folder)
        texts, want = TEXTS, lambda t: original(t, add_special_tokens=False)["input_ids"]
    wrong = [t for t in texts if tokenizer(t, add_special_tokens=False)["input_ids"] != want(t)]
    return f"tokenizers differ: {wrong}" if wrong else "tokenizers equal"


def main():
    tr.logging.disable_progress_bar()
    tr.logging.set_verbosity_error()
    for folder in FOLDERS:
        for dtype in ("f16", "bf16"):
            with tempfile.TemporaryDirectory() as top:
                plain, gguf, back = (os.path.join(top, n) for n in ("plain", "m.gguf", "back"))
                convert(f"{folder}.hf@{dtype}", plain)
                convert(f"{folder}.gguf@{dtype}", gguf)
                convert(f"{gguf}.hf@{dtype}", back)
                a, b = load(plain), load(back)
                ids = torch.arange(3, 35)[None] % a.config.vocab_size
                with torch.no_grad():
                    x, y = a(ids).logits, b(ids).logits
                far = (x - y).abs().max().item()
                print(f"{os.path.basename(folder)} {dtype}: logits "
                      f"{'equal' if torch.equal(x, y) else f'differ by {far:.1e}'}, "
                      f"{same_ids(folder, back)}", flush=True)


if __name__ == "__main__":
    main()
