/* SPDX-License-Identifier: Apache-2.0
 * formats/arch/gemma3n.c - the text part of Gemma 3n. Source: conversion/gemma.py;
 * configuration_gemma3n.py. */
#include "formats/arch/back.h"
#include "formats/arch/decoder.h"
#include "formats/arch/families.h"
#include "formats/arch/reverse.h"
#include "formats/tokenizer/tokenizer.h"
#include <errno.h>
#include <math.h>
#include <stdio.h>

static const struct hf_class classes[] = {
    { .model_type = "gemma3n_text",
      .defaults = JSON_TEXT({
          "vocab_size" : 262400,
          "hidden_size" : 2048,
          "num_hidden_layers" : 35,
          "num_attention_heads" : 8,
          "num_key_value_heads" : 2,
          "head_dim" : 256,
          "max_position_embeddings" : 32768,
          "rms_norm_eps" : 1e-6,
          "sliding_window" : 512,
          "final_logit_softcapping" : 30.0,
          "hidden_size_per_layer_input" : 256,
          "altup_active_idx" : 0,
          "altup_num_inputs" : 4,
          "num_kv_shared_layers" : 15
      }),
      .kinds = "attention_dropout=fin",
      .rope_theta = 1000000,
      .local_theta = 10000,
      .local_key = "rope_local_base_freq",
      .even_heads = true },
    { 0 },
};

static const struct tensor_rule rules[] = {
    { "model.embed_tokens", "token_embd", OP_OWN, "pad" },
    { "model.embed_tokens_per_layer", "per_layer_token_embd", OP_OWN, "pad" },
    SAME("model.norm", "output_norm"),
    SAME("lm_head", "output"),
    SAME("model.per_layer_model_projection", "per_layer_model_proj"),
    SAME("model.per_layer_projection_norm", "per_layer_proj_norm"),
    { "model.altup_projections.*", "altup_proj", OP_OWN, "stack" },
    { "model.altup_unembed_projections.*", "altup_unembd_proj", OP_OWN, "stack" },
    SAME("model.layers.#.input_layernorm", "blk.#.attn_norm"),
    DECODER_ATTENTION(OP_SAME, OP_SAME),
    DECODER_QK_NORMS,
    DECODER_MLP,
    SAME("model.layers.#.post_attention_layernorm", "blk.#.post_attention_norm"),
    SAME("model.layers.#.pre_feedforward_layernorm", "blk.#.ffn_norm"),
    SAME("model.layers.#.post_feedforward_layernorm", "blk.#.post_ffw_norm"),
    SAME("model.layers.#.per_layer_input_gate", "blk.#.inp_gate"),
    SAME("model.layers.#.per_layer_projection", "blk.#.proj"),
    SAME("model.layers.#.post_per_layer_input_norm", "blk.#.post_norm"),
    SAME("model.layers.#.altup.correction_coefs", "blk.#.altup_correct_coef"),
    SAME("model.layers.#.altup.correct_output_scale", "blk.#.altup_correct_scale"),
    SAME("model.layers.#.altup.prediction_coefs", "blk.#.altup_predict_coef"),
    SAME("model.layers.#.altup.modality_router", "blk.#.altup_router"),
    SAME("model.layers.#.altup.router_norm", "blk.#.altup_router_norm"),
    SAME("model.layers.#.laurel.linear_left", "blk.#.laurel_l"),
    SAME("model.layers.#.laurel.linear_right", "blk.#.laurel_r"),
    SAME("model.layers.#.laurel.post_laurel_norm", "blk.#.laurel_post_norm"),
    RULES_END,
};

/* Rows of zeros for the tokens of images and sounds. */
static int own_padded(struct arch_work *w, const struct tensor *t, const struct tensor_rule *rule,
                      const struct name_match *match) {
    struct arena *a = w->form->arena;
    uint64_t rows;
    int rc = hf_config_need(&w->config, "vocab_size", &rows, w->err);
    if (rc == 0 && (t->n_dims != 2 || t->elems == 0 || rows > VOCAB_MAX))
        rc = err_set(w->err, -EBADMSG, "tensor %.*s: not a row for each token", STR_ARG(t->name));
    if (rc < 0)
        return rc;
    const struct expr *e = expr_tensor(a, t);
    if (rows > t->dims[0]) {
        const float *zeros = arena_array(a, float, t->dims[1]);
        const struct expr *zero = zeros ? expr_literal(a, zeros, t->dims[1]) : NULL;
        const struct row_map again = { 0, 1, { rows - t->dims[0] }, { 0 } };
        const struct expr *in[2] = { e, expr_rows(a, zero, again) };
        e = expr_stack(a, in, 2);
    } else {
        rows = t->dims[0];
    }
    const uint64_t dims[2] = { rows, t->dims[1] };
    return work_target(w, name_build(a, rule->gguf, match), dims, 2, e);
}

