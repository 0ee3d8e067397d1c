/* SPDX-License-Identifier: Apache-2.0
 * formats/arch/jamba.c - Jamba: Mamba in most blocks, attention in some, experts in some.
 * Source: conversion/jamba.py; configuration_jamba.py. */
#include "formats/arch/back.h"
#include "formats/arch/decoder.h"
#include "formats/arch/families.h"
#include "formats/arch/mamba2.h"
#include "formats/tokenizer/tokenizer.h"
#include <errno.h>

static const struct hf_class classes[] = {
    { .model_type = "jamba",
      .defaults = JSON_TEXT({
          "vocab_size" : 65536,
          "hidden_size" : 4096,
          "intermediate_size" : 14336,
          "num_hidden_layers" : 32,
          "num_attention_heads" : 32,
          "num_key_value_heads" : 8,
          "rms_norm_eps" : 1e-6,
          "max_position_embeddings" : 262144,
          "num_experts_per_tok" : 2,
          "num_experts" : 16,
          "expert_layer_period" : 2,
          "expert_layer_offset" : 1,
          "attn_layer_period" : 8,
          "attn_layer_offset" : 4,
          "mamba_d_state" : 16,
          "mamba_d_conv" : 4,
          "mamba_expand" : 2
      }),
      .rename = { { "num_local_experts", "num_experts" } } },
    { 0 },
};

#define MIXER(hf, gguf) SAME("model.layers.#.mamba." hf, "blk.#." gguf)

static const struct tensor_rule rules[] = {
    SAME("model.embed_tokens", "token_embd"),
    SAME("model.final_layernorm", "output_norm"),
    SAME("lm_head", "output"),
    SAME("model.layers.#.input_layernorm", "blk.#.attn_norm"),
    SAME("model.layers.#.pre_ff_layernorm", "blk.#.ffn_norm"),
    SAME("model.layers.#.pre_moe_layernorm", "blk.#.ffn_norm"),
    DECODER_ATTENTION(OP_SAME, OP_SAME),
    MIXER("in_proj", "ssm_in"),
    { "model.layers.#.mamba.conv1d", "blk.#.ssm_conv1d", OP_SQUEEZE, NULL },
    MIXER("x_proj", "ssm_x"),
    MIXER("dt_proj", "ssm_dt"),
    MIXER("dt_layernorm", "ssm_dt_norm"),
    MIXER("b_layernorm", "ssm_b_norm"),
    MIXER("c_layernorm", "ssm_c_norm"),
    { "model.layers.#.mamba.A_log", "blk.#.ssm_a", OP_NEG_EXP, NULL },
    MIXER("D", "ssm_d"),
    MIXER("out_proj", "ssm_out"),
    SAME("model.layers.#.feed_forward.gate_proj", "blk.#.ffn_gate"),
    SAME("model.layers.#.feed_forward.up_proj", "blk.#.ffn_up"),
    SAME("model.layers.#.feed_forward.down_proj", "blk.#.ffn_down"),
    SAME("model.layers.#.feed_forward.router", "blk.#.ffn_gate_inp"),
    DECODER_EXPERTS("feed_forward.experts"),
    RULES_END,
};

/* Is @block one of those that come every @period from @offset on? */
static int in_period(struct arch_work *w, const char *period_name, const char *offset_name,
                     uint64_t block, bool *out) {
    uint64_t period, offset;
    int rc = hf_config_need(&w->config, period_name, &period, w->err);
    if (rc == 0)
        rc = hf_config_need(&w->config, offset_name, &offset, w->err);
    if (rc == 0 && period == 0)
        rc = err_set(w->err, -EBADMSG, "config.json: \"%s\" is zero", period_name);
    *out = rc == 0 && block >= offset && (block - offset) % period == 0;
    return rc;
}

/* A block without experts may still call its feed-forward part the first of them. */
static struct str rename_first(const struct arch_work *w, struct str name) {
    static const struct str start = STR("model.layers."), first = STR(".experts.0.");
    const char *found = memmem(name.p, name.n, first.p, first.n);
    struct name_match match;
    struct arch_work probe = *w;
    struct err none = { 0 };
    bool experts;
    probe.err = &none;
    if (!found || !str_starts(name, start) || !name_matches("model.layers.#.~", name, &match) ||
        in_period(&probe, "expert_layer_period", "expert_layer_offset", match.block, &experts) ||
        experts)
        return name;
    const size_t before = (size_t)(found - name.p), after = before + first.n;
    return arena_printf(w->form->arena, "%.*s.%.*s", (int)before, name.p, (int)(name.n - after),
                        name.p + after);
}

static int find_or(struct arch_work *w, const char *names, uint64_t absent, uint64_t *out) {
    int rc = hf_config_u64(&w->config, names, out, w->err);
    if (rc == 0 || (rc > 0 && *out == 0))
        *out = absent;
    return rc < 0 ? rc : 0;
}

/* Blocks with Mamba have no keys. */
static int add_keys(struct arch_work *w) {
    int32_t *counts = arena_array(w->form->arena, int32_t, w->n_layer + 1);
    uint64_t kv;
    int rc = hf_config_need(&w->config, "num_key_value_heads", &kv, w->err);
    if (!counts)
        return work_no_memory(w);
    for (uint64_t i = 0; i < w->n_layer && rc == 0; i++) {
        bool attention;
        rc = in_period(w, "attn_layer_period", "attn_layer_offset", i, &attention);
        counts[i] = attention ? (int32_t)kv : 0;
    }
    return rc < 0 || !w->n_layer
               ? rc
               : work_array(w, ".attention.head_count_kv", KV_I32, counts, w->n_layer);
}

