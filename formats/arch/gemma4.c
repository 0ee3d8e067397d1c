/* SPDX-License-Identifier: Apache-2.0
 * formats/arch/gemma4.c - the text part of Gemma 4. Source: conversion/gemma.py;
 * configuration_gemma4.py. */
#include "formats/arch/back.h"
#include "formats/arch/decoder.h"
#include "formats/arch/families.h"
#include "formats/tokenizer/tokenizer.h"
#include <errno.h>
#include <stdio.h>

static const struct hf_class classes[] = {
    { .model_type = "gemma4_text",
      .defaults = JSON_TEXT({
          "vocab_size" : 262144,
          "hidden_size" : 2304,
          "intermediate_size" : 9216,
          "num_hidden_layers" : 30,
          "num_attention_heads" : 8,
          "num_key_value_heads" : 4,
          "head_dim" : 256,
          "max_position_embeddings" : 131072,
          "rms_norm_eps" : 1e-6,
          "rope_parameters" : {
              "sliding_attention" : { "rope_type" : "default", "rope_theta" : 10000.0 },
              "full_attention" : {
                  "rope_type" : "proportional",
                  "partial_rotary_factor" : 0.25,
                  "rope_theta" : 1000000.0
              }
          },
          "sliding_window" : 512,
          "final_logit_softcapping" : null,
          "hidden_size_per_layer_input" : 256,
          "num_kv_shared_layers" : 0,
          "attention_k_eq_v" : false,
          "use_double_wide_mlp" : false,
          "num_experts" : null,
          "top_k_experts" : null,
          "moe_intermediate_size" : null
      }),
      .kinds = "final_logit_softcapping=fn attention_dropout=fin",
      .rope_theta = 1000000,
      .local_theta = 10000 },
    { 0 },
};

static const struct tensor_rule rules[] = {
    { "model.embed_tokens", "token_embd", OP_VOCAB, NULL },
    SAME("model.embed_tokens_per_layer", "per_layer_token_embd"),
    SAME("model.norm", "output_norm"),
    SAME("lm_head", "output"),
    SAME("model.per_layer_model_projection", "per_layer_model_proj"),
    SAME("model.per_layer_projection_norm", "per_layer_proj_norm"),
    SAME("model.layers.#.input_layernorm", "blk.#.attn_norm"),
    DECODER_ATTENTION(OP_SAME, OP_SAME),
    DECODER_QK_NORMS,
    DECODER_MLP,
    SAME("model.layers.#.post_attention_layernorm", "blk.#.post_attention_norm"),
    SAME("model.layers.#.pre_feedforward_layernorm", "blk.#.ffn_norm"),
    SAME("model.layers.#.pre_feedforward_layernorm_2", "blk.#.pre_ffw_norm_2"),
    SAME("model.layers.#.post_feedforward_layernorm", "blk.#.post_ffw_norm"),
    SAME("model.layers.#.post_feedforward_layernorm_1", "blk.#.post_ffw_norm_1"),
    SAME("model.layers.#.post_feedforward_layernorm_2", "blk.#.post_ffw_norm_2"),
    SAME("model.layers.#.per_layer_input_gate", "blk.#.inp_gate"),
    SAME("model.layers.#.per_layer_projection", "blk.#.proj"),
    SAME("model.layers.#.post_per_layer_input_norm", "blk.#.post_norm"),
    SAME("model.layers.#.layer_scalar", "blk.#.layer_output_scale"),
    SAME("model.layers.#.router.proj", "blk.#.ffn_gate_inp"),
    SAME("model.layers.#.router.scale", "blk.#.ffn_gate_inp.scale"),
    SAME("model.layers.#.router.per_expert_scale", "blk.#.ffn_down_exps.scale"),
    { "model.layers.#.experts.gate_up_proj", "blk.#.ffn_gate_up_exps", OP_EXPERTS, NULL },
    { "model.layers.#.experts.down_proj", "blk.#.ffn_down_exps", OP_EXPERTS, NULL },
    RULES_END,
};

