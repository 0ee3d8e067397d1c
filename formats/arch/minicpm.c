/* SPDX-License-Identifier: Apache-2.0
 * formats/arch/minicpm.c - MiniCPM and Baichuan: Llama's shape, with a SentencePiece vocabulary.
 * Source: conversion/minicpm.py, baichuan.py. */
#include "formats/arch/back.h"
#include "formats/arch/decoder.h"
#include "formats/arch/families.h"
#include "formats/arch/reverse.h"
#include "formats/tokenizer/tokenizer.h"
#include <errno.h>
#include <math.h>
#include <stdio.h>

static const struct hf_class classes[] = { { 0 } };

static const struct tensor_rule minicpm_rules[] = {
    DECODER_ENDS, DECODER_NORMS, DECODER_ATTENTION(OP_PERMUTE_Q, OP_PERMUTE_K),
    DECODER_MLP,  RULES_END,
};

static const struct tensor_rule baichuan_rules[] = {
    DECODER_ENDS,
    DECODER_NORMS,
    { "model.layers.#.self_attn.W_pack", "blk.#.attn_q", OP_OWN, "qkv" },
    { "model.layers.#.self_attn.W_pack", "blk.#.attn_k", OP_DROP, NULL }, /* with it */
    { "model.layers.#.self_attn.W_pack", "blk.#.attn_v", OP_DROP, NULL },
    SAME("model.layers.#.self_attn.o_proj", "blk.#.attn_output"),
    DECODER_MLP,
    RULES_END,
};

/* Queries, keys and values below each other; the rows of the first two as Llama has them. */
static int own_pack(struct arch_work *w, const struct tensor *t, const struct tensor_rule *rule,
                    const struct name_match *match) {
    static const char *const names[] = { "blk.#.attn_q", "blk.#.attn_k", "blk.#.attn_v" };
    struct arena *a = w->form->arena;
    (void)rule;
    if (t->n_dims != 2 || t->elems == 0 || !w->n_head || t->dims[0] % (6 * w->n_head))
        return err_set(w->err, -EBADMSG, "tensor %.*s: not the rows of three times %llu heads",
                       STR_ARG(t->name), (unsigned long long)w->n_head);
    const uint64_t dims[2] = { t->dims[0] / 3, t->dims[1] };
    int rc = 0;
    for (uint64_t i = 0; i < 3 && rc == 0; i++) {
        const struct expr *e = expr_slice(a, expr_tensor(a, t), i * dims[0], dims[0]);
        if (i < 2)
            e = expr_swap(a, e, 2, dims[0] / w->n_head / 2);
        rc = work_target(w, name_build(a, names[i], match), dims, 2, e);
    }
    return rc;
}

/* Scales that the model's code derives from config.json. */
static int add_scales(struct arch_work *w) {
    double emb, depth, base;
    uint64_t hidden;
    int rc = hf_config_f64(&w->config, "scale_emb", &emb, w->err);
    if (rc > 0)
        rc = hf_config_f64(&w->config, "scale_depth", &depth, w->err);
    if (rc > 0)
        rc = hf_config_f64(&w->config, "dim_model_base", &base, w->err);
    if (rc > 0)
        rc = hf_config_u64(&w->config, "hidden_size", &hidden, w->err);
    if (rc == 0)
        return err_set(w->err, -EBADMSG,
                       "config.json: no \"scale_emb\", \"scale_depth\" or \"dim_model_base\"");
    if (rc > 0)
        rc = work_f32(w, ".embedding_scale", emb);
    if (rc == 0)
        rc = work_f32(w, ".residual_scale", depth / sqrt((double)w->n_layer));
    return rc < 0 ? rc : work_f32(w, ".logit_scale", (double)hidden / base);
}

static int add_factors(struct arch_work *w, const char *key, struct str name) {
    const struct json *list = json_get(w->rope.params, key);
    const uint64_t n = json_len(list);
    uint64_t hidden;
    if (!n)
        return 0;
    int rc = hf_config_need(&w->config, "hidden_size", &hidden, w->err);
    if (rc < 0)
        return rc;
    if (!w->n_head || n != hidden / w->n_head / 2)
        return err_set(w->err, -EBADMSG, "config.json: \"%s\" has %llu numbers", key,
                       (unsigned long long)n);
    float *factors = arena_array(w->form->arena, float, n);
    if (!factors)
        return work_no_memory(w);
    for (uint64_t i = 0; i < n; i++) {
        double v;
        if (!json_f64(json_at(list, i), &v))
            return err_set(w->err, -EBADMSG, "config.json: \"%s\" is not a list of numbers", key);
        factors[i] = (float)v;
    }
    return work_target(w, name, &n, 1, expr_literal(w->form->arena, factors, n));
}

