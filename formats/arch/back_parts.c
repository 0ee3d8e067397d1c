/* SPDX-License-Identifier: Apache-2.0
 * formats/arch/back_parts.c - members of config.json that several families have; see back.h. */
#include "formats/arch/back.h"

void back_attention_bias(struct back *w) {
    back_bool(w, "attention_bias", back_has_tensor(w, "blk.0.attn_q.bias"));
}

void back_biases(struct back *w) {
    back_attention_bias(w);
    back_bool(w, "mlp_bias", back_has_tensor(w, "blk.0.ffn_down.bias"));
}

static const char *mlp_type(const struct back *w, uint64_t block) {
    return back_block_has(w, block, "ffn_gate_inp.weight") ? "\"sparse\"" : "\"dense\"";
}

void back_mlp_types(struct back *w) {
    back_list(w, "mlp_layer_types", mlp_type);
}

void back_shared_experts(struct back *w) {
    const uint64_t all = back_count(w, ".expert_shared_feed_forward_length", 0, 0);
    const uint64_t one = back_count(w, ".expert_feed_forward_length", 0, 0);
    back_u64(w, "num_shared_experts", one ? all / one : 0);
}

/* By the pair's element, or all but the last block of each period. */
static const char *window_type(const struct back *w, uint64_t block) {
    static const char key[] = ".attention.sliding_window_pattern";
    uint64_t period;
    const bool window = back_find_u64(w, key, &period) ? !period || (block + 1) % period
                                                       : back_count(w, key, block, 0);
    return window ? "\"sliding_attention\"" : "\"full_attention\"";
}

static const char *full_type(const struct back *w, uint64_t block) {
    (void)w, (void)block;
    return "\"full_attention\"";
}

void back_window_types(struct back *w) {
    if (!back_count(w, ".attention.sliding_window", 0, 0))
        back_list(w, "layer_types", full_type);
    else if (back_has(w, ".attention.sliding_window_pattern"))
        back_list(w, "layer_types", window_type);
}

void back_windows(struct back *w) {
    uint64_t window = 0;
    if (back_find_u64(w, ".attention.sliding_window", &window) && window)
        back_u64(w, "sliding_window", window);
    else
        back_null(w, "sliding_window");
    if (back_has(w, ".attention.sliding_window_pattern"))
        back_list(w, "layer_types", window_type);
}

void back_inner(struct back *w) {
    const struct tensor *up = model_find(w->m, STR("blk.0.ffn_up.weight"));
    if (up && up->n_dims == 2)
        back_u64(w, "intermediate_size", up->dims[0]);
}
