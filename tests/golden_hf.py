# SPDX-License-Identifier: Apache-2.0
"""Hugging Face folders against the converter: golden_hf.py HF_CONVERT DIR [NAME...]

Makes the models of tests/data/corpus below DIR, converts each to each type, and compares the
SHA-256 with golden.tsv, which convert_hf_to_gguf.py of llama.cpp 0c1e570 was run for. Then the way
back: the GGUF of type auto in Hugging Face's names must have the tensors of the folder, bit for bit
where that type is exact."""
import hashlib
import json
import os
import re
import subprocess
import sys
import tempfile

import numpy

from corpus_models import CORPUS, needs_torch, provide, shared_folder, torch_python

TYPES = ["f32", "f16", "bf16", "q8_0", "auto"]
# Numbers that were multiplied; names of old, or of the whole that the text model is part of; adapters;
# parts that are no text model, or none of transformers.
NO_WAY_BACK = {
    "DeepSeek-OCR-nano", "HunyuanOCR-nano", "InternVL2_5-Nano", "MiMo-V2-nano",
    "Ministral-consolidated-nano", "Mistral-consolidated-nano", "Mistral-consolidated-spm",
    "PaddleOCR-VL-nano", "Qwen2.5-Omni-nano", "Qwen3-Omni-nano", "cogvlm-nano", "falcon-h1-nano",
    "glm-4-nano-chat", "granite-4-nano", "granite-swa-nano", "grok-2-nano", "jina-v2-nano-en", "jina-v3-nano",
    "nomic-embed-v2-moe-nano", "rwkv7-nano-world",
}
# Whose blocks that predict further tokens a GGUF does not have.
NO_FURTHER = {"deepseek-v3-nano", "glm4-moe-lite-nano"}
NOT_WRITTEN = re.compile(r"^pooler\.dense\.|position_ids$")
MODELS = [
    "CodeShell-nano",
    "DeepSeek-OCR-nano",
    "DeepSeek-V3.2-nano",
    "Dream-nano",
    "ERNIE-4.5-nano-PT",
    "EXAONE-3.5-nano",
    "EXAONE-4.0-nano",
    "EXAONE-4.5-nano",
    "EuroBERT-nano",
    "GLM-4-nano-0414",
    "GLM-4.1V-nano",
    "GLM-5-nano",
    "GLM-OCR-nano",
    "HunyuanOCR-nano",
    "Hy3-nano",
    "InternVL2_5-Nano",
    "Jais-2-nano",
    "K-EXAONE-nano",
    "LFM2-MoE-nano",
    "LFM2-nano",
    "LLaDA-MoE-nano",
    "LLaDA-nano",
    "Ling-nano",
    "Ling-nano-2.0",
    "Llama-3.2-Nano-Instruct",
    "Llama-4-nano-text",
    "Maincoder-nano",
    "Mellum-nano",
    "MiMo-V2-nano",
    "MiniCPM-nano-sft",
    "MiniCPM3-nano",
    "MiniMax-M2-nano",
    "Ministral-3-nano",
    "Ministral-Nano-FP8-static",
    "Ministral-consolidated-nano",
    "Minitron-nano-Base",
    "Mistral-4-nano",
    "Mistral-Nano-Instruct-v0.2",
    "Mistral-consolidated-nano",
    "Mistral-consolidated-spm",
    "Nanbeige-nano",
    "Nano-Llama-FP8-dynamic",
    "Nano-Llama-GPTQ-Int4",
    "Nano-Llama-GPTQ-Int4-actorder",
    "Nano-Llama-NVFP4",
    "Nano-Llama-quantized.w4a16",
    "Nano-Llama-quantized.w8a8",
    "Nano-Mixtral-8x1M-v0.1",
    "Nemotron-3-nano",
    "Nemotron-H-nano",
    "NeoBERT-nano",
    "OLMo-2-nano",
    "OLMoE-nano",
    "Olmo-3-nano",
    "Orion-nano",
    "PLM-nano",
    "PaddleOCR-VL-nano",
    "Phi-3-nano-4k-instruct",
    "Phi-3.5-MoE-nano",
    "Qwen1.5-MoE-nano",
    "Qwen2-Audio-nano",
    "Qwen2-VL-Nano-Instruct",
    "Qwen2.5-Nano-Instruct",
    "Qwen2.5-Omni-nano",
    "Qwen3-3M-Base",
    "Qwen3-Nano-FP8",
    "Qwen3-Nano-GPTQ-Int8",
    "Qwen3-Nano-w8a16-packed",
    "Qwen3-Omni-nano",
    "Qwen3-VL-Nano-Instruct",
    "RND1-nano",
    "SmallThinker-nano",
    "SmolLM3-nano",
    "SmolVLM-Nano-Instruct",
    "Tiny-Llama-2-SPM-Chat-v1.0",
    "afmoe-nano",
    "apertus-nano",
    "arcee-nano",
    "bge-nano-en-v1.5",
    "bloom-nano",
    "c4ai-command-nano",
    "c4ai-command-r7b-nano",
    "cogvlm-nano",
    "command-moe-nano",
    "dbrx-nano",
    "deepseek-moe-nano",
    "deepseek-v2-lite-nano",
    "deepseek-v3-nano",
    "dots1-nano",
    "embeddinggemma-nano",
    "ernie45-moe-nano",
    "falcon-h1-nano",
    "falcon-mamba-nano",
    "falcon-nano",
    "gemma-2-nano-it",
    "gemma-3-nano-vl-it",
    "gemma-3n-nano-it",
    "gemma-4-nano-it",
    "gemma-nano-it",
    "glm-4-nano-chat",
    "glm4-moe-lite-nano",
    "glm4-moe-nano",
    "gpt-oss-nano",
    "gpt-oss-nano-BF16",
    "gpt2-nano",
    "granite-3-nano",
    "granite-4-h-nano",
    "granite-4-nano",
    "granite-moe-nano",
    "granite-moe-shared-nano",
    "granite-swa-nano",
    "grok-2-nano",
    "grok-nano",
    "gte-modernbert-nano",
    "hunyuan-nano",
    "internlm2-nano",
    "internlm3-nano-instruct",
    "jina-v2-nano-en",
    "jina-v3-nano",
    "llama-288-mixed",
    "llama-embed-nano",
    "llama-tied-rope3",
    "llava-1.5-nano-hf",
    "mamba-nano-hf",
    "mpt-nano",
    "nomic-embed-nano",
    "nomic-embed-v2-moe-nano",
    "olmo-nano-hf",
    "openPangu-Embedded-nano",
    "phi-2-nano",
    "pixtral-nano",
    "qwen3-moe-nano",
    "qwen3-next-nano",
    "qwen3-vl-moe-nano",
    "qwen35-nano",
    "rwkv7-nano-world",
    "seed-oss-nano",
    "stablelm-3b-nano",
    "starcoder-nano",
    "starcoder2-nano",
    "t5-encoder-nano",
    "t5-nano-v1_0",
    "tinylm",
]


