/* SPDX-License-Identifier: Apache-2.0
 * formats/arch/llama_kin.c - models built like Llama under names of their own: Mistral 3 and
 * Ministral 3, Arcee, Apertus, Llama as an encoder. Source: conversion/llama.py, mistral3.py;
 * configuration_ministral3.py, _arcee.py, _apertus.py. */
#include "formats/arch/back.h"
#include "formats/arch/decoder.h"
#include "formats/arch/families.h"
#include "formats/arch/reverse.h"
#include "formats/tokenizer/tokenizer.h"
#include <errno.h>
#include <stdio.h>

static const struct hf_class classes[] = {
    { .model_type = "ministral3",
      .defaults = JSON_TEXT({
          "vocab_size" : 131072,
          "hidden_size" : 4096,
          "intermediate_size" : 14336,
          "num_hidden_layers" : 34,
          "num_attention_heads" : 32,
          "num_key_value_heads" : 8,
          "head_dim" : 128,
          "max_position_embeddings" : 262144,
          "rms_norm_eps" : 1e-5,
          "rope_parameters" : {
              "type" : "yarn",
              "rope_theta" : 1000000.0,
              "factor" : 16.0,
              "original_max_position_embeddings" : 16384,
              "beta_fast" : 32.0,
              "beta_slow" : 1.0,
              "mscale_all_dim" : 1.0,
              "llama_4_scaling_beta" : 0.1
          }
      }),
      .kinds = "num_key_value_heads=i head_dim=i",
      .rope_theta = 10000,
      .fill = { { "head_dim", "hidden_size", "num_attention_heads" },
                { "num_key_value_heads", "num_attention_heads", NULL } } },
    { .model_type = "arcee",
      .defaults = JSON_TEXT({
          "vocab_size" : 32000,
          "hidden_size" : 2560,
          "intermediate_size" : 18432,
          "num_hidden_layers" : 32,
          "num_attention_heads" : 32,
          "num_key_value_heads" : null,
          "max_position_embeddings" : 4096,
          "rms_norm_eps" : 1e-5,
          "head_dim" : null
      }),
      .rope_theta = 10000,
      .even_heads = true,
      .fill = { { "head_dim", "hidden_size", "num_attention_heads" },
                { "num_key_value_heads", "num_attention_heads", NULL } } },
    { .model_type = "apertus",
      .defaults = JSON_TEXT({
          "vocab_size" : 131072,
          "hidden_size" : 4096,
          "intermediate_size" : 14336,
          "num_hidden_layers" : 32,
          "num_attention_heads" : 32,
          "num_key_value_heads" : null,
          "max_position_embeddings" : 65536,
          "rms_norm_eps" : 1e-5,
          "rope_parameters" : {
              "rope_type" : "llama3",
              "rope_theta" : 12000000.0,
              "factor" : 8.0,
              "original_max_position_embeddings" : 8192,
              "low_freq_factor" : 1.0,
              "high_freq_factor" : 4.0
          }
      }),
      .rope_theta = 12000000,
      .fill = { { "num_key_value_heads", "num_attention_heads", NULL } } },
    { 0 },
};

static const struct tensor_rule rules[] = {
    DECODER_ENDS, DECODER_NORMS, DECODER_ATTENTION(OP_PERMUTE_Q, OP_PERMUTE_K),
    DECODER_MLP,  RULES_END,
};

#define XIELU_VECTOR "one" /* the number has a dimension there */

static const struct tensor_rule apertus_rules[] = {
    DECODER_ENDS,
    SAME("model.layers.#.attention_layernorm", "blk.#.attn_norm"),
    SAME("model.layers.#.feedforward_layernorm", "blk.#.ffn_norm"),
    DECODER_ATTENTION(OP_SAME, OP_SAME),
    DECODER_QK_NORMS,
    DECODER_MLP,
    { "model.layers.#.mlp.act_fn.alpha_n", "xielu.alpha_n", OP_OWN, XIELU_VECTOR },
    { "model.layers.#.mlp.act_fn.alpha_p", "xielu.alpha_p", OP_OWN, XIELU_VECTOR },
    { "model.layers.#.mlp.act_fn.beta", "xielu.beta", OP_OWN, NULL },
    { "model.layers.#.mlp.act_fn.eps", "xielu.eps", OP_OWN, NULL },
    RULES_END,
};

/* The numbers of a pair, by block, until the last is met. */
struct numbers {
    float *values;
    uint64_t n;
};

/* A parameter of the activation in each block: together they are a pair. */
static int own_number(struct arch_work *w, const struct tensor *t, const struct tensor_rule *rule,
                      const struct name_match *match) {
    struct arena *a = w->form->arena;
    struct numbers *all = w->own ? w->own : arena_array(a, struct numbers, 4);
    w->own = all;
    if (!all)
        return work_no_memory(w);
    struct numbers *mine = &all[0];
    for (const struct tensor_rule *r = w->arch->rules; r != rule; r++)
        mine += r->op == OP_OWN;
    if (!mine->values)
        mine->values = arena_array(a, float, w->n_layer);
    if (!mine->values)
        return work_no_memory(w);
    int rc = work_read_number(w, t, &mine->values[match->block]);
    if (rc < 0 || ++mine->n < w->n_layer)
        return rc;
    return work_array(w, rule->gguf, KV_F32, mine->values, w->n_layer);
}

