/* SPDX-License-Identifier: Apache-2.0
 * formats/arch/qwen_next.c - Qwen3-Next and the text part of Qwen 3.5, dense and with experts:
 * linear attention in most blocks. Source: conversion/qwen.py; configuration_qwen3_next.py,
 * _qwen3_5.py, _qwen3_5_moe.py. */
#include "formats/arch/decoder.h"
#include "formats/arch/families.h"
#include "formats/arch/qwen_next.h"
#include "formats/tokenizer/tokenizer.h"
#include <errno.h>

static const struct hf_class classes[] = {
    { .model_type = "qwen3_next",
      .defaults = JSON_TEXT({
          "vocab_size" : 151936,
          "hidden_size" : 2048,
          "intermediate_size" : 5632,
          "num_hidden_layers" : 48,
          "num_attention_heads" : 16,
          "num_key_value_heads" : 2,
          "max_position_embeddings" : 32768,
          "rms_norm_eps" : 1e-6,
          "head_dim" : 256,
          "linear_conv_kernel_dim" : 4,
          "linear_key_head_dim" : 128,
          "linear_value_head_dim" : 128,
          "linear_num_key_heads" : 16,
          "linear_num_value_heads" : 32,
          "moe_intermediate_size" : 512,
          "shared_expert_intermediate_size" : 512,
          "num_experts_per_tok" : 10,
          "num_experts" : 512
      }),
      .rope_theta = 10000,
      .partial_rotary_factor = 0.25 },
    { .model_type = "qwen3_5_text",
      .defaults = JSON_TEXT({
          "vocab_size" : 248320,
          "hidden_size" : 4096,
          "intermediate_size" : 12288,
          "num_hidden_layers" : 32,
          "num_attention_heads" : 16,
          "num_key_value_heads" : 4,
          "max_position_embeddings" : 32768,
          "rms_norm_eps" : 1e-6,
          "head_dim" : 256,
          "linear_conv_kernel_dim" : 4,
          "linear_key_head_dim" : 128,
          "linear_value_head_dim" : 128,
          "linear_num_key_heads" : 16,
          "linear_num_value_heads" : 32
      }),
      .rope_theta = 10000,
      .partial_rotary_factor = 0.25 },
    { .model_type = "qwen3_5_moe_text",
      .defaults = JSON_TEXT({
          "vocab_size" : 248320,
          "hidden_size" : 2048,
          "num_hidden_layers" : 40,
          "num_attention_heads" : 16,
          "num_key_value_heads" : 2,
          "max_position_embeddings" : 32768,
          "rms_norm_eps" : 1e-6,
          "head_dim" : 256,
          "linear_conv_kernel_dim" : 4,
          "linear_key_head_dim" : 128,
          "linear_value_head_dim" : 128,
          "linear_num_key_heads" : 16,
          "linear_num_value_heads" : 32,
          "moe_intermediate_size" : 512,
          "shared_expert_intermediate_size" : 512,
          "num_experts_per_tok" : 8,
          "num_experts" : 256
      }),
      .rope_theta = 10000,
      .partial_rotary_factor = 0.25 },
    { 0 },
};

const char linear_fused[] = "q, k, v and z of each key's head";
const char linear_rows_v[] = "rows of heads of values";
const char linear_rows_one[] = "a row for each head of values";
const char linear_rows_qkv[] = "rows of queries and keys, then of values";
const char linear_cols_v[] = "columns of heads of values";
const char linear_decay[] = "a row for each head, logarithms of decays";

#define LINEAR(hf, gguf, how) \
    { "model.layers.#.linear_attn." hf, "blk.#." gguf, OP_OWN, how }
#define PLUS_ONE(hf, gguf) \
    { hf, gguf, OP_ADD_ONE, NULL }

