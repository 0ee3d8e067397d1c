/* SPDX-License-Identifier: Apache-2.0
 * formats/arch/experts_back.c - see experts_kin.h. */
#include "formats/arch/experts_kin.h"
#include <errno.h>
#include <stdio.h>

/* --- config.json --- */

static void say_dots1(struct back *w) {
    back_attention_bias(w);
    back_null(w, "sliding_window");
}

static const struct hparam dots1_pairs[] = { HPARAM_BOOL(".expert_weights_norm", "norm_topk_prob"),
                                             HPARAM_END };
const struct arch_back dots1_back[] = { { "dots1", "Dots1ForCausalLM", .fields = "head_dim",
                                          .pairs = dots1_pairs, .more = say_dots1 },
                                        { 0 } };

/* As llama.cpp runs it, which has no pairs for it. */
static void say_afmoe(struct back *w) {
    back_u64(w, "global_attn_every_n_layers", 4);
    back_window_types(w);
    back_bool(w, "mup_enabled", true);
}

const struct arch_back afmoe_back[] = {
    { "afmoe", "AfmoeForCausalLM", .fields = "route_norm", .more = say_afmoe }, { 0 }
};

const struct arch_back minimax_back[] = {
    { "minimax_m2", "MiniMaxM2ForCausalLM", .fields = "rotary_dim" }, { 0 }
};

/* Blocks with a window have a base of their own, and no scaling. */
static void say_mellum(struct back *w) {
    char text[200];
    float full = 500000, local = 10000;
    back_find_f32(w, ".rope.freq_base", &full);
    back_find_f32(w, ".rope.freq_base_swa", &local);
    if (!back_says(w, ".rope.scaling.type", "none") && back_has(w, ".rope.scaling.type"))
        back_fail(w, -ENOTSUP, "scaled positions of Mellum have no way back");
    snprintf(text, sizeof text,
             "{\"full_attention\": {\"rope_type\": \"default\", \"rope_theta\": %.9g}, "
             "\"sliding_attention\": {\"rope_type\": \"default\", \"rope_theta\": %.9g}}",
             (double)full, (double)local);
    back_raw(w, "rope_parameters", text);
    back_attention_bias(w);
    back_windows(w);
    back_bool(w, "norm_topk_prob", true);
}

const struct arch_back mellum_back[] = { { "mellum", "MellumForCausalLM", .more = say_mellum },
                                         { 0 } };

/* --- whose code is in the model's own repository --- */

static const char bailing_fields[] =
    BACK_DECODER_FIELDS "head_dim num_experts num_experts_per_tok num_shared_experts "
                        "moe_intermediate_size norm_topk_prob "
                        "first_k_dense_replace routed_scaling_factor n_group topk_group";

static void say_bailing(struct back *w) {
    back_bool(w, "use_qkv_bias", false);
    back_bool(w, "use_bias", back_has_tensor(w, "blk.0.attn_output.bias"));
}

static void say_bailing2(struct back *w) {
    const uint64_t head = back_count(w, ".attention.key_length", 0, 0);
    const uint64_t turned = back_count(w, ".rope.dimension_count", 0, head);
    say_bailing(w);
    back_bool(w, "use_qk_norm", back_has_tensor(w, "blk.0.attn_q_norm.weight"));
    if (head)
        back_fraction(w, "partial_rotary_factor", turned, head);
    if (back_count(w, ".expert_gating_func", 0, EXPERT_GATING_SOFTMAX) == EXPERT_GATING_SIGMOID)
        back_raw(w, "score_function", "\"sigmoid\""); /* its code's name */
}

const struct arch_back bailing_back[] = {
    { "bailing_moe", "BailingMoeForCausalLM", .fields = bailing_fields, .more = say_bailing }, { 0 }
};
const struct arch_back bailing2_back[] = { { "bailing_moe", "BailingMoeV2ForCausalLM",
                                             .fields = bailing_fields, .more = say_bailing2 },
                                           { 0 } };

/* As llama.cpp runs it: windows and positions in all blocks but every fourth, or positions in all.
 */
static const char *smallthinker_layout(const struct back *w, uint64_t block) {
    (void)w;
    return block % 4 ? "1" : "0";
}

static const char *every_block(const struct back *w, uint64_t block) {
    (void)w, (void)block;
    return "1";
}

static const char *no_block(const struct back *w, uint64_t block) {
    (void)w, (void)block;
    return "0";
}

static void say_smallthinker(struct back *w) {
    const uint64_t gating = back_count(w, ".expert_gating_func", 0, EXPERT_GATING_SIGMOID);
    const bool windows = back_count(w, ".attention.sliding_window", 0, 0);
    back_bool(w, "moe_primary_router_apply_softmax", gating == EXPERT_GATING_SOFTMAX);
    back_list(w, "sliding_window_layout", windows ? smallthinker_layout : no_block);
    back_list(w, "rope_layout", windows ? smallthinker_layout : every_block);
}

static const struct hparam smallthinker_pairs[] = {
    HPARAM_U32(".attention.sliding_window", "sliding_window_size"), HPARAM_END
};
const struct arch_back smallthinker_back[] = {
    { "smallthinker", "SmallThinkerForCausalLM",
      .fields =
          BACK_DECODER_FIELDS "head_dim moe_num_primary_experts moe_num_active_primary_experts "
                              "moe_ffn_hidden_size sliding_window_size",
      .pairs = smallthinker_pairs, .more = say_smallthinker },
    { 0 },
};
