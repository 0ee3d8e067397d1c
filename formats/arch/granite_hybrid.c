/* SPDX-License-Identifier: Apache-2.0
 * formats/arch/granite_hybrid.c - Granite 4 and Bamba: Mamba 2 in most blocks, attention in some,
 * in small models in all. Source: conversion/granite.py, which reads config.json as it is. */
#include "formats/arch/back.h"
#include "formats/arch/families.h"
#include "formats/arch/granite.h"
#include "formats/arch/mamba2.h"
#include "formats/tokenizer/tokenizer.h"
#include <errno.h>

static const struct hf_class classes[] = { { 0 } };

static const struct tensor_rule rules[] = {
    GRANITE_EXPERTS,
    DECODER_ENDS,
    SAME("model.final_layernorm", "output_norm"),
    DECODER_NORMS,
    SAME("model.layers.#.pre_ff_layernorm", "blk.#.ffn_norm"),
    DECODER_ATTENTION(OP_PERMUTE_Q, OP_PERMUTE_K),
    MAMBA2_MIXER("model.layers.#.mamba"),
    DECODER_MLP,
    SAME("model.layers.#.feed_forward.gate_proj", "blk.#.ffn_gate"),
    SAME("model.layers.#.feed_forward.up_proj", "blk.#.ffn_up"),
    SAME("model.layers.#.feed_forward.down_proj", "blk.#.ffn_down"),
    RULES_END,
};

/* Is @block one with attention? */
static bool has_attention(const struct arch_work *w, uint64_t block) {
    const struct json *types = hf_config_json(&w->config, "layer_types");
    const struct json *list = hf_config_json(&w->config, "attn_layer_indices");
    uint64_t n, period, offset;
    struct str type;
    if (json_len(types))
        return json_str(json_at(types, block), &type) && str_is(type, "attention");
    for (size_t i = 0; i < json_len(list); i++)
        if (json_u64(json_at(list, i), &n) && n == block)
            return true;
    return !json_len(list) && hf_config_u64(&w->config, "attn_layer_period", &period, NULL) > 0 &&
           period && hf_config_u64(&w->config, "attn_layer_offset", &offset, NULL) > 0 &&
           block % period == offset;
}

static bool is_hybrid(const struct arch_work *w) {
    uint64_t n;
    if (hf_config_u64(&w->config, "n_layers num_hidden_layers n_layer num_layers", &n, NULL) <= 0)
        return false;
    for (uint64_t i = 0; i < n; i++)
        if (!has_attention(w, i))
            return true;
    return false;
}

static bool has_experts(const struct arch_work *w) {
    uint64_t n;
    return hf_config_u64(&w->config,
                         "num_experts_per_tok num_experts_per_token mamba_num_experts_per_tok", &n,
                         NULL) > 0 &&
           n;
}

static bool is_plain_moe(const struct arch_work *w) {
    return !is_hybrid(w) && has_experts(w);
}

static bool is_plain(const struct arch_work *w) {
    return !is_hybrid(w) && !has_experts(w);
}

struct sizes {
    uint64_t inner, groups;
};

static int read_sizes(struct arch_work *w, struct sizes *s) {
    uint64_t model, expand;
    int rc = hf_config_need(&w->config, "mamba_head_dim hidden_size d_model", &model, w->err);
    if (rc == 0)
        rc = hf_config_need(&w->config, "n_groups num_groups mamba_n_groups mamba_num_groups",
                            &s->groups, w->err);
    if (rc == 0)
        rc = hf_config_need(&w->config, "expand num_heads mamba_expand mamba_num_heads", &expand,
                            w->err);
    if (rc == 0 && (model > UINT32_MAX || expand > UINT16_MAX || !s->groups))
        rc = err_set(w->err, -EBADMSG, "config.json: the sizes of Mamba do not fit");
    if (rc == 0)
        s->inner = expand * model;
    return rc;
}

static int own_tensor(struct arch_work *w, const struct tensor *t, const struct tensor_rule *rule,
                      const struct name_match *match) {
    struct sizes s;
    if (!strstr(rule->hf, ".mamba."))
        return granite_shared(w, t, rule, match);
    int rc = read_sizes(w, &s);
    return rc < 0 ? rc : mamba2_tensor(w, t, rule, match, s.inner, s.groups);
}

static int add_sizes(struct arch_work *w) {
    struct sizes s;
    int rc = read_sizes(w, &s);
    if (rc == 0)
        rc = work_u32(w, ".ssm.group_count", s.groups);
    return rc < 0 ? rc : work_u32(w, ".ssm.inner_size", s.inner);
}

/* Blocks with Mamba have no keys. */
static int add_keys(struct arch_work *w) {
    int32_t *counts = arena_array(w->form->arena, int32_t, w->n_layer + 1);
    uint64_t kv;
    int rc = hf_config_need(&w->config, "num_key_value_heads n_head_kv", &kv, w->err);
    if (!counts)
        return work_no_memory(w);
    for (uint64_t i = 0; i < w->n_layer; i++)
        counts[i] = has_attention(w, i) ? (int32_t)kv : 0;
    return rc < 0 || !w->n_layer
               ? rc
               : work_array(w, ".attention.head_count_kv", KV_I32, counts, w->n_layer);
}