static const struct tensor_rule rules[] = {
    SAME("model.embed_tokens", "token_embd"),
    PLUS_ONE("model.norm", "output_norm"),
    SAME("lm_head", "output"),
    PLUS_ONE("model.layers.#.input_layernorm", "blk.#.attn_norm"),
    PLUS_ONE("model.layers.#.post_attention_layernorm", "blk.#.post_attention_norm"),
    DECODER_ATTENTION(OP_SAME, OP_SAME),
    PLUS_ONE("model.layers.#.self_attn.q_norm", "blk.#.attn_q_norm"),
    PLUS_ONE("model.layers.#.self_attn.k_norm", "blk.#.attn_k_norm"),
    LINEAR("in_proj_qkvz", "attn_qkv", linear_fused),
    SAME("model.layers.#.linear_attn.in_proj_ba", "blk.#.ssm_ba"),
    LINEAR("in_proj_qkv", "attn_qkv", linear_rows_qkv),
    LINEAR("in_proj_z", "attn_gate", linear_rows_v),
    LINEAR("in_proj_a", "ssm_alpha", linear_rows_one),
    LINEAR("in_proj_b", "ssm_beta", linear_rows_one),
    LINEAR("conv1d", "ssm_conv1d", linear_rows_qkv),
    LINEAR("A_log", "ssm_a", linear_decay),
    LINEAR("dt_proj", "ssm_dt", linear_rows_one),
    SAME("model.layers.#.linear_attn.norm", "blk.#.ssm_norm"),
    LINEAR("out_proj", "ssm_out", linear_cols_v),
    DECODER_MLP,
    SAME("model.layers.#.mlp.gate", "blk.#.ffn_gate_inp"),
    DECODER_EXPERTS("mlp.experts"),
    { "model.layers.#.mlp.experts.down_proj", "blk.#.ffn_down_exps", OP_EXPERTS, NULL },
    { "model.layers.#.mlp.experts.gate_up_proj", "blk.#.ffn_gate_exps", OP_GATE_UP,
      "blk.#.ffn_up_exps" },
    SAME("model.layers.#.mlp.shared_expert_gate", "blk.#.ffn_gate_inp_shexp"),
    DECODER_SHARED("mlp.shared_expert"),
    SAME("model.layers.#.eh_proj", "blk.#.nextn.eh_proj"),
    PLUS_ONE("model.layers.#.enorm", "blk.#.nextn.enorm"),
    PLUS_ONE("model.layers.#.hnorm", "blk.#.nextn.hnorm"),
    PLUS_ONE("model.layers.#.shared_head.norm", "blk.#.nextn.shared_head_norm"),
    RULES_END,
};

/* Qwen3-Next's config.json does not say how many there are. */
static uint64_t count_mtp(const struct arch_work *w) {
    uint64_t n = 0, block;
    struct str rest;
    if (hf_config_u64(&w->config, "mtp_num_hidden_layers", &n, NULL) > 0 && n)
        return n;
    n = 0;
    for (uint32_t i = 0; i < w->model->n_tensors; i++) {
        struct str name = w->model->tensors[i].name;
        if (str_starts(name, STR("model.mtp.")))
            name = (struct str){ name.p + 6, name.n - 6 };
        if (decoder_mtp_block(name, &block, &rest) && block >= n)
            n = block + 1;
    }
    return n;
}

/* --- linear attention --- */

struct heads {
    uint64_t keys, values, per_key, key_dim, value_dim;
};

static int read_heads(struct arch_work *w, struct heads *h) {
    int rc = hf_config_need(&w->config, "linear_num_key_heads", &h->keys, w->err);
    if (rc == 0)
        rc = hf_config_need(&w->config, "linear_num_value_heads", &h->values, w->err);
    if (rc == 0)
        rc = hf_config_need(&w->config, "linear_key_head_dim", &h->key_dim, w->err);
    if (rc == 0)
        rc = hf_config_need(&w->config, "linear_value_head_dim", &h->value_dim, w->err);
    if (rc == 0 && (!h->keys || h->values % h->keys || !h->values || !h->key_dim || !h->value_dim ||
                    h->values > UINT16_MAX || h->key_dim > UINT16_MAX || h->value_dim > UINT16_MAX))
        rc = err_set(w->err, -EBADMSG, "config.json: the heads of linear attention do not fit");
    if (rc == 0)
        h->per_key = h->values / h->keys;
    return rc;
}

static bool is_tiled(const struct arch_work *w) {
    return strcmp(w->arch->gguf, "qwen3next") != 0;
}

/* Heads of values are grouped by their key there; here the first of each group come first.
 * From row @first on, @dim rows a head. */
static const struct expr *tile(struct arch_work *w, const struct expr *e, const struct heads *h,
                               uint64_t first, uint64_t dim) {
    const struct row_map map = {
        first, 3, { h->per_key, h->keys, dim }, { dim, h->per_key * dim, 1 }
    };
    return expr_rows(w->form->arena, e, map);
}

