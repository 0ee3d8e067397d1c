#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Makes the models that the benchmark reads: shapes and statistics of a Llama of 1.1 B parameters
(2.2 GB in 16 bits), the same bytes on every machine. Needs numpy.

  make_model.py gguf FILE       GGUF, f16
  make_model.py imatrix FILE    importance data for it
  make_model.py hf FOLDER       Hugging Face folder, bf16 safetensors, SentencePiece tokenizer
  make_model.py ggufs FOLDER N  N GGUF files with headers of 1 KiB and hardly any weights
  make_model.py hfs FOLDER N    N Hugging Face folders with tokenizers of 32,000 tokens
"""

import json
import os
import struct
import sys

import numpy as np

HIDDEN, LAYERS, FFN, HEADS, KV_HEADS, VOCAB = 2048, 22, 5632, 32, 4, 32000
POOL = 1 << 24  # numbers; tensors are windows of it at odd places, so that no two are equal


def vocabulary(n=VOCAB):
    """Pieces as SentencePiece lays them out: special ones, bytes, then text by falling score."""
    pieces = [("<unk>", 0.0, 2), ("<s>", 0.0, 3), ("</s>", 0.0, 3)]
    pieces += [(f"<0x{b:02X}>", 0.0, 6) for b in range(256)]
    letters = "etaoinshrdlucmfwypvbgk"
    for i in range(n - len(pieces)):
        text, k = "", i
        while True:
            text += letters[k % len(letters)]
            k //= len(letters)
            if k == 0:
                break
        pieces.append((("\u2581" if i % 2 else "") + text + str(i % 7), float(-i), 1))
    return pieces[:n]


def tensors(hidden=HIDDEN, layers=LAYERS, ffn=FFN, vocab=VOCAB, kv=KV_HEADS * HIDDEN // HEADS):
    """Names in GGUF and Hugging Face, shapes with the slowest dimension first."""
    yield "token_embd.weight", "model.embed_tokens.weight", (vocab, hidden)
    for i in range(layers):
        b, h = f"blk.{i}.", f"model.layers.{i}."
        yield b + "attn_q.weight", h + "self_attn.q_proj.weight", (hidden, hidden)
        yield b + "attn_k.weight", h + "self_attn.k_proj.weight", (kv, hidden)
        yield b + "attn_v.weight", h + "self_attn.v_proj.weight", (kv, hidden)
        yield b + "attn_output.weight", h + "self_attn.o_proj.weight", (hidden, hidden)
        yield b + "ffn_gate.weight", h + "mlp.gate_proj.weight", (ffn, hidden)
        yield b + "ffn_up.weight", h + "mlp.up_proj.weight", (ffn, hidden)
        yield b + "ffn_down.weight", h + "mlp.down_proj.weight", (hidden, ffn)
        yield b + "attn_norm.weight", h + "input_layernorm.weight", (hidden,)
        yield b + "ffn_norm.weight", h + "post_attention_layernorm.weight", (hidden,)
    yield "output_norm.weight", "model.norm.weight", (hidden,)
    yield "output.weight", "lm_head.weight", (vocab, hidden)


def pool(dtype):
    rng = np.random.default_rng(1)
    x = rng.standard_normal(POOL, dtype=np.float32) * 0.02
    x[rng.integers(0, POOL, POOL // 1000)] *= 8  # outliers, as trained weights have
    if dtype == "f16":
        return x.astype("<f2")
    bits = x.view(np.uint32)
    return ((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16).astype("<u2")


def write_weights(f, numbers, n, seed):
    at = seed * 1000003 % POOL
    while n:
        part = numbers[at : at + n]
        f.write(memoryview(part))
        n -= len(part)
        at = 0


def gguf_string(text):
    data = text.encode()
    return struct.pack("<Q", len(data)) + data


def gguf_kv(key, kind, value):
    out = gguf_string(key) + struct.pack("<I", kind)
    if kind == 8:
        return out + gguf_string(value)
    return out + struct.pack({4: "<I", 6: "<f"}[kind], value)


def gguf_array(key, kind, values):
    head = gguf_string(key) + struct.pack("<IIQ", 9, kind, len(values))
    if kind == 8:
        return head + b"".join(map(gguf_string, values))
    return head + np.array(values, {5: "<i4", 6: "<f4"}[kind]).tobytes()


def llama_keys(vocab):
    keys = [
        gguf_kv("general.architecture", 8, "llama"),
        gguf_kv("general.name", 8, "Bench"),
        gguf_kv("llama.block_count", 4, LAYERS),
        gguf_kv("llama.context_length", 4, 2048),
        gguf_kv("llama.embedding_length", 4, HIDDEN),
        gguf_kv("llama.feed_forward_length", 4, FFN),
        gguf_kv("llama.attention.head_count", 4, HEADS),
        gguf_kv("llama.attention.head_count_kv", 4, KV_HEADS),
        gguf_kv("llama.attention.layer_norm_rms_epsilon", 6, 1e-5),
        gguf_kv("llama.rope.dimension_count", 4, HIDDEN // HEADS),
        gguf_kv("llama.vocab_size", 4, VOCAB),
        gguf_kv("general.file_type", 4, 1),
        gguf_kv("general.quantization_version", 4, 2),
    ]
    if vocab:
        keys += [
            gguf_kv("tokenizer.ggml.model", 8, "llama"),
            gguf_array("tokenizer.ggml.tokens", 8, [p[0] for p in vocab]),
            gguf_array("tokenizer.ggml.scores", 6, [p[1] for p in vocab]),
            gguf_array("tokenizer.ggml.token_type", 5, [p[2] for p in vocab]),
            gguf_kv("tokenizer.ggml.bos_token_id", 4, 1),
            gguf_kv("tokenizer.ggml.eos_token_id", 4, 2),
        ]
    return keys


def write_gguf(path, items, keys, numbers, vectors=None):
    """@items: (name, shape); one dimension is f32, from @vectors or ones, more are f16."""
    infos, off, plan = b"", 0, []
    for name, shape in items:
        n = int(np.prod(shape))
        size = n * (4 if len(shape) == 1 else 2)
        infos += gguf_string(name) + struct.pack("<I", len(shape))
        infos += struct.pack(f"<{len(shape)}Q", *reversed(shape))
        infos += struct.pack("<IQ", 0 if len(shape) == 1 else 1, off)
        plan.append((off, size, n, len(shape) == 1))
        off += -(-size // 32) * 32
    head = struct.pack("<4sIQQ", b"GGUF", 3, len(plan), len(keys)) + b"".join(keys) + infos
    start = -(-len(head) // 32) * 32
    with open(path + ".part", "wb") as f:
        f.write(head)
        for i, (at, _, n, norm) in enumerate(plan):
            f.seek(start + at)
            if norm:
                f.write(vectors[i] if vectors else np.ones(n, "<f4"))
            else:
                write_weights(f, numbers, n, i)
        f.truncate(start + off)
    os.rename(path + ".part", path)


def make_gguf(path):
    keys = llama_keys(vocabulary())
    write_gguf(path, [(g, s) for g, _, s in tensors()], keys, pool("f16"))


def make_imatrix(path):
    """Importance data of that model, as llama-imatrix writes it: sums of squares a column."""
    rng = np.random.default_rng(2)
    linear = [(name, shape) for name, _, shape in tensors() if len(shape) == 2]
    items, values = [], []
    for name, (_, cols) in linear[1:]:  # not of the embedding
        items += [(name + ".in_sum2", (cols,)), (name + ".counts", (1,))]
        values += [rng.chisquare(4, cols).astype("<f4"), np.array([512], "<f4")]
    keys = [gguf_kv("general.type", 8, "imatrix"), gguf_array("imatrix.datasets", 8, ["bench"]),
            gguf_kv("imatrix.chunk_count", 4, 1), gguf_kv("imatrix.chunk_size", 4, 512)]
    write_gguf(path, items, keys, None, values)


def make_ggufs(folder, count):
    numbers = pool("f16")
    os.makedirs(folder, exist_ok=True)
    for i in range(count):
        items = [("token_embd.weight", (64, 256)), ("output_norm.weight", (256,))]
        write_gguf(f"{folder}/model-{i:04}.gguf", items, llama_keys(None), numbers)


def protobuf(field, wire, payload):
    def varint(v):
        out = b""
        while v > 127:
            out += bytes([v & 127 | 128])
            v >>= 7
        return out + bytes([v])

    tag = varint(field << 3 | wire)
    if wire == 0:
        return tag + varint(payload)
    if wire == 5:
        return tag + struct.pack("<f", payload)
    return tag + varint(len(payload)) + payload


def sentencepiece(vocab):
    out = b""
    for text, score, kind in vocab:
        piece = protobuf(1, 2, text.encode()) + protobuf(2, 5, score)
        if kind != 1:
            piece += protobuf(3, 0, kind)
        out += protobuf(1, 2, piece)
    trainer = protobuf(3, 0, 2) + protobuf(4, 0, len(vocab)) + protobuf(35, 0, 1)  # BPE, bytes
    normalizer = protobuf(1, 2, b"identity") + protobuf(3, 0, 1) + protobuf(4, 0, 0)
    return out + protobuf(2, 2, trainer) + protobuf(3, 2, normalizer)


def write_hf(folder, config, items, numbers, tokenizer, holes=False):
    os.makedirs(folder, exist_ok=True)
    header, off = {"__metadata__": {"format": "pt"}}, 0
    for name, shape in items:
        size = int(np.prod(shape)) * 2
        header[name] = {"dtype": "BF16", "shape": shape, "data_offsets": [off, off + size]}
        off += size
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    with open(folder + "/model.safetensors", "wb") as f:
        f.write(struct.pack("<Q", len(text)) + text)
        if holes:
            f.truncate(8 + len(text) + off)
        else:
            for i, (_, shape) in enumerate(items):
                write_weights(f, numbers, int(np.prod(shape)), i)
    with open(folder + "/config.json", "w") as f:
        json.dump(config, f, indent=2)
    with open(folder + "/tokenizer.model", "wb") as f:
        f.write(tokenizer)
    with open(folder + "/tokenizer_config.json", "w") as f:
        json.dump({"tokenizer_class": "LlamaTokenizer", "add_bos_token": True,
                   "add_eos_token": False, "bos_token": "<s>", "eos_token": "</s>",
                   "unk_token": "<unk>", "legacy": False}, f, indent=2)


def config(hidden=HIDDEN, layers=LAYERS, ffn=FFN, heads=HEADS, kv_heads=KV_HEADS):
    return {"architectures": ["LlamaForCausalLM"], "model_type": "llama", "torch_dtype": "bfloat16",
            "hidden_size": hidden, "num_hidden_layers": layers, "intermediate_size": ffn,
            "num_attention_heads": heads, "num_key_value_heads": kv_heads, "vocab_size": VOCAB,
            "max_position_embeddings": 2048, "rms_norm_eps": 1e-5, "rope_theta": 10000.0,
            "hidden_act": "silu", "tie_word_embeddings": False, "bos_token_id": 1,
            "eos_token_id": 2}


def make_hf(folder):
    items = [(h, s) for _, h, s in tensors()]
    write_hf(folder, config(), items, pool("bf16"), sentencepiece(vocabulary()))


def make_hfs(folder, count):
    small = dict(hidden=64, layers=1, ffn=128)
    items = [(h, s) for _, h, s in tensors(**small, kv=32)]
    tokenizer = sentencepiece(vocabulary())
    for i in range(count):
        write_hf(f"{folder}/model-{i:04}", config(**small, heads=4, kv_heads=2), items, None,
                 tokenizer, holes=True)


if __name__ == "__main__":
    kinds = {"gguf": make_gguf, "imatrix": make_imatrix, "hf": make_hf, "ggufs": make_ggufs,
             "hfs": make_hfs}
    if len(sys.argv) < 3 or sys.argv[1] not in kinds:
        sys.exit(__doc__)
    kinds[sys.argv[1]](sys.argv[2], *map(int, sys.argv[3:]))
