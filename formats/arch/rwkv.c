/* SPDX-License-Identifier: Apache-2.0
 * formats/arch/rwkv.c - RWKV 6 and 7, the latter also as flash-linear-attention names it.
 * Source: conversion/rwkv.py; transformers has no class for either. */
#include "formats/arch/decoder.h"
#include "formats/arch/families.h"
#include "formats/tokenizer/tokenizer.h"
#include <errno.h>
#include <math.h>

static const struct hf_class classes[] = { { 0 } };

enum { LERP_MAX = 6, CONTEXT = 1 << 20 /* there is no limit */ };

/* What rule.second says of a tensor. */
static const char turn[] = "turned over"; /* the last two dimensions */
static const char lora[] = "lora";        /* likewise, but not with fla's names */
static const char lerp[] = "lerp";        /* one of several that are stacked */
static const char flat[] = "flat";        /* one dimension */
static const char scaled[] = "scaled";    /* divided by a power of two, every so many blocks */

#define OWN(hf, gguf, how) \
    { hf, gguf, OP_OWN, how }
#define ATT7(part) "model.layers.#.attention." part
#define ATT6(part) "rwkv.blocks.#.attention." part

static const struct tensor_rule rules7[] = {
    SAME("model.embeddings", "token_embd"),
    SAME("model.norm", "output_norm"),
    SAME("lm_head", "output"),
    SAME("model.layers.0.pre_norm", "token_embd_norm"),
    SAME("model.layers.#.attention_norm", "blk.#.attn_norm"),
    SAME("model.layers.#.ln2", "blk.#.attn_norm_2"),
    SAME(ATT7("ln_x"), "blk.#.time_mix_ln"),
    OWN(ATT7("w0"), "blk.#.time_mix_w0", NULL),
    OWN(ATT7("w1"), "blk.#.time_mix_w1", lora),
    OWN(ATT7("w2"), "blk.#.time_mix_w2", lora),
    OWN(ATT7("a0"), "blk.#.time_mix_a0", NULL),
    OWN(ATT7("a1"), "blk.#.time_mix_a1", lora),
    OWN(ATT7("a2"), "blk.#.time_mix_a2", lora),
    OWN(ATT7("v0"), "blk.#.time_mix_v0", NULL),
    OWN(ATT7("v1"), "blk.#.time_mix_v1", lora),
    OWN(ATT7("v2"), "blk.#.time_mix_v2", lora),
    OWN(ATT7("g1"), "blk.#.time_mix_g1", lora),
    OWN(ATT7("g2"), "blk.#.time_mix_g2", lora),
    OWN(ATT7("k_k"), "blk.#.time_mix_k_k", NULL),
    OWN(ATT7("k_a"), "blk.#.time_mix_k_a", NULL),
    OWN(ATT7("r_k"), "blk.#.time_mix_r_k", flat),
    OWN(ATT7("x_r"), "blk.#.time_mix_lerp_fused", lerp),
    OWN(ATT7("x_w"), "blk.#.time_mix_lerp_fused", lerp),
    OWN(ATT7("x_k"), "blk.#.time_mix_lerp_fused", lerp),
    OWN(ATT7("x_v"), "blk.#.time_mix_lerp_fused", lerp),
    OWN(ATT7("x_a"), "blk.#.time_mix_lerp_fused", lerp),
    OWN(ATT7("x_g"), "blk.#.time_mix_lerp_fused", lerp),
    SAME(ATT7("k_proj"), "blk.#.time_mix_key"),
    SAME(ATT7("v_proj"), "blk.#.time_mix_value"),
    SAME(ATT7("r_proj"), "blk.#.time_mix_receptance"),
    SAME(ATT7("o_proj"), "blk.#.time_mix_output"),
    SAME(ATT7("key"), "blk.#.time_mix_key"),
    SAME(ATT7("value"), "blk.#.time_mix_value"),
    SAME(ATT7("receptance"), "blk.#.time_mix_receptance"),
    SAME(ATT7("output"), "blk.#.time_mix_output"),
    OWN("model.layers.#.feed_forward.x_k", "blk.#.channel_mix_lerp_k", NULL),
    SAME("model.layers.#.feed_forward.key", "blk.#.channel_mix_key"),
    SAME("model.layers.#.feed_forward.value", "blk.#.channel_mix_value"),
    RULES_END,
};

