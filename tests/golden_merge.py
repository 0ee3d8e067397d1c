# SPDX-License-Identifier: Apache-2.0
"""Adapters merged into their bases: golden_merge.py VIEW_CAT WEIGHTFS DIR.

The oracle is numpy: W + scale * B @ A in float64, with the scale as PEFT defines it, of the files that
make.py writes; lora-merge.tsv has some of it. Then all ways to the same model: folders and GGUFs as
bases, PEFT and GGUF as adapters; and the quantized view of a folder that holds the merged weights.
Adapters of other kinds (Conv1D, experts in one parameter, DoRA, packed projections, biases, whole
modules) are compared with some numbers of PEFT's own, lora-peft.tsv: merge_and_unload of PEFT 0.21
and transformers 5.23 in float64, element 7919 i of each tensor for i from 0 on."""
import json
import os
import shutil
import subprocess
import sys

import numpy

HERE = os.path.dirname(os.path.abspath(__file__))
CORPUS = os.path.join(HERE, "data", "corpus")
bad = 0


def check(ok, what):
    global bad
    if not ok:
        bad += 1
        print(what)


def read_tensors(data):
    """Name -> values as f32, of a safetensors file."""
    start = 8 + int.from_bytes(data[:8], "little")
    out = {}
    for name, t in json.loads(data[8:start]).items():
        if name == "__metadata__":
            continue
        raw = data[start + t["data_offsets"][0]:start + t["data_offsets"][1]]
        if t["dtype"] == "BF16":
            x = (numpy.frombuffer(raw, "<u2").astype("<u4") << 16).view("<f4")
        else:
            x = numpy.frombuffer(raw, {"F32": "<f4", "F16": "<f2"}[t["dtype"]]).astype("<f4")
        out[name] = x.reshape(t["shape"])
    return out


def read_folder(path):
    out = {}
    for name in sorted(os.listdir(path)):
        if name.endswith(".safetensors"):
            with open(os.path.join(path, name), "rb") as f:
                out.update(read_tensors(f.read()))
    return out


def oracle(base, adapter):
    """In float64, in the layout of Hugging Face."""
    weights = {k: v.astype("f8") for k, v in read_folder(base).items()}
    with open(os.path.join(adapter, "adapter_config.json"), encoding="utf-8") as f:
        c = json.load(f)
    scale = c["lora_alpha"] / (numpy.sqrt(c["r"]) if c["use_rslora"] else c["r"])
    pairs = read_folder(adapter)
    for name, a in pairs.items():
        a = a.astype("f8")
        module = name.removeprefix("base_model.model.")
        if ".lora_A." in name:
            b = pairs[name.replace("lora_A", "lora_B")].astype("f8")
            target, delta = module.replace(".lora_A", ""), b @ a
        elif "lora_embedding_A" in name:
            b = pairs[name.replace("embedding_A", "embedding_B")].astype("f8")
            target, delta = module.replace("lora_embedding_A", "weight"), (b @ a).T
        else:
            continue
        if target not in weights:  # a tied head gets weights of its own
            weights[target] = weights["model.embed_tokens.weight"]
        weights[target] = weights[target] + scale * delta
    return weights


def view(tool, src, path, spec):
    p = subprocess.run([tool, src, path, spec], capture_output=True, check=False)
    check(p.returncode == 0, f"{path} {spec}: {p.stderr.decode().strip()}")
    return p.stdout


def within(got, want, ulps):
    """Of f32, at the size of the wanted number."""
    return bool(numpy.all(numpy.abs(got.astype("f8") - want)
                          <= ulps * numpy.spacing(numpy.abs(want).astype("<f4"))))


def compare(got, want, ulps, what):
    check(got.keys() == want.keys(), f"{what}: {got.keys() ^ want.keys()}")
    for name in got.keys() & want.keys():
        check(got[name].shape == want[name].shape and within(got[name], want[name], ulps),
              f"{what}: {name} differs")


def golden_rows():
    with open(os.path.join(CORPUS, "lora-merge.tsv"), encoding="utf-8") as f:
        for line in f:
            adapter, base, tensor, _, _, values = line.rstrip("\n").split("\t")
            if adapter != "adapter":
                yield adapter, base, tensor, numpy.array(values.split(), "f8")


def save_bf16(folder, base, weights):
    """A copy of the base's folder with other weights, rounded to bf16."""
    shutil.copytree(base, folder, ignore=shutil.ignore_patterns("*.safetensors*"))
    header, parts, at = {}, [], 0
    for name, w in weights.items():
        bits = w.astype("<f4").view("<u4")
        half = ((bits + 0x7fff + (bits >> 16 & 1)) >> 16).astype("<u2").tobytes()
        header[name] = {"dtype": "BF16", "shape": list(w.shape), "data_offsets": [at, at + len(half)]}
        parts.append(half)
        at += len(half)
    text = json.dumps(header).encode()
    with open(os.path.join(folder, "model.safetensors"), "wb") as f:
        f.write(len(text).to_bytes(8, "little") + text + b"".join(parts))


