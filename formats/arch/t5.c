/* SPDX-License-Identifier: Apache-2.0
 * formats/arch/t5.c - T5, mT5 and uMT5, whole or the encoder alone.
 * Source: conversion/t5.py; configuration_t5.py, _mt5.py, _umt5.py. */
#include "formats/arch/back.h"
#include "formats/arch/families.h"
#include "formats/arch/work.h"
#include "formats/tokenizer/tokenizer.h"

#define MAPS                                                  \
    .fill = { { "num_decoder_layers", "num_layers", NULL } }, \
    .rename = { { "hidden_size", "d_model" },                 \
                { "num_attention_heads", "num_heads" },       \
                { "num_hidden_layers", "num_layers" },        \
                { "head_dim", "d_kv" } }
#define MULTILINGUAL                           \
    JSON_TEXT({                                \
        "vocab_size" : 250112,                 \
        "d_model" : 512,                       \
        "d_kv" : 64,                           \
        "d_ff" : 1024,                         \
        "num_layers" : 8,                      \
        "num_decoder_layers" : null,           \
        "num_heads" : 6,                       \
        "relative_attention_num_buckets" : 32, \
        "layer_norm_epsilon" : 1e-6,           \
        "decoder_start_token_id" : 0           \
    })

static const struct hf_class classes[] = {
    { .model_type = "t5",
      .defaults = JSON_TEXT({
          "vocab_size" : 32128,
          "d_model" : 512,
          "d_kv" : 64,
          "d_ff" : 2048,
          "num_layers" : 6,
          "num_decoder_layers" : null,
          "num_heads" : 8,
          "relative_attention_num_buckets" : 32,
          "layer_norm_epsilon" : 1e-6
      }),
      MAPS },
    { .model_type = "mt5", .defaults = MULTILINGUAL, MAPS },
    { .model_type = "umt5", .defaults = MULTILINGUAL, MAPS },
    { 0 },
};

/* The layers of attention of one side; the feed-forward is layer 1 or 2. */
#define SIDE(hf, gguf, ff)                                                                         \
    { hf ".block.#.layer.0.layer_norm", gguf ".blk.#.attn_norm", OP_SAME, NULL },                  \
        { hf ".block.#.layer.0.SelfAttention.q", gguf ".blk.#.attn_q", OP_SAME, NULL },            \
        { hf ".block.#.layer.0.SelfAttention.k", gguf ".blk.#.attn_k", OP_SAME, NULL },            \
        { hf ".block.#.layer.0.SelfAttention.v", gguf ".blk.#.attn_v", OP_SAME, NULL },            \
        { hf ".block.#.layer.0.SelfAttention.o", gguf ".blk.#.attn_o", OP_SAME, NULL },            \
        { hf ".block.#.layer.0.SelfAttention.relative_attention_bias", gguf ".blk.#.attn_rel_b",   \
          OP_SAME, NULL },                                                                         \
        { hf ".block.#.layer." ff ".layer_norm", gguf ".blk.#.ffn_norm", OP_SAME, NULL },          \
        { hf ".block.#.layer." ff ".DenseReluDense.wi_0", gguf ".blk.#.ffn_gate", OP_SAME, NULL }, \
        { hf ".block.#.layer." ff ".DenseReluDense.wi_1", gguf ".blk.#.ffn_up", OP_SAME,           \
          gguf ".blk.#.ffn_gate" },                                                                \
        { hf ".block.#.layer." ff ".DenseReluDense.wi", gguf ".blk.#.ffn_up", OP_SAME, NULL },     \
        { hf ".block.#.layer." ff ".DenseReluDense.wo", gguf ".blk.#.ffn_down", OP_SAME, NULL }, { \
        hf ".final_layer_norm", gguf ".output_norm", OP_SAME, NULL                                 \
    }
/* One matrix, stored under one name or several. */
#define SHARED                                                      \
    { "shared", "token_embd", OP_FIRST, NULL },                     \
        { "encoder.embed_tokens", "token_embd", OP_FIRST, NULL },   \
        { "decoder.embed_tokens", "token_embd", OP_FIRST, NULL }, { \
        "lm_head", "output", OP_SAME, NULL                          \
    }