enum { STREAMS = 3 /* beside the first */ };

/* The projections of all streams are one tensor, where the last is met. */
static int own_stacked(struct arch_work *w, const struct tensor *t, const struct tensor_rule *rule,
                       const struct name_match *match) {
    struct arena *a = w->form->arena;
    const struct tensor **parts =
        w->own ? w->own : arena_array(a, const struct tensor *, 2 * STREAMS);
    const struct expr *in[STREAMS];
    w->own = parts;
    if (!parts)
        return work_no_memory(w);
    if (strcmp(rule->gguf, "altup_proj") != 0)
        parts += STREAMS;
    if (match->expert >= STREAMS || t->n_dims != 2 || (parts[0] && parts[0]->elems != t->elems))
        return err_set(w->err, -EBADMSG, "tensor %.*s: not one of three of a size",
                       STR_ARG(t->name));
    parts[match->expert] = t;
    for (int i = 0; i < STREAMS; i++) {
        if (!parts[i])
            return 0;
        in[i] = expr_tensor(a, parts[i]);
    }
    const uint64_t dims[3] = { STREAMS, t->dims[0], t->dims[1] };
    return work_target(w, name_build(a, rule->gguf, match), dims, 3, expr_stack(a, in, STREAMS));
}

static int own_tensor(struct arch_work *w, const struct tensor *t, const struct tensor_rule *rule,
                      const struct name_match *match) {
    return strcmp(rule->second, "pad") == 0 ? own_padded(w, t, rule, match)
                                            : own_stacked(w, t, rule, match);
}

/* One width for all blocks is written as a list, too. */
static int add_widths(struct arch_work *w) {
    uint64_t width = 16384;
    int32_t *widths = arena_array(w->form->arena, int32_t, w->n_layer + 1);
    if (!widths)
        return work_no_memory(w);
    if (json_type(hf_config_json(&w->config, "intermediate_size")) == JSON_ARRAY)
        return 0;
    int rc = hf_config_u64(&w->config, "intermediate_size", &width, w->err);
    for (uint64_t i = 0; i < w->n_layer; i++)
        widths[i] = (int32_t)width;
    return rc < 0 || !w->n_layer
               ? rc
               : work_array(w, ".feed_forward_length", KV_I32, widths, w->n_layer);
}

/* Where the standard normal distribution has @part of itself below, in f32 as torch makes it; the
 * inverse of erf by bisection. */
static float normal_quantile(float part) {
    const float x = 2 * part - 1;
    double low = -6, high = 6;
    if (x <= -1 || x >= 1)
        return x < 0 ? -INFINITY : INFINITY;
    if (x == 0)
        return 0;
    for (int i = 0; i < 100; i++) {
        const double mid = (low + high) / 2;
        if (erf(mid) < (double)x)
            low = mid;
        else
            high = mid;
    }
    return (float)low * (float)M_SQRT2;
}

/* The part of activations that is zero, in each block, as a multiple of their deviation. */
static int add_sparsity(struct arch_work *w) {
    enum { ALL = 10, OF = 95 };
    const struct json *list = hf_config_json(&w->config, "activation_sparsity_pattern");
    float *scales = arena_array(w->form->arena, float, w->n_layer + 1);
    if (!scales)
        return work_no_memory(w);
    for (uint64_t i = 0; i < w->n_layer; i++) {
        double part = w->n_layer > ALL && i < ALL ? OF / 100.0 : 0;
        if (list && !json_is_null(list) && !json_f64(json_at(list, i), &part))
            return err_set(w->err, -EBADMSG,
                           "config.json: \"activation_sparsity_pattern\" has no number for block "
                           "%llu",
                           (unsigned long long)i);
        scales[i] = normal_quantile((float)part);
    }
    return w->n_layer ? work_array(w, ".activation_sparsity_scale", KV_F32, scales, w->n_layer) : 0;
}

/* Every fifth block has full attention where config.json does not say. */
static int add_pattern(struct arch_work *w) {
    return decoder_window_pattern(w, 5);
}

static int check_streams(struct arch_work *w) {
    uint64_t n;
    int rc = hf_config_need(&w->config, "altup_num_inputs", &n, w->err);
    return rc < 0 || n == STREAMS + 1
               ? rc
               : err_set(w->err, -ENOTSUP, "config.json: \"altup_num_inputs\" is not four");
}

