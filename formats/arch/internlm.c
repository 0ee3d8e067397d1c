/* SPDX-License-Identifier: Apache-2.0
 * formats/arch/internlm.c - InternLM 2 and 3. Source: conversion/internlm.py; transformers has no
 * class for the former. */
#include "formats/arch/decoder.h"
#include "formats/arch/families.h"
#include "formats/tokenizer/tokenizer.h"
#include <errno.h>

static const struct hf_class classes[] = {
    { .model_type = "internlm3",
      .defaults = JSON_TEXT({
          "vocab_size" : 128512,
          "hidden_size" : 4096,
          "intermediate_size" : 10240,
          "num_hidden_layers" : 48,
          "num_attention_heads" : 32,
          "num_key_value_heads" : 2,
          "max_position_embeddings" : 32768,
          "rms_norm_eps" : 1e-5,
          "head_dim" : 128
      }),
      .rope_theta = 10000,
      .even_heads = true,
      .fill = { { "head_dim", "hidden_size", "num_attention_heads" },
                { "num_key_value_heads", "num_attention_heads", NULL } } },
    { 0 },
};

static const struct tensor_rule rules[] = {
    SAME("model.tok_embeddings", "token_embd"),
    SAME("model.norm", "output_norm"),
    SAME("output", "output"),
    SAME("model.layers.#.attention_norm", "blk.#.attn_norm"),
    { "model.layers.#.attention.wqkv", "blk.#", OP_OWN, NULL },
    SAME("model.layers.#.attention.wo", "blk.#.attn_output"),
    SAME("model.layers.#.ffn_norm", "blk.#.ffn_norm"),
    SAME("model.layers.#.feed_forward.w1", "blk.#.ffn_gate"),
    SAME("model.layers.#.feed_forward.w2", "blk.#.ffn_down"),
    SAME("model.layers.#.feed_forward.w3", "blk.#.ffn_up"),
    RULES_END,
};

static const struct tensor_rule rules3[] = {
    DECODER_ENDS, DECODER_NORMS, DECODER_ATTENTION(OP_PERMUTE_Q, OP_PERMUTE_K),
    DECODER_MLP,  RULES_END,
};

/* Groups of queries with their key and value, as three tensors; heads as Llama's are. */
static int own_qkv(struct arch_work *w, const struct tensor *t, const struct tensor_rule *rule,
                   const struct name_match *match) {
    struct arena *a = w->form->arena;
    const uint64_t heads = w->n_head, kv = w->n_head_kv, per_key = kv ? heads / kv : 0;
    (void)rule;
    if (t->n_dims != 2 || !per_key || heads % kv || t->elems == 0 ||
        t->dims[0] % (heads + 2 * kv) || t->dims[0] / (heads + 2 * kv) % 2)
        return err_set(w->err, -EBADMSG,
                       "tensor %.*s: its rows are not those of config.json's attention heads",
                       STR_ARG(t->name));
    const uint64_t dim = t->dims[0] / (heads + 2 * kv), group = (per_key + 2) * dim;
    const struct expr *all = expr_tensor(a, t);
    const struct {
        const char *name;
        uint64_t offset, rows;
        bool permute;
    } parts[] = { { "blk.#.attn_q", 0, per_key * dim, true },
                  { "blk.#.attn_k", per_key * dim, dim, true },
                  { "blk.#.attn_v", (per_key + 1) * dim, dim, false } };
    int rc = 0;
    for (size_t i = 0; i < sizeof parts / sizeof *parts && rc == 0; i++) {
        const struct row_map map = { parts[i].offset, 2, { kv, parts[i].rows }, { group, 1 } };
        const uint64_t dims[2] = { kv * parts[i].rows, t->dims[1] };
        const struct expr *e = expr_rows(a, all, map);
        rc = work_target(w, name_build(a, parts[i].name, match), dims, 2,
                         parts[i].permute ? expr_swap(a, e, 2, dim / 2) : e);
    }
    return rc;
}

static const struct hparam hparams3[] = {
    HPARAM_LIST(hparams_text),
    HPARAM_NEED(".vocab_size", "vocab_size"),
    HPARAM_CALL(decoder_rope_dimension),
    HPARAM_END,
};

static const struct tokenizer_kind *const spm2[] = { &tokenizer_internlm, NULL };
static const struct tokenizer_kind *const spm3[] = { &tokenizer_internlm3, NULL };

static const struct arch archs[] = {
    { .gguf = "internlm2",
      .classes = "InternLM2ForCausalLM",
      .rules = rules,
      .own = own_qkv,
      .hparams = hparams_text,
      .tokenizers = spm2 },
    { .gguf = "llama",
      .classes = "InternLM3ForCausalLM",
      .rules = rules3,
      .hparams = hparams3,
      .tokenizers = spm3 },
    { 0 },
};

const struct family family_internlm = { classes, archs };
