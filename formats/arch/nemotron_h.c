/* SPDX-License-Identifier: Apache-2.0
 * formats/arch/nemotron_h.c - Nemotron-H and Nemotron 3: each block is Mamba 2, attention, experts
 * or a plain feed-forward part. Source: conversion/nemotron.py, granite.py;
 * configuration_nemotron_h.py. */
#include "formats/arch/back.h"
#include "formats/arch/families.h"
#include "formats/arch/granite.h"
#include "formats/arch/mamba2.h"
#include "formats/tokenizer/tokenizer.h"
#include <errno.h>
#include <stdio.h>

static const struct hf_class classes[] = {
    { .model_type = "nemotron_h",
      .defaults = JSON_TEXT({
          "vocab_size" : 131072,
          "hidden_size" : 4096,
          "num_attention_heads" : 32,
          "num_key_value_heads" : 8,
          "head_dim" : 128,
          "max_position_embeddings" : 4096,
          "intermediate_size" : 21504,
          "ssm_state_size" : 128,
          "mamba_num_heads" : 128,
          "mamba_head_dim" : 64,
          "n_groups" : 8,
          "conv_kernel" : 4,
          "n_routed_experts" : 8,
          "n_shared_experts" : 1,
          "moe_intermediate_size" : 7688,
          "moe_shared_expert_intermediate_size" : 7688,
          "moe_latent_size" : null,
          "num_experts_per_tok" : 2,
          "routed_scaling_factor" : 1.0,
          "n_group" : 1,
          "topk_group" : 1,
          "norm_topk_prob" : true,
          "num_nextn_predict_layers" : 0,
          "layer_norm_epsilon" : 1e-5
      }),
      .kinds = "routed_scaling_factor=fi num_key_value_heads=i",
      .fill = { { "num_key_value_heads", "num_attention_heads", NULL } },
      .rename = { { "num_local_experts", "n_routed_experts" },
                  { "mamba_n_groups", "n_groups" },
                  { "mamba_d_conv", "conv_kernel" } } },
    { 0 },
};

#define MIXER(hf, gguf) SAME("backbone.layers.#.mixer." hf, "blk.#." gguf)

static const struct tensor_rule rules[] = {
    SAME("backbone.embeddings", "token_embd"),
    SAME("backbone.norm_f", "output_norm"),
    SAME("lm_head", "output"),
    SAME("backbone.layers.#.norm", "blk.#.attn_norm"),
    MAMBA2_MIXER("backbone.layers.#.mixer"),
    { "backbone.layers.#.mixer.q_proj", "blk.#.attn_q", OP_PERMUTE_Q, NULL },
    { "backbone.layers.#.mixer.k_proj", "blk.#.attn_k", OP_PERMUTE_K, NULL },
    MIXER("v_proj", "attn_v"),
    MIXER("o_proj", "attn_output"),
    MIXER("up_proj", "ffn_up"),
    MIXER("down_proj", "ffn_down"),
    MIXER("gate", "ffn_gate_inp"),
    MIXER("gate.e_score_correction", "exp_probs_b"),
    { "backbone.layers.#.mixer.experts.*.down_proj", "blk.#.ffn_down_exps", OP_EXPERT, NULL },
    { "backbone.layers.#.mixer.experts.*.up_proj", "blk.#.ffn_up_exps", OP_EXPERT, NULL },
    MIXER("shared_experts.up_proj", "ffn_up_shexp"),
    MIXER("shared_experts.down_proj", "ffn_down_shexp"),
    MIXER("fc1_latent_proj", "ffn_latent_down"),
    MIXER("fc2_latent_proj", "ffn_latent_up"),
    SAME("model.layers.#.enorm", "blk.#.nextn.enorm"),
    SAME("model.layers.#.hnorm", "blk.#.nextn.hnorm"),
    SAME("model.layers.#.eh_proj", "blk.#.nextn.eh_proj"),
    SAME("model.layers.#.post_attention_layernorm", "blk.#.ffn_norm"),
    SAME("model.layers.#.shared_head.norm", "blk.#.nextn.shared_head_norm"),
    RULES_END,
};

enum block_kind { BLOCK_OTHER, BLOCK_ATTENTION, BLOCK_EXPERTS };

/* A letter each in "hybrid_override_pattern", else a name each in "layers_block_type"; the block
 * that predicts further tokens is both. */
