/* SPDX-License-Identifier: Apache-2.0
 * formats/arch/falcon_h1.c - Falcon-H1: attention and Mamba 2 side by side in each block, and
 * weights that are multiplied by numbers of config.json. Source: conversion/falcon_h1.py, which
 * reads config.json as it is. */
#include "formats/arch/back.h"
#include "formats/arch/families.h"
#include "formats/arch/mamba2.h"
#include "formats/arch/reverse.h"
#include "formats/tokenizer/tokenizer.h"
#include <errno.h>
#include <stdio.h>

static const struct hf_class classes[] = { { 0 } };

/* OP_OWN with the names of the factors, in the order in which they are applied; ":1" is a place in
 * a list. */
#define TIMES(hf, gguf, factors) \
    { hf, gguf, OP_OWN, factors }
#define IN_PROJECTION "ssm_in_multiplier"

static const struct tensor_rule rules[] = {
    TIMES("model.embed_tokens", "token_embd", "embedding_multiplier"),
    SAME("model.final_layernorm", "output_norm"),
    TIMES("lm_head", "output", "lm_head_multiplier"),
    SAME("model.layers.#.input_layernorm", "blk.#.attn_norm"),
    SAME("model.layers.#.pre_ff_layernorm.weight", "blk.#.ffn_norm"), /* as llama.cpp loads it */
    TIMES("model.layers.#.self_attn.q_proj", "blk.#.attn_q", "attention_in_multiplier"),
    TIMES("model.layers.#.self_attn.k_proj", "blk.#.attn_k",
          "key_multiplier attention_in_multiplier"),
    TIMES("model.layers.#.self_attn.v_proj", "blk.#.attn_v", "attention_in_multiplier"),
    TIMES("model.layers.#.self_attn.o_proj", "blk.#.attn_output", "attention_out_multiplier"),
    TIMES("model.layers.#.mamba.in_proj", "blk.#.ssm_in", IN_PROJECTION),
    TIMES("model.layers.#.mamba.out_proj", "blk.#.ssm_out", "ssm_out_multiplier"),
    MAMBA2_MIXER("model.layers.#.mamba"),
    TIMES("model.layers.#.feed_forward.gate_proj", "blk.#.ffn_gate", "mlp_multipliers:0"),
    SAME("model.layers.#.feed_forward.up_proj", "blk.#.ffn_up"),
    TIMES("model.layers.#.feed_forward.down_proj", "blk.#.ffn_down", "mlp_multipliers:1"),
    RULES_END,
};

/* The factor that @word names; 1 where config.json does not have it. */
static int read_factor(struct arch_work *w, struct str word, double *out) {
    char name[64];
    const char *colon = memchr(word.p, ':', word.n);
    const size_t n = colon ? (size_t)(colon - word.p) : word.n;
    snprintf(name, sizeof name, "%.*s", (int)n, word.p);
    const struct json *v = hf_config_json(&w->config, name);
    if (colon && v && !json_is_null(v))
        v = json_at(v, (size_t)(colon[1] - '0'));
    *out = 1;
    return !v || json_is_null(v) || json_f64(v, out)
               ? 0
               : err_set(w->err, -EBADMSG, "config.json: \"%s\" is not a number", name);
}

/* Each product is rounded, in f16 where that is the type there, else in f32. */
static const struct expr *times(struct arch_work *w, const struct tensor *t, const struct expr *e,
                                double factor) {
    struct arena *a = w->form->arena;
    e = expr_mul(a, e, (float)factor);
    return t->dtype == DTYPE_F16 ? expr_round(a, e, DTYPE_F16) : e;
}

struct sizes {
    uint64_t inner, groups, state;
};