def wanted(at):
    """The types of the model at that place: all, or, for a build that does not do all work again
    ($WEIGHTFS_TEST_PART), two, of which one is another for each."""
    return [TYPES[at % 4], "auto"] if os.environ.get("WEIGHTFS_TEST_PART") else TYPES


def golden():
    rows = {}
    with open(os.path.join(CORPUS, "golden.tsv"), encoding="utf-8") as f:
        for line in f:
            model, kind, size, digest = line.rstrip("\n").split("\t")[:4]
            if kind.startswith("convert:") and size.isdigit():
                rows[model, kind[len("convert:"):]] = int(size), digest
    return rows


def widen(dtype, raw):
    if dtype == "BF16":
        return (numpy.frombuffer(raw, "<u2").astype("<u4") << 16).view("<f4")
    return numpy.frombuffer(raw, {"F32": "<f4", "F16": "<f2"}[dtype]).astype("<f4")


def read_folder(path):
    """Name -> (shape, values as f32, dtype) of all model*.safetensors."""
    tensors = {}
    for name in sorted(os.listdir(path)):
        if not name.endswith(".safetensors"):
            continue
        with open(os.path.join(path, name), "rb") as f:
            data = f.read()
        start = 8 + int.from_bytes(data[:8], "little")
        for key, t in json.loads(data[8:start]).items():
            if key != "__metadata__" and not NOT_WRITTEN.search(key):
                a, b = t["data_offsets"]
                values = widen(t["dtype"], data[start + a:start + b])
                tensors[key] = (t["shape"], values, t["dtype"])
    return tensors


