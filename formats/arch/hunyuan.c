/* SPDX-License-Identifier: Apache-2.0
 * formats/arch/hunyuan.c - Hunyuan, dense, with a tokenizer.json; Hy 3. Source:
 * conversion/hunyuan.py; configuration_hunyuan_v1_dense.py, _hy_v3.py. */
#include "formats/arch/back.h"
#include "formats/arch/decoder.h"
#include "formats/arch/families.h"
#include "formats/arch/reverse.h"
#include "formats/tokenizer/tokenizer.h"
#include <errno.h>
#include <math.h>

static const struct hf_class classes[] = {
    { .model_type = "hunyuan_v1_dense",
      .defaults = JSON_TEXT({
          "vocab_size" : 290943,
          "hidden_size" : 4096,
          "intermediate_size" : 11008,
          "num_hidden_layers" : 32,
          "num_attention_heads" : 32,
          "num_key_value_heads" : null,
          "max_position_embeddings" : 2048,
          "rms_norm_eps" : 1e-5,
          "eod_token_id" : 3,
          "head_dim" : null
      }),
      .optional = "eod_token_id",
      .rope_theta = 10000,
      .fill = { { "num_key_value_heads", "num_attention_heads", NULL } } },
    { .model_type = "hunyuan_vl_text",
      .defaults = JSON_TEXT({
          "vocab_size" : 290943,
          "hidden_size" : 4096,
          "intermediate_size" : 11008,
          "num_hidden_layers" : 32,
          "num_attention_heads" : 32,
          "num_key_value_heads" : null,
          "max_position_embeddings" : 2048,
          "rms_norm_eps" : 1e-5,
          "head_dim" : null
      }),
      .rope_theta = 10000,
      .fill = { { "num_key_value_heads", "num_attention_heads", NULL } },
      .rename = { { "attention_head_dim", "head_dim" }, { "org_vocab_size", "vocab_size" } } },
    { .model_type = "hy_v3",
      .defaults = JSON_TEXT({
          "vocab_size" : 120832,
          "hidden_size" : 4096,
          "intermediate_size" : 13312,
          "num_hidden_layers" : 80,
          "num_attention_heads" : 64,
          "num_key_value_heads" : 8,
          "head_dim" : 128,
          "max_position_embeddings" : 131072,
          "rms_norm_eps" : 1e-5,
          "num_experts" : 192,
          "num_experts_per_tok" : 8,
          "num_shared_experts" : 1,
          "moe_intermediate_size" : 1536,
          "router_scaling_factor" : 2.826
      }),
      .kinds = "attention_dropout=f",
      .optional = "num_experts num_experts_per_tok num_shared_experts",
      .rope_theta = 11158840,
      .rename = { { "num_local_experts", "num_experts" } } },
    { 0 },
};

static const struct tensor_rule rules[] = {
    SAME("model.embed_tokens", "token_embd"),
    SAME("model.norm", "output_norm"),
    { "lm_head", "output", OP_UNLESS_TIED, NULL },
    DECODER_NORMS,
    DECODER_ATTENTION(OP_SAME, OP_SAME),
    SAME("model.layers.#.self_attn.query_layernorm", "blk.#.attn_q_norm"),
    SAME("model.layers.#.self_attn.key_layernorm", "blk.#.attn_k_norm"),
    DECODER_MLP,
    RULES_END,
};

/* "dynamic": positions are stretched by a larger base, which is computed once. */
static int add_rope(struct arch_work *w) {
    enum { CONTEXT = 256 * 1024 };
    uint64_t dim;
    const bool dynamic = w->rope.type.p && str_is(w->rope.type, "dynamic");
    if (!dynamic && !(w->rope.type.p && str_is(w->rope.type, "xdrope")))
        return 0;
    const double alpha = rope_f64(&w->rope, "alpha", 50);
    const double base = w->rope.has_theta ? w->rope.theta : 10000;
    int rc = hf_config_need(&w->config, "head_dim", &dim, w->err);
    if (rc == 0 && (dim <= 2 || dim > UINT16_MAX || !(alpha > 0)))
        rc = err_set(w->err, -EBADMSG, "config.json: \"head_dim\" or \"alpha\" does not fit");
    if (rc == 0)
        rc = work_f32(w, ".rope.freq_base", base * pow(alpha, (double)dim / (double)(dim - 2)));
    if (rc == 0)
        rc = work_str(w, ".rope.scaling.type", STR("none"));
    if (rc == 0)
        rc = work_f32(w, ".rope.scaling.factor", 1);
    if (rc == 0 && dynamic)
        rc = work_u32(w, ".rope.scaling.original_context_length", CONTEXT);
    return rc < 0 || !dynamic ? rc : work_u32(w, ".context_length", CONTEXT);
}

/* What config.json gets wrong. */
static int mend_ends(struct arch_work *w) {
    struct json *generation;
    uint64_t id;
    int rc = hf_config_u64(&w->config, "eod_token_id", &id, w->err);
    if (rc > 0)
        rc = work_u32(w, "tokenizer.ggml.eos_token_id", id);
    if (rc == 0)
        rc = folder_json(w->folder, "generation_config.json", FOLDER_MAX_CONFIG, &generation,
                         w->err);
    if (rc < 0)
        return rc;
    const struct json *list = json_get(generation, "eos_token_id");
    if (json_type(list) == JSON_ARRAY && json_len(list) >= 2 && json_u64(json_at(list, 0), &id))
        rc = work_u32(w, "tokenizer.ggml.eot_token_id", id);
    json_free(generation);
    return rc;
}

