/* SPDX-License-Identifier: Apache-2.0
 * formats/arch/deepseek.h - attention over a latent vector as DeepSeek 2 has it, for those that are
 * built on it. */
#pragma once
#include "formats/arch/back.h"
#include "formats/arch/decoder.h"

/* OP_OWN is deepseek_own. */
#define DEEPSEEK2_RULES                                                                       \
    SAME("model.embed_tokens", "token_embd"), SAME("model.norm", "output_norm"),              \
        { "lm_head", "output", OP_UNLESS_TIED, NULL }, DECODER_NORMS,                         \
        SAME("model.layers.#.self_attn.q_proj", "blk.#.attn_q"),                              \
        SAME("model.layers.#.self_attn.q_a_proj", "blk.#.attn_q_a"),                          \
        SAME("model.layers.#.self_attn.q_a_layernorm", "blk.#.attn_q_a_norm"),                \
        SAME("model.layers.#.self_attn.q_b_proj", "blk.#.attn_q_b"),                          \
        SAME("model.layers.#.self_attn.kv_a_proj_with_mqa", "blk.#.attn_kv_a_mqa"),           \
        SAME("model.layers.#.self_attn.kv_a_layernorm", "blk.#.attn_kv_a_norm"),              \
        { "model.layers.#.self_attn.kv_b_proj", "blk.#.attn_k_b", OP_OWN, "blk.#.attn_v_b" }, \
        SAME("model.layers.#.self_attn.kv_b_proj", "blk.#.attn_kv_b"), /* GGUFs of old */     \
        SAME("model.layers.#.self_attn.o_proj", "blk.#.attn_output"), DECODER_MLP,            \
        DECODER_MOE("mlp.experts", "mlp.shared_experts"), DECODER_MTP

/* deepseek.c */
int deepseek_own(struct arch_work *w, const struct tensor *t, const struct tensor_rule *rule,
                 const struct name_match *match);
extern const struct hparam deepseek2_hparams[];

/* deepseek_back.c */
back_fn deepseek_back_own;
extern const struct arch_back deepseek1_back[], deepseek2_back[], mistral4_back[];
extern const struct arch_back deepseek32_back[], glm_dsa_back[]; /* with an indexer */
