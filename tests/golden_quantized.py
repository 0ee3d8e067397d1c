# SPDX-License-Identifier: Apache-2.0
"""Quantized folders: golden_quantized.py VIEW_CAT DIR [NAME...]

Makes the models of quantized.py and those of the corpus below DIR. Their GGUFs are compared with the
SHA-256 in data/quantized.tsv, of convert_hf_to_gguf.py of llama.cpp 0c1e570 on the folder, or, where
it does not read the method, on the plain folder that quantized.py makes; their safetensors with the
values that the methods' definitions give, bit for bit."""
import hashlib
import json
import os
import subprocess
import sys
import tempfile

import numpy

import quantized

TABLE = os.path.join(quantized.HERE, "data", "quantized.tsv")
CORPUS = ["Llama3-Nano-1.58", "Ministral-Nano-FP8-static", "Nano-Llama-AWQ", "Nano-Llama-FP8-dynamic",
          "Nano-Llama-GPTQ-Int4-actorder", "Nano-Llama-NVFP4", "Nano-Llama-quantized.w4a16",
          "Nano-Llama-quantized.w8a8", "Qwen3-Nano-FP8", "Qwen3-Nano-GPTQ-Int8", "bitnet-b1.58-Nano",
          "gpt-oss-nano"]


def view(tool, src, name, spec):
    p = subprocess.run([tool, src, name, spec], capture_output=True, check=False)
    return p.stdout, p.stderr.decode().strip() or f"exit status {p.returncode}"


def check_values(tool, src, name):
    """What differs between the view of type f32 and the definition, as lines."""
    path = os.path.join(src, name)
    with open(os.path.join(path, "config.json"), encoding="utf-8") as f:
        config = json.load(f).get("quantization_config", {"quant_method": "modelopt"})
    want = dict(quantized.plain_weights(quantized.load(path), config))
    with tempfile.TemporaryDirectory() as tmp:
        data, error = view(tool, src, name, "safetensors@f32")
        with open(os.path.join(tmp, "model.safetensors"), "wb") as f:
            f.write(data)
        if not data:
            return [error]
        got = quantized.load(tmp)
    lines = [f"{key}: is missing" for key in want.keys() - got.keys()]
    plain = (".weight", ".bias", "_bias", ".sinks", "_proj")
    lines += [f"{key}: a part" for key in got if not key.endswith(plain)]
    for key in want.keys() & got.keys():
        same = list(want[key].shape) == got[key][1] and \
            numpy.array_equal(want[key].astype("<f4"), quantized.values(got[key]))
        lines += [] if same else [f"{key}: differs"]
    return lines if want else ["no weight was quantized"]


def main():
    tool, out = sys.argv[1:3]
    names = sys.argv[3:] or [*CORPUS, *quantized.VARIANTS]
    with open(TABLE, encoding="utf-8") as f:
        rows = [line.rstrip("\n").split("\t") for line in f if not line.startswith("#")]
    bad = compared = 0
    for name in names:
        if not os.path.isdir(os.path.join(out, name)):
            make = quantized.make.make if name in CORPUS else lambda n, o: quantized.write(o, n)
            make(name, out)
        for model, kind, digest, _ in rows:
            if model == name:
                data, error = view(tool, out, name, "gguf@" + kind)
                same = hashlib.sha256(data).hexdigest() == digest
                compared += 1
                bad += not same
                if not same:
                    print(f"{name} {kind}: {'other bytes' if data else error}")
        for line in check_values(tool, out, name):
            bad += 1
            print(f"{name} as safetensors: {line}")
    print(f"{len(names)} models, {compared} files, {bad} differences")
    return bad > 0 or not compared


if __name__ == "__main__":
    sys.exit(main())
