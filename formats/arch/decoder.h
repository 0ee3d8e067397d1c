/* SPDX-License-Identifier: Apache-2.0
 * formats/arch/decoder.h - rules that many families share: the names that transformers gives the
 * parts of a decoder since Llama. */
#pragma once
#include "formats/arch/work.h"

#define SAME(hf, gguf) \
    { hf, gguf, OP_SAME, NULL }

#define DECODER_ENDS                                                             \
    SAME("model.embed_tokens", "token_embd"), SAME("model.norm", "output_norm"), \
        SAME("lm_head", "output")

#define DECODER_NORMS                                          \
    SAME("model.layers.#.input_layernorm", "blk.#.attn_norm"), \
        SAME("model.layers.#.post_attention_layernorm", "blk.#.ffn_norm")

/* @q, @k: what happens to the rows of queries and keys. */
#define DECODER_ATTENTION(q, k)                                         \
    { "model.layers.#.self_attn.q_proj", "blk.#.attn_q", q, NULL },     \
        { "model.layers.#.self_attn.k_proj", "blk.#.attn_k", k, NULL }, \
        SAME("model.layers.#.self_attn.v_proj", "blk.#.attn_v"),        \
        SAME("model.layers.#.self_attn.o_proj", "blk.#.attn_output")

#define DECODER_QK_NORMS                                          \
    SAME("model.layers.#.self_attn.q_norm", "blk.#.attn_q_norm"), \
        SAME("model.layers.#.self_attn.k_norm", "blk.#.attn_k_norm")

#define DECODER_MLP                                         \
    SAME("model.layers.#.mlp.gate_proj", "blk.#.ffn_gate"), \
        SAME("model.layers.#.mlp.up_proj", "blk.#.ffn_up"), \
        SAME("model.layers.#.mlp.down_proj", "blk.#.ffn_down")

/* @path: of the experts in a block. They come out in this order. */
#define DECODER_EXPERTS(path)                                                                \
    { "model.layers.#." path ".*.down_proj", "blk.#.ffn_down_exps", OP_EXPERT, NULL },       \
        { "model.layers.#." path ".*.gate_proj", "blk.#.ffn_gate_exps", OP_EXPERT, NULL }, { \
        "model.layers.#." path ".*.up_proj", "blk.#.ffn_up_exps", OP_EXPERT, NULL            \
    }

#define DECODER_SHARED(path)                                           \
    SAME("model.layers.#." path ".gate_proj", "blk.#.ffn_gate_shexp"), \
        SAME("model.layers.#." path ".up_proj", "blk.#.ffn_up_shexp"), \
        SAME("model.layers.#." path ".down_proj", "blk.#.ffn_down_shexp")

#define DECODER_MOE(experts, shared)                                             \
    SAME("model.layers.#.mlp.gate", "blk.#.ffn_gate_inp"),                       \
        SAME("model.layers.#.mlp.gate.e_score_correction", "blk.#.exp_probs_b"), \
        DECODER_EXPERTS(experts), DECODER_SHARED(shared)

/* Of blocks that predict further tokens. */
#define DECODER_MTP                                                              \
    SAME("model.layers.#.eh_proj", "blk.#.nextn.eh_proj"),                       \
        SAME("model.layers.#.embed_tokens", "blk.#.nextn.embed_tokens"),         \
        SAME("model.layers.#.enorm", "blk.#.nextn.enorm"),                       \
        SAME("model.layers.#.hnorm", "blk.#.nextn.hnorm"),                       \
        SAME("model.layers.#.shared_head.head", "blk.#.nextn.shared_head_head"), \
        SAME("model.layers.#.shared_head.norm", "blk.#.nextn.shared_head_norm")

#define RULES_END \
    { NULL, NULL, OP_SAME, NULL }

/* mtp.c: blocks that predict further tokens, named "mtp.layers.0" or "mtp.fc" there. */
struct str decoder_rename_mtp(const struct arch_work *w, struct str name);
struct str decoder_back_mtp(const struct reverse *r, struct str name);
/* Is @name of such a block? Its number among them, and the rest from the '.' on. */
bool decoder_mtp_block(struct str name, uint64_t *block, struct str *rest);

extern const struct named_token decoder_glm_tokens[]; /* glm.c: GLM 4.5 and later */

/* decoder.c: head_dim, else hidden_size / num_attention_heads. */
int decoder_head_dim(struct arch_work *w, uint64_t *dim);
/* .rope.dimension_count: that. */
int decoder_rope_dimension(struct arch_work *w);
/* .rope.dimension_count: the part of it that partial_rotary_factor says; 1 where it is absent. */
int decoder_partial_rope(struct arch_work *w);
int decoder_half_rope(struct arch_work *w); /* half of it where it is absent */
/* .expert_shared_feed_forward_length: moe_intermediate_size times num_shared_experts, or one. */
int decoder_shared_width(struct arch_work *w);
/* .attention.sliding_window_pattern: whether "layer_types" is "sliding_attention", each block;
 * where config.json does not say, all blocks are but the last of each @period. 0: none is. */
int decoder_window_pattern(struct arch_work *w, uint64_t period);
/* llama3's scaling of frequencies, and the factor by which it divides one. */
struct llama3 {
    double factor, low, high, context;
};
float decoder_llama3_factor(const struct llama3 *s, float freq);
/* rope_freqs: computed from config.json where the scaling is llama3's. @factor: its default. */
int decoder_rope_freqs(struct arch_work *w, double factor);
int decoder_llama_freqs(struct arch_work *w); /* with Llama's factor */
/* tokenizer.ggml.add_space_prefix: of tokenizer_config.json, whatever the tokenizer then is. */
int decoder_space_prefix(struct arch_work *w);
/* What the converter writes for vocabularies of two sizes, behind the tokenizer. */
int decoder_llama_exceptions(struct arch_work *w);
