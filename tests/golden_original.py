# SPDX-License-Identifier: Apache-2.0
"""Llama as Meta gives it out: golden_original.py VIEW_CAT DIR, or --make DIR

Makes folders with consolidated.NN.pth, params.json and tokenizer.model below DIR, and compares the
SHA-256 of views with data/original.tsv: what convert_hf_to_gguf.py of llama.cpp 0c1e570 makes of the
folders that transformers' convert_llama_weights_to_hf.py (of 4.47.1, run with 4.57.6) makes of them,
with the version, the number of parts and --instruct as in MODELS. Where the tokenizer is one of
tiktoken, get_vocab_base_pre was made to answer llama-bpe, as `pre=` does here, and the template of
the instruct model, which the script takes from the hub, is TEMPLATE. --make: just the folders."""
import base64
import hashlib
import importlib.util
import json
import os
import shutil
import subprocess
import sys
import zipfile

HERE = os.path.dirname(os.path.abspath(__file__))
DATA = os.path.join(HERE, "data")
SPM = os.path.join(DATA, "corpus", "tokenizers", "spm-llama", "tokenizer.model")
TEMPLATE = "{{ bos_token }}{% for m in messages %}{{ m['content'] }}{% endfor %}"
SPM_TOKENS, TIKTOKENS, SPECIALS = 512, 320, 256
THREE = {"rope_theta": 500000.0, "n_kv_heads": 2, "vocab_size": TIKTOKENS + SPECIALS}
# Name -> version and parts for the script, type, params.json beside what all have.
MODELS = {
    "Llama3.2-nano": ("3.2", 1, "BF16", dict(THREE, use_scaled_rope=True, ffn_dim_multiplier=1.5)),
    "Llama3.1-nano-Instruct": ("3.1", 2, "BF16", dict(
        THREE, use_scaled_rope=True, dim=128, n_heads=8, n_kv_heads=4, ffn_dim_multiplier=1.3)),
    "Meta-Llama-3-nano": ("3", 1, "F16", dict(THREE, ffn_dim_multiplier=1.3, multiple_of=64)),
    "llama-2-nano": ("2", 2, "F16", {"n_kv_heads": 2, "ffn_dim_multiplier": 1.3, "vocab_size": -1}),
    "CodeLlama-nano": ("2", 1, "BF16", {"rope_theta": 1000000}),
    "LLaMA-nano": ("1", 1, "F16", {"norm_eps": 1e-6, "vocab_size": -1}),
}
ALL = {"n_layers": 2, "norm_eps": 1e-5, "dim": 64, "multiple_of": 32, "n_heads": 4}


def load(name, *path):
    spec = importlib.util.spec_from_file_location(name, os.path.join(DATA, *path))
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


corpus, torch_file = load("make", "corpus", "make.py"), load("bad_torch", "bad_torch.py")


def tiktoken():
    """All bytes, then pairs of what there is; 1: by which a few have two ways to be made."""
    tokens, seen = [bytes([i]) for i in range(256)], set()
    for i in range(TIKTOKENS):
        for j in range(i % 7 + 1):
            t = tokens[(97 + 5 * i) % len(tokens)] + tokens[(101 + 3 * j) % len(tokens)]
            if t not in seen and len(t) < 9 and len(tokens) < TIKTOKENS:
                seen.add(t)
                tokens.append(t)
    return b"".join(base64.b64encode(t) + b" %d\n" % i for i, t in enumerate(tokens))


