/* SPDX-License-Identifier: Apache-2.0
 * formats/arch/glm.h - what GLM-4 and the text part of GLM-4V share. */
#pragma once
#include "formats/arch/back.h"
#include "formats/arch/decoder.h"

/* @q, @k: what happens to the rows of queries and keys. */
#define GLM4_RULES(q, k)                                                              \
    DECODER_ENDS, DECODER_NORMS, DECODER_ATTENTION(q, k),                             \
        SAME("model.layers.#.post_self_attn_layernorm", "blk.#.post_attention_norm"), \
        SAME("model.layers.#.post_mlp_layernorm", "blk.#.post_ffw_norm"),             \
        SAME("model.layers.#.mlp.gate_up_proj", "blk.#.ffn_up"),                      \
        SAME("model.layers.#.mlp.down_proj", "blk.#.ffn_down")

/* glm.c */
extern const struct hparam glm4_hparams[];
void glm_say_heads(struct back *w);          /* attention_bias, head_dim */
bool glm_has_sections(const struct back *w); /* positions of several dimensions */
extern const struct named_token glm4_tokens[];
