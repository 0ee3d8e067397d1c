/* SPDX-License-Identifier: Apache-2.0
 * formats/arch/hparams.c - config.json to pairs, by the lists of the tables; and the list that
 * most text models share. Source: conversion/base.py, TextModel.set_gguf_parameters. */
#include "formats/arch/work.h"
#include <errno.h>
#include <stdlib.h>

/* A list of counts, one for each block. */
static int add_counts(struct arch_work *w, const struct hparam *hp, const struct json *list,
                      struct str which) {
    const size_t n = json_len(list);
    int32_t *values = arena_array(w->form->arena, int32_t, n ? n : 1);
    if (!values)
        return work_no_memory(w);
    for (size_t i = 0; i < n; i++) {
        int64_t v;
        if (!json_i64(json_at(list, i), &v) || v != (int32_t)v)
            return err_set(w->err, -EBADMSG, "config.json: \"%.*s\" is not a list of counts",
                           STR_ARG(which));
        values[i] = (int32_t)v;
    }
    return n ? work_array(w, hp->key, KV_I32, values, n) : 0;
}

static int add_u32(struct arch_work *w, const struct hparam *hp) {
    struct hf_value v;
    struct str which;
    uint64_t number;
    if (hf_config_find(&w->config, hp->names, &v, &which) && json_type(v.json) == JSON_ARRAY)
        return add_counts(w, hp, v.json, which);
    int rc = hp->need ? hf_config_need(&w->config, hp->names, &number, w->err)
                      : hf_config_u64(&w->config, hp->names, &number, w->err);
    if (rc < 0 || (rc == 0 && !hp->need))
        return rc;
    if (hp->value && number > UINT32_MAX)
        number = UINT32_MAX; /* too large without the factor, too */
    return work_u32(w, hp->key, hp->value ? number * hp->value : number);
}

static int add_f32(struct arch_work *w, const struct hparam *hp) {
    double number;
    int rc = hf_config_f64(&w->config, hp->names, &number, w->err);
    if (rc == 0 && hp->need)
        return err_set(w->err, -EBADMSG, "config.json: no \"%s\"", hp->names);
    return rc <= 0 ? rc : work_f32(w, hp->key, number);
}

static int add_bool(struct arch_work *w, const struct hparam *hp) {
    struct hf_value v;
    bool b;
    if (!hf_config_find(&w->config, hp->names, &v, NULL))
        return hp->need ? err_set(w->err, -EBADMSG, "config.json: no \"%s\"", hp->names) : 0;
    if (!json_bool(v.json, &b))
        return err_set(w->err, -EBADMSG, "config.json: \"%s\" is not true or false", hp->names);
    return work_bool(w, hp->key, b);
}

/* A number with a fraction is one. */
static int add_else(struct arch_work *w, const struct hparam *hp) {
    if (work_has(w, hp->key))
        return 0;
    return strpbrk(hp->names, ".e") ? work_f32(w, hp->key, strtod(hp->names, NULL))
                                    : work_u32(w, hp->key, strtoull(hp->names, NULL, 10));
}

int hparams_add_list(struct arch_work *w, const struct hparam *list) {
    int rc = 0;
    for (const struct hparam *hp = list; hp->kind != HP_END && rc >= 0; hp++)
        switch (hp->kind) {
        case HP_U32:
            rc = add_u32(w, hp);
            break;
        case HP_FIXED:
            rc = work_u32(w, hp->key, hp->value);
            break;
        case HP_TEXT:
            rc = work_str(w, hp->key, str_from(hp->names));
            break;
        case HP_F32:
            rc = add_f32(w, hp);
            break;
        case HP_BOOL:
            rc = add_bool(w, hp);
            break;
        case HP_ELSE:
            rc = add_else(w, hp);
            break;
        case HP_CALL:
            rc = hp->call(w);
            break;
        case HP_INCLUDE: /* the lists are ours: no list includes itself */
            rc = hparams_add_list(w, hp->include);
            break;
        case HP_END:
            break;
        }
    return rc < 0 ? rc : 0;
}

int hparams_add(struct arch_work *w) {
    return hparams_add_list(w, w->arch->hparams);
}

/* --- what a value alone does not tell --- */

static int add_causal(struct arch_work *w) {
    return hf_config_bool(&w->config, "is_causal", true) ? 0
                                                         : work_bool(w, ".attention.causal", false);
}

/* yarn's parameters: the converter's names, in its order. */
static const struct {
    const char *key, *name, *other;
} yarn_params[] = {
    { ".rope.scaling.yarn_ext_factor", "extrapolation_factor", NULL },
    { ".rope.scaling.yarn_attn_factor", "attention_factor", "attn_factor" },
    { ".rope.scaling.yarn_beta_fast", "beta_fast", NULL },
    { ".rope.scaling.yarn_beta_slow", "beta_slow", NULL },
};

static int add_yarn(struct arch_work *w) {
    if (!w->rope.has_context)
        return err_set(w->err, -EBADMSG,
                       "config.json: rope_scaling of type yarn, and no "
                       "\"original_max_position_embeddings\"");
    int rc = work_u32(w, ".rope.scaling.original_context_length", w->rope.context);
    for (size_t i = 0; i < sizeof yarn_params / sizeof *yarn_params && rc == 0; i++) {
        const struct json *v = json_get(w->rope.params, yarn_params[i].name);
        double number;
        if (!v && yarn_params[i].other)
            v = json_get(w->rope.params, yarn_params[i].other);
        if (json_f64(v, &number))
            rc = work_f32(w, yarn_params[i].key, number);
    }
    return rc;
}