/* Mistral 3 proper has none of it; Ministral 3 cannot do without. */
static int add_ministral(struct arch_work *w) {
    struct str type;
    if (!hf_config_str(&w->config, "model_type", &type) || !str_is(type, "ministral3"))
        return 0;
    const double none = -1, mscale = rope_f64(&w->rope, "mscale_all_dim", none);
    const double beta = rope_f64(&w->rope, "llama_4_scaling_beta", none);
    if (!w->rope.type.p || !str_is(w->rope.type, "yarn") || mscale == none || beta == none)
        return err_set(w->err, -EBADMSG,
                       "config.json: rope_parameters need type yarn, \"mscale_all_dim\" and "
                       "\"llama_4_scaling_beta\"");
    int rc = work_f32(w, ".rope.scaling.yarn_log_multiplier", mscale);
    return rc < 0 ? rc : work_f32(w, ".attention.temperature_scale", beta);
}

static const struct hparam hparams[] = {
    HPARAM_LIST(hparams_text),
    HPARAM_NEED(".vocab_size", "vocab_size"),
    HPARAM_CALL(decoder_rope_dimension),
    HPARAM_END,
};

static const struct hparam mistral3_hparams[] = {
    HPARAM_LIST(hparams),
    HPARAM_CALL(add_ministral),
    HPARAM_END,
};

static const struct hparam arcee_hparams[] = {
    HPARAM_LIST(hparams),
    HPARAM_CALL(hparam_pooling),
    HPARAM_END,
};

static bool is_no_mistral4(const struct arch_work *w) {
    struct str type;
    return !hf_config_str(&w->config, "model_type", &type) || !str_is(type, "mistral4");
}

/* --- the way back --- */

static bool is_ministral(const struct back *w) {
    float scale;
    return back_find_f32(w, ".attention.temperature_scale", &scale);
}

static void say_ministral(struct back *w) {
    char beta[48];
    float scale = 0;
    back_find_f32(w, ".attention.temperature_scale", &scale);
    snprintf(beta, sizeof beta, ", \"llama_4_scaling_beta\": %.7g", (double)scale);
    back_yarn(w, beta);
}

static void say_no_window(struct back *w) {
    back_null(w, "sliding_window");
}

static const struct arch_back mistral3_back[] = {
    { "ministral3", "Ministral3ForCausalLM", .when = is_ministral, .more = say_ministral,
      .log_unit = 1 },
    { "mistral", "MistralForCausalLM", .more = say_no_window },
    { 0 },
};
static const struct arch_back arcee_back[] = { { "arcee", "ArceeForCausalLM", .more = back_biases },
                                               { 0 } };
static const struct arch_back apertus_back[] = {
    { "apertus", "ApertusForCausalLM", .more = back_attention_bias }, { 0 }
};

/* Its code is in the model's own repository. */
static const struct arch_back embed_back[] = {
    { "llama_bidirec", "LlamaBidirectionalModel", .fields = BACK_DECODER_FIELDS "head_dim" }, { 0 }
};
static const struct name_edit bare_edits[] = { { EDIT_START, "model.", "" }, { 0 } };

/* The parameters of the activation, of which each block has a tensor there. */
static int back_numbers(struct reverse *r) {
    struct arena *a = r->form->arena;
    const struct tensor *like = model_find(r->model, STR("output_norm.weight"));
    int rc = like ? 0 : err_set(r->err, -EBADMSG, "tensor output_norm.weight is missing");
    for (const struct tensor_rule *rule = r->arch->rules; rule->hf && rc == 0; rule++) {
        struct kv_array list;
        struct str elem;
        double v;
        if (rule->op != OP_OWN || !kv_get_array(&r->model->kvs, rule->gguf, &list))
            continue;
        const uint64_t one = 1;
        const uint32_t n_dims = rule->second ? 1 : 0;
        struct name_match match = { .rest = { "", 0 } };
        for (; rc == 0 && kv_array_next(&list, &elem); match.block++) {
            if (!kv_real(list.type, elem, &v))
                return err_set(r->err, -EBADMSG, "%s is not a list of numbers", rule->gguf);
            const float number = (float)v;
            rc = reverse_target(r, name_build(a, rule->hf, &match), like, &one, n_dims,
                                expr_literal(a, &number, 1));
        }
    }
    return rc;
}

static const struct tokenizer_kind *const tokenizers[] = { &tokenizer_mistral, &tokenizer_spm,
                                                           &tokenizer_llama_json, &tokenizer_gpt2,
                                                           NULL };

#define KIN_ROW                                                                            \
    .tokenizers = tokenizers, .extra = decoder_llama_freqs, .vocab = decoder_space_prefix, \
    .after = decoder_llama_exceptions

static const struct arch archs[] = {
    { KIN_ROW, .gguf = "mistral3",
      .classes = "Ministral3ForCausalLM Mistral3ForConditionalGeneration", .when = is_no_mistral4,
      .back = mistral3_back, .rules = rules, .hparams = mistral3_hparams },
    { KIN_ROW, .gguf = "arcee", .classes = "ArceeForCausalLM", .back = arcee_back, .rules = rules,
      .hparams = arcee_hparams },
    { KIN_ROW, .gguf = "llama-embed", .classes = "LlamaBidirectionalModel", .back = embed_back,
      .back_edits = bare_edits, .rules = rules, .hparams = hparams },
    { KIN_ROW, .gguf = "apertus", .classes = "ApertusForCausalLM", .rules = apertus_rules,
      .own = own_number, .back = apertus_back, .extra_back = back_numbers, .hparams = hparams },
    { 0 },
};

const struct family family_llama_kin = { classes, archs };