static int read_sizes(struct arch_work *w, struct sizes *s) {
    int rc = hf_config_need(&w->config, "mamba_d_ssm", &s->inner, w->err);
    if (rc == 0)
        rc = hf_config_need(&w->config, "n_groups mamba_n_groups", &s->groups, w->err);
    if (rc == 0)
        rc = hf_config_need(&w->config, "mamba_d_state state_size d_state", &s->state, w->err);
    if (rc == 0 &&
        (s->inner > UINT32_MAX || !s->groups || s->groups > UINT16_MAX || s->state > UINT16_MAX))
        rc = err_set(w->err, -EBADMSG, "config.json: the sizes of Mamba do not fit");
    return rc;
}

/* The rows for gate, input, B, C and time steps have a factor each. */
static int scale_parts(struct arch_work *w, const struct tensor *t, const struct expr **e) {
    enum { PARTS = 5 };
    static const char *const names[PARTS] = { "ssm_multipliers:0", "ssm_multipliers:1",
                                              "ssm_multipliers:2", "ssm_multipliers:3",
                                              "ssm_multipliers:4" };
    struct arena *a = w->form->arena;
    const struct expr *parts[PARTS];
    struct sizes s;
    uint32_t n = 0;
    int rc = read_sizes(w, &s);
    if (rc < 0)
        return rc;
    const uint64_t shared = s.groups * s.state, all = 2 * s.inner + 2 * shared;
    const uint64_t ends[PARTS] = { s.inner, 2 * s.inner, 2 * s.inner + shared, all, t->dims[0] };
    if (t->n_dims != 2 || t->dims[0] < all)
        return err_set(w->err, -EBADMSG, "tensor %.*s: its shape is not that of config.json",
                       STR_ARG(t->name));
    for (int i = 0; i < PARTS && rc == 0; i++) {
        const uint64_t start = i ? ends[i - 1] : 0;
        double factor;
        rc = read_factor(w, str_from(names[i]), &factor);
        if (ends[i] > start)
            parts[n++] = times(w, t, expr_slice(a, *e, start, ends[i] - start), factor);
    }
    *e = expr_stack(a, parts, n);
    return rc;
}

static int own_tensor(struct arch_work *w, const struct tensor *t, const struct tensor_rule *rule,
                      const struct name_match *match) {
    struct sizes s;
    int rc = 0;
    if (!strstr(rule->second, "_multiplier")) {
        rc = read_sizes(w, &s);
        return rc < 0 ? rc : mamba2_tensor(w, t, rule, match, s.inner, s.groups);
    }
    const bool rows = t->n_dims == 1 && t->elems;
    const struct expr *e =
        rows ? expr_tensor_as(w->form->arena, t, 1) : expr_tensor(w->form->arena, t);
    for (const char *f = rule->second; *f && rc == 0; f += strspn(f, " ")) {
        const struct str word = { f, strcspn(f, " ") };
        double factor;
        rc = read_factor(w, word, &factor);
        e = times(w, t, e, factor);
        f += word.n;
    }
    if (rc == 0 && strcmp(rule->second, IN_PROJECTION) == 0)
        rc = scale_parts(w, t, &e);
    return rc < 0 ? rc
                  : work_target(w, name_build(w->form->arena, rule->gguf, match), t->dims,
                                t->n_dims, e);
}

static int add_heads(struct arch_work *w) {
    uint64_t inner, head;
    int rc = hf_config_need(&w->config, "mamba_d_ssm", &inner, w->err);
    if (rc == 0)
        rc = hf_config_need(&w->config, "mamba_d_head head_dim", &head, w->err);
    if (rc == 0 && (!head || inner % head))
        rc = err_set(w->err, -EBADMSG,
                     "config.json: \"mamba_d_head\" does not divide \"mamba_d_ssm\"");
    return rc < 0 ? rc : work_u32(w, ".ssm.time_step_rank", inner / head);
}

