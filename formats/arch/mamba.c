/* SPDX-License-Identifier: Apache-2.0
 * formats/arch/mamba.c - Mamba 1 and 2, Falcon-Mamba. Source: conversion/mamba.py, which reads
 * config.json as it is: "or" there takes a default for zero too. */
#include "formats/arch/back.h"
#include "formats/arch/families.h"
#include "formats/arch/reverse.h"
#include "formats/arch/mamba2.h"
#include "formats/tokenizer/tokenizer.h"
#include <errno.h>

static const struct hf_class classes[] = { { 0 } };

#define ENDS                                                                             \
    SAME("backbone.embeddings", "token_embd"), SAME("backbone.embedding", "token_embd"), \
        SAME("backbone.norm_f", "output_norm"), {                                        \
        "lm_head", "output", OP_UNTIED, NULL                                             \
    }

static const struct tensor_rule rules[] = {
    ENDS,
    SAME("backbone.layers.#.norm", "blk.#.attn_norm"),
    { "backbone.layers.#.mixer.A_log", "blk.#.ssm_a", OP_NEG_EXP, NULL },
    SAME("backbone.layers.#.mixer.D", "blk.#.ssm_d"),
    { "backbone.layers.#.mixer.conv1d", "blk.#.ssm_conv1d", OP_SQUEEZE, NULL },
    SAME("backbone.layers.#.mixer.dt_proj", "blk.#.ssm_dt"),
    SAME("backbone.layers.#.mixer.in_proj", "blk.#.ssm_in"),
    SAME("backbone.layers.#.mixer.x_proj", "blk.#.ssm_x"),
    SAME("backbone.layers.#.mixer.out_proj", "blk.#.ssm_out"),
    RULES_END,
};

static const struct tensor_rule mamba2_rules[] = {
    SAME("backbone.embeddings", "token_embd"),
    SAME("backbone.embedding", "token_embd"),
    SAME("backbone.norm_f", "output_norm"),
    SAME("lm_head", "output"),
    SAME("backbone.layers.#.norm", "blk.#.attn_norm"),
    MAMBA2_MIXER("backbone.layers.#.mixer"),
    RULES_END,
};

/* The first of @names; @absent where it is not there or zero. */
static int find_or(struct arch_work *w, const char *names, uint64_t absent, uint64_t *out) {
    int rc = hf_config_u64(&w->config, names, out, w->err);
    if (rc == 0 || (rc > 0 && *out == 0))
        *out = absent;
    return rc < 0 ? rc : 0;
}

struct sizes {
    uint64_t model, inner, head, groups;
};

static int read_sizes2(struct arch_work *w, struct sizes *s) {
    uint64_t expand;
    int rc = hf_config_need(&w->config, "hidden_size d_model dim", &s->model, w->err);
    if (rc == 0)
        rc = find_or(w, "mamba_expand expand", 2, &expand);
    if (rc == 0 && (s->model > UINT32_MAX || expand > 1024))
        rc = err_set(w->err, -EBADMSG, "config.json: \"expand\" is too large");
    if (rc == 0)
        rc = find_or(w, "mamba_d_ssm intermediate_size d_inner", expand * s->model, &s->inner);
    if (rc == 0)
        rc = find_or(w, "n_groups", 1, &s->groups);
    if (rc == 0)
        rc = find_or(w, "mamba_d_head head_dim", 64, &s->head);
    if (rc == 0 && (s->inner != expand * s->model || s->inner % s->head || s->inner % s->groups))
        rc = err_set(w->err, -EBADMSG,
                     "config.json: an inner size of %llu fits neither \"expand\", nor heads of "
                     "%llu, nor %llu groups",
                     (unsigned long long)s->inner, (unsigned long long)s->head,
                     (unsigned long long)s->groups);
    return rc;
}

int mamba2_tensor(struct arch_work *w, const struct tensor *t, const struct tensor_rule *rule,
                  const struct name_match *match, uint64_t inner, uint64_t groups) {
    struct arena *a = w->form->arena;
    const bool by_group = strcmp(rule->second, MAMBA2_GROUPS) == 0;
    if (t->n_dims != 1 || t->elems == 0 || (by_group && (t->elems != inner || inner % groups)))
        return err_set(w->err, -EBADMSG, "tensor %.*s: its shape is not that of config.json",
                       STR_ARG(t->name));
    const uint64_t rows = by_group ? groups : t->elems, dims[2] = { rows, t->elems / rows };
    const struct expr *e = expr_tensor_as(a, t, dims[1]);
    if (strcmp(rule->second, MAMBA2_EXP) == 0)
        e = op_decay(a, e, t->dtype);
    return work_target(w, name_build(a, rule->gguf, match), dims, 2, e);
}

