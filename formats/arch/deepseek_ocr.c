/* SPDX-License-Identifier: Apache-2.0
 * formats/arch/deepseek_ocr.c - the text part of DeepSeek-OCR and of what is built like it:
 * DeepSeek with plain attention. Source: conversion/deepseek.py. */
#include "formats/arch/deepseek.h"
#include "formats/arch/families.h"
#include "formats/tokenizer/tokenizer.h"

static const struct hf_class classes[] = { { 0 } };

static const struct tensor_rule rules[] = {
    SAME("model.embed_tokens", "token_embd"),
    SAME("model.norm", "output_norm"),
    { "lm_head", "output", OP_UNLESS_TIED, NULL },
    DECODER_NORMS,
    DECODER_ATTENTION(OP_SAME, OP_SAME),
    DECODER_MLP,
    DECODER_MOE("mlp.experts", "mlp.shared_experts"),
    { "model.sam_model.~", NULL, OP_DROP, NULL },
    { "model.qwen2_model.~", NULL, OP_DROP, NULL },
    RULES_END,
};

/* It comes before all that is known of the model. */
static int add_template(struct arch_work *w) {
    return work_str(w, "tokenizer.chat_template",
                    STR("{% for m in messages %}{{m['content']}}{% endfor %}"));
}

static int add_norm(struct arch_work *w) {
    return hf_config_bool(&w->config, "norm_topk_prob", false)
               ? work_bool(w, ".expert_weights_norm", true)
               : 0;
}

/* Zero is none. */
static int add_window(struct arch_work *w) {
    uint64_t n = 0;
    int rc = hf_config_u64(&w->config, "sliding_window_size", &n, w->err);
    if (rc >= 0 && !n)
        rc = hf_config_u64(&w->config, "sliding_window", &n, w->err);
    return rc < 0 || !n ? (rc < 0 ? rc : 0) : work_u32(w, ".attention.sliding_window", n);
}

static const struct hparam hparams[] = {
    HPARAM_LIST(hparams_text),
    HPARAM_NEED(".leading_dense_block_count", "first_k_dense_replace"),
    HPARAM_NEED(".vocab_size", "vocab_size"),
    HPARAM_U32(".attention.q_lora_rank", "q_lora_rank"),
    HPARAM_NEED(".expert_feed_forward_length", "moe_intermediate_size intermediate_size"),
    HPARAM_U32(".expert_count", "n_routed_experts"),
    HPARAM_NEED(".expert_shared_count", "n_shared_experts"),
    HPARAM_F32(".expert_weights_scale", "routed_scaling_factor"),
    HPARAM_CALL(add_norm),
    HPARAM_NEED(".rope.dimension_count", "qk_rope_head_dim"),
    HPARAM_CALL(add_window),
    HPARAM_END,
};

static const struct tokenizer_kind *const bpe[] = { &tokenizer_gpt2, NULL };

static const struct arch archs[] = {
    { .gguf = "deepseek2-ocr", /* with texts alone, the first DeepSeek with experts */
      .back = deepseek1_back,
      .classes = "DeepseekOCRForCausalLM UnlimitedOCRForCausalLM",
      .rules = rules,
      .assumed =
          JSON_TEXT({ "rms_norm_eps" : 1e-6, "first_k_dense_replace" : 0, "n_shared_experts" : 0 }),
      .hparams = hparams,
      .experts = "n_routed_experts",
      .tokenizers = bpe,
      .extra = add_template },
    { 0 },
};

const struct family family_deepseek_ocr = { classes, archs };