def shapes(p, vocab):
    """Name -> shape, and the dimension that is cut for several devices."""
    dim, kv = p["dim"], p["dim"] // p["n_heads"] * p.get("n_kv_heads", p["n_heads"])
    ffn = int(p.get("ffn_dim_multiplier", 1) * int(8 * dim / 3))
    ffn = (ffn + p["multiple_of"] - 1) // p["multiple_of"] * p["multiple_of"]
    three = p.get("rope_theta") == 500000.0
    out = {"tok_embeddings.weight": ((vocab, dim), 0 if three else 1)}
    for i in range(p["n_layers"]):
        block = {"attention.wq": ((dim, dim), 0), "attention.wk": ((kv, dim), 0),
                 "attention.wv": ((kv, dim), 0), "attention.wo": ((dim, dim), 1),
                 "feed_forward.w1": ((ffn, dim), 0), "feed_forward.w2": ((dim, ffn), 1),
                 "feed_forward.w3": ((ffn, dim), 0), "attention_norm": ((dim,), None),
                 "ffn_norm": ((dim,), None)}
        out.update((f"layers.{i}.{k}.weight", v) for k, v in block.items())
    out |= {"norm.weight": ((dim,), None), "output.weight": ((vocab, dim), 0)}
    if not three:
        out["rope.freqs"] = ((dim // p["n_heads"] // 2,), None)
    return out


def write_pth(path, tensors, kind):
    """As torch.save: a pickle of tensors, each with a storage of its own."""
    strides = lambda s: (s[-1], 1) if len(s) == 2 else (1,)  # noqa: E731
    pairs = [(name, torch_file.tensor(torch_file.storage(str(i), kind, a.size), 0, a.shape,
                                      strides(a.shape)))
             for i, (name, a) in enumerate(tensors.items())]
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as z:
        def put(name, data):  # the same bytes at any time
            z.writestr(zipfile.ZipInfo("archive/" + name), data)
        put("data.pkl", torch_file.state(*pairs))
        for i, a in enumerate(tensors.values()):
            put(f"data/{i}", a.tobytes())
        put("version", "3\n")


def make(out, name):
    version, parts, dtype, more = MODELS[name]
    p, folder = {**ALL, **more}, os.path.join(out, name)
    os.makedirs(folder, exist_ok=True)
    with open(os.path.join(folder, "params.json"), "w", encoding="utf-8") as f:
        json.dump(p, f)
    if version >= "3":
        with open(os.path.join(folder, "tokenizer.model"), "wb") as f:
            f.write(tiktoken())
    else:
        shutil.copy(SPM, folder)
    if name.endswith("Instruct"):
        with open(os.path.join(folder, "chat_template.jinja"), "w", encoding="utf-8") as f:
            f.write(TEMPLATE)
    numpy, files = corpus.np, [{} for _ in range(parts)]
    for key, (shape, cut) in shapes(p, p.get("vocab_size", -1) if version >= "3"
                                    else SPM_TOKENS).items():
        t = {"name": key, "shape": shape, "dtype": dtype, "mean": 1.0 if len(shape) == 1 else 0.0}
        raw = b"".join(corpus.tensor_chunks(1, t))
        a = numpy.frombuffer(raw, corpus.NP[dtype]).reshape(shape)
        for i, part in enumerate([a] * parts if cut is None else numpy.split(a, parts, cut)):
            files[i][key] = part
    for i, tensors in enumerate(files):
        write_pth(os.path.join(folder, f"consolidated.{i:02}.pth"), tensors,
                  {"BF16": "BFloat16Storage", "F16": "HalfStorage"}[dtype])


def main():
    tool, out = sys.argv[1:3]
    bad = 0
    for name in MODELS:
        make(out, name)
    if tool == "--make":
        return 0
    with open(os.path.join(DATA, "original.tsv"), encoding="utf-8") as f:
        rows = [line.rstrip("\n").split("\t") for line in f]
    for name, kind, want in rows:
        pre = "+pre=llama-bpe" if MODELS[name][0] >= "3" else ""
        p = subprocess.run([tool, out, name, f"gguf@{kind}{pre}"], capture_output=True, check=False)
        got = p.stderr.decode().strip() or hashlib.sha256(p.stdout).hexdigest()
        if got != want:
            bad += 1
            print(f"{name} {kind}: {got}")
    folder = os.path.join(out, "llama-2-nano")
    os.rename(os.path.join(folder, "consolidated.00.pth"), os.path.join(folder, "consolidated.02.pth"))
    shutil.copy(os.path.join(folder, "consolidated.01.pth"), os.path.join(folder, "consolidated.00.pth"))
    os.remove(os.path.join(folder, "consolidated.01.pth"))
    p = subprocess.run([tool, out, "llama-2-nano", "gguf@f16"], capture_output=True, check=False)
    if b"consolidated.01.pth is missing" not in p.stderr:
        bad += 1
        print(f"a part is missing: {p.stderr}")
    shutil.rmtree(folder)
    print(f"{len(rows)} files, {bad} differences")
    return bad > 0 or not rows


if __name__ == "__main__":
    sys.exit(main())
