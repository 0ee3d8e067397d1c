/* SPDX-License-Identifier: Apache-2.0
 * formats/arch/gpt_oss.c - gpt-oss: experts whose gate and up stand in turn, in blocks of MXFP4 or
 * plain. Source: conversion/gpt_oss.py; configuration_gpt_oss.py. */
#include "formats/arch/back.h"
#include "formats/arch/decoder.h"
#include "formats/arch/families.h"
#include "formats/arch/reverse.h"
#include "formats/tokenizer/tokenizer.h"
#include <errno.h>

static const struct hf_class classes[] = {
    { .model_type = "gpt_oss",
      .defaults = JSON_TEXT({
          "vocab_size" : 201088,
          "hidden_size" : 2880,
          "intermediate_size" : 2880,
          "num_hidden_layers" : 36,
          "num_attention_heads" : 64,
          "num_key_value_heads" : 8,
          "num_local_experts" : 128,
          "num_experts_per_tok" : 4,
          "sliding_window" : 128,
          "max_position_embeddings" : 131072,
          "rms_norm_eps" : 1e-5,
          "head_dim" : 64,
          "rope_parameters" : {
              "rope_type" : "yarn",
              "factor" : 32.0,
              "beta_fast" : 32.0,
              "beta_slow" : 1.0,
              "original_max_position_embeddings" : 4096
          }
      }),
      .optional = "rope_parameters",
      .kinds = "sliding_window=in",
      .rope_theta = 150000,
      .rename = { { "num_experts", "num_local_experts" } } },
    { 0 },
};

static const struct tensor_rule rules[] = {
    { "model.embed_tokens", "token_embd", OP_SAME, NULL },
    { "model.norm", "output_norm", OP_SAME, NULL },
    { "lm_head", "output", OP_SAME, NULL },
    { "model.layers.#.input_layernorm", "blk.#.attn_norm", OP_SAME, NULL },
    { "model.layers.#.post_attention_layernorm", "blk.#.post_attention_norm", OP_SAME, NULL },
    { "model.layers.#.self_attn.q_proj", "blk.#.attn_q", OP_SAME, NULL },
    { "model.layers.#.self_attn.k_proj", "blk.#.attn_k", OP_SAME, NULL },
    { "model.layers.#.self_attn.v_proj", "blk.#.attn_v", OP_SAME, NULL },
    { "model.layers.#.self_attn.o_proj", "blk.#.attn_output", OP_SAME, NULL },
    { "model.layers.#.self_attn.sinks", "blk.#.attn_sinks", OP_ENDING, NULL },
    { "model.layers.#.mlp.router", "blk.#.ffn_gate_inp", OP_SAME, NULL },
    { "model.layers.#.mlp.experts.down_proj", "blk.#.ffn_down_exps", OP_OWN, NULL },
    { "model.layers.#.mlp.experts.down_proj_bias", "blk.#.ffn_down_exps", OP_OWN, NULL },
    { "model.layers.#.mlp.experts.gate_up_proj", "blk.#.ffn_gate_exps", OP_OWN,
      "blk.#.ffn_up_exps" },
    { "model.layers.#.mlp.experts.gate_up_proj_bias", "blk.#.ffn_gate_exps", OP_OWN,
      "blk.#.ffn_up_exps" },
    { 0 },
};

/* Biases of each expert: numbers of gate and up in turn, or those of down. */
static int add_bias(struct arch_work *w, const struct tensor *t, const struct tensor_rule *rule,
                    const struct name_match *match) {
    struct arena *a = w->form->arena;
    const char *const names[2] = { rule->gguf, rule->second };
    if (t->n_dims != 2 || t->elems == 0 || (rule->second && t->dims[1] % 2))
        return err_set(w->err, -EBADMSG, "tensor %.*s: not a bias for each expert",
                       STR_ARG(t->name));
    if (!rule->second)
        return work_target(w, name_build(a, names[0], match), t->dims, 2, expr_tensor(a, t));
    const uint64_t dims[2] = { t->dims[0], t->dims[1] / 2 };
    const struct expr *both = expr_transpose(a, expr_tensor_as(a, t, 2), t->elems / 2);
    int rc = 0;
    for (uint64_t i = 0; i < 2 && rc == 0; i++)
        rc = work_target(w, name_build(a, names[i], match), dims, 2, expr_slice(a, both, i, 1));
    return rc;
}

