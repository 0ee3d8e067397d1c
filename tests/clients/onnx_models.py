# SPDX-License-Identifier: Apache-2.0
"""Models that graphs are made of, and how a graph is opened."""

import json
import pathlib
import shutil
import subprocess
import sys

import onnxruntime
import safetensors.numpy

DATA = pathlib.Path(__file__).resolve().parents[1] / "data"
RECIPES = ["Qwen2.5-Nano-Instruct", "Qwen3-3M-Base", "Phi-3-nano-4k-instruct", "gemma-2-nano-it",
           "llama-tied-rope3", "gpt2-nano"]
PHI3_PAIRS = 32  # of a head
# A folder, one that it is a copy of, and what its config.json says besides.
VARIANTS = {
    "mistral": ("tinylm", dict(model_type="mistral", sliding_window=5)),
    "yarn": ("tinylm", dict(rope_parameters=dict(
        rope_type="yarn", rope_theta=10000.0, factor=4.0, original_max_position_embeddings=64))),
    "phi3-longrope": ("Phi-3-nano-4k-instruct", dict(
        original_max_position_embeddings=8, rope_scaling=dict(
            rope_type="longrope", short_factor=[1.0] * PHI3_PAIRS,
            long_factor=[1 + i / 4 for i in range(PHI3_PAIRS)]))),
    "phi3-partial": ("Phi-3-nano-4k-instruct", dict(
        partial_rotary_factor=0.75, original_max_position_embeddings=64, rope_scaling=dict(
            rope_type="longrope", long_factor=[1.0] * (PHI3_PAIRS * 3 // 4),
            short_factor=[1 + i / 4 for i in range(PHI3_PAIRS * 3 // 4)]))),
    "phi3-window": ("Phi-3-nano-4k-instruct", dict(sliding_window=5)),
    "gemma2-window": ("gemma-2-nano-it", dict(sliding_window=5, query_pre_attn_scalar=48)),
    "gemma": ("tinylm", dict(model_type="gemma", hidden_act="gelu", tie_word_embeddings=False)),
}
BERT = "bge-nano-en-v1.5"
# DistilBERT's names of what BERT has
DISTIL = [("encoder.layer.", "transformer.layer."), ("attention.self.query", "attention.q_lin"),
          ("attention.self.key", "attention.k_lin"), ("attention.self.value", "attention.v_lin"),
          ("attention.output.dense", "attention.out_lin"),
          ("attention.output.LayerNorm", "sa_layer_norm"), ("intermediate.dense", "ffn.lin1"),
          ("output.dense", "ffn.lin2"), ("output.LayerNorm", "output_layer_norm")]


def make_folders(out):
    """Small models of each family that has a graph."""
    make = [sys.executable, "-B", DATA / "corpus" / "make.py", out, *RECIPES, BERT]
    subprocess.run(make, check=True, capture_output=True)
    shutil.copytree(DATA / "models" / "tinylm", out / "tinylm")
    for name, (source, more) in VARIANTS.items():
        shutil.copytree(out / source, out / name)
        config = json.loads((out / source / "config.json").read_text())
        (out / name / "config.json").write_text(json.dumps(dict(config, **more)))
    encoders(out)


def encoders(out):
    """A RoBERTa and a DistilBERT with the weights of a BERT."""
    config = json.loads((out / BERT / "config.json").read_text())
    shutil.copytree(out / BERT, out / "roberta")
    more = dict(model_type="roberta", architectures=["RobertaModel"], pad_token_id=1)
    (out / "roberta" / "config.json").write_text(json.dumps(dict(config, **more)))
    (out / "distilbert").mkdir()
    more = dict(model_type="distilbert", architectures=["DistilBertModel"], dim=64, hidden_dim=256,
                n_layers=2, n_heads=4, vocab_size=30522, max_position_embeddings=512)
    (out / "distilbert" / "config.json").write_text(json.dumps(more))
    weights = safetensors.numpy.load_file(out / BERT / "model.safetensors")
    for old, new in DISTIL:
        weights = {name.replace(old, new): x for name, x in weights.items()
                   if "token_type" not in name and "pooler" not in name}
    safetensors.numpy.save_file(weights, out / "distilbert" / "model.safetensors")


def session(path):
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