def read_back(data):
    tensors, at = {}, 0
    while at < len(data):
        end = data.index(b"\n", at)
        name, *shape = data[at:end].decode().split(" ")
        shape = [int(n) for n in shape]
        at = end + 1 + 4 * int(numpy.prod(shape))
        tensors[name] = (shape, numpy.frombuffer(data[end + 1:at], "<f4"))
    return tensors


def check_back(convert, src, name, gguf):
    """What differs after folder -> GGUF -> folder, as lines; text models only, whose tensors are
    those of the folder."""
    with open(os.path.join(src, name, "config.json"), encoding="utf-8") as f:
        config = json.load(f)
    if config.keys() & {"text_config", "quantization_config"}:
        return []
    with tempfile.TemporaryDirectory() as tmp:
        with open(os.path.join(tmp, "m.gguf"), "wb") as f:
            f.write(gguf)
        p = subprocess.run([convert, tmp, "m.gguf", "hf"], capture_output=True)
    if p.returncode != 0:
        return [p.stderr.decode().strip()]
    want, got = read_folder(os.path.join(src, name)), read_back(p.stdout)
    if name in NO_FURTHER:
        further = f"model.layers.{config['num_hidden_layers']}."
        want = {k: v for k, v in want.items() if not k.startswith(further)}
    lines = [f"{key}: only on one side" for key in want.keys() ^ got.keys()]
    mixed = len({v[2] for v in want.values() if len(v[0]) > 1}) > 1
    for key in want.keys() & got.keys():
        shape, values, dtype = want[key]
        exact = len(shape) < 2 or not mixed and dtype != "F32"
        # a logarithm of an exponential; norms with one added
        exact = exact and not key.endswith("A_log") and not (name == "embeddinggemma-nano" and "norm" in key)
        same = values.tobytes() == got[key][1].tobytes() if exact \
            else numpy.allclose(values, got[key][1], rtol=2 ** -7, atol=1e-7)
        if shape != got[key][0] or not same:
            lines.append(f"{key}: differs")
    return lines


def main():
    convert, out = sys.argv[1], shared_folder(sys.argv[2])
    names = sys.argv[3:] or [m for m in MODELS if torch_python() or not needs_torch(m)]
    rows = golden()
    bad = 0
    for at, name in enumerate(names):
        src = provide(out, name)
        kinds = [k for k in wanted(at) if (name, k) in rows]
        p = subprocess.run([convert, src, name, *kinds], capture_output=True)  # one behind the other
        files, end = {}, 0
        for kind in kinds:
            size, digest = rows[name, kind]
            files[kind] = p.stdout[end:end + size]
            end += size
            got = hashlib.sha256(files[kind]).hexdigest()
            if got != digest:
                bad += 1
                print(f"{name} {kind}: {p.stderr.decode().strip() or got}")
        if end != len(p.stdout):
            bad += 1
            print(f"{name}: {len(p.stdout)} bytes of {end}")
        back = name not in NO_WAY_BACK and "auto" in files and not needs_torch(name)
        for line in check_back(convert, src, name, files["auto"]) if back else []:
            bad += 1
            print(f"{name} and back: {line}")
    print(f"{len(names)} models, {bad} differences")
    return bad > 0


if __name__ == "__main__":
    sys.exit(main())
