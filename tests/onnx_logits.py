#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""onnx_logits.py PROGRAM: graphs made of small random models of each family against
transformers: a prompt of 16 tokens, then 8 steps with the KV cache; a batch of 1, and one of 2 with
five tokens of padding on the left of the first row. Encoders: 24 tokens, padded on the right. Prints
a table of the largest differences of what comes out, their RMS, for fp16 that over the RMS of what
ORT's own converter makes of the fp32 graph, and how far transformers itself is from float64. Needs torch, transformers and onnxruntime, so CI does not run it."""

import argparse
import os
import subprocess
import tempfile

import numpy as np
import onnx
import onnxruntime
import torch
import transformers as tr
from onnxruntime.transformers.float16 import convert_float_to_float16

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("program", type=os.path.abspath)
parser.add_argument("--specs", default="fp32 fp32+opset=23 fp32+contrib fp16")
parser.add_argument("--models", default="", help="a part of their names")
parser.add_argument("--seeds", default=1, type=int, help="how many models of each family")
ARGS = parser.parse_args()
PROMPT, STEPS, PADDING = 16, 8, 5
SMALL = dict(initializer_range=0.08, vocab_size=512, hidden_size=256, intermediate_size=704, num_hidden_layers=2,
             num_attention_heads=4, num_key_value_heads=2, max_position_embeddings=512,
             eos_token_id=2, pad_token_id=0)
LLAMA3 = dict(rope_type="llama3", factor=8.0, low_freq_factor=1.0, high_freq_factor=4.0,
              original_max_position_embeddings=64, rope_theta=500000.0)
LONGROPE = dict(rope_parameters=dict(
    rope_type="longrope", rope_theta=10000.0, short_factor=[1 + i / 64 for i in range(32)],
    long_factor=[1 + i / 4 for i in range(32)]))
PARTIAL = dict(rope_parameters=dict(LONGROPE["rope_parameters"], partial_rotary_factor=0.75,
                                    short_factor=[1 + i / 64 for i in range(24)],
                                    long_factor=[1 + i / 4 for i in range(24)]))
CONFIGS = {
    "llama": tr.LlamaConfig(**SMALL),
    "llama, tied": tr.LlamaConfig(**SMALL, tie_word_embeddings=True),
    "llama, scaled": tr.LlamaConfig(**SMALL, rope_parameters=LLAMA3),
    "llama, linear": tr.LlamaConfig(**SMALL, rope_parameters=dict(
        rope_type="linear", factor=4.0, rope_theta=10000.0)),
    "llama, yarn": tr.LlamaConfig(**SMALL, rope_parameters=dict(
        rope_type="yarn", factor=4.0, original_max_position_embeddings=64, rope_theta=10000.0)),
    "qwen2, yarn": tr.Qwen2Config(**SMALL, rope_parameters=dict(
        rope_type="yarn", factor=8.0, original_max_position_embeddings=32, beta_fast=16.0,
        attention_factor=1.3, truncate=False, rope_theta=1000000.0)),
    "llama, biases": tr.LlamaConfig(**SMALL, attention_bias=True, mlp_bias=True),
    "mistral": tr.MistralConfig(**SMALL, sliding_window=6),
    "qwen2": tr.Qwen2Config(**SMALL),
    "qwen2, window": tr.Qwen2Config(**SMALL, use_sliding_window=True, sliding_window=6,
                                    max_window_layers=1),
    "qwen3": tr.Qwen3Config(**SMALL, head_dim=64),
    "phi3": tr.Phi3Config(**SMALL),
    "phi3, longrope": tr.Phi3Config(**SMALL, original_max_position_embeddings=64, **LONGROPE),
    "phi3, longrope, long": tr.Phi3Config(**SMALL, original_max_position_embeddings=8, **LONGROPE),
    # The factor that scores have in Phi-3 with 128k tokens; above it follows from the lengths, sqrt(3).
    "phi3, longrope, long, as Phi-3": tr.Phi3Config(
        **SMALL, original_max_position_embeddings=8,
        rope_parameters=dict(LONGROPE["rope_parameters"], attention_factor=1.1902380714238083)),
    "phi3, partial": tr.Phi3Config(**SMALL, rope_parameters=dict(
        rope_type="default", rope_theta=10000.0, partial_rotary_factor=0.75)),
    "phi3, partial, long": tr.Phi3Config(**SMALL, original_max_position_embeddings=8, **PARTIAL),
    "gemma": tr.GemmaConfig(**dict(SMALL, num_key_value_heads=1), head_dim=64),
    "gemma2": tr.Gemma2Config(**SMALL, head_dim=64, sliding_window=6, query_pre_attn_scalar=48),
    "gpt2": tr.GPT2Config(vocab_size=512, n_embd=256, n_layer=2, n_head=4, n_positions=512,
                          initializer_range=0.08, bos_token_id=1, eos_token_id=2),
    "gpt2, by layer": tr.GPT2Config(vocab_size=512, n_embd=256, n_layer=2, n_head=4,
                                    n_positions=512, initializer_range=0.08, bos_token_id=1,
                                    eos_token_id=2, scale_attn_by_inverse_layer_idx=True),
}
ENCODER = dict(vocab_size=512, hidden_size=256, intermediate_size=704, num_hidden_layers=2,
               num_attention_heads=4, max_position_embeddings=64, initializer_range=0.08)