static const struct tensor_rule rules6[] = {
    SAME("rwkv.embeddings", "token_embd"),
    SAME("rwkv.ln_out", "output_norm"),
    SAME("head", "output"),
    SAME("rwkv.blocks.0.pre_ln", "token_embd_norm"),
    SAME("rwkv.blocks.#.ln1", "blk.#.attn_norm"),
    SAME("rwkv.blocks.#.ln2", "blk.#.attn_norm_2"),
    OWN(ATT6("time_maa_w1"), "blk.#.time_mix_w1", turn),
    OWN(ATT6("time_maa_w2"), "blk.#.time_mix_w2", turn),
    OWN(ATT6("time_maa_x"), "blk.#.time_mix_lerp_x", NULL),
    OWN(ATT6("time_maa_w"), "blk.#.time_mix_lerp_fused", lerp),
    OWN(ATT6("time_maa_k"), "blk.#.time_mix_lerp_fused", lerp),
    OWN(ATT6("time_maa_v"), "blk.#.time_mix_lerp_fused", lerp),
    OWN(ATT6("time_maa_r"), "blk.#.time_mix_lerp_fused", lerp),
    OWN(ATT6("time_maa_g"), "blk.#.time_mix_lerp_fused", lerp),
    SAME(ATT6("time_faaaa"), "blk.#.time_mix_first.weight"),
    OWN(ATT6("time_decay"), "blk.#.time_mix_decay", NULL),
    OWN(ATT6("time_decay_w1"), "blk.#.time_mix_decay_w1", turn),
    OWN(ATT6("time_decay_w2"), "blk.#.time_mix_decay_w2", turn),
    SAME(ATT6("key"), "blk.#.time_mix_key"),
    SAME(ATT6("value"), "blk.#.time_mix_value"),
    SAME(ATT6("receptance"), "blk.#.time_mix_receptance"),
    SAME(ATT6("gate"), "blk.#.time_mix_gate"),
    SAME(ATT6("ln_x"), "blk.#.time_mix_ln"),
    OWN(ATT6("output"), "blk.#.time_mix_output", scaled),
    OWN("rwkv.blocks.#.feed_forward.time_maa_k", "blk.#.channel_mix_lerp_k", NULL),
    OWN("rwkv.blocks.#.feed_forward.time_maa_r", "blk.#.channel_mix_lerp_r", NULL),
    SAME("rwkv.blocks.#.feed_forward.key", "blk.#.channel_mix_key"),
    SAME("rwkv.blocks.#.feed_forward.receptance", "blk.#.channel_mix_receptance"),
    OWN("rwkv.blocks.#.feed_forward.value", "blk.#.channel_mix_value", scaled),
    RULES_END,
};

/* --- tensors --- */

/* The tensors of a block that are stacked, until the last of them is met. */
struct lerp_block {
    const struct tensor *parts[LERP_MAX];
    uint32_t n;
};

static int bad_shape(struct arch_work *w, const struct tensor *t) {
    return err_set(w->err, -EBADMSG, "tensor %.*s: its shape is not RWKV's", STR_ARG(t->name));
}

static bool is_seven(const struct arch_work *w) {
    return w->arch->rules == rules7;
}

/* Those of the rules, in their order; the last of RWKV 7 only with a gate. */
static uint32_t lerp_count(const struct arch_work *w) {
    return is_seven(w) && hf_config_bool(&w->config, "wkv_has_gate", true) ? LERP_MAX
                                                                           : LERP_MAX - 1;
}

static uint32_t lerp_index(const struct arch_work *w, const struct tensor_rule *rule) {
    uint32_t n = 0;
    for (const struct tensor_rule *r = w->arch->rules; r < rule; r++)
        n += r->second == lerp;
    return n;
}

static int add_lerp(struct arch_work *w, const struct tensor *t, const struct tensor_rule *rule,
                    const struct name_match *match) {
    struct arena *a = w->form->arena;
    const uint32_t n = lerp_count(w), at = lerp_index(w, rule);
    const struct expr *in[LERP_MAX];
    if (!w->own)
        w->own = arena_array(a, struct lerp_block, w->n_layer);
    if (!w->own)
        return work_no_memory(w);
    struct lerp_block *block = (struct lerp_block *)w->own + match->block;
    if (at >= n)
        return bad_shape(w, t);
    block->n += !block->parts[at];
    block->parts[at] = t;
    if (block->n < n)
        return 0;
    for (uint32_t i = 0; i < n; i++) {
        if (block->parts[i]->elems != t->elems || t->elems == 0)
            return bad_shape(w, block->parts[i]);
        in[i] = expr_tensor_as(a, block->parts[i], t->elems);
    }
    const uint64_t dims[4] = { n, 1, 1, t->elems };
    struct name_match weight = *match;
    weight.rest = STR(".weight");
    return work_target(w, name_build(a, rule->gguf, &weight), dims, 4, expr_stack(a, in, n));
}