static bool is_kind(const struct arch_work *w, uint64_t block, enum block_kind kind) {
    struct str pattern = { NULL, 0 }, type;
    if (block >= w->n_layer - w->n_mtp)
        return true;
    if (hf_config_str(&w->config, "hybrid_override_pattern", &pattern))
        return block < pattern.n && pattern.p[block] == (kind == BLOCK_ATTENTION ? '*' : 'E');
    if (!json_str(json_at(hf_config_json(&w->config, "layers_block_type"), block), &type))
        return false;
    return kind == BLOCK_ATTENTION ? str_is(type, "attention") || str_is(type, "full_attention")
                                   : str_is(type, "moe");
}

/* "mtp.layers.0" has attention, "mtp.layers.1" experts: together they are the block behind. */
static struct str rename_mtp(const struct arch_work *w, struct str name) {
    static const struct {
        const char *from, *to;
    } parts[] = { { "mtp.layers.0.enorm.", "enorm" },
                  { "mtp.layers.0.hnorm.", "hnorm" },
                  { "mtp.layers.0.eh_proj.", "eh_proj" },
                  { "mtp.layers.1.norm.", "post_attention_layernorm" },
                  { "mtp.layers.1.final_layernorm.", "shared_head.norm" } };
    const struct str first = STR("mtp.layers.0."), second = STR("mtp.layers.1.");
    const unsigned long long block = w->n_layer - w->n_mtp;
    if (!w->n_mtp || !(str_starts(name, first) || str_starts(name, second)))
        return name;
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        const size_t n = strlen(parts[i].from);
        if (str_starts(name, str_from(parts[i].from)))
            return arena_printf(w->form->arena, "model.layers.%llu.%s.%.*s", block, parts[i].to,
                                (int)(name.n - n), name.p + n);
    }
    return arena_printf(w->form->arena, "backbone.layers.%llu.%.*s", block, (int)(name.n - first.n),
                        name.p + first.n);
}

struct sizes {
    uint64_t inner, groups;
};

static int read_sizes(struct arch_work *w, struct sizes *s) {
    uint64_t heads, dim;
    int rc = hf_config_need(&w->config, "mamba_num_heads num_heads", &heads, w->err);
    if (rc == 0)
        rc = hf_config_need(&w->config, "mamba_head_dim", &dim, w->err);
    if (rc == 0)
        rc = hf_config_need(&w->config, "n_groups num_groups mamba_n_groups", &s->groups, w->err);
    if (rc == 0 && (heads > UINT32_MAX || dim > UINT16_MAX || !s->groups))
        rc = err_set(w->err, -EBADMSG, "config.json: the sizes of Mamba do not fit");
    if (rc == 0)
        s->inner = heads * dim;
    return rc;
}

static int own_mixer(struct arch_work *w, const struct tensor *t, const struct tensor_rule *rule,
                     const struct name_match *match) {
    struct sizes s;
    int rc = read_sizes(w, &s);
    return rc < 0 ? rc : mamba2_tensor(w, t, rule, match, s.inner, s.groups);
}

static int add_ssm(struct arch_work *w) {
    struct sizes s;
    int rc = read_sizes(w, &s);
    if (rc == 0)
        rc = work_u32(w, ".ssm.group_count", s.groups);
    return rc < 0 ? rc : work_u32(w, ".ssm.inner_size", s.inner);
}

/* @value for blocks of @kind, zero for the others. */
static int add_list(struct arch_work *w, const char *key, enum block_kind kind, const char *name) {
    int32_t *counts = arena_array(w->form->arena, int32_t, w->n_layer + 1);
    uint64_t n;
    int rc = hf_config_need(&w->config, name, &n, w->err);
    if (!counts)
        return work_no_memory(w);
    for (uint64_t i = 0; i < w->n_layer && rc == 0; i++)
        counts[i] = is_kind(w, i, kind) ? (int32_t)n : 0;
    return rc < 0 || !w->n_layer ? rc : work_array(w, key, KV_I32, counts, w->n_layer);
}

static int add_keys(struct arch_work *w) {
    return add_list(w, ".attention.head_count_kv", BLOCK_ATTENTION, "num_key_value_heads");
}

static int add_widths(struct arch_work *w) {
    return add_list(w, ".feed_forward_length", BLOCK_EXPERTS, "moe_intermediate_size");
}

/* There are no positions, and no limit to them. */
static int add_positions(struct arch_work *w) {
    int rc = work_bool(w, ".rope.scaling.finetuned", false);
    return rc < 0 ? rc : work_u32(w, ".context_length", 1 << 20);
}

static int check_mtp(struct arch_work *w) {
    return w->n_mtp <= 1 ? 0
                         : err_set(w->err, -ENOTSUP,
                                   "config.json: more than one of \"num_nextn_predict_layers\"");
}

