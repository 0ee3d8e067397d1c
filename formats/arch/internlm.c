/* SPDX-License-Identifier: Apache-2.0
 * formats/arch/internlm.c - InternLM 2 and 3. Source: conversion/internlm.py; transformers has no
 * class for the former. */
#include "formats/arch/back.h"
#include "formats/arch/decoder.h"
#include "formats/arch/families.h"
#include "formats/arch/reverse.h"
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
    { "model.layers.#.attention.wqkv", "blk.#.attn_q", OP_OWN, "blk.#.attn_k" },
    { "in wqkv", "blk.#.attn_v", OP_DROP, NULL },
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

static int back_qkv(struct reverse *r, const struct tensor *t, const struct tensor_rule *rule,
                    const struct name_match *match) {
    struct arena *a = r->form->arena;
    const struct tensor *k = reverse_find(r, rule->second, match);
    const struct tensor *v = reverse_find(r, "blk.#.attn_v", match);
    uint64_t heads, kv;
    int rc = reverse_need(r, "attention.head_count", match->block, &heads);
    if (rc == 0)
        rc = reverse_need(r, "attention.head_count_kv", match->block, &kv);
    if (rc < 0)
        return rc;
    if (!k || !v || t->n_dims != 2 || k->n_dims != 2 || v->n_dims != 2 || !t->elems ||
        heads > UINT16_MAX || heads % kv || t->dims[0] % heads || t->dims[0] / heads % 2)
        return reverse_bad_shape(r, t, "its rows are not those of the heads, or it is alone");
    const uint64_t dim = t->dims[0] / heads, per_key = heads / kv;
    if (k->dims[0] != kv * dim || v->dims[0] != kv * dim)
        return reverse_bad_shape(r, k, "its rows are not those of the heads");
    const struct expr *q = expr_swap(a, expr_tensor(a, t), dim / 2, 2);
    const struct expr *keys = expr_swap(a, expr_tensor(a, k), dim / 2, 2);
    const struct expr *values = expr_tensor(a, v);
    const struct expr **in = arena_array(a, const struct expr *, 3 * kv);
    for (uint64_t g = 0; in && g < kv; g++) {
        in[3 * g] = expr_slice(a, q, g * per_key * dim, per_key * dim);
        in[3 * g + 1] = expr_slice(a, keys, g * dim, dim);
        in[3 * g + 2] = expr_slice(a, values, g * dim, dim);
    }
    const uint64_t dims[2] = { (heads + 2 * kv) * dim, t->dims[1] };
    return reverse_target(r, name_build(a, rule->hf, match), t, dims, 2,
                          in ? expr_stack(a, in, (uint32_t)(3 * kv)) : NULL);
}

static void say_bias(struct back *w) {
    back_bool(w, "bias", back_has_tensor(w, "blk.0.attn_q.bias"));
}

static const struct arch_back back[] = {
    { "internlm2", "InternLM2ForCausalLM",
      .fields = "num_hidden_layers max_position_embeddings hidden_size intermediate_size "
                "num_attention_heads num_key_value_heads rms_norm_eps rope_theta",
      .more = say_bias },
    { 0 },
};

static const struct arch archs[] = {
    { .gguf = "internlm2",
      .back = back,
      .classes = "InternLM2ForCausalLM",
      .rules = rules,
      .own = own_qkv,
      .own_back = back_qkv,
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
