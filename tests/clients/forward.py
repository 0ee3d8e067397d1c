# SPDX-License-Identifier: Apache-2.0
"""Decoders in numpy, in float64: what the graphs of weightfs are held against. Written from the
papers' formulas and config.json; one sequence at a time, without a cache."""

import json
import math
import struct

import numpy as np


def read_weights(path):
    """A safetensors file as float64 arrays."""
    data = path.read_bytes()
    n = struct.unpack("<Q", data[:8])[0]
    header, body = json.loads(data[8 : 8 + n]), data[8 + n :]
    header.pop("__metadata__", None)
    out = {}
    for name, t in header.items():
        raw = body[slice(*t["data_offsets"])]
        if t["dtype"] == "BF16":
            x = (np.frombuffer(raw, "<u2").astype(np.uint32) << 16).view(np.float32)
        else:
            x = np.frombuffer(raw, {"F32": "<f4", "F16": "<f2", "I64": "<i8"}[t["dtype"]])
        out[name] = x.astype(np.float64).reshape(t["shape"])
    return out


def frequencies(config, dim, length):
    """For a text of @length; and what cosines and sines are multiplied by."""
    rope = config.get("rope_parameters") or config.get("rope_scaling") or {}
    dim = int(dim * config.get("partial_rotary_factor", 1))
    theta = rope.get("rope_theta", config.get("rope_theta", 10000.0))
    inv = theta ** -(np.arange(0, dim, 2) / dim)
    kind, factor = rope.get("rope_type"), rope.get("factor")
    if kind == "yarn":
        old = rope["original_max_position_embeddings"]
        low, high = (dim * math.log(old / (turns * 2 * math.pi)) / (2 * math.log(theta))
                     for turns in (32, 1))
        low, high = max(math.floor(low), 0), min(math.ceil(high), dim - 1)
        ramp = np.clip((np.arange(dim // 2) - low) / (high - low), 0, 1)
        return inv / factor * ramp + inv * (1 - ramp), 0.1 * math.log(factor) + 1
    if kind == "longrope":
        old = config["original_max_position_embeddings"]
        scale = math.sqrt(1 + math.log(config["max_position_embeddings"] / old) / math.log(old))
        return inv / np.array(rope["long_factor" if length > old else "short_factor"]), scale
    if kind != "llama3":
        return inv, 1
    old, low, high = (rope[k] for k in ("original_max_position_embeddings", "low_freq_factor",
                                        "high_freq_factor"))
    wave = 2 * math.pi / inv
    smooth = np.clip((old / wave - low) / (high - low), 0, 1)
    return (1 - smooth) * inv / factor + smooth * inv, 1


def silu(x):
    return x / (1 + np.exp(-x))


def gelu_tanh(x):
    return 0.5 * x * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)))