/* Every sixth block, where config.json does not say, and the last always. */
static bool is_full(const struct arch_work *w, uint64_t block) {
    enum { PERIOD = 6 };
    const struct json *types = hf_config_json(&w->config, "layer_types");
    struct str type;
    if (block + 1 == w->n_layer)
        return true;
    if (!json_len(types))
        return (block + 1) % PERIOD == 0;
    return json_str(json_at(types, block), &type) && str_is(type, "full_attention");
}

/* Of blocks with full attention: what "per_layer_config" says of the first, else @name. */
static int find_full(struct arch_work *w, const char *key, const char *name, uint64_t *out) {
    const struct json *layers = hf_config_json(&w->config, "per_layer_config");
    char number[24];
    if (json_type(layers) != JSON_OBJECT)
        return hf_config_u64(&w->config, name, out, w->err);
    for (uint64_t i = 0; i < w->n_layer; i++) {
        snprintf(number, sizeof number, "%llu", (unsigned long long)i);
        if (is_full(w, i) && json_u64(json_get(json_get(layers, number), key), out))
            return 1;
    }
    return 0;
}

static int full_head_dim(struct arch_work *w, uint64_t *dim) {
    enum { ABSENT = 512 };
    int rc = find_full(w, "head_dim", "global_head_dim", dim);
    if (rc == 0)
        *dim = ABSENT;
    return rc < 0
               ? rc
               : (*dim <= UINT16_MAX
                      ? 0
                      : err_set(w->err, -EBADMSG, "config.json: \"global_head_dim\" is too large"));
}

/* Which dimensions turn with full attention: the first part of each half; the others have a
 * frequency divided by so much that they stand still. */
static int add_freqs(struct arch_work *w) {
    const float still = 1e30f;
    const double part = w->rope.has_partial ? w->rope.partial : 0;
    uint64_t dim;
    if (!w->rope.type.p || !str_is(w->rope.type, "proportional") || !(part > 0 && part <= 1))
        return err_set(w->err, -ENOTSUP,
                       "config.json: rope_parameters of full_attention are not of type "
                       "\"proportional\" with a \"partial_rotary_factor\"");
    int rc = full_head_dim(w, &dim);
    if (rc < 0)
        return rc;
    const uint64_t n = dim / 2, turned = (uint64_t)((double)dim * part / 2);
    float *factors = arena_array(w->form->arena, float, n + 1);
    if (!factors)
        return work_no_memory(w);
    for (uint64_t i = 0; i < n; i++)
        factors[i] = i < turned ? 1 : still;
    return work_target(w, STR("rope_freqs.weight"), &n, 1,
                       expr_literal(w->form->arena, factors, n));
}

static int add_pattern(struct arch_work *w) {
    uint8_t *windows = arena_array(w->form->arena, uint8_t, w->n_layer + 1);
    if (!windows)
        return work_no_memory(w);
    for (uint64_t i = 0; i < w->n_layer; i++)
        windows[i] = !is_full(w, i);
    return w->n_layer
               ? work_array(w, ".attention.sliding_window_pattern", KV_BOOL, windows, w->n_layer)
               : 0;
}

static int add_dims(struct arch_work *w) {
    uint64_t full, window;
    int rc = full_head_dim(w, &full);
    if (rc == 0)
        rc = hf_config_need(&w->config, "head_dim", &window, w->err);
    if (rc == 0)
        rc = work_u32(w, ".attention.key_length", full);
    if (rc == 0)
        rc = work_u32(w, ".attention.value_length", full);
    if (rc == 0)
        rc = work_u32(w, ".attention.key_length_swa", window);
    return rc < 0 ? rc : work_u32(w, ".attention.value_length_swa", window);
}