/* The matrices of each expert as GGUF has them: blocks are stored so, plain ones turned over. */
static int add_experts(struct arch_work *w, const struct tensor *t, const struct tensor_rule *rule,
                       const struct name_match *match) {
    struct arena *a = w->form->arena;
    const bool blocks = dtype_is_quantized(t->dtype);
    const char *const names[2] = { rule->gguf, rule->second };
    if (t->n_dims != 3 || t->elems == 0)
        return err_set(w->err, -EBADMSG, "tensor %.*s: not a matrix for each expert",
                       STR_ARG(t->name));
    const uint64_t n = t->dims[0], rows = t->dims[blocks ? 1 : 2], cols = t->dims[blocks ? 2 : 1];
    const struct expr *e = expr_tensor(a, t);
    if (!blocks)
        e = expr_transpose(a, e, cols);
    if (!rule->second) {
        const uint64_t dims[3] = { n, rows, cols };
        return work_target(w, name_build(a, names[0], match), dims, 3, e);
    }
    if (rows % 2)
        return err_set(w->err, -EBADMSG, "tensor %.*s: not gate and up in turn", STR_ARG(t->name));
    const uint64_t dims[3] = { n, rows / 2, cols };
    int rc = 0;
    for (uint64_t i = 0; i < 2 && rc == 0; i++)
        rc = work_target(w, name_build(a, names[i], match), dims, 3,
                         expr_rows(a, e, (struct row_map){ i, 2, { n, rows / 2 }, { rows, 2 } }));
    return rc;
}

static int own(struct arch_work *w, const struct tensor *t, const struct tensor_rule *rule,
               const struct name_match *match) {
    struct name_match named = *match;
    const bool bias = str_ends(t->name, STR("_bias"));
    named.rest = bias ? STR(".bias") : STR(".weight");
    return bias ? add_bias(w, t, rule, &named) : add_experts(w, t, rule, &named);
}

/* --- the way back --- */

/* Rows of the first and the second in turn. */
static const struct expr *in_turn(struct arena *a, const struct expr *first,
                                  const struct expr *second, uint64_t experts) {
    const struct expr *in[2] = { first, second };
    const uint64_t all = first ? first->rows : 0, rows = all / experts;
    const struct row_map map = { 0, 3, { experts, rows, 2 }, { rows, 1, all } };
    return expr_rows(a, expr_stack(a, in, 2), map);
}

static int back_own(struct reverse *r, const struct tensor *t, const struct tensor_rule *rule,
                    const struct name_match *match) {
    struct arena *a = r->form->arena;
    const bool bias = str_is(match->rest, ".bias");
    const struct name_match none = { match->block, match->expert, { "", 0 } };
    const struct str base = name_build(a, rule->hf, &none);
    const struct str name = bias && base.p ? arena_printf(a, "%.*s_bias", STR_ARG(base)) : base;
    const struct tensor *u = rule->second ? reverse_find(r, rule->second, match) : NULL;
    const uint32_t n = bias ? 2 : 3;
    if (t->n_dims != n || !t->elems ||
        (rule->second && (!u || u->n_dims != n || memcmp(u->dims, t->dims, n * sizeof *t->dims))))
        return reverse_bad_shape(r, t, "not a matrix for each expert, with its other half");
    if (bias && !rule->second)
        return reverse_target(r, name, t, t->dims, 2, expr_tensor(a, t));
    if (bias) {
        const uint64_t dims[2] = { t->dims[0], 2 * t->dims[1] };
        return reverse_target(
            r, name, t, dims, 2,
            in_turn(a, expr_tensor_as(a, t, 1), expr_tensor_as(a, u, 1), t->dims[0]));
    }
    const struct expr *e = expr_tensor(a, t);
    const uint64_t rows = (u ? 2 : 1) * t->dims[1];
    const uint64_t dims[3] = { t->dims[0], t->dims[2], rows };
    if (u)
        e = in_turn(a, e, expr_tensor(a, u), t->dims[0]);
    int rc = reverse_turn(r, t, &e, rows);
    return rc < 0 ? rc : reverse_target(r, name, t, dims, 3, e);
}

static void say_positions(struct back *w) {
    back_window_types(w);
    back_yarn(w, ", \"truncate\": false");
}

static const struct arch_back back[] = { { "gpt_oss", "GptOssForCausalLM", .more = say_positions },
                                         { 0 } };

static const struct hparam hparams[] = {
    HPARAM_LIST(hparams_text),
    HPARAM_NEED(".attention.sliding_window", "sliding_window"),
    HPARAM_NEED(".expert_feed_forward_length", "intermediate_size"),
    HPARAM_END,
};

static const struct tokenizer_kind *const tokenizers[] = { &tokenizer_gpt2, NULL };

static const struct arch archs[] = {
    { .gguf = "gpt-oss",
      .back = back,
      .experts_turned = true,
      .classes = "GptOssForCausalLM",
      .rules = rules,
      .own = own,
      .own_back = back_own,
      .hparams = hparams,
      .tokenizers = tokenizers },
    { 0 },
};

const struct family family_gpt_oss = { classes, archs };
