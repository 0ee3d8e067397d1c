/* SPDX-License-Identifier: Apache-2.0
 * formats/arch/deci.c - DeciLM and Llama-Nemotron: each block has numbers of its own.
 * Source: conversion/deci.py; transformers has no class for them. */
#include "formats/arch/back.h"
#include "formats/arch/decoder.h"
#include "formats/arch/families.h"
#include "formats/arch/reverse.h"
#include "formats/tokenizer/tokenizer.h"
#include <errno.h>
#include <stdio.h>

static const struct hf_class classes[] = { { 0 } };

static const struct tensor_rule rules[] = {
    DECODER_ENDS,
    DECODER_NORMS,
    { "model.layers.#.self_attn.q_proj", "blk.#.attn_q", OP_OWN, NULL },
    { "model.layers.#.self_attn.k_proj", "blk.#.attn_k", OP_OWN, "keys" },
    SAME("model.layers.#.self_attn.v_proj", "blk.#.attn_v"),
    { "model.layers.#.self_attn.o_proj", "blk.#.attn_output", OP_SAME, "blk.#.attn_v" },
    SAME("model.layers.#.self_attn.linear_attn", "blk.#.attn_output"),
    DECODER_MLP,
    RULES_END,
};

static const struct json *block_config(const struct arch_work *w, uint64_t block) {
    return json_at(hf_config_json(&w->config, "block_configs"), block);
}

/* A block with a linear layer in place of attention has queries but no keys; one without either,
 * none. */
static void count_heads(const struct arch_work *w, uint64_t block, uint64_t *heads, uint64_t *kv) {
    const struct json *attention = json_get(block_config(w, block), "attention");
    uint64_t group;
    bool linear = false;
    (void)json_bool(json_get(attention, "replace_with_linear"), &linear);
    const bool has = json_u64(json_get(attention, "n_heads_in_group"), &group) && group;
    *heads = has || linear ? w->n_head : 0;
    *kv = has ? w->n_head / group : 0;
}

static int own_heads(struct arch_work *w, const struct tensor *t, const struct tensor_rule *rule,
                     const struct name_match *match) {
    struct arena *a = w->form->arena;
    const struct json *list = hf_config_json(&w->config, "num_key_value_heads_per_layer");
    uint64_t heads = w->n_head, kv = w->n_head_kv;
    if (list && !json_u64(json_at(list, match->block), &kv))
        kv = 0;
    else if (!list && hf_config_json(&w->config, "block_configs"))
        count_heads(w, match->block, &heads, &kv);
    const uint64_t n = rule->second ? kv : heads;
    if (t->n_dims < 1 || t->n_dims > 2 || !n || t->elems == 0 || t->dims[0] % n ||
        t->dims[0] / n % 2)
        return err_set(w->err, -EBADMSG,
                       "tensor %.*s: its rows are not those of config.json's heads",
                       STR_ARG(t->name));
    const struct expr *e = t->n_dims == 1 ? expr_tensor_as(a, t, 1) : expr_tensor(a, t);
    return work_target(w, name_build(a, rule->gguf, match), t->dims, t->n_dims,
                       expr_swap(a, e, 2, t->dims[0] / n / 2));
}

/* The size of the feed-forward part that the model's code makes of its factor. */
static uint64_t inner_size(const struct arch_work *w, uint64_t block, uint64_t hidden) {
    enum { MULTIPLE = 256 };
    double factor;
    const struct json *ffn = json_get(block_config(w, block), "ffn");
    if (!json_f64(json_get(ffn, "ffn_mult"), &factor) || !(factor > 0 && factor < 1024))
        return 0;
    const uint64_t n = (uint64_t)(2 * factor * (double)hidden / 3);
    return (n + MULTIPLE - 1) / MULTIPLE * MULTIPLE;
}

static int add_blocks(struct arch_work *w, uint64_t hidden) {
    struct arena *a = w->form->arena;
    int32_t *kv = arena_array(a, int32_t, w->n_layer + 1);
    int32_t *heads = arena_array(a, int32_t, w->n_layer + 1);
    int32_t *inner = arena_array(a, int32_t, w->n_layer + 1);
    if (!kv || !heads || !inner)
        return work_no_memory(w);
    for (uint64_t i = 0; i < w->n_layer; i++) {
        uint64_t h, k;
        count_heads(w, i, &h, &k);
        heads[i] = (int32_t)h;
        kv[i] = (int32_t)k;
        inner[i] = (int32_t)inner_size(w, i, hidden);
    }
    int rc = work_array(w, ".attention.head_count_kv", KV_I32, kv, w->n_layer);
    if (rc == 0)
        rc = work_array(w, ".attention.head_count", KV_I32, heads, w->n_layer);
    return rc < 0 ? rc : work_array(w, ".feed_forward_length", KV_I32, inner, w->n_layer);
}

static const struct hparam common[] = {
    HPARAM_CALL(hparam_blocks),
    HPARAM_NEED(".context_length", "max_position_embeddings"),
    HPARAM_NEED(".embedding_length", "hidden_size"),
    HPARAM_F32(".attention.layer_norm_rms_epsilon", "rms_norm_eps"),
    HPARAM_END,
};

