/* SPDX-License-Identifier: Apache-2.0
 * formats/arch/decoder.c - see decoder.h. Source: conversion/llama.py and others that do the same.
 */
#include "formats/arch/decoder.h"
#include "formats/tokenizer/mistral_vocab.h"
#include <errno.h>
#include <math.h>

int decoder_head_dim(struct arch_work *w, uint64_t *dim) {
    uint64_t hidden, heads;
    int rc = hf_config_u64(&w->config, "head_dim", dim, w->err);
    if (rc)
        return rc < 0 ? rc : 0;
    rc = hf_config_need(&w->config, "hidden_size", &hidden, w->err);
    if (rc == 0)
        rc = hf_config_need(&w->config, "num_attention_heads", &heads, w->err);
    if (rc == 0 && heads == 0)
        rc = err_set(w->err, -EBADMSG, "config.json: \"num_attention_heads\" is zero");
    if (rc == 0)
        *dim = hidden / heads;
    return rc;
}

int decoder_rope_dimension(struct arch_work *w) {
    uint64_t dim;
    int rc = decoder_head_dim(w, &dim);
    return rc < 0 ? rc : work_u32(w, ".rope.dimension_count", dim);
}

int decoder_partial_rope(struct arch_work *w) {
    uint64_t dim;
    const double part = w->rope.has_partial ? w->rope.partial : 1;
    int rc = decoder_head_dim(w, &dim);
    if (rc == 0 && !(part >= 0 && part <= 16))
        rc = err_set(w->err, -EBADMSG, "config.json: \"partial_rotary_factor\" is %g", part);
    return rc < 0 ? rc : work_u32(w, ".rope.dimension_count", (uint64_t)((double)dim * part));
}

int decoder_half_rope(struct arch_work *w) {
    if (!w->rope.has_partial) {
        w->rope.has_partial = true;
        w->rope.partial = 0.5;
    }
    return decoder_partial_rope(w);
}

int decoder_shared_width(struct arch_work *w) {
    uint64_t width, n = 1;
    int rc = hf_config_need(&w->config, "moe_intermediate_size", &width, w->err);
    if (rc == 0)
        rc = hf_config_u64(&w->config, "num_shared_experts", &n, w->err);
    if (rc >= 0 && (width > UINT32_MAX || n > UINT16_MAX))
        rc = err_set(w->err, -EBADMSG, "config.json: \"num_shared_experts\" does not fit");
    return rc < 0 ? rc : work_u32(w, ".expert_shared_feed_forward_length", width * n);
}

int decoder_window_pattern(struct arch_work *w, uint64_t period) {
    const struct json *types = hf_config_json(&w->config, "layer_types");
    const uint64_t n = json_len(types) ? json_len(types) : w->n_layer;
    uint8_t *windows = arena_array(w->form->arena, uint8_t, n + 1);
    if (!windows)
        return work_no_memory(w);
    for (uint64_t i = 0; i < n; i++) {
        struct str type;
        windows[i] = json_len(types)
                         ? json_str(json_at(types, i), &type) && str_is(type, "sliding_attention")
                         : period && (i + 1) % period;
    }
    return n ? work_array(w, ".attention.sliding_window_pattern", KV_BOOL, windows, n) : 0;
}

/* The single steps are in f32 and in torch's order: a number divided by a tensor is the reciprocal
 * times the number. */
float decoder_llama3_factor(const struct llama3 *s, float freq) {
    const float wavelen = (1 / freq) * (float)(2 * M_PI);
    if (wavelen < (float)(s->context / s->high))
        return 1;
    if (wavelen > (float)(s->context / s->low))
        return (float)s->factor;
    const float smooth =
        ((1 / wavelen) * (float)s->context - (float)s->low) / (float)(s->high - s->low);
    return 1 / ((1 - smooth) / (float)s->factor + smooth);
}

/* rope_freqs: computed from config.json, the first tensor of the file. */
int decoder_rope_freqs(struct arch_work *w, double factor) {
    enum { MAX_DIM = 1 << 16 };
    uint64_t dim;
    if (!w->rope.type.p || w->rope.type.n != 6 || strncasecmp(w->rope.type.p, "llama3", 6) != 0)
        return 0;
    int rc = decoder_head_dim(w, &dim);
    if (rc < 0)
        return rc;
    if (dim > MAX_DIM)
        return err_set(w->err, -EBADMSG, "config.json: \"head_dim\" is too large");
    const uint64_t n = (dim + 1) / 2;
    float *factors = arena_array(w->form->arena, float, n ? n : 1);
    if (!factors)
        return work_no_memory(w);
    const double base = w->rope.has_theta ? w->rope.theta : 10000;
    const struct llama3 scaling = { .factor = rope_f64(&w->rope, "factor", factor),
                                    .low = rope_f64(&w->rope, "low_freq_factor", 1),
                                    .high = rope_f64(&w->rope, "high_freq_factor", 4),
                                    .context =
                                        w->rope.has_context ? (double)w->rope.context : 8192 };
    for (uint64_t i = 0; i < n; i++) {
        const float exponent = (float)(2 * i) / (float)dim;
        factors[i] = decoder_llama3_factor(&scaling, 1 / (float)pow((float)base, exponent));
    }
    return work_target(w, STR("rope_freqs.weight"), &n, 1,
                       expr_literal(w->form->arena, factors, n));
}

int decoder_llama_freqs(struct arch_work *w) {
    return decoder_rope_freqs(w, 8);
}

/* add_prefix_space of the tokenizer's config, whatever the tokenizer then is. */
int decoder_space_prefix(struct arch_work *w) {
    if (mistral_vocab_fits(w->folder))
        return 0;
    const struct json *v = json_get(w->folder->tokenizer_config, "add_prefix_space");
    bool b;
    return json_bool(v, &b) ? work_bool(w, "tokenizer.ggml.add_space_prefix", b) : 0;
}

/* CodeLlama and Granite are known by the size of their vocabulary. */
int decoder_llama_exceptions(struct arch_work *w) {
    uint64_t vocab;
    if (mistral_vocab_fits(w->folder))
        return 0;
    int rc = hf_config_u64(&w->config, "vocab_size", &vocab, w->err);
    if (rc > 0 && vocab == 32016)
        return work_u32(w, "tokenizer.ggml.eot_token_id", 32010);
    if (rc > 0 && vocab == 49152)
        return work_bool(w, "tokenizer.ggml.add_bos_token", false);
    return rc < 0 ? rc : 0;
}
