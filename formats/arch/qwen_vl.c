/* SPDX-License-Identifier: Apache-2.0
 * formats/arch/qwen_vl.c - the text parts of Qwen 2-VL, 2.5-VL and 3-VL.
 * Source: conversion/qwenvl.py, qwen3vl.py; configuration_qwen2_vl.py, _qwen2_5_vl.py,
 * _qwen3_vl.py, _qwen3_vl_moe.py. */
#include "formats/arch/back.h"
#include "formats/arch/decoder.h"
#include "formats/arch/families.h"
#include "formats/tokenizer/tokenizer.h"
#include <errno.h>

#define QWEN2_VL_CLASS(type)                                       \
    {                                                              \
        .model_type = type, .defaults = JSON_TEXT({                \
                                "vocab_size" : 152064,             \
                                "hidden_size" : 8192,              \
                                "intermediate_size" : 29568,       \
                                "num_hidden_layers" : 80,          \
                                "num_attention_heads" : 64,        \
                                "num_key_value_heads" : 8,         \
                                "max_position_embeddings" : 32768, \
                                "rms_norm_eps" : 1e-5              \
                            }),                                    \
        .rope_theta = 1000000, .fill = {                           \
            { "num_key_value_heads", "num_attention_heads", NULL } \
        }                                                          \
    }

static const struct hf_class classes[] = {
    QWEN2_VL_CLASS("qwen2_vl_text"),
    QWEN2_VL_CLASS("qwen2_5_vl_text"),
    { .model_type = "qwen3_vl_text",
      .defaults = JSON_TEXT({
          "vocab_size" : 151936,
          "hidden_size" : 4096,
          "intermediate_size" : 22016,
          "num_hidden_layers" : 32,
          "num_attention_heads" : 32,
          "num_key_value_heads" : 32,
          "head_dim" : 128,
          "max_position_embeddings" : 128000,
          "rms_norm_eps" : 1e-6
      }),
      .rope_theta = 500000,
      .fill = { { "num_key_value_heads", "num_attention_heads", NULL } } },
    { .model_type = "qwen3_vl_moe_text",
      .defaults = JSON_TEXT({
          "vocab_size" : 151936,
          "hidden_size" : 2048,
          "intermediate_size" : 5632,
          "num_hidden_layers" : 24,
          "num_attention_heads" : 16,
          "num_key_value_heads" : 16,
          "head_dim" : null,
          "max_position_embeddings" : 128000,
          "rms_norm_eps" : 1e-6,
          "moe_intermediate_size" : 1408,
          "num_experts_per_tok" : 4,
          "num_local_experts" : 60
      }),
      .kinds = "num_key_value_heads=i",
      .optional = "num_local_experts",
      .rope_theta = 500000,
      .fill = { { "head_dim", "hidden_size", "num_attention_heads" },
                { "num_key_value_heads", "num_attention_heads", NULL } },
      .rename = { { "num_experts", "num_local_experts" } } },
    { .model_type = "qwen2_5_omni_text",
      .defaults = JSON_TEXT({
          "vocab_size" : 152064,
          "hidden_size" : 3584,
          "intermediate_size" : 18944,
          "num_hidden_layers" : 28,
          "num_attention_heads" : 28,
          "num_key_value_heads" : 4,
          "max_position_embeddings" : 32768,
          "rms_norm_eps" : 1e-6
      }),
      .optional = "num_key_value_heads",
      .rope_theta = 1000000,
      .fill = { { "num_key_value_heads", "num_attention_heads", NULL } } },
    { .model_type = "qwen3_omni_moe_text",
      .defaults = JSON_TEXT({
          "vocab_size" : 3584,
          "hidden_size" : 2048,
          "intermediate_size" : 18944,
          "num_hidden_layers" : 28,
          "num_attention_heads" : 28,
          "num_key_value_heads" : 4,
          "max_position_embeddings" : 32768,
          "rms_norm_eps" : 1e-6,
          "moe_intermediate_size" : 768,
          "num_experts_per_tok" : 8,
          "num_experts" : 128
      }),
      .rope_theta = 1000000 },
    { 0 },
};

static const struct tensor_rule rules[] = {
    DECODER_ENDS,
    DECODER_NORMS,
    DECODER_ATTENTION(OP_SAME, OP_SAME),
    DECODER_QK_NORMS,
    DECODER_MLP,
    SAME("model.layers.#.mlp.gate", "blk.#.ffn_gate_inp"),
    DECODER_EXPERTS("mlp.experts"),
    { "model.layers.#.mlp.experts.down_proj", "blk.#.ffn_down_exps", OP_EXPERTS_TURNED, NULL },
    { "model.layers.#.mlp.experts.gate_up_proj", "blk.#.ffn_gate_exps", OP_EXPERTS_TURNED,
      "blk.#.ffn_up_exps" },
    RULES_END,
};

