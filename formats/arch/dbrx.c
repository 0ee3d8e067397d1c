/* SPDX-License-Identifier: Apache-2.0
 * formats/arch/dbrx.c - DBRX. Source: conversion/dbrx.py; configuration_dbrx.py. */
#include "formats/arch/back.h"
#include "formats/arch/decoder.h"
#include "formats/arch/families.h"
#include "formats/arch/reverse.h"
#include "formats/tokenizer/tokenizer.h"
#include <errno.h>
#include <stdio.h>

static const struct hf_class classes[] = {
    { .model_type = "dbrx",
      .defaults = JSON_TEXT({
          "d_model" : 2048,
          "n_heads" : 16,
          "n_layers" : 24,
          "max_seq_len" : 2048,
          "vocab_size" : 32000
      }),
      .optional = "d_model n_heads n_layers max_seq_len",
      .rope_theta = 10000,
      .rename = { { "num_attention_heads", "n_heads" },
                  { "hidden_size", "d_model" },
                  { "num_hidden_layers", "n_layers" },
                  { "max_position_embeddings", "max_seq_len" } } },
    { 0 },
};

#define BLOCK "transformer.blocks.#."

static const struct tensor_rule rules[] = {
    SAME("transformer.wte", "token_embd"),
    { "transformer.norm_f", "output_norm", OP_SAME, NULL },
    SAME("lm_head", "output"),
    SAME(BLOCK "norm_attn_norm.norm_1", "blk.#.attn_norm"),
    SAME(BLOCK "norm_attn_norm.norm_2", "blk.#.attn_output_norm"),
    SAME(BLOCK "norm_attn_norm.attn.Wqkv", "blk.#.attn_qkv"),
    SAME(BLOCK "norm_attn_norm.attn.out_proj", "blk.#.attn_output"),
    SAME(BLOCK "ffn.router.layer", "blk.#.ffn_gate_inp"),
    { BLOCK "ffn.experts.mlp.w1", "blk.#.ffn_gate_exps.weight", OP_OWN, NULL },
    { BLOCK "ffn.experts.mlp.v1", "blk.#.ffn_up_exps.weight", OP_OWN, NULL },
    { BLOCK "ffn.experts.mlp.w2", "blk.#.ffn_down_exps.weight", OP_OWN, "turned over" },
    RULES_END,
};

/* Of ffn_config or attn_config, as transformers fills it. */
static int part_u64(struct arch_work *w, const char *part, const char *name, uint64_t absent,
                    uint64_t *out) {
    const struct json *v = json_get(hf_config_json(&w->config, part), name);
    *out = absent;
    return json_is_null(v) || json_u64(v, out)
               ? 0
               : err_set(w->err, -EBADMSG, "config.json: \"%s\" of \"%s\" is not a count", name,
                         part);
}

/* All experts one below the other: a matrix each. */
static int own_experts(struct arch_work *w, const struct tensor *t, const struct tensor_rule *rule,
                       const struct name_match *match) {
    struct arena *a = w->form->arena;
    uint64_t experts;
    int rc = part_u64(w, "ffn_config", "moe_num_experts", 4, &experts);
    if (rc < 0)
        return rc;
    if (t->n_dims != 2 || !experts || t->dims[0] % experts || t->elems == 0)
        return err_set(w->err, -EBADMSG, "tensor %.*s: not a stack of experts", STR_ARG(t->name));
    const uint64_t rows = t->dims[0] / experts, cols = t->dims[1];
    const uint64_t dims[3] = { experts, rule->second ? cols : rows, rule->second ? rows : cols };
    const struct expr *e = expr_tensor(a, t);
    return work_target(w, name_build(a, rule->gguf, match), dims, 3,
                       rule->second ? expr_transpose(a, e, rows) : e);
}

