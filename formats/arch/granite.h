/* SPDX-License-Identifier: Apache-2.0
 * formats/arch/granite.h - what the hybrid Granite shares with Granite 3. */
#pragma once
#include "formats/arch/decoder.h"

#define GRANITE_EXPERTS                                                                           \
    SAME("model.layers.#.block_sparse_moe.router.layer", "blk.#.ffn_gate_inp"),                   \
        { "model.layers.#.block_sparse_moe.input_linear", "blk.#.ffn_gate_exps", OP_HALVES,       \
          "blk.#.ffn_up_exps" },                                                                  \
        SAME("model.layers.#.block_sparse_moe.output_linear", "blk.#.ffn_down_exps"),             \
        { "model.layers.#.shared_mlp.input_linear", "blk.#.ffn_gate_shexp", OP_OWN,               \
          "blk.#.ffn_up_shexp" },                                                                 \
        { "model.layers.#.shared_mlp.output_linear", "blk.#.ffn_down_shexp", OP_OWN,              \
          NULL }, /* the names without other experts, for the way back */                         \
        { "model.layers.#.shared_mlp.input_linear", "blk.#.ffn_gate", OP_OWN, "blk.#.ffn_up" }, { \
        "model.layers.#.shared_mlp.output_linear", "blk.#.ffn_down", OP_OWN, NULL                 \
    }

/* granite.c: those two of the shared expert. */
int granite_shared(struct arch_work *w, const struct tensor *t, const struct tensor_rule *rule,
                   const struct name_match *match);
/* .expert_shared_feed_forward_length, where it is there and not zero. */
int granite_shared_width(struct arch_work *w);
back_fn granite_back_shared; /* the way back of these */
extern const struct hparam granite_back_pairs[];
extern const struct hparam granite_hparams[];
extern const struct hparam granite_moe_hparams[];