static int add_all_factors(struct arch_work *w) {
    int rc = add_factors(w, "long_factor", STR("rope_factors_long.weight"));
    return rc < 0 ? rc : add_factors(w, "short_factor", STR("rope_factors_short.weight"));
}

static int add_rope(struct arch_work *w) {
    uint64_t hidden;
    int rc = hf_config_need(&w->config, "hidden_size", &hidden, w->err);
    return rc < 0 ? rc : work_u32(w, ".rope.dimension_count", w->n_head ? hidden / w->n_head : 0);
}

static const struct hparam minicpm_hparams[] = {
    HPARAM_LIST(hparams_text),
    HPARAM_CALL(add_scales),
    HPARAM_END,
};

static const struct hparam baichuan_hparams[] = {
    HPARAM_LIST(hparams_text),
    HPARAM_TEXT(".tensor_data_layout", "Meta AI original pth"),
    HPARAM_CALL(add_rope),
    HPARAM_END,
};

/* --- the way back --- */

/* A number of config.json that a pair of single precision was computed from, or @absent. */
static void say_scale(struct back *w, const char *name, double v, double absent) {
    char text[32];
    snprintf(text, sizeof text, "%.7g", v > 0 && isfinite(v) ? v : absent);
    back_raw(w, name, text);
}

/* Where there are no pairs, what llama.cpp takes. */
static void say_minicpm(struct back *w) {
    const double hidden = (double)back_count(w, ".embedding_length", 0, 0);
    float emb = 0, residual = 0, logit = 0;
    back_find_f32(w, ".embedding_scale", &emb);
    back_find_f32(w, ".residual_scale", &residual);
    back_find_f32(w, ".logit_scale", &logit);
    say_scale(w, "scale_emb", emb, 12);
    say_scale(w, "scale_depth", residual * sqrt((double)back_blocks(w)), 1.4);
    say_scale(w, "dim_model_base", hidden / logit, 256);
}

static const struct arch_back minicpm_back[] = {
    { "minicpm", "MiniCPMForCausalLM", .fields = BACK_DECODER_FIELDS, .more = say_minicpm }, { 0 }
};

/* llama.cpp tells the two by the number of blocks: of 40, positions are no rotations. */
static bool is_13b(const struct back *w) {
    return back_blocks(w) == 40;
}

static bool is_first_7b(const struct back *w) {
    const struct tensor *t = model_find(w->m, STR("token_embd.weight"));
    return !is_13b(w) && t && t->n_dims == 2 && t->dims[0] == 64000;
}

#define BAICHUAN_FIELDS \
    "num_hidden_layers hidden_size intermediate_size num_attention_heads rms_norm_eps vocab_size "

static const struct arch_back baichuan_back[] = {
    { "baichuan", "BaichuanForCausalLM", .when = is_13b,
      .fields = BAICHUAN_FIELDS "model_max_length" },
    { "baichuan", "BaiChuanForCausalLM", .when = is_first_7b,
      .fields = BAICHUAN_FIELDS "max_position_embeddings" },
    { "baichuan", "BaichuanForCausalLM", .fields = BAICHUAN_FIELDS "max_position_embeddings" },
    { 0 },
};

static const struct tokenizer_kind *const spm[] = { &tokenizer_spm, NULL };

static const struct arch archs[] = {
    { .gguf = "minicpm",
      .back = minicpm_back,
      .classes = "MiniCPMForCausalLM",
      .rules = minicpm_rules,
      .hparams = minicpm_hparams,
      .tokenizers = spm,
      .extra = add_all_factors },
    { .gguf = "baichuan",
      .back = baichuan_back,
      .own_back = reverse_pack,
      .classes = "BaichuanForCausalLM BaiChuanForCausalLM",
      .rules = baichuan_rules,
      .own = own_pack,
      .hparams = baichuan_hparams,
      .tokenizers = spm },
    { 0 },
};

const struct family family_minicpm = { classes, archs };