/* Blocks that use the keys of others may be twice as wide. */
static int add_widths(struct arch_work *w) {
    int32_t *widths = arena_array(w->form->arena, int32_t, w->n_layer + 1);
    uint64_t width, shared;
    if (!hf_config_bool(&w->config, "use_double_wide_mlp", false))
        return 0;
    int rc = hf_config_need(&w->config, "intermediate_size", &width, w->err);
    if (rc == 0)
        rc = hf_config_need(&w->config, "num_kv_shared_layers", &shared, w->err);
    if (rc == 0 && (shared > w->n_layer || width > INT32_MAX / 2))
        rc = err_set(w->err, -EBADMSG, "config.json: \"num_kv_shared_layers\" does not fit");
    if (!widths)
        return work_no_memory(w);
    for (uint64_t i = 0; rc == 0 && i < w->n_layer; i++)
        widths[i] = (int32_t)(i < w->n_layer - shared ? width : 2 * width);
    return rc < 0 || !w->n_layer
               ? rc
               : work_array(w, ".feed_forward_length", KV_I32, widths, w->n_layer);
}

static int add_keys(struct arch_work *w) {
    int32_t *counts = arena_array(w->form->arena, int32_t, w->n_layer + 1);
    uint64_t full = 0;
    if (!counts)
        return work_no_memory(w);
    int rc = hf_config_json(&w->config, "per_layer_config") ||
                     hf_config_bool(&w->config, "attention_k_eq_v", false)
                 ? find_full(w, "num_key_value_heads", "num_global_key_value_heads", &full)
                 : 0;
    if (rc <= 0 || !w->n_layer)
        return rc;
    for (uint64_t i = 0; i < w->n_layer; i++)
        counts[i] = (int32_t)(is_full(w, i) ? full : w->n_head_kv);
    return work_array(w, ".attention.head_count_kv", KV_I32, counts, w->n_layer);
}

static int add_rope(struct arch_work *w) {
    uint64_t full, window;
    int rc = full_head_dim(w, &full);
    if (rc == 0)
        rc = hf_config_need(&w->config, "head_dim", &window, w->err);
    if (rc == 0)
        rc = work_u32(w, ".rope.dimension_count", full);
    return rc < 0 ? rc : work_u32(w, ".rope.dimension_count_swa", window);
}

static int add_per_layer(struct arch_work *w) {
    uint64_t n = 0;
    int rc = hf_config_u64(&w->config, "hidden_size_per_layer_input", &n, w->err);
    return rc < 0 ? rc : work_u32(w, ".embedding_length_per_layer_input", n);
}

/* Where it is, and not zero. */
static int add_final_cap(struct arch_work *w) {
    double cap = 0;
    int rc = hf_config_f64(&w->config, "final_logit_softcapping", &cap, w->err);
    return rc < 0 || cap == 0 ? (rc < 0 ? rc : 0) : work_f32(w, ".final_logit_softcapping", cap);
}

static const struct hparam hparams[] = {
    HPARAM_LIST(hparams_text),
    HPARAM_CALL(add_final_cap),
    HPARAM_NEED(".attention.sliding_window", "sliding_window"),
    HPARAM_NEED(".attention.shared_kv_layers", "num_kv_shared_layers"),
    HPARAM_CALL(add_per_layer),
    HPARAM_CALL(add_pattern),
    HPARAM_CALL(add_dims),
    HPARAM_U32(".expert_feed_forward_length", "expert_intermediate_size moe_intermediate_size"),
    HPARAM_CALL(add_widths),
    HPARAM_CALL(add_keys),
    HPARAM_CALL(add_rope),
    HPARAM_END,
};

static int add_flags(struct arch_work *w) {
    int rc = work_bool(w, "tokenizer.ggml.add_space_prefix", false);
    return rc < 0 ? rc : work_bool(w, "tokenizer.ggml.add_bos_token", true);
}

/* --- the way back --- */

/* How much of each head turns with full attention, as add_freqs had it. */
static double turned_part(struct back *w) {
    enum { MAX_FREQS = 1 << 12 };
    const struct tensor *t = model_find(w->m, STR("rope_freqs.weight"));
    float factors[MAX_FREQS];
    uint64_t turned = 0;
    if (!t || t->dtype != DTYPE_F32 || !t->elems || t->elems > MAX_FREQS) {
        back_fail(w, -EBADMSG, "rope_freqs.weight is missing, or no list of factors");
        return 0;
    }
    const int rc = source_pread(w->m->sources[t->src], factors, t->bytes, t->off, w->err);
    if (rc < 0)
        w->rc = w->rc ? w->rc : rc;
    while (rc >= 0 && turned < t->elems && factors[turned] == 1)
        turned++;
    return (double)turned / (double)t->elems;
}