static bool has_fla_names(const struct arch_work *w) {
    for (uint32_t i = 0; i < w->model->n_tensors; i++) {
        const struct str name = w->model->tensors[i].name;
        if (memmem(name.p, name.n, "_lora.lora", 10))
            return true;
    }
    return false;
}

/* Blocks from the @every-th on are halved, those from twice that on quartered, and so forth. */
static int rescale(struct arch_work *w, uint64_t block, const struct tensor *t,
                   const struct expr **e) {
    uint64_t every;
    int rc = hf_config_u64(&w->config, "rescale_every", &every, w->err);
    if (rc <= 0 || !every || block / every == 0)
        return rc < 0 ? rc : 0;
    *e = expr_mul(w->form->arena, *e, (float)ldexp(1, -(int)(block / every)));
    if (t->dtype == DTYPE_F16) /* the quotient is made in f16 then */
        *e = expr_round(w->form->arena, *e, DTYPE_F16);
    return 0;
}

static int own_tensor(struct arch_work *w, const struct tensor *t, const struct tensor_rule *rule,
                      const struct name_match *match) {
    struct arena *a = w->form->arena;
    uint64_t dims[TENSOR_MAX_DIMS];
    uint32_t n = 0;
    struct name_match named = *match;
    const char *const v = strstr(rule->gguf, "time_mix_v"), *const mix = rule->second;
    if (mix == lerp)
        return add_lerp(w, t, rule, match);
    if (v && v[10] >= '0' && v[10] <= '9' && match->block == 0)
        return 0; /* not used: some models have it, others have not */
    if (named.rest.n == 0)
        named.rest = STR(".weight");
    for (uint32_t i = 0; i < t->n_dims; i++)
        if (t->dims[i] != 1 || mix == turn)
            dims[n++] = t->dims[i];
    if (mix == flat || n == 0) {
        dims[0] = t->elems;
        n = 1;
    }
    if (t->elems == 0)
        return bad_shape(w, t);
    const struct expr *e = expr_tensor_as(a, t, dims[n - 1]);
    if (n > 1 && (mix == turn || (mix == lora && !has_fla_names(w)))) {
        const uint64_t rows = dims[n - 2];
        e = expr_transpose(a, e, rows);
        dims[n - 2] = dims[n - 1];
        dims[n - 1] = rows;
    }
    int rc = mix == scaled ? rescale(w, match->block, t, &e) : 0;
    struct str name = name_build(a, rule->gguf, &named);
    char *letter = name.p ? memmem(name.p, name.n, "time_mix_a", 10) : NULL;
    if (rc == 0 && letter && match->block == 0) { /* in place of what is not used */
        const struct str copy =
            arena_printf(a, "%.*sv%.*s", (int)(letter + 9 - name.p), name.p,
                         (int)(name.n - (size_t)(letter + 10 - name.p)), letter + 10);
        rc = work_target(w, copy, dims, n, e);
    }
    return rc < 0 ? rc : work_target(w, name, dims, n, e);
}

/* --- pairs --- */

/* The first of @names; computed where it is null. */
static int find_rank(struct arch_work *w, const char *names, double exponent, double factor,
                     uint64_t hidden, uint64_t *out) {
    int rc = hf_config_u64(&w->config, names, out, w->err);
    if (rc == 0) {
        const double n = nearbyint(pow((double)hidden, exponent) * factor / 32);
        *out = n < 1 ? 32 : (uint64_t)n * 32;
    }
    return rc < 0 ? rc : 0;
}

static int add_ranks(struct arch_work *w, uint64_t hidden) {
    static const struct {
        const char *key, *names;
        double exponent, factor;
    } ranks[] = {
        { ".attention.decay_lora_rank", "lora_rank_decay decay_low_rank_dim", 0.5, 1.8 },
        { ".attention.iclr_lora_rank", "lora_rank_iclr a_low_rank_dim", 0.5, 1.8 },
        { ".attention.value_residual_mix_lora_rank", "lora_rank_value_residual_mix v_low_rank_dim",
          0.5, 1.3 },
        { ".attention.gate_lora_rank", "lora_rank_gate gate_low_rank_dim", 0.8, 0.6 },
    };
    int rc = 0;
    for (size_t i = 0; i < sizeof ranks / sizeof *ranks && rc == 0; i++) {
        uint64_t n;
        rc = find_rank(w, ranks[i].names, ranks[i].exponent, ranks[i].factor, hidden, &n);
        if (rc == 0)
            rc = work_u32(w, ranks[i].key, n);
    }
    return rc;
}