DISTIL = tr.DistilBertConfig(vocab_size=512, dim=256, hidden_dim=704, n_layers=2, n_heads=4,
                             max_position_embeddings=64, initializer_range=0.08)
ENCODERS = {
    "bert": (tr.AutoModel, tr.BertConfig(**ENCODER)),
    "bert, masked": (tr.AutoModelForMaskedLM, tr.BertConfig(**ENCODER)),
    "bert, classes": (tr.AutoModelForSequenceClassification, tr.BertConfig(**ENCODER)),
    "roberta": (tr.AutoModel, tr.RobertaConfig(**ENCODER, pad_token_id=1, type_vocab_size=1)),
    "roberta, masked": (tr.AutoModelForMaskedLM,
                        tr.RobertaConfig(**ENCODER, pad_token_id=1, type_vocab_size=1)),
    "roberta, classes": (tr.AutoModelForSequenceClassification,
                         tr.RobertaConfig(**ENCODER, pad_token_id=1, type_vocab_size=1,
                                          num_labels=3)),
    "distilbert": (tr.AutoModel, DISTIL),
    "distilbert, masked": (tr.AutoModelForMaskedLM, DISTIL),
    "distilbert, classes": (tr.AutoModelForSequenceClassification, DISTIL),
}


def make(kind, config, where, seed):
    torch.manual_seed(seed)
    model = kind.from_config(config, attn_implementation="eager").eval()
    with torch.no_grad():
        for name, p in model.named_parameters():
            if p.ndim == 1:  # biases are zeros and norms ones otherwise
                p.add_(torch.randn_like(p) * 0.1)
    model.save_pretrained(where)
    return model


def graph(folder, spec, out):
    name = f"m.onnx@{spec}"  # and its data
    done = subprocess.run([ARGS.program, "convert", os.path.join(folder, name),
                           os.path.join(out, name)], capture_output=True, text=True)
    if done.returncode:
        return None, done.stderr.strip()
    return session_of(os.path.join(out, name)), None


def session_of(path):
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])


def converted(top):
    """The fp32 graph in ORT's own float16."""
    path = os.path.join(top, "m.onnx@fp32")
    if not os.path.exists(path):
        graph(top, "fp32", top)
    half = os.path.join(top, "half.onnx")
    onnx.save(convert_float_to_float16(onnx.load(path)), half)
    return session_of(half)


def run(session, ids, mask):
    """Logits of the prompt and of the steps."""
    at = np.maximum(np.cumsum(mask, 1) - 1, 0)
    names = [i.name for i in session.get_inputs()]
    outputs = [o.name for o in session.get_outputs()]
    cache = {i.name: np.zeros((len(ids), i.shape[1], 0, i.shape[3]),
                              np.float16 if "float16" in i.type else np.float32)
             for i in session.get_inputs() if i.name.startswith("past_")}
    cuts = [(0, PROMPT)] + [(i, i + 1) for i in range(PROMPT, PROMPT + STEPS)]
    logits = []
    for a, b in cuts:
        feed = dict(input_ids=ids[:, a:b], attention_mask=mask[:, :b], position_ids=at[:, a:b],
                    **cache)
        got = dict(zip(outputs, session.run(None, {n: feed[n] for n in names})))
        cache = {n: got[n.replace("past_key_values", "present")] for n in cache}
        logits.append(got["logits"].astype(np.float32))
    return np.concatenate(logits, 1)


