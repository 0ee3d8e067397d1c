/* SPDX-License-Identifier: Apache-2.0
 * formats/arch/qwen1.c - the first Qwen, whose code lies in its folders. Source: conversion/qwen.py
 * (llama.cpp 0c1e570). */
#include "formats/arch/decoder.h"
#include "formats/arch/families.h"
#include "formats/tokenizer/tokenizer.h"

static const struct tensor_rule rules[] = {
    SAME("transformer.wte", "token_embd"),
    SAME("transformer.ln_f", "output_norm"),
    SAME("lm_head", "output"),
    SAME("transformer.h.#.ln_1", "blk.#.attn_norm"),
    SAME("transformer.h.#.ln_2", "blk.#.ffn_norm"),
    SAME("transformer.h.#.attn.c_attn", "blk.#.attn_qkv"),
    SAME("transformer.h.#.attn.c_proj", "blk.#.attn_output"),
    SAME("transformer.h.#.mlp.w1", "blk.#.ffn_up"),
    SAME("transformer.h.#.mlp.w2", "blk.#.ffn_gate"),
    SAME("transformer.h.#.mlp.c_proj", "blk.#.ffn_down"),
    RULES_END,
};

static const struct tokenizer_kind *const tokenizers[] = { &tokenizer_qwen, NULL };

static const struct arch archs[] = {
    { .gguf = "qwen",
      .classes = "QWenLMHeadModel",
      .rules = rules,
      .hparams = hparams_text,
      .raw_config = true,
      .tokenizers = tokenizers },
    { 0 },
};

const struct family family_qwen1 = { NULL, archs };
