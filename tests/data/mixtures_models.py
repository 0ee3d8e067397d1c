# SPDX-License-Identifier: Apache-2.0
"""Write the models that mixtures.py looks at: mixtures_models.py DIR

GGUF headers with the shapes of well-known models, and some with odd ones; their data is a hole, so
that files of up to 141 GB take a few KiB."""
import os
import pathlib
import sys

import gguf
import numpy as np

OUT = sys.argv[1]
F32 = True


def size_of(shape, f32):
    return int(np.prod(shape, dtype=np.int64)) * (4 if f32 else 2)


def write(name, arch, pairs, tensors):
    w = gguf.GGUFWriter(None, arch)
    for key, value in pairs.items():
        key = f"{arch}.{key}"
        (w.add_float32 if isinstance(value, float) else w.add_uint32)(key, value)
    for tensor, shape, *f32 in tensors:
        w.add_tensor_info(tensor, shape, np.dtype(np.float32 if f32 else np.float16),
                          size_of(shape, f32))
    path = os.path.join(OUT, name + ".gguf")
    w.write_header_to_file(path=pathlib.Path(path))
    w.write_kv_data_to_file()
    w.write_ti_data_to_file()
    w.close()
    size = -(-os.path.getsize(path) // 32) * 32
    for _, shape, *f32 in tensors:
        size += -(-size_of(shape, f32) // 32) * 32
    os.truncate(path, size)


def pairs(layers, d, ff, heads, kv, **more):
    out = {"block_count": layers, "context_length": 4096, "embedding_length": d,
           "feed_forward_length": ff, "attention.head_count": heads, "attention.head_count_kv": kv,
           "vocab_size": 32000, "attention.layer_norm_rms_epsilon": 1e-5,
           "attention.layer_norm_epsilon": 1e-5}
    out.update({k.replace("__", "."): v for k, v in more.items()})
    return out


def outer(vocab, d, tied=False):
    out = [("token_embd.weight", (vocab, d)), ("output_norm.weight", (d,), F32)]
    return out if tied else out + [("output.weight", (vocab, d))]


def attention(p, d, heads, kv, hd, fused=False):
    qkv = [("attn_q", heads), ("attn_k", kv), ("attn_v", kv)]
    if fused:
        qkv = [("attn_qkv", heads + 2 * kv)]
    out = [(f"{p}{n}.weight", (rows * hd, d)) for n, rows in qkv]
    return out + [(p + "attn_norm.weight", (d,), F32), (p + "ffn_norm.weight", (d,), F32),
                  (p + "attn_output.weight", (d, heads * hd))]


def mlp(p, d, ff, experts=0, suffix="", gate=True, joined=False):
    lead = (experts,) if experts else ()
    out = [(f"{p}ffn_up{suffix}.weight", lead + (ff * (2 if joined else 1), d)),
           (f"{p}ffn_down{suffix}.weight", lead + (d, ff))]
    return out + ([(f"{p}ffn_gate{suffix}.weight", lead + (ff, d))] if gate else [])


def dense(name, arch, layers, d, ff, heads, kv, vocab, hd=128, tied=False, fused=False, gate=True,
          bias=False, extra=(), **more):
    t = outer(vocab, d, tied) + list(extra)
    for i in range(layers):
        p = f"blk.{i}."
        t += attention(p, d, heads, kv, hd, fused)
        t += mlp(p, d, ff, gate=gate and not fused, joined=fused and arch != "falcon")
        if bias:
            t += [(f"{p}attn_{n}.bias", (rows * hd,), F32)
                  for n, rows in (("q", heads), ("k", kv), ("v", kv))]
    write(name, arch, pairs(layers, d, ff, heads, kv, **more), t)


def experts(name, arch, layers, d, ff, heads, kv, vocab, n, hd=128, apart=False):
    t = outer(vocab, d)
    for i in range(layers):
        p = f"blk.{i}."
        t += attention(p, d, heads, kv, hd) + [(p + "ffn_gate_inp.weight", (n, d), F32)]
        if apart:  # old files: a tensor an expert
            for e in range(n):
                t += mlp(p, d, ff, suffix=f".{e}")
        else:
            t += mlp(p, d, ff, n, "_exps")
    write(name, arch, pairs(layers, d, ff, heads, kv, expert_count=n, expert_used_count=2), t)


def deepseek2():
    t = outer(102400, 2048)
    for i in range(27):
        p = f"blk.{i}."
        t += [(p + "attn_norm.weight", (2048,), F32), (p + "ffn_norm.weight", (2048,), F32),
              (p + "attn_q.weight", (3072, 2048)), (p + "attn_kv_a_mqa.weight", (576, 2048)),
              (p + "attn_kv_a_norm.weight", (512,), F32), (p + "attn_kv_b.weight", (4096, 512)),
              (p + "attn_k_b.weight", (16, 512, 128)), (p + "attn_v_b.weight", (16, 128, 512)),
              (p + "attn_output.weight", (2048, 2048))]
        if i == 0:
            t += mlp(p, 2048, 10944)
        else:
            t += [(p + "ffn_gate_inp.weight", (64, 2048), F32)]
            t += mlp(p, 2048, 1408, 64, "_exps") + mlp(p, 2048, 2816, suffix="_shexp")
    write("deepseek2", "deepseek2", pairs(
        27, 2048, 10944, 16, 16, expert_count=64, expert_used_count=6, leading_dense_block_count=1,
        attention__kv_lora_rank=512, attention__key_length=192, attention__value_length=128,
        expert_feed_forward_length=1408, expert_shared_count=2, expert_weights_scale=1.0,
        rope__dimension_count=64), t)


def odd():
    t = outer(1000, 96, tied=True)
    for i in range(4):
        p = f"blk.{i}."
        t += [(f"{p}attn_{n}.weight", (96, 96)) for n in ("q", "k", "v", "output")]
        t += mlp(p, 96, 100) + [(p + "time_mix_w1.weight", (96, 96))]
    write("odd", "llama", pairs(4, 96, 100, 4, 1), t)


def main():
    os.makedirs(OUT, exist_ok=True)
    dense("llama-3.1-8b", "llama", 32, 4096, 14336, 32, 8, 128256)
    dense("llama-3.1-70b", "llama", 80, 8192, 28672, 64, 8, 128256)
    dense("llama-3.2-1b", "llama", 16, 2048, 8192, 32, 8, 128256, hd=64, tied=True)
    dense("llama-65b", "llama", 80, 8192, 22016, 64, 64, 32000)
    dense("qwen2.5-0.5b", "qwen2", 24, 896, 4864, 14, 2, 151936, hd=64, tied=True, bias=True)
    dense("qwen2-72b", "qwen2", 80, 8192, 29568, 64, 8, 152064)
    dense("falcon-7b", "falcon", 60, 4544, 18176, 71, 1, 65024, hd=64, fused=True)
    dense("falcon-256", "falcon", 40, 4096, 16384, 64, 2, 65024, hd=64, fused=True)
    dense("gpt2", "gpt2", 12, 768, 3072, 12, 12, 50257, hd=64, fused=True,
          extra=[("position_embd.weight", (1024, 768), F32)])
    dense("phi3", "phi3", 32, 3072, 8192, 32, 32, 32064, hd=96, fused=True,
          rope__dimension_count=96, attention__sliding_window=2048)
    dense("bert", "bert", 12, 384, 1536, 12, 12, 30522, hd=32, tied=True, gate=False,
          extra=[("position_embd.weight", (512, 384)), ("token_types.weight", (2, 384))],
          pooling_type=2)
    experts("mixtral", "llama", 32, 4096, 14336, 32, 8, 32000, 8)
    experts("mixtral-apart", "llama", 32, 4096, 14336, 32, 8, 32000, 8, apart=True)
    experts("qwen3-30b-a3b", "qwen3moe", 48, 2048, 768, 32, 4, 151936, 128)
    deepseek2()
    odd()


main()