/* Qwen3-Next: q, k, v and z of one key's head lie together. */
static int own_fused(struct arch_work *w, const struct tensor *t, const struct name_match *match,
                     const struct heads *h) {
    struct arena *a = w->form->arena;
    const uint64_t k = h->key_dim, v = h->per_key * h->value_dim, all = 2 * k + 2 * v;
    if (t->n_dims != 2 || t->dims[0] != h->keys * all)
        return err_set(w->err, -EBADMSG,
                       "tensor %.*s: its rows are not those of config.json's heads",
                       STR_ARG(t->name));
    const struct expr *e = expr_tensor(a, t);
    const struct expr *in[3] = {
        expr_rows(a, e, (struct row_map){ 0, 2, { h->keys, k }, { all, 1 } }),
        expr_rows(a, e, (struct row_map){ k, 2, { h->keys, k }, { all, 1 } }),
        expr_rows(a, e, (struct row_map){ 2 * k, 2, { h->keys, v }, { all, 1 } }),
    };
    const uint64_t qkv[2] = { h->keys * (2 * k + v), t->dims[1] };
    const uint64_t z[2] = { h->keys * v, t->dims[1] };
    int rc = work_target(w, name_build(a, "blk.#.attn_qkv", match), qkv, 2, expr_stack(a, in, 3));
    return rc < 0
               ? rc
               : work_target(
                     w, name_build(a, "blk.#.attn_gate", match), z, 2,
                     expr_rows(a, e, (struct row_map){ 2 * k + v, 2, { h->keys, v }, { all, 1 } }));
}

static const struct expr *reorder(struct arch_work *w, const struct tensor *t, const char *how,
                                  const struct heads *h, uint64_t cols) {
    struct arena *a = w->form->arena;
    const uint64_t qk = 2 * h->keys * h->key_dim, v = h->values * h->value_dim;
    if (how == linear_cols_v) { /* the pieces of a row that are a head's become rows */
        const struct row_map map = {
            0, 3, { t->dims[0], h->per_key, h->keys }, { h->values, 1, h->per_key }
        };
        return cols == v ? expr_rows(a, expr_tensor_as(a, t, h->value_dim), map) : NULL;
    }
    const struct expr *e = expr_tensor_as(a, t, cols);
    if (how == linear_rows_qkv) {
        const struct expr *in[2] = { expr_slice(a, e, 0, qk), tile(w, e, h, qk, h->value_dim) };
        return t->elems / cols == qk + v ? expr_stack(a, in, 2) : NULL;
    }
    return t->elems / cols == (how == linear_rows_v ? v : h->values)
               ? tile(w, e, h, 0, how == linear_rows_v ? h->value_dim : 1)
               : NULL;
}

static int own_linear(struct arch_work *w, const struct tensor *t, const struct tensor_rule *rule,
                      const struct name_match *match) {
    struct arena *a = w->form->arena;
    const char *const how = rule->second;
    struct heads h;
    uint64_t dims[TENSOR_MAX_DIMS];
    uint32_t n = 0;
    int rc = read_heads(w, &h);
    if (rc == 0 && how == linear_fused)
        rc = own_fused(w, t, match, &h);
    if (rc < 0 || how == linear_fused)
        return rc;
    for (uint32_t i = 0; i < t->n_dims; i++)
        if (t->dims[i] != 1 || how != linear_rows_qkv) /* a convolution has one channel */
            dims[n++] = t->dims[i];
    if (n == 0 || n > 2 || t->elems == 0)
        return err_set(w->err, -EBADMSG, "tensor %.*s: its shape is not linear attention's",
                       STR_ARG(t->name));
    const uint64_t cols = n == 2 ? dims[1] : 1;
    const struct expr *e =
        is_tiled(w) && h.per_key > 1 ? reorder(w, t, how, &h, cols) : expr_tensor_as(a, t, cols);
    if (!e)
        return err_set(w->err, -EBADMSG,
                       "tensor %.*s: its rows are not those of config.json's heads",
                       STR_ARG(t->name));
    if (how == linear_decay)
        e = op_decay(a, e, t->dtype);
    return work_target(w, name_build(a, rule->gguf, match), dims, n, e);
}

/* --- pairs --- */

static int add_inner(struct arch_work *w) {
    struct heads h;
    int rc = read_heads(w, &h);
    return rc < 0 ? rc : work_u32(w, ".ssm.inner_size", h.value_dim * h.values);
}