static int add_inner7(struct arch_work *w) {
    uint64_t hidden, inner;
    int rc = hf_config_need(&w->config, "hidden_size", &hidden, w->err);
    if (rc == 0)
        rc = hidden > UINT32_MAX ? err_set(w->err, -EBADMSG, "config.json: \"hidden_size\"")
                                 : add_ranks(w, hidden);
    if (rc == 0)
        rc = hf_config_u64(&w->config, "intermediate_size", &inner, w->err);
    if (rc == 0)
        inner = 4 * hidden;
    return rc < 0 ? rc : work_u32(w, ".feed_forward_length", inner);
}

static int add_inner6(struct arch_work *w) {
    uint64_t hidden, inner;
    int rc = hf_config_need(&w->config, "hidden_size", &hidden, w->err);
    if (rc == 0 && hidden > UINT32_MAX)
        rc = err_set(w->err, -EBADMSG, "config.json: \"hidden_size\"");
    if (rc == 0)
        rc = hf_config_u64(&w->config, "intermediate_size", &inner, w->err);
    if (rc == 0)
        inner = 7 * hidden / 2 / 32 * 32;
    if (rc >= 0)
        rc = work_u32(w, ".time_mix_extra_dim", hidden == 4096 ? 64 : 32);
    if (rc == 0)
        rc = work_u32(w, ".time_decay_extra_dim", hidden == 4096 ? 128 : 64);
    return rc < 0 ? rc : work_u32(w, ".feed_forward_length", inner);
}

static const struct hparam hparams7[] = {
    HPARAM_FIXED(".context_length", CONTEXT),
    HPARAM_NEED(".embedding_length", "hidden_size"),
    HPARAM_CALL(hparam_blocks),
    HPARAM_F32(".attention.layer_norm_epsilon", "layer_norm_epsilon norm_eps"),
    HPARAM_NEED(".wkv.head_size", "head_size head_dim"),
    HPARAM_CALL(add_inner7),
    HPARAM_CALL(hparam_file_type),
    HPARAM_FIXED(".attention.head_count", 0),
    HPARAM_END,
};

static const struct hparam hparams6[] = {
    HPARAM_FIXED(".context_length", CONTEXT),
    HPARAM_NEED(".embedding_length", "hidden_size"),
    HPARAM_CALL(hparam_blocks),
    HPARAM_F32(".attention.layer_norm_epsilon", "layer_norm_epsilon"),
    HPARAM_NEED(".rescale_every_n_layers", "rescale_every"),
    HPARAM_NEED(".wkv.head_size", "head_size"),
    HPARAM_CALL(add_inner6),
    HPARAM_CALL(hparam_file_type),
    HPARAM_FIXED(".attention.head_count", 0),
    HPARAM_END,
};

static const struct name_edit edits7[] = {
    { EDIT_ANYWHERE, "blocks", "layers" },
    { EDIT_ANYWHERE, "ffn", "feed_forward" },
    { EDIT_ANYWHERE, "self_attn", "attention" },
    { EDIT_ANYWHERE, "attn", "attention" },
    { EDIT_ANYWHERE, "time_mixer.", "" },
    { EDIT_ANYWHERE, "feed_forward_norm", "ln2" },
    { EDIT_ANYWHERE, "g_norm", "ln_x" },
    { EDIT_ANYWHERE, "_lora.lora.0.weight", "1.weight" },
    { EDIT_ANYWHERE, "_lora.lora.2.weight", "2.weight" },
    { EDIT_ANYWHERE, "_lora.lora.2.bias", "0.weight" },
    { 0 },
};

static const struct tokenizer_kind *const world[] = { &tokenizer_rwkv, NULL };

static const struct arch archs[] = {
    { .gguf = "rwkv7",
      .some = "time_mix_v0 time_mix_v1 time_mix_v2", /* the first has none */
      .classes = "Rwkv7ForCausalLM RWKV7ForCausalLM",
      .edits = edits7,
      .rules = rules7,
      .own = own_tensor,
      .hparams = hparams7,
      .tokenizers = world },
    { .gguf = "rwkv6",
      .classes = "Rwkv6ForCausalLM",
      .rules = rules6,
      .own = own_tensor,
      .hparams = hparams6,
      .tokenizers = world },
    { 0 },
};

const struct family family_rwkv = { classes, archs };
