/* SPDX-License-Identifier: Apache-2.0
 * formats/arch/mistral.c - Mistral's own layout: params.json, consolidated*.safetensors, as
 * convert_hf_to_gguf.py --mistral-format reads it. Source: conversion/mistral.py (llama.cpp
 * 0c1e570). */
#include "formats/arch/decoder.h"
#include "formats/arch/families.h"
#include "formats/tokenizer/tokenizer.h"
#include <errno.h>

/* Queries and keys have llama.cpp's order there. */
static const struct tensor_rule rules[] = {
    SAME("tok_embeddings", "token_embd"),
    SAME("norm", "output_norm"),
    SAME("output", "output"),
    SAME("layers.#.attention_norm", "blk.#.attn_norm"),
    SAME("layers.#.ffn_norm", "blk.#.ffn_norm"),
    SAME("layers.#.attention.wq", "blk.#.attn_q"),
    SAME("layers.#.attention.wk", "blk.#.attn_k"),
    SAME("layers.#.attention.wv", "blk.#.attn_v"),
    SAME("layers.#.attention.wo", "blk.#.attn_output"),
    SAME("layers.#.feed_forward.w1", "blk.#.ffn_gate"),
    SAME("layers.#.feed_forward.w2", "blk.#.ffn_down"),
    SAME("layers.#.feed_forward.w3", "blk.#.ffn_up"),
    RULES_END,
};

static int add_yarn(struct arch_work *w) {
    const struct json *yarn = hf_config_json(&w->config, "yarn");
    double factor, beta, alpha;
    uint64_t context;
    bool scale;
    if (json_is_null(yarn))
        return 0;
    if (!json_f64(json_get(yarn, "factor"), &factor) || !json_f64(json_get(yarn, "beta"), &beta) ||
        !json_f64(json_get(yarn, "alpha"), &alpha) ||
        !json_bool(json_get(yarn, "apply_scale"), &scale) ||
        !json_u64(json_get(yarn, "original_max_position_embeddings"), &context))
        return err_set(w->err, -EBADMSG, "params.json: \"yarn\" is not complete");
    int rc = work_str(w, ".rope.scaling.type", STR("yarn"));
    if (rc == 0)
        rc = work_f32(w, ".rope.scaling.factor", factor);
    if (rc == 0)
        rc = work_f32(w, ".rope.scaling.yarn_beta_fast", beta);
    if (rc == 0)
        rc = work_f32(w, ".rope.scaling.yarn_beta_slow", alpha);
    if (rc == 0)
        rc = work_f32(w, ".rope.scaling.yarn_log_multiplier", scale ? 0 : 1);
    return rc < 0 ? rc : work_u32(w, ".rope.scaling.original_context_length", context);
}

static int add_temperature(struct arch_work *w) {
    const struct json *scaling = hf_config_json(&w->config, "llama_4_scaling");
    double beta;
    if (json_is_null(scaling))
        return 0;
    return json_f64(json_get(scaling, "beta"), &beta)
               ? work_f32(w, ".attention.temperature_scale", beta)
               : err_set(w->err, -EBADMSG, "params.json: \"llama_4_scaling\" has no \"beta\"");
}

static int add_rope_dimension(struct arch_work *w) {
    uint64_t dim;
    int rc = hf_config_need(&w->config, "head_dim", &dim, w->err);
    return rc < 0 ? rc : work_u32(w, ".rope.dimension_count", dim);
}

static const struct hparam hparams[] = {
    HPARAM_LIST(hparams_text),
    HPARAM_CALL(add_rope_dimension),
    HPARAM_CALL(add_yarn),
    HPARAM_CALL(add_temperature),
    HPARAM_END,
};

static bool has_experts(const struct arch_work *w) {
    return !json_is_null(hf_config_json(&w->config, "moe"));
}

static int refuse_experts(struct arch_work *w) {
    return err_set(w->err, -ENOTSUP,
                   "params.json: \"moe\": mixtures of experts are not read in "
                   "Mistral's own layout");
}

static bool is_scaled(const struct arch_work *w) {
    return json_get(w->folder->config, "llama_4_scaling") != NULL;
}

static const struct tokenizer_kind *const tokenizers[] = { &tokenizer_mistral, NULL };

/* For lack of "architectures": OWN_LAYOUT_CLASS. */
static const struct arch archs[] = {
    { .gguf = "deepseek2",
      .classes = OWN_LAYOUT_CLASS,
      .when = has_experts,
      .rules = rules,
      .hparams = hparams,
      .tokenizers = tokenizers,
      .extra = refuse_experts },
    { .gguf = "mistral3",
      .classes = OWN_LAYOUT_CLASS,
      .when = is_scaled,
      .rules = rules,
      .hparams = hparams,
      .tokenizers = tokenizers },
    { .gguf = "llama",
      .classes = OWN_LAYOUT_CLASS,
      .rules = rules,
      .hparams = hparams,
      .tokenizers = tokenizers },
    { 0 },
};

const struct family family_mistral = { NULL, archs };