static const struct hparam hparams[] = {
    HPARAM_CALL(check_mtp),
    HPARAM_LIST(granite_moe_hparams),
    HPARAM_NEED(".ssm.conv_kernel", "conv_kernel"),
    HPARAM_NEED(".ssm.state_size", "state_size ssm_state_size"),
    HPARAM_CALL(add_ssm),
    HPARAM_NEED(".ssm.time_step_rank", "n_heads num_heads mamba_num_heads"),
    HPARAM_CALL(add_keys),
    HPARAM_CALL(add_positions),
    HPARAM_NEED(".attention.key_length", "head_dim attention_head_dim"),
    HPARAM_NEED(".attention.value_length", "head_dim attention_head_dim"),
    HPARAM_CALL(add_widths),
    HPARAM_NEED(".expert_used_count", "num_experts_per_tok"),
    HPARAM_NEED(".expert_feed_forward_length", "moe_intermediate_size"),
    HPARAM_NEED(".expert_shared_feed_forward_length", "moe_shared_expert_intermediate_size"),
    HPARAM_NEED(".expert_count", "n_routed_experts"),
    HPARAM_NEED(".expert_shared_count", "n_shared_experts"),
    HPARAM_BOOL(".expert_weights_norm", "norm_topk_prob"),
    HPARAM_F32(".expert_weights_scale", "routed_scaling_factor"),
    HPARAM_NEED(".expert_group_count", "n_group"),
    HPARAM_U32(".moe_latent_size", "moe_latent_size"),
    HPARAM_CALL(hparam_mtp_any),
    HPARAM_END,
};

/* --- the way back --- */

static const char *block_type(const struct back *w, uint64_t block) {
    return back_block_has(w, block, "ssm_in.weight")         ? "\"mamba\""
           : back_block_has(w, block, "attn_q.weight")       ? "\"attention\""
           : back_block_has(w, block, "ffn_gate_inp.weight") ? "\"moe\""
                                                             : "\"mlp\"";
}

/* What only some blocks have. */
static void say_blocks(struct back *w) {
    const uint64_t inner = back_count(w, ".ssm.inner_size", 0, 0);
    const uint64_t heads = back_count(w, ".ssm.time_step_rank", 0, 0);
    uint64_t keys = 0, width = 0;
    for (uint64_t i = 0; i < back_blocks(w); i++) {
        const uint64_t n = back_count(w, ".attention.head_count_kv", i, 0);
        char name[64];
        snprintf(name, sizeof name, "blk.%llu.ffn_up.weight", (unsigned long long)i);
        const struct tensor *up = model_find(w->m, str_from(name));
        keys = n ? n : keys;
        width = up && up->n_dims == 2 ? up->dims[0] : width;
    }
    back_list(w, "layers_block_type", block_type);
    back_u64(w, "num_key_value_heads", keys);
    back_u64(w, "mamba_num_heads", heads);
    if (heads)
        back_u64(w, "mamba_head_dim", inner / heads);
    back_u64(w, "intermediate_size",
             width ? width : back_count(w, ".expert_feed_forward_length", 0, 0));
    back_mamba2(w);
}

static const struct hparam back_pairs[] = {
    HPARAM_U32(".ssm.state_size", "ssm_state_size"),
    HPARAM_U32(".ssm.group_count", "n_groups"),
    HPARAM_F32(".attention.layer_norm_rms_epsilon", "layer_norm_epsilon"),
    HPARAM_END,
};
static const struct arch_back back[] = { { "nemotron_h", "NemotronHForCausalLM",
                                           .fields = "num_hidden_layers norm_eps",
                                           .pairs = back_pairs, .more = say_blocks },
                                         { 0 } };

static const struct name_edit back_edits[] = { MAMBA2_BACK_EDIT, { 0 } };
static const struct name_edit edits[] = { MAMBA2_EDIT, { 0 } };
static const struct tokenizer_kind *const bpe[] = { &tokenizer_gpt2, NULL };

static const struct arch archs[] = {
    { .gguf = "nemotron_h_moe",
      .classes = "NemotronHForCausalLM",
      .edits = edits,
      .rename = rename_mtp,
      .rules = rules,
      .own = own_mixer,
      .back = back,
      .own_back = mamba2_back,
      .back_edits = back_edits,
      .hparams = hparams,
      .experts = "n_routed_experts",
      .block_list = "layers_block_type",
      .mtp = "num_nextn_predict_layers",
      .vocab_multiple = 8,
      .tokenizers = bpe },
    { 0 },
};

const struct family family_nemotron_h = { classes, archs };
