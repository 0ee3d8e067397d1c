# SPDX-License-Identifier: Apache-2.0
"""A tensor that is missing is named: missing_tensor.py [--all] WEIGHTFS DIR [NAME...]

Makes models of tests/data/corpus below DIR, takes one tensor of a block out of their weights, and
asks for a GGUF: the message must tell the block and the tensor's name in the GGUF, or the tensor's
own. One tensor of each model; --all: one of every name, and those that nothing is said of are listed.
Of what a block alone has nothing can be said. Two tensors that would have one name are refused."""
import json
import os
import random
import re
import struct
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
CORPUS = os.path.join(HERE, "data", "corpus")
# A family each, with at least two blocks of a kind, in one file without an index.
MODELS = ["EXAONE-4.0-nano", "GLM-4-nano-0414", "Llama-3.2-Nano-Instruct", "Mellum-nano",
          "MiniCPM-nano-sft", "Ministral-3-nano", "Minitron-nano-Base", "Mistral-consolidated-spm",
          "EuroBERT-nano", "OLMo-2-nano", "OLMoE-nano", "Phi-3-nano-4k-instruct",
          "Qwen1.5-MoE-nano", "Qwen2.5-Nano-Instruct", "Qwen3-3M-Base", "SmolLM3-nano",
          "bge-nano-en-v1.5", "bloom-nano", "c4ai-command-r7b-nano", "dbrx-nano", "gemma-2-nano-it",
          "internlm2-nano", "phi-2-nano", "t5-nano-v1_0"]
BLOCK = re.compile(r"(?:^|\.)(?:layers?|h|blocks?)\.(\d+)\.")


def read(path):
    with open(path, "rb") as f:
        n, = struct.unpack("<Q", f.read(8))
        return json.loads(f.read(n)), f.read()


def write(path, header, data):
    """The tensors of @header, whose places are those in @data, one behind the other."""
    new, parts, at = {}, [], 0
    for key, t in header.items():
        if key != "__metadata__":
            a, b = t["data_offsets"]
            parts.append(data[a:b])
            t = {**t, "data_offsets": [at, at + b - a]}
            at += b - a
        new[key] = t
    text = json.dumps(new).encode()
    with open(path, "wb") as f:
        f.write(struct.pack("<Q", len(text)) + text + b"".join(parts))


def ask(tool, out, name):
    p = subprocess.run([tool, "info", os.path.join(out, name + ".gguf@bf16")], text=True,
                       capture_output=True, check=False)
    return p.returncode, p.stderr.strip()


def refuses_two(tool, out):
    """Both are the same tensor to the converter, which stops there too."""
    path = os.path.join(out, "bge-nano-en-v1.5", "model.safetensors")
    header, data = read(path)
    dense = header["encoder.layer.0.attention.output.dense.weight"]
    write(path, header | {"pre_classifier.weight": dense, "classifier.dense.weight": dense}, data)
    code, said = ask(tool, out, "bge-nano-en-v1.5")
    write(path, header, data)
    return code and "two tensors of the folder would be cls.weight" in said


def main():
    args = sys.argv[1:]
    everything = args[0] == "--all"
    tool, out, *names = args[everything:]
    choose = random.Random(5)
    bad = 0
    for name in names or MODELS:
        folder = os.path.join(out, name)
        if not os.path.isdir(folder):
            subprocess.run([sys.executable, os.path.join(CORPUS, "make.py"), out, name],
                           check=True, stdout=subprocess.DEVNULL)
        files = [f for f in os.listdir(folder) if f.endswith(".safetensors")]
        if len(files) != 1 or os.path.exists(os.path.join(folder, "model.safetensors.index.json")):
            print(f"{name}: not one file without an index")
            bad += not everything
            continue
        path = os.path.join(folder, files[0])
        header, data = read(path)
        inside = sorted(k for k in header if BLOCK.search(k))
        code, said = ask(tool, out, name)
        if code:
            print(f"{name}: refused as it is: {said}")
            bad += 1
            continue
        kinds = {}
        for key in inside:
            kinds.setdefault(re.sub(r"\d+", "#", key), []).append(key)
        keys = [choose.choice(k) for k in kinds.values() if len(k) > 1]
        for key in keys if everything else [choose.choice(keys)]:
            write(path, {k: v for k, v in header.items() if k != key}, data)
            code, said = ask(tool, out, name)
            if code == 0 or BLOCK.search(key).group(1) not in said:
                print(f"{name}: without {key}: {said or 'nothing is said'}")
                bad += 1
        write(path, header, data)
    print(f"{bad} tensors are not named" if bad else "all are named")
    if not names and not refuses_two(tool, out):
        print("two tensors with one name are not refused")
        bad += 1
    return bad > 0


if __name__ == "__main__":
    sys.exit(main())