def check_ways(tool, src, base, adapter, want):
    """The same model from GGUFs, whose matrices are in another order."""
    tmp = os.path.join(src, "gguf")
    os.makedirs(tmp, exist_ok=True)
    for name in (base, adapter):
        with open(os.path.join(tmp, name + ".gguf"), "wb") as f:
            f.write(view(tool, src, name, "gguf@f32"))
    for b in (base, f"gguf/{base}.gguf"):
        for a in (adapter, f"gguf/{adapter}.gguf"):
            got = read_tensors(view(tool, src, f"{b}//{a}", "safetensors@f32"))
            compare(got, want, 1, f"{b} + {a}")


def peft_rows():
    """(base, adapter) -> tensor -> shape and numbers."""
    out = {}
    with open(os.path.join(HERE, "data", "lora-peft.tsv"), encoding="utf-8") as f:
        for line in list(f)[1:]:
            adapter, base, tensor, shape, values = line.rstrip("\n").split("\t")
            shape = [int(n) for n in shape.split("x")]
            out.setdefault((base, adapter), {})[tensor] = shape, numpy.array(values.split(), "f8")
    return out


def check_peft(tool, src, base, adapter, rows):
    with open(os.path.join(src, "gguf", base + ".gguf"), "wb") as f:
        f.write(view(tool, src, base, "gguf@f32"))
    plain = read_tensors(view(tool, src, base, "safetensors@f32"))
    for b in (base, f"gguf/{base}.gguf"):
        got = read_tensors(view(tool, src, f"{b}//{adapter}", "safetensors@f32"))
        for name, (shape, values) in rows.items():
            at = [i * 7919 % got[name].size for i in range(len(values))]
            check(list(got[name].shape) == shape and within(got[name].reshape(-1)[at], values, 2),
                  f"{b} + {adapter}: {name} is not PEFT's")
        # experts between the first and the last are not in the table
        same = [n for n in plain if n not in rows and ".experts." not in n]
        check(same and all(numpy.array_equal(got[n], plain[n]) for n in same),
              f"{b} + {adapter}: more than PEFT changes")


def check_names(weightfs, src, base, adapters):
    def info(name):
        return subprocess.run([weightfs, "info", "--json", os.path.join(src, name)],
                              capture_output=True, text=True, check=False)
    both = "+".join([base, *adapters])
    check(info(both + ".gguf@q8_0").returncode == 0, f"{both} does not open")
    p = info(f"{base}+nothing.gguf@q8_0")
    check(p.returncode != 0, "an adapter that is not there")
    # A model whose name has a '+' comes first.
    own = f"{base}+{adapters[0]}"
    shutil.copytree(os.path.join(src, base), os.path.join(src, own))
    p = info(own + ".gguf@q8_0")
    check(p.returncode == 0 and json.loads(p.stdout)["source"] == own, f"{own}: {p.stderr}")
    shutil.rmtree(os.path.join(src, own))


def main():
    tool, weightfs, out = sys.argv[1:4]
    rows = list(golden_rows())
    os.makedirs(out, exist_ok=True)
    peft = peft_rows()
    names = {n for r in rows for n in r[:2]} | {n for pair in peft for n in pair}
    missing = sorted(n for n in names if not os.path.isdir(os.path.join(out, n)))
    if missing:
        subprocess.run([sys.executable, os.path.join(CORPUS, "make.py"), out, *missing],
                       check=True, stdout=subprocess.DEVNULL)
    pairs = sorted({(base, adapter) for adapter, base, _, _ in rows})
    for base, adapter in pairs:
        want = oracle(os.path.join(out, base), os.path.join(out, adapter))
        got = read_tensors(view(tool, out, f"{base}//{adapter}", "safetensors@f32"))
        compare(got, want, 1, f"{base} + {adapter}")
        for a, _, tensor, values in rows:
            if a == adapter:
                check(within(got[tensor].reshape(-1)[:len(values)], values, 1),
                      f"{adapter} {tensor}: not lora-merge.tsv's")
        merged = os.path.join(out, "merged", base)  # the name is part of the file
        shutil.rmtree(merged, ignore_errors=True)
        save_bf16(merged, os.path.join(out, base), got)
        # Tensors of one file are in the order of their names; llama-quantize has an order of its own.
        one = os.path.exists(os.path.join(out, base, "model.safetensors"))
        for spec in ("gguf@q4_k_m", "gguf@auto")[:1 + one]:
            check(view(tool, out, f"{base}//{adapter}", spec)
                  == view(tool, out, os.path.join("merged", base), spec),
                  f"{base} + {adapter} {spec}: not that of the merged folder")
        if adapter != "Qwen3-3M-rslora":  # whose factor no GGUF has
            check_ways(tool, out, base, adapter, want)
    os.makedirs(os.path.join(out, "gguf"), exist_ok=True)
    for (base, adapter), tensors in peft.items():
        check_peft(tool, out, base, adapter, tensors)
    check_names(weightfs, out, "Tiny-Llama-2-SPM-Chat-v1.0",
                ["Tiny-Llama-2-lora-qv", "Tiny-Llama-2-lora-all"])
    print(f"{len(pairs) + len(peft)} adapters, {bad} differences")
    return bad > 0


if __name__ == "__main__":
    sys.exit(main())