/* Of Llama-Nemotron; DeciLM has the usual pairs, and keys by block. */
static int add_deci(struct arch_work *w) {
    const struct json *blocks = hf_config_json(&w->config, "block_configs");
    uint64_t hidden;
    if (!blocks) {
        int rc = hparams_add_list(w, hparams_text);
        static const struct hparam keys =
            HPARAM_U32(".attention.head_count_kv", "num_key_value_heads_per_layer");
        const struct hparam list[] = { keys, HPARAM_END };
        return rc < 0 ? rc : hparams_add_list(w, list);
    }
    int rc = hf_config_need(&w->config, "hidden_size", &hidden, w->err);
    if (rc == 0 && (json_len(blocks) != w->n_layer || !w->n_layer || !w->n_head ||
                    hidden > UINT32_MAX || w->n_head > UINT16_MAX))
        rc = err_set(w->err, -EBADMSG,
                     "config.json: \"block_configs\" has %zu entries for %llu blocks",
                     json_len(blocks), (unsigned long long)w->n_layer);
    if (rc == 0 && w->rope.has_theta)
        rc = work_f32(w, ".rope.freq_base", w->rope.theta);
    if (rc == 0)
        rc = add_blocks(w, hidden);
    if (rc == 0)
        rc = hparams_add_list(w, common);
    if (rc == 0)
        rc = work_u32(w, ".attention.key_length", hidden / w->n_head);
    if (rc == 0)
        rc = work_u32(w, ".attention.value_length", hidden / w->n_head);
    return rc < 0 ? rc : hparam_file_type(w);
}

static const struct hparam hparams[] = {
    HPARAM_CALL(add_deci),
    HPARAM_NEED(".vocab_size", "vocab_size"),
    HPARAM_CALL(decoder_rope_dimension),
    HPARAM_END,
};

/* --- the way back --- */

static int back_heads(struct reverse *r, const struct tensor *t, const struct tensor_rule *rule,
                      const struct name_match *match) {
    struct arena *a = r->form->arena;
    uint64_t n;
    int rc = reverse_need(r, rule->second ? "attention.head_count_kv" : "attention.head_count",
                          match->block, &n);
    if (rc < 0)
        return rc;
    if (t->n_dims != 2 || !t->elems || t->dims[0] % (2 * n))
        return reverse_bad_shape(r, t, "its rows are not those of its heads");
    return reverse_target(r, name_build(a, rule->hf, match), t, t->dims, 2,
                          expr_swap(a, expr_tensor(a, t), t->dims[0] / n / 2, 2));
}

static bool has_block_configs(const struct back *w) {
    return back_has_list(w, ".feed_forward_length");
}

/* The factor is one of which the model's code makes the width again. */
static void add_block(struct back *w, struct buffer *b, uint64_t block, uint64_t hidden) {
    const uint64_t heads = back_count(w, ".attention.head_count", block, 0);
    const uint64_t kv = back_count(w, ".attention.head_count_kv", block, 0);
    const uint64_t inner = back_count(w, ".feed_forward_length", block, 0);
    char text[224], group[24] = "null", factor[32] = "null";
    if (kv)
        snprintf(group, sizeof group, "%llu", (unsigned long long)(heads / kv));
    if (inner && hidden)
        snprintf(factor, sizeof factor, "%.9g", 1.5 * (double)inner / (double)hidden);
    snprintf(text, sizeof text,
             "%s\n    {\"attention\": {\"n_heads_in_group\": %s, \"no_op\": %s, "
             "\"replace_with_linear\": %s}, \"ffn\": {\"ffn_mult\": %s, \"no_op\": %s, "
             "\"replace_with_linear\": false}}",
             block ? "," : "[", group, heads ? "false" : "true", heads && !kv ? "true" : "false",
             factor, inner ? "false" : "true");
    buffer_z(b, text);
}

static void say_blocks(struct back *w) {
    struct buffer b = { 0 };
    const uint64_t n = back_blocks(w);
    const uint64_t hidden = back_count(w, ".embedding_length", 0, 0);
    const uint64_t head = back_count(w, ".rope.dimension_count", 0, 0);
    if (!n || n > BACK_MAX_BLOCKS || !head) {
        back_fail(w, -EBADMSG, "%llu blocks with heads of %llu", (unsigned long long)n,
                  (unsigned long long)head);
        return;
    }
    for (uint64_t i = 0; i < n; i++)
        add_block(w, &b, i, hidden);
    buffer_add(&b, "]", 2); /* with the zero that ends it */
    if (b.failed)
        back_fail(w, -ENOMEM, "no memory for config.json");
    else
        back_raw(w, "block_configs", b.p);
    buffer_fini(&b);
    back_u64(w, "num_attention_heads", hidden / head);
    back_null(w, "num_key_value_heads");
    back_null(w, "intermediate_size");
}

static const char *block_keys(const struct back *w, uint64_t block) {
    const uint64_t keys = back_count(w, ".attention.head_count_kv", block, 0);
    return arena_printf(w->arena, "%llu", (unsigned long long)keys).p;
}

/* A list even where all blocks have as many. */
static void say_keys(struct back *w) {
    back_list(w, "num_key_value_heads_per_layer", block_keys);
}

static const struct arch_back back[] = {
    { "nemotron-nas", "DeciLMForCausalLM", .when = has_block_configs, .fields = BACK_DECODER_FIELDS,
      .pairs = hparams_text, .more = say_blocks },
    { "deci", "DeciLMForCausalLM",
      .fields = "num_hidden_layers max_position_embeddings hidden_size intermediate_size "
                "num_attention_heads rms_norm_eps rope_theta",
      .pairs = hparams_text, .more = say_keys },
    { 0 },
};

static const struct tokenizer_kind *const either[] = { &tokenizer_llama_json, &tokenizer_gpt2,
                                                       NULL };

static const struct arch archs[] = {
    { .gguf = "deci",
      .some = "*", /* blocks without attention, or without anything */
      .classes = "DeciLMForCausalLM",
      .rules = rules,
      .own = own_heads,
      .back = back,
      .own_back = back_heads,
      .hparams = hparams,
      .tokenizers = either,
      .extra = decoder_llama_freqs },
    { 0 },
};

const struct family family_deci = { classes, archs };