/* Positions count in Bamba and where all blocks have attention; else there is no limit to them. */
static int add_positions(struct arch_work *w) {
    const bool rope = str_is(w->class_name, "BambaForCausalLM") || !is_hybrid(w);
    int rc = work_bool(w, ".rope.scaling.finetuned", rope);
    return rc < 0 || rope ? rc : work_u32(w, ".context_length", 1 << 20);
}

static const struct hparam hparams[] = {
    HPARAM_LIST(granite_moe_hparams),
    HPARAM_NEED(".ssm.conv_kernel", "conv_kernel d_conv mamba_conv_kernel mamba_d_conv"),
    HPARAM_NEED(".ssm.state_size", "state_size d_state state_dim ssm_state_size mamba_state_size "
                                   "mamba_d_state mamba_state_dim"),
    HPARAM_CALL(add_sizes),
    HPARAM_NEED(".ssm.time_step_rank", "n_heads num_heads mamba_n_heads mamba_num_heads"),
    HPARAM_U32(".rope.dimension_count", "attn_rotary_emb"),
    HPARAM_CALL(add_keys),
    HPARAM_CALL(add_positions),
    HPARAM_END,
};

/* --- the way back --- */

static int back_own(struct reverse *r, const struct tensor *t, const struct tensor_rule *rule,
                    const struct name_match *match) {
    return (strstr(rule->hf, ".mamba.") ? mamba2_back : granite_back_shared)(r, t, rule, match);
}

static const char *block_type(const struct back *w, uint64_t block) {
    return back_count(w, ".attention.head_count_kv", block, 0) ? "\"attention\"" : "\"mamba\"";
}

static bool has_positions(const struct back *w) {
    return back_has_flag(w, ".rope.scaling.finetuned");
}

static void say_blocks(struct back *w) {
    const uint64_t inner = back_count(w, ".ssm.inner_size", 0, 0);
    const uint64_t heads = back_count(w, ".ssm.time_step_rank", 0, 0);
    const uint64_t hidden = back_count(w, ".embedding_length", 0, 0);
    uint64_t keys = 0;
    for (uint64_t i = 0; i < back_blocks(w) && !keys; i++)
        keys = back_count(w, ".attention.head_count_kv", i, 0);
    back_list(w, "layer_types", block_type);
    back_null(w, "position_embedding_type");
    back_u64(w, "num_key_value_heads", keys);
    back_attention_bias(w);
    back_mamba2(w);
    if (heads && hidden) {
        back_u64(w, "mamba_d_head", inner / heads);
        back_u64(w, "mamba_expand", inner / hidden);
    }
    if (!back_count(w, ".expert_count", 0, 0)) {
        back_u64(w, "num_local_experts", 0);
        back_u64(w, "shared_intermediate_size", back_count(w, ".feed_forward_length", 0, 0));
    }
}

static const struct hparam back_pairs[] = {
    HPARAM_LIST(granite_back_pairs),
    HPARAM_U32(".ssm.conv_kernel", "mamba_d_conv"),
    HPARAM_U32(".ssm.state_size", "mamba_d_state"),
    HPARAM_U32(".ssm.group_count", "mamba_n_groups"),
    HPARAM_U32(".ssm.time_step_rank", "mamba_n_heads"),
    HPARAM_END,
};
static const struct arch_back back[] = {
    { "bamba", "BambaForCausalLM", .when = has_positions,
      .refused = "Bamba has other names, which are not told apart from Granite's" },
    { "granitemoehybrid", "GraniteMoeHybridForCausalLM",
      .fields = "num_hidden_layers max_position_embeddings hidden_size intermediate_size "
                "num_attention_heads rms_norm_eps num_local_experts num_experts_per_tok "
                "attention_multiplier embedding_multiplier residual_multiplier logits_scaling "
                "shared_intermediate_size mamba_d_conv mamba_d_state mamba_n_groups mamba_n_heads",
      .pairs = back_pairs, .more = say_blocks },
    { 0 },
};

static const struct name_edit back_edits[] = { MAMBA2_BACK_EDIT, { 0 } };
static const struct name_edit edits[] = { MAMBA2_EDIT, { 0 } };
static const struct tokenizer_kind *const either[] = { &tokenizer_spm, &tokenizer_gpt2, NULL };

#define HYBRID_ROW                                                                             \
    .classes = "GraniteMoeHybridForCausalLM BambaForCausalLM", .edits = edits, .rules = rules, \
    .own = own_tensor, .hparams = hparams, .raw_config = true, .tokenizers = either,           \
    .extra = decoder_llama_freqs

static const struct arch archs[] = {
    { HYBRID_ROW, .gguf = "granitehybrid", .back = back, .own_back = back_own,
      .back_edits = back_edits, .when = is_hybrid, .vocab_multiple = 8 },
    { HYBRID_ROW, .gguf = "granitemoe", .when = is_plain_moe },
    { HYBRID_ROW, .gguf = "granite", .when = is_plain },
    { 0 },
};

const struct family family_granite_hybrid = { classes, archs };