/* Which blocks have linear attention: "layer_types", else all but one in an interval. */
static int add_recurrent(struct arch_work *w) {
    enum { INTERVAL = 4 };
    const struct json *types = hf_config_json(&w->config, "layer_types");
    const uint64_t n = w->n_layer - w->n_mtp;
    uint64_t every = INTERVAL;
    uint8_t *linear = arena_array(w->form->arena, uint8_t, w->n_layer + 1);
    int rc = hf_config_u64(&w->config, "full_attention_interval", &every, w->err);
    if (rc < 0 || !linear)
        return rc < 0 ? rc : work_no_memory(w);
    if ((types && json_len(types) != n) || every == 0)
        return err_set(w->err, -EBADMSG,
                       "config.json: \"layer_types\" has %zu entries for %llu blocks",
                       json_len(types), (unsigned long long)n);
    for (uint64_t i = 0; i < n; i++) {
        struct str type;
        linear[i] = types ? json_str(json_at(types, i), &type) && str_is(type, "linear_attention")
                          : (i + 1) % every != 0;
    }
    if (w->n_layer && (types || w->config.cls))
        rc = work_array(w, ".attention.recurrent_layers", KV_BOOL, linear, w->n_layer);
    /* transformers takes it out of config.json where it makes layer_types of it */
    return rc < 0 ? rc
                  : work_u32(w, ".full_attention_interval",
                             types || !w->config.cls ? every : (uint64_t)INTERVAL);
}

static int add_rope(struct arch_work *w) {
    if (!w->rope.has_partial) {
        w->rope.has_partial = true;
        w->rope.partial = 0.25;
    }
    return decoder_partial_rope(w);
}

static int add_mtp(struct arch_work *w) {
    return w->n_mtp ? work_u32(w, ".nextn_predict_layers", w->n_mtp) : 0;
}

static int add_sections(struct arch_work *w) {
    static const int32_t absent[4] = { 11, 11, 10, 0 };
    const struct json *params = w->rope.all ? w->rope.all : w->rope.params;
    return json_get(params, "mrope_section")
               ? 0
               : work_array(w, ".rope.dimension_sections", KV_I32, absent, 4);
}

static const struct hparam hparams[] = {
    HPARAM_LIST(hparams_text),
    HPARAM_U32(".expert_feed_forward_length", "moe_intermediate_size"),
    HPARAM_U32(".expert_shared_feed_forward_length", "shared_expert_intermediate_size"),
    HPARAM_CALL(add_mtp),
    HPARAM_NEED(".ssm.conv_kernel", "linear_conv_kernel_dim"),
    HPARAM_NEED(".ssm.state_size", "linear_key_head_dim"),
    HPARAM_NEED(".ssm.group_count", "linear_num_key_heads"),
    HPARAM_NEED(".ssm.time_step_rank", "linear_num_value_heads"),
    HPARAM_CALL(add_inner),
    HPARAM_CALL(add_recurrent),
    HPARAM_CALL(add_rope),
    HPARAM_END,
};

static const struct hparam hparams35[] = {
    HPARAM_LIST(hparams),
    HPARAM_CALL(add_sections),
    HPARAM_END,
};

static const struct name_edit edits[] = { { EDIT_START, "model.mtp.", "mtp." },
                                          { EDIT_END, ".dt_bias", ".dt_proj.bias" },
                                          { 0 } };
static const struct tokenizer_kind *const bpe[] = { &tokenizer_gpt2, NULL };

#define NEXT_ROW(name, list)                                                                       \
    .gguf = (name), .edits = edits, .back_edits = qwen_next_back_edits,                            \
    .own_back = qwen_next_back_own, .rename = decoder_rename_mtp, .back_rename = decoder_back_mtp, \
    .rules = rules, .own = own_linear, .hparams = (list),                                          \
    .experts = "num_local_experts num_experts", .count_mtp = count_mtp, .tokenizers = bpe

static const struct arch archs[] = {
    { NEXT_ROW("qwen3next", hparams), .back = qwen3_next_back, .classes = "Qwen3NextForCausalLM" },
    { NEXT_ROW("qwen35", hparams35), .back = qwen35_back,
      .classes = "Qwen3_5ForConditionalGeneration Qwen3_5ForCausalLM" },
    { NEXT_ROW("qwen35moe", hparams35), .back = qwen35moe_back,
      .classes = "Qwen3_5MoeForConditionalGeneration Qwen3_5MoeForCausalLM" },
    { 0 },
};

const struct family family_qwen_next = { classes, archs };