static int own_mamba2(struct arch_work *w, const struct tensor *t, const struct tensor_rule *rule,
                      const struct name_match *match) {
    struct sizes s;
    int rc = read_sizes2(w, &s);
    return rc < 0 ? rc : mamba2_tensor(w, t, rule, match, s.inner, s.groups);
}

static int add_epsilon(struct arch_work *w) {
    double epsilon;
    int rc = hf_config_f64(&w->config, "layer_norm_epsilon rms_norm_eps", &epsilon, w->err);
    if (rc == 0 || (rc > 0 && epsilon == 0))
        epsilon = 1e-5;
    return rc < 0 ? rc : work_f32(w, ".attention.layer_norm_rms_epsilon", epsilon);
}

enum { CONTEXT = 1 << 20 /* there is no limit */ };

static int add_common(struct arch_work *w, uint64_t model) {
    int rc = work_u32(w, ".context_length", CONTEXT);
    if (rc == 0)
        rc = work_u32(w, ".embedding_length", model);
    if (rc == 0)
        rc = work_u32(w, ".feed_forward_length", 0);
    if (rc == 0)
        rc = work_u32(w, ".attention.head_count", 0);
    return rc < 0 ? rc : work_u32(w, ".block_count", w->n_layer);
}

static int add_ssm(struct arch_work *w, uint64_t inner, uint64_t state_absent, uint64_t rank) {
    uint64_t conv, state;
    int rc = find_or(w, "conv_kernel d_conv", 4, &conv);
    if (rc == 0)
        rc = find_or(w, "state_size d_state", state_absent, &state);
    if (rc == 0)
        rc = work_u32(w, ".ssm.conv_kernel", conv);
    if (rc == 0)
        rc = work_u32(w, ".ssm.inner_size", inner);
    if (rc == 0)
        rc = work_u32(w, ".ssm.state_size", state);
    return rc < 0 ? rc : work_u32(w, ".ssm.time_step_rank", rank);
}

static int add_mamba(struct arch_work *w) {
    uint64_t model, inner, rank;
    struct str type;
    int rc = hf_config_need(&w->config, "hidden_size d_model", &model, w->err);
    if (rc == 0)
        rc = find_or(w, "intermediate_size d_inner", 2 * model, &inner);
    if (rc == 0)
        rc = find_or(w, "time_step_rank dt_rank", model / 16 + (model % 16 != 0), &rank);
    if (rc == 0 && inner != 2 * model)
        rc = err_set(w->err, -ENOTSUP, "config.json: an inner size other than twice the model's");
    if (rc == 0)
        rc = add_common(w, model);
    if (rc == 0)
        rc = add_ssm(w, inner, 16, rank);
    if (rc == 0)
        rc = add_epsilon(w);
    return rc < 0 ? rc
                  : work_bool(w, ".ssm.dt_b_c_rms",
                              hf_config_str(&w->config, "model_type", &type) &&
                                  str_is(type, "falcon_mamba"));
}

static int add_mamba2(struct arch_work *w) {
    struct sizes s;
    int rc = read_sizes2(w, &s);
    if (rc == 0)
        rc = add_common(w, s.model);
    if (rc == 0)
        rc = add_ssm(w, s.inner, 128, s.inner / s.head);
    if (rc == 0)
        rc = work_u32(w, ".ssm.group_count", s.groups);
    return rc < 0 ? rc : add_epsilon(w);
}

static const struct hparam hparams[] = {
    HPARAM_CALL(add_mamba),
    HPARAM_CALL(hparam_file_type),
    HPARAM_END,
};

static const struct hparam mamba2_hparams[] = {
    HPARAM_CALL(add_mamba2),
    HPARAM_CALL(hparam_file_type),
    HPARAM_END,
};

static const struct name_edit mamba2_edits[] = {
    { EDIT_START, "model.backbone", "backbone" },
    { EDIT_START, "model.lm_head", "lm_head" },
    MAMBA2_EDIT,
    { 0 },
};
static const struct tokenizer_kind *const json_first[] = { &tokenizer_gpt2, &tokenizer_spm, NULL };
static const struct tokenizer_kind *const spm_first[] = { &tokenizer_spm, &tokenizer_gpt2, NULL };

