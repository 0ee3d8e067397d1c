/* SPDX-License-Identifier: Apache-2.0
 * formats/arch/deepseek_back.c - the way back of DeepSeek 1, 2 and 3 and GLM-4.7 Flash. */
#include "formats/arch/deepseek.h"
#include "formats/arch/reverse.h"
#include <errno.h>
#include <stdio.h>

/* --- tensors --- */

/* Of each head the keys, turned over again, then the values. */
int deepseek_back_own(struct reverse *r, const struct tensor *t, const struct tensor_rule *rule,
                      const struct name_match *match) {
    struct arena *a = r->form->arena;
    if (!rule->second)
        return reverse_same(r, t, rule, match);
    const struct tensor *v = reverse_find(r, rule->second, match);
    if (!v || t->n_dims != 3 || v->n_dims != 3 || t->dims[0] != v->dims[0] ||
        t->dims[1] != v->dims[2] || !t->elems || !v->elems || t->dims[0] > UINT16_MAX)
        return reverse_bad_shape(r, t, "its values are missing or have other heads");
    const uint64_t heads = t->dims[0], rank = t->dims[1], nope = t->dims[2], value = v->dims[1];
    const struct expr *keys = expr_tensor(a, t);
    int rc = reverse_turn(r, t, &keys, rank);
    if (rc < 0)
        return rc;
    const struct expr *values = expr_tensor(a, v);
    const struct expr **in = arena_array(a, const struct expr *, 2 * heads);
    for (uint64_t h = 0; in && h < heads; h++) {
        in[2 * h] = expr_slice(a, keys, h * nope, nope);
        in[2 * h + 1] = expr_slice(a, values, h * value, value);
    }
    const uint64_t dims[2] = { heads * (nope + value), rank };
    return reverse_target(r, name_build(a, rule->hf, match), t, dims, 2,
                          in ? expr_stack(a, in, (uint32_t)(2 * heads)) : NULL);
}

/* --- config.json --- */

/* The pair is not there where config.json lists the blocks. */
static uint64_t dense_blocks(const struct back *w) {
    const uint64_t blocks = back_blocks(w);
    uint64_t n = 0;
    while (n < blocks && !back_block_has(w, n, "ffn_gate_inp.weight"))
        n++;
    return n;
}

/* Without the bias by which later ones choose their experts. */
static bool is_v2(const struct back *w) {
    const uint64_t dense = dense_blocks(w);
    const uint64_t gating = back_count(w, ".expert_gating_func", 0, EXPERT_GATING_SOFTMAX);
    char name[64];
    snprintf(name, sizeof name, "blk.%llu.exp_probs_b.bias", (unsigned long long)dense);
    return gating != EXPERT_GATING_SIGMOID && !back_has_tensor(w, name);
}

static bool is_lite(const struct back *w) {
    return back_says(w, "tokenizer.ggml.pre", "glm4");
}

static void say_latent(struct back *w) {
    const uint64_t rope = back_count(w, ".rope.dimension_count", 0, 0);
    const uint64_t key =
        back_count(w, ".attention.key_length_mla", 0, back_count(w, ".attention.key_length", 0, 0));
    const uint64_t value = back_count(w, ".attention.value_length_mla", 0,
                                      back_count(w, ".attention.value_length", 0, 0));
    if (!back_has_tensor(w, "blk.0.attn_q_a.weight"))
        back_null(w, "q_lora_rank");
    back_u64(w, "num_key_value_heads", back_count(w, ".attention.head_count", 0, 0));
    back_u64(w, "qk_nope_head_dim", key > rope ? key - rope : 0);
    back_u64(w, "v_head_dim", value);
    back_u64(w, "head_dim", rope);
    back_bool(w, "norm_topk_prob", back_has_flag(w, ".expert_weights_norm"));
}

static void say_v3(struct back *w) {
    back_u64(w, "first_k_dense_replace", dense_blocks(w));
    say_latent(w);
}

/* Of transformers' class the list counts, of the code of old the number. */
static void say_lite(struct back *w) {
    back_mlp_types(w);
    say_v3(w);
}

static void say_v2(struct back *w) {
    say_v3(w);
    const bool groups =
        back_count(w, ".expert_group_count", 0, 1) > 1 && back_has(w, ".expert_group_used_count");
    back_raw(w, "topk_method", groups ? "\"group_limited_greedy\"" : "\"greedy\"");
}

static const struct hparam back_pairs[] = {
    HPARAM_U32(".attention.kv_lora_rank", "kv_lora_rank"),
    HPARAM_U32(".leading_dense_block_count", "first_k_dense_replace"),
    HPARAM_U32(".expert_shared_count", "n_shared_experts"),
    HPARAM_END,
};
const struct arch_back deepseek1_back[] = {
    { "deepseek", "DeepseekForCausalLM",
      .fields = "num_hidden_layers max_position_embeddings hidden_size intermediate_size "
                "num_attention_heads num_key_value_heads rms_norm_eps n_routed_experts "
                "num_experts_per_tok n_shared_experts first_k_dense_replace vocab_size "
                "moe_intermediate_size rope_theta",
      .pairs = back_pairs },
    { 0 },
};
const struct arch_back deepseek2_back[] = {
    { "deepseek_v2", "DeepseekV2ForCausalLM", .when = is_v2, .pairs = back_pairs, .more = say_v2 },
    { "glm4_moe_lite", "Glm4MoeLiteForCausalLM", .when = is_lite, .fields = "first_k_dense_replace",
      .pairs = back_pairs, .more = say_lite },
    { "deepseek_v3", "DeepseekV3ForCausalLM", .pairs = back_pairs, .more = say_v3 },
    { 0 },
};

/* What all models have: llama.cpp's file has no pair for it. */
static void say_mistral4(struct back *w) {
    say_latent(w);
    back_yarn(w, ", \"llama_4_scaling_beta\": 0.1");
}

const struct arch_back mistral4_back[] = {
    { "mistral4", "Mistral4ForCausalLM", .pairs = back_pairs, .more = say_mistral4 }, { 0 }
};

static const struct hparam indexer_pairs[] = {
    HPARAM_LIST(back_pairs),
    HPARAM_U32(".attention.indexer.head_count", "index_n_heads"),
    HPARAM_U32(".attention.indexer.key_length", "index_head_dim"),
    HPARAM_U32(".attention.indexer.top_k", "index_topk"),
    HPARAM_END,
};

/* Blocks without an indexer of their own use that of one before. */
static const char *indexer_type(const struct back *w, uint64_t block) {
    return back_block_has(w, block, "indexer.proj.weight") ? "\"full\"" : "\"shared\"";
}

static void say_indexers(struct back *w) {
    say_latent(w);
    back_list(w, "indexer_types", indexer_type);
}

const struct arch_back deepseek32_back[] = {
    { "deepseek_v32", "DeepseekV32ForCausalLM", .fields = "first_k_dense_replace",
      .pairs = indexer_pairs, .more = say_latent },
    { 0 },
};
const struct arch_back glm_dsa_back[] = {
    { "glm_moe_dsa", "GlmMoeDsaForCausalLM", .fields = "first_k_dense_replace",
      .pairs = indexer_pairs, .more = say_indexers },
    { 0 },
};
