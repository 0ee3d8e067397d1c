/* SPDX-License-Identifier: Apache-2.0
 * formats/arch/hunyuan.c - Hunyuan, dense, with a tokenizer.json. Source: conversion/hunyuan.py;
 * configuration_hunyuan_v1_dense.py. */
#include "formats/arch/decoder.h"
#include "formats/arch/families.h"
#include "formats/tokenizer/tokenizer.h"
#include <errno.h>
#include <math.h>

static const struct hf_class classes[] = {
    { .model_type = "hunyuan_v1_dense",
      .defaults = JSON_TEXT({
          "vocab_size" : 290943,
          "hidden_size" : 4096,
          "intermediate_size" : 11008,
          "num_hidden_layers" : 32,
          "num_attention_heads" : 32,
          "num_key_value_heads" : null,
          "max_position_embeddings" : 2048,
          "rms_norm_eps" : 1e-5,
          "eod_token_id" : 3,
          "head_dim" : null
      }),
      .optional = "eod_token_id",
      .rope_theta = 10000,
      .fill = { { "num_key_value_heads", "num_attention_heads", NULL } } },
    { 0 },
};

static const struct tensor_rule rules[] = {
    SAME("model.embed_tokens", "token_embd"),
    SAME("model.norm", "output_norm"),
    { "lm_head", "output", OP_OWN, NULL },
    DECODER_NORMS,
    DECODER_ATTENTION(OP_SAME, OP_SAME),
    SAME("model.layers.#.self_attn.query_layernorm", "blk.#.attn_q_norm"),
    SAME("model.layers.#.self_attn.key_layernorm", "blk.#.attn_k_norm"),
    DECODER_MLP,
    RULES_END,
};

/* The output is left out where it is tied. */
static int own_output(struct arch_work *w, const struct tensor *t, const struct tensor_rule *rule,
                      const struct name_match *match) {
    struct arena *a = w->form->arena;
    if (hf_config_bool(&w->config, "tie_word_embeddings", false))
        return 0;
    return work_target(w, name_build(a, rule->gguf, match), t->dims, t->n_dims, expr_tensor(a, t));
}

/* "dynamic": positions are stretched by a larger base, which is computed once. */
static int add_rope(struct arch_work *w) {
    enum { CONTEXT = 256 * 1024 };
    uint64_t dim;
    const bool dynamic = w->rope.type.p && str_is(w->rope.type, "dynamic");
    if (!dynamic && !(w->rope.type.p && str_is(w->rope.type, "xdrope")))
        return 0;
    const double alpha = rope_f64(&w->rope, "alpha", 50);
    const double base = w->rope.has_theta ? w->rope.theta : 10000;
    int rc = hf_config_need(&w->config, "head_dim", &dim, w->err);
    if (rc == 0 && (dim <= 2 || dim > UINT16_MAX || !(alpha > 0)))
        rc = err_set(w->err, -EBADMSG, "config.json: \"head_dim\" or \"alpha\" does not fit");
    if (rc == 0)
        rc = work_f32(w, ".rope.freq_base", base * pow(alpha, (double)dim / (double)(dim - 2)));
    if (rc == 0)
        rc = work_str(w, ".rope.scaling.type", STR("none"));
    if (rc == 0)
        rc = work_f32(w, ".rope.scaling.factor", 1);
    if (rc == 0 && dynamic)
        rc = work_u32(w, ".rope.scaling.original_context_length", CONTEXT);
    return rc < 0 || !dynamic ? rc : work_u32(w, ".context_length", CONTEXT);
}

/* What config.json gets wrong. */
static int mend_ends(struct arch_work *w) {
    struct json *generation;
    uint64_t id;
    int rc = hf_config_u64(&w->config, "eod_token_id", &id, w->err);
    if (rc > 0)
        rc = work_u32(w, "tokenizer.ggml.eos_token_id", id);
    if (rc == 0)
        rc = folder_json(w->folder, "generation_config.json", FOLDER_MAX_CONFIG, &generation,
                         w->err);
    if (rc < 0)
        return rc;
    const struct json *list = json_get(generation, "eos_token_id");
    if (json_type(list) == JSON_ARRAY && json_len(list) >= 2 && json_u64(json_at(list, 0), &id))
        rc = work_u32(w, "tokenizer.ggml.eot_token_id", id);
    json_free(generation);
    return rc;
}

static const struct hparam hparams[] = {
    HPARAM_LIST(hparams_text),
    HPARAM_CALL(add_rope),
    HPARAM_END,
};

static const struct tokenizer_kind *const bpe[] = { &tokenizer_gpt2, NULL };

static const struct arch archs[] = {
    { .gguf = "hunyuan-dense",
      .classes = "HunYuanDenseV1ForCausalLM",
      .rules = rules,
      .own = own_output,
      .hparams = hparams,
      .tokenizers = bpe,
      .after = mend_ends },
    { 0 },
};

const struct family family_hunyuan = { classes, archs };
