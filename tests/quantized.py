# SPDX-License-Identifier: Apache-2.0
"""Quantized checkpoints that the corpus lacks: quantized.py OUT [NAME...] writes them, and
quantized.py --plain IN OUT NAME... writes such a folder, or one of the corpus, with its weights as
f32, by the methods' own definitions: what the converter makes of that is the golden file of
methods that it does not read itself.

Weights are those of tests/data/corpus/make.py, which see: a function of seed and name."""
import json
import os
import shutil
import sys

import numpy

HERE = os.path.dirname(os.path.abspath(__file__))
CORPUS = os.path.join(HERE, "data", "corpus")
sys.path.insert(0, CORPUS)
import make  # noqa: E402

AWQ_ORDER = [0, 2, 4, 6, 1, 3, 5, 7]  # the element at each nibble
FP4 = numpy.array([0, .5, 1, 1.5, 2, 3, 4, 6, -0., -.5, -1, -1.5, -2, -3, -4, -6], "f4")
LLAMA, MIXTRAL = "Nano-Llama-quantized.w8a8", "Nano-Mixtral-8x1M-v0.1"


# --- parts of one weight ---

def gptq(bits, group, act_order=False, g_idx=True, dtype="F16"):
    def parts(stem, n, k):
        size, pack = group if group > 0 else k, 32 // bits
        yield stem + ".qweight", "I32", [k // pack, n], {"init": "bits"}
        yield stem + ".qzeros", "I32", [-(-k // size), n // pack], {"init": "bits"}
        yield stem + ".scales", dtype, [-(-k // size), n], {"init": "uniform", "lo": 1e-3, "hi": 8e-3}
        if g_idx:
            yield stem + ".g_idx", "I32", [k], {"init": "divperm" if act_order else "div", "k": size}
    return parts


def awq(group):
    def parts(stem, n, k):
        size = group if group > 0 else k
        yield stem + ".qweight", "I32", [k, n // 8], {"init": "bits"}
        yield stem + ".qzeros", "I32", [k // size, n // 8], {"init": "bits"}
        yield stem + ".scales", "F16", [k // size, n], {"init": "uniform", "lo": 1e-3, "hi": 8e-3}
    return parts


def packed(bits, group, zeros=False, g_idx=False):
    def parts(stem, n, k):
        size, pack = group or k, 32 // bits
        yield stem + ".weight_packed", "I32", [n, -(-k // pack)], {"init": "bits"}
        yield stem + ".weight_scale", "BF16", [n, k // size], {"init": "uniform", "lo": 1e-3, "hi": 8e-3}
        yield stem + ".weight_shape", "I64", [2], {"init": "list", "values": [n, k]}
        if zeros:
            yield stem + ".weight_zero_point", "I32", [-(-n // pack), k // size], {"init": "bits"}
        if g_idx:
            yield stem + ".weight_g_idx", "I32", [k], {"init": "divperm", "k": size}
    return parts


def scaled(ending, shape, dtype="F8_E4M3", scale="BF16", more=()):
    """@shape: of the scales, from the weight's."""
    weight = {"init": "int", "lo": -128, "hi": 127} if dtype == "I8" else {"std": 60.0}

    def parts(stem, n, k):
        yield stem + ".weight", dtype, [n, k], weight
        yield stem + ending, scale, shape(n, k), {"init": "uniform", "lo": 1e-4, "hi": 8e-4}
        for name in more:
            yield stem + name, "F32", [], {"init": "uniform", "lo": 0.1, "hi": 1}
    return parts


def nvfp4(stem, n, k):
    """compressed-tensors"""
    yield stem + ".weight_packed", "U8", [n, k // 2], {"init": "bits"}
    yield stem + ".weight_scale", "F8_E4M3", [n, k // 16], {"init": "uniform", "lo": 2, "hi": 200}
    for name, lo, hi in [("weight", 3000, 9000), ("input", 100, 900)]:
        yield f"{stem}.{name}_global_scale", "F32", [1], {"init": "uniform", "lo": lo, "hi": hi}


def nvfp4_modelopt(stem, n, k):
    yield stem + ".weight", "U8", [n, k // 2], {"init": "bits"}
    yield stem + ".weight_scale", "F8_E4M3", [n, k // 16], {"init": "uniform", "lo": 2, "hi": 200}
    for name, lo, hi in [("weight_scale_2", 1e-4, 4e-4), ("input_scale", 1e-3, 1e-2)]:
        yield f"{stem}.{name}", "F32", [], {"init": "uniform", "lo": lo, "hi": hi}


def blocks(rows, cols):
    return lambda n, k: [-(-n // rows), -(-k // cols)]


def scalar(n, k):
    return []


def compressed(fmt, **weights):
    return {"quant_method": "compressed-tensors", "format": fmt, "ignore": ["lm_head"],
            "config_groups": {"group_0": {"targets": ["Linear"], "weights": weights}}}


GPTQ = {"quant_method": "gptq", "desc_act": False, "sym": False}
VARIANTS = {
    "gptq-2bit": (LLAMA, {**GPTQ, "bits": 2, "group_size": 64}, gptq(2, 64), {}),
    "gptq-v2-actorder": (LLAMA, {**GPTQ, "bits": 4, "group_size": 32, "desc_act": True,
                                 "checkpoint_format": "gptq_v2"}, gptq(4, 32, True, dtype="BF16"), {}),
    "gptq-whole-columns": (LLAMA, {**GPTQ, "bits": 8, "group_size": -1}, gptq(8, -1), {}),
    "gptq-no-index": (LLAMA, {**GPTQ, "bits": 4, "group_size": 128}, gptq(4, 128, g_idx=False), {}),
    "gptq-experts": (MIXTRAL, {**GPTQ, "bits": 4, "group_size": 64}, gptq(4, 64), {}),
    "gptq-lm-head": (LLAMA, {**GPTQ, "bits": 4, "group_size": 128, "lm_head": True},
                     gptq(4, 128), {"lm_head": True}),
    "awq-whole-columns": (LLAMA, {"quant_method": "awq", "bits": 4, "group_size": -1,
                                  "version": "gemm", "zero_point": True}, awq(-1), {}),
    "awq-shards": (LLAMA, {"quant_method": "awq", "bits": 4, "group_size": 32, "zero_point": True},
                   awq(32), {"shards": 3}),
    "w4a16-zeros": (LLAMA, compressed("pack-quantized", num_bits=4, group_size=32, type="int",
                                      strategy="group", symmetric=False), packed(4, 32, True), {}),
    "w3a16": (LLAMA, compressed("pack-quantized", num_bits=3, group_size=64, type="int",
                                strategy="group", symmetric=True), packed(3, 64), {}),
    "w8a16-channel": (LLAMA, compressed("pack-quantized", num_bits=8, group_size=None, type="int",
                                        strategy="channel", symmetric=True), packed(8, None), {}),
    "w4a16-actorder": (LLAMA, compressed("pack-quantized", num_bits=4, group_size=64, type="int",
                                         strategy="group", actorder="group", symmetric=False),
                       packed(4, 64, True, True), {}),
    "w8a8-tensor": (LLAMA, compressed("int-quantized", num_bits=8, group_size=None, type="int",
                                      strategy="tensor", symmetric=True),
                    scaled(".weight_scale", lambda n, k: [1], "I8", more=[".input_scale"]), {}),
    "fp8-ct-block": (LLAMA, compressed("float-quantized", num_bits=8, group_size=None, type="float",
                                       strategy="block", block_structure=[64, 32]),
                     scaled(".weight_scale", blocks(64, 32)), {}),
    "fp8-block-96x80": (LLAMA, {"quant_method": "fp8", "weight_block_size": [96, 80],
                                "modules_to_not_convert": ["lm_head", "model.layers.1.mlp.up_proj"]},
                        scaled(".weight_scale_inv", blocks(96, 80), scale="F32"),
                        {"keep": "layers.1.mlp.up_proj"}),
    "fp8-experts": (MIXTRAL, {"quant_method": "fp8", "weight_block_size": [128, 128]},
                    scaled(".weight_scale_inv", blocks(128, 128)), {"shards": 2}),
    "nvfp4-ct": (LLAMA, compressed("nvfp4-pack-quantized", num_bits=4, group_size=16, type="float",
                                   strategy="tensor_group", symmetric=True), nvfp4, {}),
    "nvfp4-a16": (LLAMA, {"quant_method": "modelopt", "quant_algo": "MIXED_PRECISION"}, nvfp4_modelopt,
                  {"hf_quant_config": {"quantization": {
                      "quant_algo": "MIXED_PRECISION", "quantized_layers": {
                          "model.layers.0": {"quant_algo": "W4A16_NVFP4"},
                          "model.layers.0.mlp.up_proj": {"quant_algo": "NVFP4"}}}}}),
    "fp8-modelopt": (LLAMA, None, scaled(".weight_scale", scalar, scale="F32",
                                         more=[".input_scale", ".k_scale"]),
                     {"hf_quant_config": {"producer": {"name": "modelopt", "version": "0.33"},
                                          "quantization": {"quant_algo": "FP8"}}}),
}


# --- folders ---

def is_linear(t, keep, lm_head):
    name = t["name"]
    kept = "embed" in name or "gate.weight" in name or keep and keep in name
    return len(t["shape"]) == 2 and name.endswith(".weight") and not kept and \
        ("lm_head" not in name or lm_head)


def write(out, name):
    base, config, parts, how = VARIANTS[name]
    src, dst = os.path.join(CORPUS, "recipes", base), os.path.join(out, name)
    with open(os.path.join(src, "tensors.json"), encoding="utf-8") as f:
        recipe = json.load(f)
    os.makedirs(dst, exist_ok=True)
    for file in os.listdir(src):
        if file not in ("tensors.json", "README.md"):
            shutil.copy(os.path.join(src, file), dst)
    for file, link in recipe.get("links", {}).items():
        shutil.copy(os.path.join(CORPUS, "tokenizers", link), os.path.join(dst, file))
    with open(os.path.join(src, "config.json"), encoding="utf-8") as f:
        full = json.load(f)
    full.pop("quantization_config", None)
    if config:
        full["quantization_config"] = config
    for file, text in [("config.json", full), ("hf_quant_config.json", how.get("hf_quant_config"))]:
        if text:
            with open(os.path.join(dst, file), "w", encoding="utf-8") as f:
                json.dump(text, f, indent=1)
    tensors = []
    for t in (t for f in recipe["files"] for t in f["tensors"]):
        if t["name"].endswith("_scale"):
            continue
        if is_linear(t, how.get("keep"), how.get("lm_head")):
            stem = t["name"].removesuffix(".weight")
            tensors += [{"name": n, "dtype": d, "shape": s, **init}
                        for n, d, s, init in parts(stem, *t["shape"])]
        else:
            tensors.append({k: t[k] for k in ("name", "shape", "mean", "std") if k in t}
                           | {"dtype": "BF16"})
    n, where = how.get("shards", 1), {}
    for i in range(n):
        file = f"model-{i + 1:05}-of-{n:05}.safetensors" if n > 1 else "model.safetensors"
        mine = tensors[i::n]  # the parts of a weight lie in several files
        make.write_safetensors(os.path.join(dst, file), 77, {"tensors": mine, "metadata": None})
        where |= {t["name"]: file for t in mine}
    if n > 1:
        with open(os.path.join(dst, "model.safetensors.index.json"), "w", encoding="utf-8") as f:
            json.dump({"metadata": {}, "weight_map": where}, f)


# --- plain folders ---

def load(path):
    tensors = {}
    for name in sorted(n for n in os.listdir(path) if n.endswith(".safetensors")):
        with open(os.path.join(path, name), "rb") as f:
            data = f.read()
        start = 8 + int.from_bytes(data[:8], "little")
        for key, t in json.loads(data[8:start]).items():
            if key != "__metadata__":
                a, b = t["data_offsets"]
                tensors[key] = (t["dtype"], t["shape"], data[start + a:start + b], name)
    return tensors


def values(t):
    dtype, shape, raw = t[:3]
    if dtype == "BF16":
        x = (numpy.frombuffer(raw, "<u2").astype("<u4") << 16).view("<f4")
    elif dtype == "F8_E4M3":
        code = numpy.frombuffer(raw, "u1").astype("i4")
        e, m = code >> 3 & 15, code & 7
        x = numpy.where(e == 0, m * 2.0 ** -9, (8 + m) * 2.0 ** (e - 10.0)) * numpy.where(code & 128, -1, 1)
    else:
        x = numpy.frombuffer(raw, make.NP[dtype])
    return (x.astype("f4") if dtype.startswith(("F", "BF")) else x).reshape(shape)


def fields(words, bits, axis, order=None):
    """Numbers of @bits along @axis of unsigned words."""
    n = words.dtype.itemsize * 8 // bits
    shifts = numpy.arange(n, dtype=words.dtype) * words.dtype.type(bits)
    x = words[..., None] >> shifts & words.dtype.type((1 << bits) - 1)
    if order:
        x = x[..., numpy.argsort(order)]
    x = numpy.moveaxis(x, -1, axis + 1)
    shape = list(words.shape)
    shape[axis] *= n
    return x.reshape(shape).astype("i4")


def unsigned(t):
    return numpy.frombuffer(t[2], {"I32": "<u4", "U8": "u1"}[t[0]]).reshape(t[1])


def plain_columns(tensors, stem, config):
    """GPTQ, AWQ"""
    bits, is_awq = config["bits"], config["quant_method"] == "awq"
    word, zero = (unsigned(tensors[stem + e]) for e in (".qweight", ".qzeros"))
    scales = values(tensors[stem + ".scales"])
    q = fields(word, bits, 1, AWQ_ORDER) if is_awq else fields(word, bits, 0)
    z = fields(zero, bits, 1, AWQ_ORDER if is_awq else None)
    if not is_awq and config.get("checkpoint_format", "gptq") == "gptq":
        z = z + 1
    size = config["group_size"] if config["group_size"] > 0 else len(q)
    g = numpy.arange(len(q)) // size
    if stem + ".g_idx" in tensors:
        g = values(tensors[stem + ".g_idx"])
    return (scales[g] * (q - z[g]).astype("f4")).T


def plain_packed(tensors, stem, config):
    """compressed-tensors, pack-quantized"""
    how = config["config_groups"]["group_0"]["weights"]
    n, k = (int(i) for i in values(tensors[stem + ".weight_shape"]))
    bits, size = how["num_bits"], how["group_size"] or k
    q = fields(unsigned(tensors[stem + ".weight_packed"]), bits, 1)[:, :k]
    g = numpy.arange(k) // size
    if stem + ".weight_g_idx" in tensors:
        g = values(tensors[stem + ".weight_g_idx"])
    z = 1 << bits - 1
    if stem + ".weight_zero_point" in tensors:
        z = fields(unsigned(tensors[stem + ".weight_zero_point"]), bits, 0)[:n][:, g]
    return (q - z).astype("f4") * values(tensors[stem + ".weight_scale"])[:, g]


def plain_scaled(tensors, stem, ending, block):
    w, s = values(tensors[stem + ".weight"]).astype("f4"), values(tensors[stem + ending])
    if block:
        s = s.repeat(block[0], 0).repeat(block[1], 1)[:w.shape[0], :w.shape[1]]
    return w * (s[:, None] if s.ndim == 1 else s)


def plain_bitnet(tensors, stem, config):
    q = unsigned(tensors[stem + ".weight"])
    q = numpy.concatenate([q >> 2 * i & 3 for i in range(4)]).astype("f4") - 1
    s = values(tensors[stem + ".weight_scale"])
    return q * s if config.get("linear_class") == "autobitlinear" else q / s


def plain_nvfp4(tensors, stem, words, factor):
    s = values(tensors[stem + ".weight_scale"]) * factor
    return FP4[fields(unsigned(words), 4, 1)] * s.repeat(16, 1)


def plain_mxfp4(tensors, stem):
    """gpt-oss: matrices turned over."""
    blocks, e = (unsigned(tensors[stem + end]) for end in ("_blocks", "_scales"))
    x = FP4[fields(blocks, 4, 3)] * numpy.ldexp(numpy.float32(1), e.astype("i4") - 127)[..., None]
    return numpy.ascontiguousarray(x.reshape(*x.shape[:2], -1).swapaxes(1, 2))


def plain_weights(tensors, config):
    """(name, values) of each weight that is quantized."""
    for stem, v in plain_stems(tensors, config):
        yield stem if stem.endswith("_proj") and v.ndim == 3 else stem + ".weight", v


def plain_stems(tensors, config):
    method = config["quant_method"]
    for name in sorted(tensors):
        stem, _, ending = name.rpartition(".")
        if ending == "qweight":
            yield stem, plain_columns(tensors, stem, config)
        elif ending == "weight_packed":
            yield stem, (plain_packed(tensors, stem, config)
                         if config["format"] == "pack-quantized" else
                         plain_nvfp4(tensors, stem, tensors[name], numpy.float32(1)
                                     / values(tensors[stem + ".weight_global_scale"])))
        elif ending.endswith("_blocks"):
            stem += "." + ending.removesuffix("_blocks")
            yield stem, plain_mxfp4(tensors, stem)
        elif ending == "weight_scale_2":
            yield stem, plain_nvfp4(tensors, stem, tensors[stem + ".weight"],
                                    values(tensors[stem + ".weight_scale_2"]))
        elif ending in ("weight_scale", "weight_scale_inv") and stem + ".weight" in tensors and \
                stem + ".weight_scale_2" not in tensors:
            how = config.get("config_groups", {}).get("group_0", {}).get("weights", {})
            block = config.get("weight_block_size") or how.get("block_structure")
            yield stem, (plain_bitnet(tensors, stem, config) if method == "bitnet" else
                         plain_scaled(tensors, stem, "." + ending, block))


def plain(src, out, name):
    path, dst = os.path.join(src, name), os.path.join(out, name)
    os.makedirs(dst, exist_ok=True)
    with open(os.path.join(path, "config.json"), encoding="utf-8") as f:
        full = json.load(f)
    config = full.pop("quantization_config", None) or {"quant_method": "modelopt"}
    tensors = load(path)
    behind = config["quant_method"] == "gptq" or config.get("format") == "pack-quantized"
    files, stems = {}, []
    for key, v in plain_weights(tensors, config):
        stems.append(key.removesuffix("weight"))
        anchor = next(t for k, t in tensors.items() if k.startswith(stems[-1]))
        # the converter takes files by name: these come behind the others
        file = "model_weights.safetensors" if behind else anchor[3]
        files.setdefault(file, {})[key] = ("F32", list(v.shape), v.astype("<f4").tobytes())
    for key, t in tensors.items():
        if not key.startswith(tuple(stems)) or key.endswith(".bias"):
            files.setdefault(t[3], {})[key] = t
    for file in os.listdir(path):
        if not file.endswith((".safetensors", ".index.json")) and "quant_config" not in file:
            shutil.copy(os.path.join(path, file), dst)
    with open(os.path.join(dst, "config.json"), "w", encoding="utf-8") as f:
        json.dump(full, f, indent=1)
    for file, content in files.items():
        write_file(os.path.join(dst, file), content)


def write_file(path, tensors):
    header, at = {}, 0
    for key, (dtype, shape, raw, *_) in tensors.items():
        header[key] = {"dtype": dtype, "shape": shape, "data_offsets": [at, at + len(raw)]}
        at += len(raw)
    text = json.dumps(header).encode()
    with open(path, "wb") as f:
        f.write(len(text).to_bytes(8, "little") + text + b"".join(t[2] for t in tensors.values()))


def main():
    if sys.argv[1] == "--plain":
        for name in sys.argv[4:]:
            plain(sys.argv[2], sys.argv[3], name)
        return
    for name in sys.argv[2:] or VARIANTS:
        write(sys.argv[1], name)


if __name__ == "__main__":
    main()