/* --- the way back --- */

static bool is_falcon(const struct back *w) {
    return back_has_flag(w, ".ssm.dt_b_c_rms");
}

static void say_mamba(struct back *w) {
    back_bool(w, "use_bias", back_has_tensor(w, "blk.0.ssm_in.bias"));
    back_bool(w, "use_conv_bias", back_has_tensor(w, "blk.0.ssm_conv1d.bias"));
}

static void say_heads(struct back *w) {
    const uint64_t inner = back_count(w, ".ssm.inner_size", 0, 0);
    const uint64_t heads = back_count(w, ".ssm.time_step_rank", 0, 0);
    const uint64_t hidden = back_count(w, ".embedding_length", 0, 0);
    say_mamba(w);
    back_u64(w, "num_heads", heads);
    if (heads && hidden) {
        back_u64(w, "head_dim", inner / heads);
        back_u64(w, "expand", inner / hidden);
    }
}

static const struct hparam back_pairs[] = {
    HPARAM_U32(".embedding_length", "hidden_size"),
    HPARAM_U32(".ssm.conv_kernel", "conv_kernel"),
    HPARAM_U32(".ssm.inner_size", "intermediate_size"),
    HPARAM_U32(".ssm.state_size", "state_size"),
    HPARAM_U32(".ssm.time_step_rank", "time_step_rank"),
    HPARAM_U32(".ssm.group_count", "n_groups"),
    HPARAM_F32(".attention.layer_norm_rms_epsilon", "layer_norm_epsilon"),
    HPARAM_END,
};
static const char back_fields[] = "num_hidden_layers hidden_size conv_kernel intermediate_size "
                                  "state_size time_step_rank layer_norm_epsilon";
static const struct arch_back back[] = {
    { "falcon_mamba", "FalconMambaForCausalLM", .when = is_falcon, .fields = back_fields,
      .pairs = back_pairs, .more = say_mamba },
    { "mamba", "MambaForCausalLM", .fields = back_fields, .pairs = back_pairs, .more = say_mamba },
    { 0 },
};
static const struct arch_back back2[] = {
    { "mamba2", "Mamba2ForCausalLM",
      .fields = "num_hidden_layers hidden_size conv_kernel state_size n_groups layer_norm_epsilon",
      .pairs = back_pairs, .more = say_heads },
    { 0 },
};

/* One dimension again. */
int mamba2_back(struct reverse *r, const struct tensor *t, const struct tensor_rule *rule,
                const struct name_match *match) {
    struct arena *a = r->form->arena;
    if (!t->elems || dtype_info[t->dtype].block_elems != 1)
        return reverse_bad_shape(r, t, "not the numbers of Mamba");
    const struct expr *e = expr_tensor_as(a, t, t->elems);
    if (strcmp(rule->second, MAMBA2_EXP) == 0)
        e = expr_log(a, expr_mul(a, e, -1));
    return reverse_target(r, name_build(a, rule->hf, match), t, &t->elems, 1, e);
}

void back_mamba2(struct back *w) {
    uint64_t i = 0;
    while (i < back_blocks(w) && !back_block_has(w, i, "ssm_in.weight"))
        i++;
    back_bool(w, "mamba_proj_bias", back_block_has(w, i, "ssm_in.bias"));
    back_bool(w, "mamba_conv_bias", back_block_has(w, i, "ssm_conv1d.bias"));
}

static const struct name_edit mamba2_back_edits[] = { MAMBA2_BACK_EDIT, { 0 } };

static const struct arch archs[] = {
    { .gguf = "mamba",
      .back = back,
      .classes = "MambaForCausalLM MambaLMHeadModel FalconMambaForCausalLM",
      .rules = rules,
      .hparams = hparams,
      .raw_config = true,
      .vocab_multiple = 8,
      .tokenizers = json_first },
    { .gguf = "mamba2",
      .back = back2,
      .back_edits = mamba2_back_edits,
      .classes = "Mamba2ForCausalLM",
      .edits = mamba2_edits,
      .rules = mamba2_rules,
      .own = own_mamba2,
      .own_back = mamba2_back,
      .hparams = mamba2_hparams,
      .raw_config = true,
      .vocab_multiple = 16,
      .tokenizers = spm_first },
    { 0 },
};

const struct family family_mamba = { classes, archs };