static int add_ssm(struct arch_work *w) {
    uint64_t model, conv, expand, state, rank;
    double epsilon;
    int rc = hf_config_need(&w->config, "hidden_size mamba_d_model", &model, w->err);
    if (rc == 0)
        rc = hf_config_need(&w->config, "mamba_expand", &expand, w->err);
    if (rc == 0 && (model > UINT32_MAX || expand > 1024))
        rc = err_set(w->err, -EBADMSG, "config.json: \"mamba_expand\" is too large");
    if (rc == 0)
        rc = find_or(w, "mamba_d_conv", 4, &conv);
    if (rc == 0)
        rc = find_or(w, "mamba_d_state", 16, &state);
    if (rc == 0)
        rc = hf_config_u64(&w->config, "mamba_dt_rank", &rank, NULL) > 0 && rank /* or "auto" */
                 ? 0
                 : (rank = (model + 15) / 16, 0);
    if (rc == 0)
        rc = work_u32(w, ".ssm.conv_kernel", conv);
    if (rc == 0)
        rc = work_u32(w, ".ssm.inner_size", expand * model);
    if (rc == 0)
        rc = work_u32(w, ".ssm.state_size", state);
    if (rc == 0)
        rc = work_u32(w, ".ssm.time_step_rank", rank);
    if (rc == 0)
        rc = hf_config_f64(&w->config, "layer_norm_epsilon rms_norm_eps", &epsilon, w->err);
    if (rc == 0 || (rc > 0 && epsilon == 0))
        epsilon = 1e-6;
    return rc < 0 ? rc : work_f32(w, ".attention.layer_norm_rms_epsilon", epsilon);
}

static const struct hparam hparams[] = {
    HPARAM_CALL(hparam_blocks),
    HPARAM_NEED(".context_length", "max_position_embeddings n_ctx"),
    HPARAM_NEED(".embedding_length", "hidden_size mamba_d_model"),
    HPARAM_NEED(".feed_forward_length", "intermediate_size"),
    HPARAM_NEED(".attention.head_count", "num_attention_heads"),
    HPARAM_CALL(add_keys),
    HPARAM_CALL(add_ssm),
    HPARAM_NEED(".expert_count", "num_local_experts num_experts"),
    HPARAM_NEED(".expert_used_count", "num_experts_per_tok num_experts_per_token"),
    HPARAM_CALL(hparam_file_type),
    HPARAM_END,
};

/* Without tokenizer.model. */
static int add_no_prefix(struct arch_work *w) {
    return folder_has(w->folder, "tokenizer.model")
               ? 0
               : work_bool(w, "tokenizer.ggml.add_space_prefix", false);
}

static const struct name_edit edits[] = { { EDIT_ANYWHERE, ".moe.", ".feed_forward." }, { 0 } };
static const struct tokenizer_kind *const either[] = { &tokenizer_spm, &tokenizer_llama_json,
                                                       NULL };

/* --- the way back --- */

typedef bool block_test(const struct back *w, uint64_t block);

static bool has_keys(const struct back *w, uint64_t block) {
    return back_count(w, ".attention.head_count_kv", block, 0);
}

static bool has_experts(const struct back *w, uint64_t block) {
    return back_block_has(w, block, "ffn_gate_inp.weight");
}

/* Every @period blocks from @offset on: those that pass. */
static void say_period(struct back *w, const char *period_name, const char *offset_name,
                       block_test *passes) {
    const uint64_t n = back_blocks(w);
    uint64_t first = 0, next;
    while (first < n && !passes(w, first))
        first++;
    for (next = first + 1; next < n && !passes(w, next);)
        next++;
    const uint64_t period = next - first;
    for (uint64_t i = 0; i < n; i++)
        if (passes(w, i) != (i >= first && (i - first) % period == 0))
            back_fail(w, -ENOTSUP, "block %llu does not fit \"%s\"", (unsigned long long)i,
                      period_name);
    back_u64(w, period_name, period);
    back_u64(w, offset_name, first);
}

static void say_blocks(struct back *w) {
    const uint64_t hidden = back_count(w, ".embedding_length", 0, 0);
    const uint64_t inner = back_count(w, ".ssm.inner_size", 0, 0);
    uint64_t keys = 0;
    for (uint64_t i = 0; i < back_blocks(w) && !keys; i++)
        keys = back_count(w, ".attention.head_count_kv", i, 0);
    say_period(w, "attn_layer_period", "attn_layer_offset", has_keys);
    say_period(w, "expert_layer_period", "expert_layer_offset", has_experts);
    back_u64(w, "num_key_value_heads", keys);
    back_mamba2(w);
    back_bool(w, "use_mamba_kernels", false);
    if (hidden)
        back_u64(w, "mamba_expand", inner / hidden);
}

static const struct hparam back_pairs[] = {
    HPARAM_U32(".ssm.conv_kernel", "mamba_d_conv"),
    HPARAM_U32(".ssm.state_size", "mamba_d_state"),
    HPARAM_U32(".ssm.time_step_rank", "mamba_dt_rank"),
    HPARAM_F32(".attention.layer_norm_rms_epsilon", "rms_norm_eps"),
    HPARAM_END,
};
static const struct arch_back back[] = {
    { "jamba", "JambaForCausalLM", .fields = "mamba_dt_rank", .pairs = back_pairs,
      .more = say_blocks },
    { 0 },
};

static const struct arch archs[] = {
    { .gguf = "jamba",
      .classes = "JambaForCausalLM",
      .back = back,
      .edits = edits,
      .rename = rename_first,
      .rules = rules,
      .hparams = hparams,
      .experts = "num_local_experts num_experts",
      .tokenizers = either,
      .after = add_no_prefix },
    { 0 },
};

const struct family family_jamba = { classes, archs };