def decoder_cells(model, session, ids):
    cells, squares = [], []
    for batch in (1, 2):
        mask = np.ones((batch, PROMPT + STEPS), np.int64)
        mask[0, :PADDING] = batch == 1
        at = np.maximum(np.cumsum(mask, 1) - 1, 0)
        with torch.no_grad():
            want = model(input_ids=torch.tensor(ids[:batch]), attention_mask=torch.tensor(mask),
                         position_ids=torch.tensor(at)).logits.numpy()
        delta = (run(session, ids[:batch], mask) - want)[mask > 0]
        cells.append(np.abs(delta).max())
        squares.append(np.mean(delta ** 2))
    return cells, np.mean(squares)


def encoder_cells(model, session, ids):
    cells, squares = [], []
    for batch in (1, 2):
        mask = np.ones((batch, PROMPT + STEPS), np.int64)
        mask[0, -PADDING:] = batch == 1
        feed = dict(input_ids=np.where(mask > 0, ids[:batch], model.config.pad_token_id),
                    attention_mask=mask)
        if "token_type_ids" in [i.name for i in session.get_inputs()]:
            feed["token_type_ids"] = np.arange(mask.size).reshape(mask.shape) // 7 % 2
        with torch.no_grad():
            want = model(**{k: torch.tensor(v) for k, v in feed.items()})[0].numpy()
        delta = session.run(None, feed)[0].astype(np.float32) - want
        delta = delta[mask > 0] if delta.ndim == 3 else delta
        cells.append(np.abs(delta).max())
        squares.append(np.mean(delta ** 2))
    return cells, np.mean(squares)


def own_error(kind, where, ids):
    """The largest difference between transformers in float32 and in float64, one text."""
    one = [kind.from_pretrained(where, dtype=dtype, attn_implementation="eager").eval()(
        torch.tensor(ids[:1]))[0].double() for dtype in (torch.float32, torch.float64)]
    return float((one[0] - one[1]).abs().max())


def rows(kind, config, compare, ids):
    """By spec: the largest differences of each batch, mean squares, those of ORT's converter."""
    found = {spec: [] for spec in ARGS.specs.split()}
    for seed in range(ARGS.seeds):
        with tempfile.TemporaryDirectory() as top:
            model = make(kind, config, os.path.join(top, "m"), seed)
            for spec in found:
                session, why = graph(top, spec, top)
                if not session:
                    found[spec] = why
                    continue
                other = compare(model, converted(top), ids)[1] if spec == "fp16" else 0
                cells, square = compare(model, session, ids)
                with torch.no_grad():
                    own = own_error(kind, os.path.join(top, "m"), ids)
                found[spec].append([*cells, own, square, other])
    return found


def main():
    tr.logging.disable_progress_bar()
    ids = np.random.default_rng(0).integers(3, 512, (2, PROMPT + STEPS))
    print("| model | spec | batch 1 | batch 2, padded | transformers | RMS | x ORT's fp16 |")
    print("|---|---|---|---|---|---|---|")
    models = {name: (tr.AutoModelForCausalLM, c, decoder_cells) for name, c in CONFIGS.items()}
    models.update({name: (*m, encoder_cells) for name, m in ENCODERS.items()})
    for name in models:
        if ARGS.models not in name:
            continue
        for spec, found in rows(*models[name], ids).items():
            if isinstance(found, str):
                print(f"| {name} | {spec} | {found} | | | | |", flush=True)
                continue
            one, two, own = np.max(found, 0)[:3]
            rms, other = np.sqrt(np.mean(found, 0)[3:])
            ratio = f"{rms / other:.3f}" if other else ""
            print(f"| {name} | {spec} | {one:.1e} | {two:.1e} | {own:.1e} | {rms:.2e} | {ratio} |", flush=True)


if __name__ == "__main__":
    main()