/* At how many of the first blocks images come in again. */
static int add_deepstack(struct arch_work *w) {
    enum { ABSENT = 3 }; /* of transformers' class: [8, 16, 24] */
    const struct json *vision = hf_config_json(&w->config, "vision_config");
    const struct json *list = json_get(vision, "deepstack_visual_indexes");
    return work_u32(w, ".n_deepstack_layers",
                    list || !w->config.cls ? json_len(list) : (size_t)ABSENT);
}

static const struct hparam qwen3_hparams[] = {
    HPARAM_LIST(hparams_text),
    HPARAM_CALL(hparam_pooling),
    HPARAM_CALL(add_deepstack),
    HPARAM_END,
};

static const struct hparam moe_hparams[] = {
    HPARAM_LIST(hparams_text),
    HPARAM_U32(".expert_feed_forward_length", "moe_intermediate_size"),
    HPARAM_U32(".expert_shared_feed_forward_length", "shared_expert_intermediate_size"),
    HPARAM_CALL(add_deepstack),
    HPARAM_END,
};

static const struct hparam omni_hparams[] = {
    HPARAM_LIST(hparams_text),
    HPARAM_U32(".expert_feed_forward_length", "moe_intermediate_size"),
    HPARAM_U32(".expert_shared_feed_forward_length", "shared_expert_intermediate_size"),
    HPARAM_FIXED(".n_deepstack_layers", 0),
    HPARAM_END,
};

/* "<|im_end|>" both begins and ends. */
static int mend_ends(struct arch_work *w) {
    const struct json *added = json_get(w->folder->tokenizer_config, "added_tokens_decoder");
    for (struct json_iter it = json_iter(added); json_next(&it);) {
        struct str text;
        if (!json_str(json_get(it.value, "content"), &text) || !str_is(text, "<|im_end|>"))
            continue;
        uint64_t id = 0;
        size_t i = 0;
        while (i < it.key.n && i < 9 && it.key.p[i] >= '0' && it.key.p[i] <= '9')
            id = 10 * id + (uint64_t)(it.key.p[i++] - '0');
        if (i < it.key.n)
            return err_set(w->err, -EBADMSG, "tokenizer_config.json: \"%.*s\" is no token's number",
                           STR_ARG(it.key));
        int rc = work_u32(w, "tokenizer.ggml.bos_token_id", id);
        return rc < 0 ? rc : work_u32(w, "tokenizer.ggml.eos_token_id", id);
    }
    return 0;
}

static const struct name_edit edits[] = { { EDIT_START, "thinker.", "" }, { 0 } };
static const struct tokenizer_kind *const either[] = { &tokenizer_spm, &tokenizer_gpt2, NULL };
static const struct tokenizer_kind *const bpe[] = { &tokenizer_gpt2, NULL };

/* With texts alone they are the models that they are built on; a GGUF has just that part. */
static const struct arch_back qwen2_back[] = {
    { .model_type = "qwen2", .class_name = "Qwen2ForCausalLM" }, { 0 }
};
static const struct arch_back qwen3_back[] = {
    { "qwen3", "Qwen3ForCausalLM", .more = back_attention_bias }, { 0 }
};
static const struct arch_back moe3_back[] = {
    { "qwen3_moe", "Qwen3MoeForCausalLM", .more = qwen_say_moe3 }, { 0 }
};

static const struct arch archs[] = {
    { .gguf = "qwen2vl",
      .back = qwen2_back,
      .classes = "Qwen2VLForConditionalGeneration Qwen2_5_VLForConditionalGeneration Qwen2VLModel "
                 "Qwen2_5OmniModel",
      .edits = edits,
      .rules = rules,
      .hparams = hparams_text,
      .tokenizers = either },
    { .gguf = "qwen3vl",
      .back = qwen3_back,
      .classes = "Qwen3VLForConditionalGeneration",
      .edits = edits,
      .rules = rules,
      .hparams = qwen3_hparams,
      .tokenizers = either },
    { .gguf = "qwen3vlmoe",
      .back = moe3_back,
      .classes = "Qwen3VLMoeForConditionalGeneration",
      .edits = edits,
      .rules = rules,
      .hparams = moe_hparams,
      .experts = "num_local_experts num_experts",
      .tokenizers = bpe },
    { .gguf = "qwen3vlmoe",
      .classes = "Qwen3OmniMoeForConditionalGeneration",
      .edits = edits,
      .rules = rules,
      .hparams = omni_hparams,
      .experts = "num_local_experts num_experts",
      .tokenizers = bpe,
      .after = mend_ends },
    { 0 },
};

const struct family family_qwen_vl = { classes, archs };