static const struct tensor_rule hy3_rules[] = {
    DECODER_ENDS,
    DECODER_NORMS,
    DECODER_ATTENTION(OP_SAME, OP_SAME),
    DECODER_QK_NORMS,
    DECODER_MLP,
    SAME("model.layers.#.mlp.router.gate", "blk.#.ffn_gate_inp"),
    SAME("model.layers.#.mlp.expert_bias", "blk.#.exp_probs_b"),
    DECODER_EXPERTS("mlp.experts"),
    DECODER_SHARED("mlp.shared_mlp"),
    SAME("model.layers.#.final_layernorm", "blk.#.nextn.shared_head_norm"),
    DECODER_MTP,
    RULES_END,
};

static int add_norm(struct arch_work *w) {
    return work_bool(w, ".expert_weights_norm", hf_config_bool(&w->config, "route_norm", true));
}

static const struct hparam hy3_hparams[] = {
    HPARAM_LIST(hparams_text),
    HPARAM_NEED(".expert_feed_forward_length", "moe_intermediate_size"),
    HPARAM_CALL(decoder_shared_width),
    HPARAM_CALL(add_norm),
    HPARAM_F32(".expert_weights_scale", "router_scaling_factor"),
    HPARAM_FIXED(".expert_gating_func", EXPERT_GATING_SIGMOID),
    HPARAM_CALL(hparam_mtp_any),
    HPARAM_END,
};

static const struct hparam hparams[] = {
    HPARAM_LIST(hparams_text),
    HPARAM_CALL(add_rope),
    HPARAM_END,
};

/* Positions of several dimensions, as config.json has them; before it, what a dense model writes.
 */
static int add_vl_rope(struct arch_work *w) {
    uint64_t context;
    if (!w->rope.type.p || !(str_is(w->rope.type, "xdrope") || str_is(w->rope.type, "dynamic")))
        return 0;
    int rc = work_str(w, ".rope.scaling.type", STR("none"));
    if (rc == 0)
        rc = work_f32(w, ".rope.scaling.factor", rope_f64(&w->rope, "factor", 1));
    if (rc == 0)
        rc = work_f32(w, ".rope.scaling.alpha", rope_f64(&w->rope, "alpha", 1));
    if (rc == 0)
        rc = hf_config_need(&w->config, "max_position_embeddings", &context, w->err);
    return rc < 0 ? rc : work_u32(w, ".rope.scaling.original_context_length", context);
}

/* One expert is none. */
static int drop_expert(struct arch_work *w) {
    uint64_t n;
    if (hf_config_u64(&w->config, "num_experts", &n, NULL) > 0)
        work_remove(w, ".expert_count");
    return 0;
}

static const struct hparam vl_hparams[] = {
    HPARAM_LIST(hparams_text),
    HPARAM_CALL(drop_expert),
    HPARAM_CALL(add_vl_rope),
    HPARAM_END,
};

static const struct tokenizer_kind *const bpe[] = { &tokenizer_gpt2, NULL };

/* With texts alone it is the dense model, whose base is stretched already. */
static void say_stretched(struct back *w) {
    const double dim = (double)back_count(w, ".attention.key_length", 0, 0);
    float base = 10000, alpha = 0;
    back_attention_bias(w);
    back_find_f32(w, ".rope.freq_base", &base);
    back_find_f32(w, ".rope.scaling.alpha", &alpha);
    if (alpha > 0 && dim > 2)
        back_f32(w, "rope_theta", (float)((double)base * pow((double)alpha, dim / (dim - 2))));
}

static const struct arch_back back[] = {
    { "hunyuan_v1_dense", "HunYuanDenseV1ForCausalLM", .more = say_stretched }, { 0 }
};

static void say_hy3(struct back *w) {
    back_biases(w);
    back_mlp_types(w);
    back_shared_experts(w);
}

static const struct arch_back hy3_back[] = { { "hy_v3", "HYV3ForCausalLM", .more = say_hy3 },
                                             { 0 } };

static const struct arch archs[] = {
    { .gguf = "hunyuan-dense",
      .back = back,
      .classes = "HunYuanDenseV1ForCausalLM",
      .rules = rules,
      .hparams = hparams,
      .tokenizers = bpe,
      .after = mend_ends },
    { .gguf = "hunyuan_vl",
      .back = back,
      .classes = "HunYuanVLForConditionalGeneration",
      .rules = rules,
      .hparams = vl_hparams,
      .tokenizers = bpe,
      .after = mend_ends },
    { .gguf = "hy_v3",
      .back = hy3_back,
      .classes = "HYV3ForCausalLM",
      .rules = hy3_rules,
      .hparams = hy3_hparams,
      .experts = "num_local_experts num_experts",
      .mtp = "num_nextn_predict_layers",
      .tokenizers = bpe },
    { 0 },
};

const struct family family_hunyuan = { classes, archs };