static void say_positions(struct back *w) {
    char text[300];
    float full = 1000000, local = 10000;
    back_find_f32(w, ".rope.freq_base", &full);
    back_find_f32(w, ".rope.freq_base_swa", &local);
    snprintf(text, sizeof text,
             "{\"full_attention\": {\"rope_type\": \"proportional\", \"partial_rotary_factor\": "
             "%.9g, \"rope_theta\": %.9g}, "
             "\"sliding_attention\": {\"rope_type\": \"default\", \"rope_theta\": %.9g}}",
             turned_part(w), (double)full, (double)local);
    back_raw(w, "rope_parameters", text);
}

/* Lists have two numbers: of blocks with a window, and of those with full attention. */
static void say_heads(struct back *w) {
    static const char kv[] = ".attention.head_count_kv";
    const bool lists = back_has_list(w, kv);
    const uint64_t n = back_blocks(w);
    uint64_t window = 0, same = 0; /* the first block whose values are its keys */
    while (same < n && same < w->m->n_tensors &&
           (!back_block_has(w, same, "attn_k.weight") || back_block_has(w, same, "attn_v.weight")))
        same++;
    while (window < n && window < w->m->n_tensors &&
           !back_count(w, ".attention.sliding_window_pattern", window, 0))
        window++;
    back_u64(w, "num_key_value_heads", back_count(w, kv, window < n ? window : 0, 1));
    if (lists && n)
        back_u64(w, "num_global_key_value_heads", back_count(w, kv, n - 1, 1));
    back_bool(w, "attention_k_eq_v",
              lists || (same < n && back_block_has(w, same, "attn_k.weight")));
    back_u64(w, "head_dim", back_count(w, ".attention.key_length_swa", 0, 0));
    back_u64(w, "global_head_dim", back_count(w, ".attention.key_length", 0, 0));
}

static void say_gemma4(struct back *w) {
    const struct tensor *rows = model_find(w->m, STR("per_layer_token_embd.weight"));
    float cap;
    back_windows(w); /* fails where there are more blocks than a list takes */
    if (w->rc < 0)
        return;
    if (rows && rows->n_dims == 2)
        back_u64(w, "vocab_size_per_layer_input", rows->dims[0]);
    back_u64(w, "hidden_size_per_layer_input",
             back_count(w, ".embedding_length_per_layer_input", 0, 0));
    back_u64(w, "intermediate_size", back_count(w, ".feed_forward_length", 0, 0));
    back_bool(w, "use_double_wide_mlp", back_has_list(w, ".feed_forward_length"));
    back_bool(w, "enable_moe_block", back_count(w, ".expert_count", 0, 0) > 0);
    say_heads(w);
    say_positions(w);
    if (back_find_f32(w, ".final_logit_softcapping", &cap))
        back_f32(w, "final_logit_softcapping", cap);
    else
        back_null(w, "final_logit_softcapping");
}

static const struct arch_back back[] = { { "gemma4_text", "Gemma4ForCausalLM", .more = say_gemma4 },
                                         { 0 } };
static const struct name_edit back_edits[] = { { EDIT_END, "layer_scalar.weight", "layer_scalar" },
                                               { 0 } };

static const struct name_edit edits[] = { { EDIT_END, "per_dim_scale", "per_dim_scale.weight" },
                                          { EDIT_END, "layer_scalar", "layer_scalar.weight" },
                                          { 0 } };
static const struct tokenizer_kind *const own[] = { &tokenizer_gemma4, NULL };

static const struct arch archs[] = {
    { .gguf = "gemma4",
      .some = "attn_k attn_k_norm attn_v", /* values that are the keys; keys of blocks before */
      .classes = "Gemma4ForConditionalGeneration Gemma4ForCausalLM",
      .edits = edits,
      .back = back,
      .back_edits = back_edits,
      .rules = rules,
      .hparams = hparams,
      .tokenizers = own,
      .extra = add_freqs,
      .after = add_flags },
    { 0 },
};

const struct family family_gemma4 = { classes, archs };