static const struct hparam hparams[] = {
    HPARAM_FIXED(".context_length", 0),
    HPARAM_NEED(".embedding_length", "hidden_size d_model dim"),
    HPARAM_NEED(".feed_forward_length", "intermediate_size"),
    HPARAM_NEED(".attention.head_count", "num_attention_heads"),
    HPARAM_CALL(hparam_blocks),
    HPARAM_NEED(".ssm.conv_kernel", "conv_kernel d_conv mamba_conv_kernel mamba_d_conv"),
    HPARAM_NEED(".ssm.inner_size", "mamba_d_ssm"),
    HPARAM_NEED(".ssm.state_size", "state_size d_state mamba_state_size mamba_d_state"),
    HPARAM_CALL(add_heads),
    HPARAM_NEED(".ssm.group_count", "n_groups mamba_n_groups"),
    HPARAM_F32(".attention.layer_norm_rms_epsilon", "layer_norm_epsilon rms_norm_eps"),
    HPARAM_CALL(hparam_file_type),
    HPARAM_NEED(".vocab_size", "vocab_size"),
    HPARAM_U32(".context_length", "max_position_embeddings"),
    HPARAM_NEED(".attention.head_count_kv", "num_key_value_heads"),
    HPARAM_NEED(".attention.key_length", "head_dim"),
    HPARAM_NEED(".attention.value_length", "head_dim"),
    HPARAM_CALL(hparam_rope_base),
    HPARAM_END,
};

/* --- the way back: weights stay multiplied, and config.json has factors of one --- */

static int back_own(struct reverse *r, const struct tensor *t, const struct tensor_rule *rule,
                    const struct name_match *match) {
    return (strstr(rule->second, "_multiplier") ? reverse_same : mamba2_back)(r, t, rule, match);
}

static void say_mixer(struct back *w) {
    const uint64_t inner = back_count(w, ".ssm.inner_size", 0, 0);
    const uint64_t heads = back_count(w, ".ssm.time_step_rank", 0, 0);
    back_biases(w);
    back_mamba2(w);
    back_bool(w, "projectors_bias", back_has_tensor(w, "blk.0.ssm_out.bias"));
    back_bool(w, "mamba_rms_norm", back_has_tensor(w, "blk.0.ssm_norm.weight"));
    if (heads)
        back_u64(w, "mamba_d_head", inner / heads);
}

static const struct hparam back_pairs[] = {
    HPARAM_U32(".ssm.conv_kernel", "mamba_d_conv"),
    HPARAM_U32(".ssm.state_size", "mamba_d_state"),
    HPARAM_U32(".ssm.group_count", "mamba_n_groups"),
    HPARAM_U32(".ssm.time_step_rank", "mamba_n_heads"),
    HPARAM_U32(".attention.key_length", "head_dim"),
    HPARAM_END,
};
static const struct arch_back back[] = {
    { "falcon_h1", "FalconH1ForCausalLM",
      .fields = "num_hidden_layers max_position_embeddings hidden_size intermediate_size head_dim "
                "num_attention_heads num_key_value_heads rms_norm_eps rope_theta mamba_d_ssm "
                "mamba_d_conv mamba_d_state mamba_n_groups mamba_n_heads",
      .pairs = back_pairs, .more = say_mixer },
    { 0 },
};

static const struct name_edit back_edits[] = { MAMBA2_BACK_EDIT,
                                               { EDIT_END, "pre_ff_layernorm.weight.weight",
                                                 "pre_ff_layernorm.weight" },
                                               { 0 } };
static const struct name_edit edits[] = { MAMBA2_EDIT, { 0 } };
static const struct tokenizer_kind *const bpe[] = { &tokenizer_gpt2, NULL };

static const struct arch archs[] = {
    { .gguf = "falcon-h1",
      .classes = "FalconH1ForCausalLM",
      .edits = edits,
      .rules = rules,
      .own = own_tensor,
      .back = back,
      .own_back = back_own,
      .back_edits = back_edits,
      .hparams = hparams,
      .raw_config = true,
      .tokenizers = bpe },
    { 0 },
};

const struct family family_falcon_h1 = { classes, archs };