static const struct hparam hparams[] = {
    HPARAM_CALL(check_streams),
    HPARAM_LIST(hparams_text),
    HPARAM_CALL(add_widths),
    HPARAM_F32(".final_logit_softcapping", "final_logit_softcapping"),
    HPARAM_NEED(".attention.sliding_window", "sliding_window"),
    HPARAM_NEED(".altup.active_idx", "altup_active_idx"),
    HPARAM_NEED(".altup.num_inputs", "altup_num_inputs"),
    HPARAM_NEED(".embedding_length_per_layer_input", "hidden_size_per_layer_input"),
    HPARAM_NEED(".attention.shared_kv_layers", "num_kv_shared_layers"),
    HPARAM_CALL(add_sparsity),
    HPARAM_CALL(add_pattern),
    HPARAM_END,
};

static int add_no_prefix_to_spm(struct arch_work *w) {
    return folder_has(w->folder, "tokenizer.model")
               ? work_bool(w, "tokenizer.ggml.add_space_prefix", false)
               : 0;
}

/* --- the way back --- */

/* Each stream's projection is a tensor again; rows that were padded stay. */
static int back_own(struct reverse *r, const struct tensor *t, const struct tensor_rule *rule,
                    const struct name_match *match) {
    struct arena *a = r->form->arena;
    struct name_match one = *match;
    int rc = 0;
    if (strcmp(rule->second, "pad") == 0)
        return reverse_same(r, t, rule, match);
    if (t->n_dims != 3 || t->dims[0] != STREAMS || !t->elems)
        return reverse_bad_shape(r, t, "not three matrices");
    const struct expr *all = expr_tensor(a, t);
    for (uint64_t i = 0; i < STREAMS && rc == 0; i++) {
        one.expert = i;
        rc = reverse_target(r, name_build(a, rule->hf, &one), t, t->dims + 1, 2,
                            expr_slice(a, all, i * t->dims[1], t->dims[1]));
    }
    return rc;
}

/* What normal_quantile was given, in the digits that models use. */
static void add_part(struct buffer *b, double quantile) {
    char text[32];
    snprintf(text, sizeof text, "%.5g", (1 + erf(quantile / M_SQRT2)) / 2);
    buffer_z(b, text);
    if (!strpbrk(text, ".en"))
        buffer_z(b, ".0");
}

static void say_sparsity(struct back *w) {
    static const char key[] = "gemma3n.activation_sparsity_scale";
    struct buffer b = { 0 };
    struct kv_array list;
    struct str elem;
    double v;
    if (!kv_get_array(&w->m->kvs, key, &list) || !list.n)
        return;
    for (bool first = true; kv_array_next(&list, &elem); first = false) {
        buffer_z(&b, first ? "[" : ", ");
        if (!kv_real(list.type, elem, &v))
            back_fail(w, -EBADMSG, "%s is not a list of numbers", key);
        else
            add_part(&b, v);
    }
    buffer_add(&b, "]", 2); /* with the zero that ends it */
    if (b.failed)
        back_fail(w, -ENOMEM, "no memory for config.json");
    else
        back_raw(w, "activation_sparsity_pattern", b.p);
    buffer_fini(&b);
}

static void say_gemma3n(struct back *w) {
    const struct tensor *rows = model_find(w->m, STR("per_layer_token_embd.weight"));
    const struct tensor *laurel = model_find(w->m, STR("blk.0.laurel_l.weight"));
    float local = 10000;
    if (rows && rows->n_dims == 2)
        back_u64(w, "vocab_size_per_layer_input", rows->dims[0]);
    if (laurel && laurel->n_dims == 2)
        back_u64(w, "laurel_rank", laurel->dims[0]);
    say_sparsity(w);
    back_windows(w);
    back_find_f32(w, ".rope.freq_base_swa", &local);
    back_f32(w, "rope_local_base_freq", local);
}

static const struct arch_back back[] = {
    { "gemma3n_text", "Gemma3nForCausalLM", .fields = "intermediate_size", .more = say_gemma3n },
    { 0 },
};
static const struct name_edit back_edits[] = { { EDIT_END, "output_scale.weight", "output_scale" },
                                               { 0 } };

static const struct name_edit edits[] = { { EDIT_END, "_scale", "_scale.weight" }, { 0 } };
static const struct tokenizer_kind *const either[] = { &tokenizer_spm, &tokenizer_gpt2, NULL };

static const struct arch archs[] = {
    { .gguf = "gemma3n",
      .some = "attn_k attn_k_norm attn_v", /* the last ones use those of blocks before */
      .classes = "Gemma3nForCausalLM Gemma3nForConditionalGeneration",
      .edits = edits,
      .back = back,
      .back_edits = back_edits,
      .rules = rules,
      .own = own_tensor,
      .own_back = back_own,
      .hparams = hparams,
      .tokenizers = either,
      .after = add_no_prefix_to_spm },
    { 0 },
};

const struct family family_gemma3n = { classes, archs };