static const struct tensor_rule rules[] = {
    SHARED,
    SIDE("encoder", "enc", "1"),
    SIDE("decoder", "dec", "2"),
    { "decoder.block.#.layer.1.layer_norm", "dec.blk.#.cross_attn_norm", OP_SAME, NULL },
    { "decoder.block.#.layer.1.EncDecAttention.q", "dec.blk.#.cross_attn_q", OP_SAME, NULL },
    { "decoder.block.#.layer.1.EncDecAttention.k", "dec.blk.#.cross_attn_k", OP_SAME, NULL },
    { "decoder.block.#.layer.1.EncDecAttention.v", "dec.blk.#.cross_attn_v", OP_SAME, NULL },
    { "decoder.block.#.layer.1.EncDecAttention.o", "dec.blk.#.cross_attn_o", OP_SAME, NULL },
    { "decoder.block.#.layer.1.EncDecAttention.relative_attention_bias",
      "dec.blk.#.cross_attn_rel_b", OP_SAME, NULL },
    { 0 },
};

static const struct tensor_rule encoder_rules[] = { SHARED, SIDE("encoder", "enc", "1"), { 0 } };

static int add_context(struct arch_work *w) {
    uint64_t n = 512;
    int rc = hf_config_u64(&w->config, "n_positions", &n, w->err);
    return rc < 0 ? rc : work_u32(w, ".context_length", n);
}

#define SIZES                                                              \
    HPARAM_CALL(add_context), HPARAM_NEED(".embedding_length", "d_model"), \
        HPARAM_NEED(".feed_forward_length", "d_ff"),                       \
        HPARAM_NEED(".block_count", "n_layers num_hidden_layers n_layer num_layers")
#define ATTENTION                                                                           \
    HPARAM_NEED(".attention.head_count", "num_heads"),                                      \
        HPARAM_NEED(".attention.key_length", "d_kv"),                                       \
        HPARAM_NEED(".attention.value_length", "d_kv"),                                     \
        HPARAM_F32(".attention.layer_norm_epsilon", "layer_norm_epsilon"),                  \
        HPARAM_NEED(".attention.relative_buckets_count", "relative_attention_num_buckets"), \
        HPARAM_F32(".attention.layer_norm_rms_epsilon", "layer_norm_epsilon")

static const struct hparam hparams[] = {
    SIZES,
    HPARAM_U32(".decoder_block_count", "num_decoder_layers"),
    ATTENTION,
    HPARAM_NEED(".decoder_start_token_id", "decoder_start_token_id"),
    HPARAM_CALL(hparam_file_type),
    HPARAM_END,
};

static const struct hparam encoder_hparams[] = {
    SIZES,
    ATTENTION,
    HPARAM_CALL(hparam_file_type),
    HPARAM_END,
};

static const struct tokenizer_kind *const unigram[] = { &tokenizer_t5, NULL };

/* mT5 is a T5; uMT5 has biases of its own for the positions of each block. */
static bool is_umt5(const struct back *w) {
    return back_has_tensor(w, "dec.blk.1.attn_rel_b.weight");
}

static void say_t5(struct back *w) {
    back_raw(w, "feed_forward_proj",
             back_has_tensor(w, "enc.blk.0.ffn_gate.weight") ? "\"gated-gelu\"" : "\"relu\"");
}

static const struct hparam back_pairs[] = {
    HPARAM_U32(".context_length", "n_positions"),
    HPARAM_U32(".decoder_start_token_id", "decoder_start_token_id"),
    HPARAM_END,
};
static const char back_fields[] = "n_positions decoder_start_token_id";
static const struct arch_back back[] = {
    { "umt5", "UMT5ForConditionalGeneration", .when = is_umt5, .fields = back_fields,
      .pairs = back_pairs, .more = say_t5 },
    { "t5", "T5ForConditionalGeneration", .fields = back_fields, .pairs = back_pairs,
      .more = say_t5 },
    { 0 },
};
static const struct arch_back encoder_back[] = {
    { "t5", "T5EncoderModel", .fields = back_fields, .pairs = back_pairs, .more = say_t5 }, { 0 }
};

static const struct arch archs[] = {
    { .gguf = "t5",
      .some = "attn_rel_b attn_output", /* the first has it for all; its name is attn_o */
      .back = back,
      .classes = "T5WithLMHeadModel T5ForConditionalGeneration MT5ForConditionalGeneration "
                 "UMT5ForConditionalGeneration UMT5Model",
      .rules = rules,
      .hparams = hparams,
      .tokenizers = unigram },
    { .gguf = "t5encoder",
      .some = "attn_rel_b attn_output",
      .back = encoder_back,
      .classes = "T5EncoderModel",
      .rules = encoder_rules,
      .hparams = encoder_hparams,
      .tokenizers = unigram },
    { 0 },
};

const struct family family_t5 = { classes, archs };