static int add_parts(struct arch_work *w) {
    uint64_t inner, kv, experts, used;
    double theta = 10000, clip = 8;
    const struct json *attn = hf_config_json(&w->config, "attn_config");
    int rc = part_u64(w, "ffn_config", "ffn_hidden_size", 3584, &inner);
    if (rc == 0)
        rc = part_u64(w, "attn_config", "kv_n_heads", 1, &kv);
    if (rc == 0)
        rc = part_u64(w, "ffn_config", "moe_num_experts", 4, &experts);
    if (rc == 0)
        rc = part_u64(w, "ffn_config", "moe_top_k", 1, &used);
    (void)json_f64(json_get(attn, "rope_theta"), &theta);
    if (rc == 0 && !json_f64(json_get(attn, "clip_qkv"), &clip))
        rc = err_set(w->err, -EBADMSG, "config.json: no \"clip_qkv\" in \"attn_config\"");
    if (rc == 0)
        rc = work_u32(w, ".feed_forward_length", inner);
    if (rc == 0)
        rc = work_u32(w, ".attention.head_count", w->n_head);
    if (rc == 0)
        rc = work_u32(w, ".attention.head_count_kv", kv);
    if (rc == 0)
        rc = work_f32(w, ".rope.freq_base", theta);
    if (rc == 0)
        rc = work_f32(w, ".attention.clamp_kqv", clip);
    if (rc == 0)
        rc = work_u32(w, ".expert_count", experts);
    if (rc == 0)
        rc = work_u32(w, ".expert_used_count", used);
    return rc < 0 ? rc : work_f32(w, ".attention.layer_norm_epsilon", 1e-5);
}

static const struct hparam hparams[] = {
    HPARAM_CALL(hparam_blocks),
    HPARAM_NEED(".context_length", "max_seq_len"),
    HPARAM_NEED(".embedding_length", "d_model"),
    HPARAM_CALL(add_parts),
    HPARAM_CALL(hparam_file_type),
    HPARAM_END,
};

static const struct tokenizer_kind *const bpe[] = { &tokenizer_gpt2, NULL };

/* --- the way back --- */

static int back_experts(struct reverse *r, const struct tensor *t, const struct tensor_rule *rule,
                        const struct name_match *match) {
    struct arena *a = r->form->arena;
    if (t->n_dims != 3 || !t->elems)
        return reverse_bad_shape(r, t, "not a stack of experts");
    const uint64_t rows = t->dims[rule->second ? 2 : 1], cols = t->dims[rule->second ? 1 : 2];
    const uint64_t dims[2] = { t->dims[0] * rows, cols };
    const struct expr *e = expr_tensor(a, t);
    int rc = rule->second ? reverse_turn(r, t, &e, cols) : 0;
    return rc < 0 ? rc : reverse_target(r, name_build(a, rule->hf, match), t, dims, 2, e);
}

static void say_parts(struct back *w) {
    char text[256];
    float theta = 10000, clip = 8;
    back_find_f32(w, ".rope.freq_base", &theta);
    back_find_f32(w, ".attention.clamp_kqv", &clip);
    snprintf(text, sizeof text, "{\"kv_n_heads\": %llu, \"clip_qkv\": %.9g, \"rope_theta\": %.1f}",
             (unsigned long long)back_count(w, ".attention.head_count_kv", 0, 1), (double)clip,
             (double)theta);
    back_raw(w, "attn_config", text);
    snprintf(text, sizeof text,
             "{\"ffn_hidden_size\": %llu, \"moe_num_experts\": %llu, \"moe_top_k\": %llu, "
             "\"hidden_size\": %llu}",
             (unsigned long long)back_count(w, ".feed_forward_length", 0, 0),
             (unsigned long long)back_count(w, ".expert_count", 0, 0),
             (unsigned long long)back_count(w, ".expert_used_count", 0, 0),
             (unsigned long long)back_count(w, ".embedding_length", 0, 0));
    back_raw(w, "ffn_config", text);
    back_u64(w, "n_heads", back_count(w, ".attention.head_count", 0, 0));
}

static const struct arch_back back[] = { { "dbrx", "DbrxForCausalLM", .more = say_parts }, { 0 } };

static const struct arch archs[] = {
    { .gguf = "dbrx",
      .back = back,
      .classes = "DbrxForCausalLM",
      .rules = rules,
      .own = own_experts,
      .own_back = back_experts,
      .hparams = hparams,
      .all_narrow = true,
      .tokenizers = bpe },
    { 0 },
};

const struct family family_dbrx = { classes, archs };