def softmax(x):
    e = np.exp(x - x.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


class Decoder:
    """Llama, Mistral, Qwen 2 and 3, Phi-3, Gemma 1 and 2."""

    def __init__(self, config, weights):
        self.c, self.w = config, weights
        self.kind = config["model_type"]
        self.gemma = self.kind.startswith("gemma")
        self.heads = config["num_attention_heads"]
        self.kv = config.get("num_key_value_heads", self.heads)
        self.dim = config.get("head_dim") or config["hidden_size"] // self.heads

    def norm(self, x, name):
        y = x / np.sqrt(np.mean(x * x, -1, keepdims=True) + self.c["rms_norm_eps"])
        return y * (self.w[name + ".weight"] + self.gemma)

    def linear(self, x, name):
        y = x @ self.w[name + ".weight"].T
        return y + self.w[name + ".bias"] if name + ".bias" in self.w else y

    def rotate(self, x, at):
        """x [heads, S, D]; halves of a head are the parts of the pairs."""
        inv, scale = frequencies(self.c, self.dim, len(at))
        angle = at[:, None] * inv
        a, b, rest = np.split(x, [len(inv), 2 * len(inv)], -1)
        cos, sin = np.cos(angle) * scale, np.sin(angle) * scale
        return np.concatenate([a * cos - b * sin, b * cos + a * sin, rest], -1)

    def window(self, layer):
        w = self.c.get("sliding_window")
        if self.kind in ("mistral", "phi3"):
            return w
        return w if self.kind == "gemma2" and layer % 2 == 0 else None

    def attention(self, x, layer):
        p = f"model.layers.{layer}.self_attn."
        n, at = len(x), np.arange(len(x))
        if self.kind == "phi3":
            sizes = [self.heads * self.dim, self.kv * self.dim]
            q, k, v = np.split(self.linear(x, p + "qkv_proj"), np.cumsum(sizes), -1)
        else:
            q, k, v = (self.linear(x, p + s + "_proj") for s in "qkv")
        q, k, v = (t.reshape(n, -1, self.dim).transpose(1, 0, 2) for t in (q, k, v))
        if self.kind == "qwen3":
            q, k = self.norm(q, p + "q_norm"), self.norm(k, p + "k_norm")
        q, k = self.rotate(q, at), self.rotate(k, at)
        k, v = (np.repeat(t, self.heads // self.kv, 0) for t in (k, v))
        scale = self.c["query_pre_attn_scalar"] if self.kind == "gemma2" else self.dim
        s = q @ k.transpose(0, 2, 1) / math.sqrt(scale)
        if self.kind == "gemma2":
            cap = self.c["attn_logit_softcapping"]
            s = cap * np.tanh(s / cap)
        seen = at[:, None] >= at
        if self.window(layer):
            seen &= at[:, None] - at < self.window(layer)
        y = softmax(np.where(seen, s, -np.inf)) @ v
        return self.linear(y.transpose(1, 0, 2).reshape(n, -1), p + "o_proj")

    def mlp(self, x, layer):
        p = f"model.layers.{layer}.mlp."
        if self.kind == "phi3":
            gate, up = np.split(self.linear(x, p + "gate_up_proj"), 2, -1)
        else:
            gate, up = self.linear(x, p + "gate_proj"), self.linear(x, p + "up_proj")
        return self.linear((gelu_tanh if self.gemma else silu)(gate) * up, p + "down_proj")

    def logits(self, ids):
        x = self.w["model.embed_tokens.weight"][ids]
        if self.gemma:
            x = x * math.sqrt(self.c["hidden_size"])
        for i in range(self.c["num_hidden_layers"]):
            p = f"model.layers.{i}."
            y = self.attention(self.norm(x, p + "input_layernorm"), i)
            if self.kind == "gemma2":
                x = x + self.norm(y, p + "post_attention_layernorm")
                y = self.mlp(self.norm(x, p + "pre_feedforward_layernorm"), i)
                x = x + self.norm(y, p + "post_feedforward_layernorm")
            else:
                x = x + y
                x = x + self.mlp(self.norm(x, p + "post_attention_layernorm"), i)
        x = self.norm(x, "model.norm")
        tied = self.c.get("tie_word_embeddings", "lm_head.weight" not in self.w)
        y = x @ self.w["model.embed_tokens.weight" if tied else "lm_head.weight"].T
        cap = self.c.get("final_logit_softcapping")
        return cap * np.tanh(y / cap) if cap else y


def erf(x):
    return np.vectorize(math.erf)(x)


def gelu(x):
    return 0.5 * x * (1 + erf(x / math.sqrt(2)))


class Gpt2:
    def __init__(self, config, weights):
        self.c, self.w = config, weights

    def norm(self, x, name):
        y = x - x.mean(-1, keepdims=True)
        y = y / np.sqrt(np.mean(y * y, -1, keepdims=True) + self.c["layer_norm_epsilon"])
        return y * self.w[name + ".weight"] + self.w[name + ".bias"]

    def linear(self, x, name):
        return x @ self.w[name + ".weight"] + self.w[name + ".bias"]

    def logits(self, ids):
        n, heads = len(ids), self.c["n_head"]
        x = self.w["wte.weight"][ids] + self.w["wpe.weight"][:n]
        for i in range(self.c["n_layer"]):
            p = f"h.{i}."
            qkv = np.split(self.linear(self.norm(x, p + "ln_1"), p + "attn.c_attn"), 3, -1)
            q, k, v = (t.reshape(n, heads, -1).transpose(1, 0, 2) for t in qkv)
            s = q @ k.transpose(0, 2, 1) / math.sqrt(q.shape[-1])
            y = softmax(np.where(np.tri(n, dtype=bool), s, -np.inf)) @ v
            x = x + self.linear(y.transpose(1, 0, 2).reshape(n, -1), p + "attn.c_proj")
            y = gelu_tanh(self.linear(self.norm(x, p + "ln_2"), p + "mlp.c_fc"))
            x = x + self.linear(y, p + "mlp.c_proj")
        return self.norm(x, "ln_f") @ self.w["wte.weight"].T


class Bert:
    """BERT; with the positions of RoBERTa where @pad is given. One sequence without padding."""

    def __init__(self, config, weights, pad=None):
        self.c, self.w, self.first = config, weights, 0 if pad is None else pad + 1

    def norm(self, x, name):
        y = x - x.mean(-1, keepdims=True)
        y = y / np.sqrt(np.mean(y * y, -1, keepdims=True) + self.c["layer_norm_eps"])
        return y * self.w[name + ".weight"] + self.w[name + ".bias"]

    def linear(self, x, name):
        return x @ self.w[name + ".weight"].T + self.w[name + ".bias"]

    def states(self, ids, types):
        n, heads = len(ids), self.c["num_attention_heads"]
        e = "embeddings."
        x = self.w[e + "word_embeddings.weight"][ids]
        if types is not None:
            x = x + self.w[e + "token_type_embeddings.weight"][types]
        x = x + self.w[e + "position_embeddings.weight"][self.first : self.first + n]
        x = self.norm(x, e + "LayerNorm")
        for i in range(self.c["num_hidden_layers"]):
            p = f"encoder.layer.{i}."
            q, k, v = (self.linear(x, p + "attention.self." + s).reshape(n, heads, -1)
                       .transpose(1, 0, 2) for s in ("query", "key", "value"))
            y = softmax(q @ k.transpose(0, 2, 1) / math.sqrt(q.shape[-1])) @ v
            y = self.linear(y.transpose(1, 0, 2).reshape(n, -1), p + "attention.output.dense")
            x = self.norm(x + y, p + "attention.output.LayerNorm")
            y = self.linear(gelu(self.linear(x, p + "intermediate.dense")), p + "output.dense")
            x = self.norm(x + y, p + "output.LayerNorm")
        return x