int hparam_rope_scaling(struct arch_work *w) {
    double factor;
    const bool has_factor = json_f64(json_get(w->rope.params, "factor"), &factor);
    if (!w->rope.type.p)
        return 0;
    const bool linear = str_is(w->rope.type, "linear"), yarn = str_is(w->rope.type, "yarn");
    if (str_is(w->rope.type, "su") || str_is(w->rope.type, "longrope"))
        return work_str(w, ".rope.scaling.type", STR("longrope"));
    if (!has_factor || (!linear && !yarn))
        return 0;
    int rc = work_str(w, ".rope.scaling.type", w->rope.type);
    if (rc == 0)
        rc = work_f32(w, ".rope.scaling.factor", factor);
    return rc < 0 || linear ? rc : add_yarn(w);
}

/* Positions of several dimensions: time, height, width. */
static int add_sections(struct arch_work *w) {
    const struct json *params = w->rope.all ? w->rope.all : w->rope.params;
    const struct json *list = json_get(params, "mrope_section");
    int32_t sections[4] = { 0 };
    if (!list && w->config.cls) /* another name, which transformers' classes know */
        list = json_get(params, "xdrope_section");
    if (!list)
        return 0;
    for (size_t i = 0; i < 4 && i < json_len(list); i++) {
        int64_t v;
        if (!json_i64(json_at(list, i), &v) || v != (int32_t)v)
            return err_set(w->err, -EBADMSG,
                           "config.json: \"mrope_section\" is not a list of "
                           "counts");
        sections[i] = (int32_t)v;
    }
    return work_array(w, ".rope.dimension_sections", KV_I32, sections, 4);
}

int hparam_rope_base(struct arch_work *w) {
    int rc = 0;
    if (w->rope.has_theta)
        rc = work_f32(w, ".rope.freq_base", w->rope.theta);
    if (rc == 0 && w->rope.has_local_theta)
        rc = work_f32(w, ".rope.freq_base_swa", w->rope.local_theta);
    return rc;
}

static int add_gating(struct arch_work *w) {
    static const char names[] = "score_function scoring_func score_func moe_router_activation "
                                "moe_router_activation_func expert_selection_fn";
    static const struct {
        const char *name;
        uint32_t id;
    } functions[] = { { "softmax", EXPERT_GATING_SOFTMAX },
                      { "sigmoid", EXPERT_GATING_SIGMOID },
                      { "sqrtsoftplus", EXPERT_GATING_SQRTSOFTPLUS } };
    struct str name;
    if (!hf_config_str(&w->config, names, &name))
        return 0;
    for (size_t i = 0; i < sizeof functions / sizeof *functions; i++)
        if (str_is(name, functions[i].name))
            return work_u32(w, ".expert_gating_func", functions[i].id);
    return err_set(w->err, -ENOTSUP, "config.json: experts are chosen by \"%.*s\"", STR_ARG(name));
}

int hparam_file_type(struct arch_work *w) {
    static const uint32_t ids[] = {
        /* enum llama_ftype */
        [OUTTYPE_F32] = 0,
        [OUTTYPE_F16] = 1,
        [OUTTYPE_Q8_0] = 7,
        [OUTTYPE_BF16] = 32,
    };
    const bool kept = w->stored_blocks != DTYPE_NONE && w->out != OUTTYPE_Q8_0;
    const uint32_t blocks = w->stored_blocks == DTYPE_NVFP4 ? 39 : 38;
    return work_u32(w, "general.file_type", kept ? blocks : ids[w->out]);
}

int hparam_blocks(struct arch_work *w) {
    return work_u32(w, ".block_count", w->n_layer);
}

int hparam_mtp_blocks(struct arch_work *w) {
    uint64_t n;
    int rc = hf_config_u64(&w->config, w->arch->mtp, &n, w->err);
    return rc <= 0 ? rc : work_u32(w, ".nextn_predict_layers", n);
}

int hparam_mtp_any(struct arch_work *w) {
    return w->n_mtp ? hparam_mtp_blocks(w) : 0;
}

const struct hparam hparams_text[] = {
    HPARAM_CALL(hparam_blocks),
    HPARAM_U32(".context_length", "max_position_embeddings n_ctx n_positions max_length "
                                  "max_sequence_length model_max_length"),
    HPARAM_U32(".embedding_length", "hidden_size n_embd dim"),
    HPARAM_U32(".feed_forward_length", "prefix_dense_intermediate_size dense_intermediate_size "
                                       "intermediate_size n_inner hidden_dim"),
    HPARAM_U32(".attention.head_count", "num_attention_heads n_head n_heads"),
    HPARAM_U32(".attention.head_count_kv", "num_key_value_heads n_kv_heads"),
    HPARAM_CALL(add_causal),
    HPARAM_CALL(hparam_rope_scaling),
    HPARAM_CALL(add_sections),
    HPARAM_CALL(hparam_rope_base),
    HPARAM_F32(".attention.layer_norm_rms_epsilon", "rms_norm_eps norm_eps"),
    HPARAM_F32(".attention.layer_norm_epsilon", "layer_norm_eps layer_norm_epsilon norm_epsilon"),
    HPARAM_U32(".expert_count", "num_local_experts num_experts n_routed_experts"),
    HPARAM_U32(".expert_used_count", "num_experts_per_tok num_experts_per_token top_k_experts"),
    HPARAM_U32(".expert_group_count", "n_group"),
    HPARAM_U32(".expert_group_used_count", "topk_group"),
    HPARAM_CALL(add_gating),
    HPARAM_U32(".attention.key_length", "head_dim"),
    HPARAM_U32(".attention.value_length", "head_dim"),
    HPARAM_CALL(hparam_file_type),
    HPARAM_END,
};
