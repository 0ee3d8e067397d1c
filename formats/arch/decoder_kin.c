/* SPDX-License-Identifier: Apache-2.0
 * formats/arch/decoder_kin.c - dense decoders in the common form, under names of their own:
 * Maincoder, Nanbeige, Pangu Embedded, Jais 2, Orion, CodeShell, PLM, MiniCPM 3, CogVLM's text
 * part. Source: the files of these names in conversion/; configuration_jais2.py, _minicpm3.py. */
#include "formats/arch/decoder.h"
#include "formats/arch/decoder_kin.h"
#include "formats/arch/families.h"
#include "formats/tokenizer/tokenizer.h"
#include <errno.h>

static const struct hf_class classes[] = {
    { .model_type = "jais2",
      .defaults = JSON_TEXT({
          "vocab_size" : 150272,
          "hidden_size" : 3328,
          "intermediate_size" : 26624,
          "num_hidden_layers" : 32,
          "num_attention_heads" : 26,
          "num_key_value_heads" : null,
          "head_dim" : null,
          "max_position_embeddings" : 8192,
          "layer_norm_eps" : 1e-5
      }),
      .kinds = "attention_dropout=fin",
      .rope_theta = 10000,
      .even_heads = true,
      .fill = { { "head_dim", "hidden_size", "num_attention_heads" },
                { "num_key_value_heads", "num_attention_heads", NULL } } },
    { .model_type = "minicpm3",
      .defaults = JSON_TEXT({
          "vocab_size" : 73448,
          "hidden_size" : 2560,
          "intermediate_size" : 6400,
          "num_hidden_layers" : 62,
          "num_attention_heads" : 40,
          "num_key_value_heads" : 40,
          "max_position_embeddings" : 32768,
          "rms_norm_eps" : 1e-5,
          "kv_lora_rank" : 256,
          "q_lora_rank" : 768,
          "qk_nope_head_dim" : 64,
          "qk_rope_head_dim" : 32
      }),
      .kinds = "attention_dropout=fin",
      .optional = "num_key_value_heads q_lora_rank",
      .rope_theta = 10000,
      .even_heads = true,
      .fill = { { "num_key_value_heads", "num_attention_heads", NULL } } },
    { 0 },
};

static const struct tensor_rule rules[] = {
    DECODER_ENDS,
    DECODER_NORMS,
    DECODER_ATTENTION(OP_SAME, OP_SAME),
    DECODER_QK_NORMS,
    DECODER_MLP,
    SAME("model.layers.#.feed_forward.gate_proj", "blk.#.ffn_gate"),
    SAME("model.layers.#.feed_forward.up_proj", "blk.#.ffn_up"),
    SAME("model.layers.#.feed_forward.down_proj", "blk.#.ffn_down"),
    RULES_END,
};

static const struct tensor_rule llama_rules[] = {
    DECODER_ENDS, DECODER_NORMS, DECODER_ATTENTION(OP_PERMUTE_Q, OP_PERMUTE_K),
    DECODER_MLP,  RULES_END,
};

static const struct tensor_rule pangu_rules[] = {
    SAME("model.embed_tokens", "token_embd"),
    SAME("model.norm", "output_norm"),
    { "lm_head", "output", OP_UNLESS_TIED, NULL },
    DECODER_NORMS,
    DECODER_ATTENTION(OP_SAME, OP_SAME),
    DECODER_MLP,
    RULES_END,
};

/* Keys and values out of a latent vector, as they are. */
static const struct tensor_rule latent_rules[] = {
    DECODER_ENDS,
    DECODER_NORMS,
    SAME("model.layers.#.self_attn.q_proj", "blk.#.attn_q"),
    SAME("model.layers.#.self_attn.q_a_proj", "blk.#.attn_q_a"),
    SAME("model.layers.#.self_attn.q_a_layernorm", "blk.#.attn_q_a_norm"),
    SAME("model.layers.#.self_attn.q_b_proj", "blk.#.attn_q_b"),
    SAME("model.layers.#.self_attn.kv_a_proj_with_mqa", "blk.#.attn_kv_a_mqa"),
    SAME("model.layers.#.self_attn.kv_a_layernorm", "blk.#.attn_kv_a_norm"),
    SAME("model.layers.#.self_attn.kv_b_proj", "blk.#.attn_kv_b"),
    SAME("model.layers.#.self_attn.o_proj", "blk.#.attn_output"),
    DECODER_MLP,
    RULES_END,
};

static const struct tensor_rule codeshell_rules[] = {
    SAME("transformer.wte", "token_embd"),
    SAME("transformer.ln_f", "output_norm"),
    SAME("lm_head", "output"),
    SAME("transformer.h.#.ln_1", "blk.#.attn_norm"),
    SAME("transformer.h.#.attn.c_attn", "blk.#.attn_qkv"),
    SAME("transformer.h.#.attn.c_proj", "blk.#.attn_output"),
    SAME("transformer.h.#.ln_2", "blk.#.ffn_norm"),
    SAME("transformer.h.#.mlp.c_fc", "blk.#.ffn_up"),
    SAME("transformer.h.#.mlp.c_proj", "blk.#.ffn_down"),
    RULES_END,
};

/* Those of the experts for images are left out, as all that is named "vision_". */
static const struct tensor_rule cogvlm_rules[] = {
    DECODER_ENDS,
    DECODER_NORMS,
    SAME("model.layers.#.self_attn.language_expert_query_key_value", "blk.#.attn_qkv"),
    SAME("model.layers.#.self_attn.language_expert_dense", "blk.#.attn_output"),
    SAME("model.layers.#.mlp.language_mlp.gate_proj", "blk.#.ffn_gate"),
    SAME("model.layers.#.mlp.language_mlp.up_proj", "blk.#.ffn_up"),
    SAME("model.layers.#.mlp.language_mlp.down_proj", "blk.#.ffn_down"),
    RULES_END,
};

static int add_own_dim(struct arch_work *w) {
    uint64_t dim;
    int rc = hf_config_u64(&w->config, "head_dim", &dim, w->err);
    return rc <= 0 ? rc : work_u32(w, ".rope.dimension_count", dim);
}

static int add_loops(struct arch_work *w) {
    uint64_t n = 1;
    int rc = hf_config_u64(&w->config, "num_loops", &n, w->err);
    if (rc >= 0)
        rc = work_u32(w, ".num_loops", n ? n : 1);
    return rc < 0 ? rc
                  : work_bool(w, ".skip_loop_final_norm",
                              hf_config_bool(&w->config, "skip_loop_final_norm", false));
}

static int add_head_lengths(struct arch_work *w) {
    uint64_t dim;
    int rc = decoder_head_dim(w, &dim);
    if (rc >= 0)
        rc = work_u32(w, ".attention.key_length", dim);
    return rc < 0 ? rc : work_u32(w, ".attention.value_length", dim);
}

/* Of keys: the part that turns and the part that does not. */
static int add_key_length(struct arch_work *w) {
    uint64_t nope, rope;
    int rc = hf_config_need(&w->config, "qk_nope_head_dim", &nope, w->err);
    if (rc == 0)
        rc = hf_config_need(&w->config, "qk_rope_head_dim", &rope, w->err);
    if (rc == 0 && (nope > UINT32_MAX || rope > UINT32_MAX))
        rc = err_set(w->err, -EBADMSG, "config.json: \"qk_nope_head_dim\" does not fit");
    return rc < 0 ? rc : work_u32(w, ".attention.key_length", nope + rope);
}

static int check_no_factors(struct arch_work *w) {
    return json_get(w->rope.params, "long_factor") || json_get(w->rope.params, "short_factor")
               ? err_set(w->err, -ENOTSUP,
                         "config.json: rope_scaling with \"long_factor\" is not converted for %s",
                         w->arch->gguf)
               : 0;
}

static const struct hparam maincoder_hparams[] = {
    HPARAM_LIST(hparams_text),
    HPARAM_CALL(add_own_dim),
    HPARAM_END,
};

static const struct hparam llama_hparams[] = {
    HPARAM_LIST(hparams_text),
    HPARAM_NEED(".vocab_size", "vocab_size"),
    HPARAM_CALL(decoder_rope_dimension),
    HPARAM_END,
};

static const struct hparam nanbeige_hparams[] = {
    HPARAM_LIST(llama_hparams),
    HPARAM_CALL(add_loops),
    HPARAM_END,
};

static const struct hparam pangu_hparams[] = {
    HPARAM_LIST(llama_hparams),
    HPARAM_CALL(add_head_lengths),
    HPARAM_END,
};

static const struct hparam jais2_hparams[] = {
    HPARAM_LIST(hparams_text),
    HPARAM_CALL(decoder_rope_dimension),
    HPARAM_END,
};

static const struct hparam orion_hparams[] = {
    HPARAM_CALL(hparam_file_type),
    HPARAM_TEXT(".tensor_data_layout", "Meta AI original pth"),
    HPARAM_NEED(".context_length", "max_sequence_length max_position_embeddings model_max_length"),
    HPARAM_NEED(".embedding_length", "hidden_size"),
    HPARAM_CALL(hparam_blocks),
    HPARAM_NEED(".feed_forward_length", "intermediate_size"),
    HPARAM_NEED(".attention.head_count", "num_attention_heads"),
    HPARAM_NEED(".attention.head_count_kv", "num_key_value_heads num_attention_heads"),
    HPARAM_F32(".attention.layer_norm_epsilon", "rms_norm_eps"), /* a layer norm all the same */
    HPARAM_END,
};

static int add_codeshell_rope(struct arch_work *w) {
    int rc = work_f32(w, ".rope.freq_base", 10000);
    if (rc == 0)
        rc = work_str(w, ".rope.scaling.type", STR("linear"));
    return rc < 0 ? rc : work_f32(w, ".rope.scaling.factor", 1);
}

static const struct hparam codeshell_hparams[] = {
    HPARAM_NEED(".context_length", "n_positions"),
    HPARAM_NEED(".embedding_length", "n_embd"),
    HPARAM_TIMES(".feed_forward_length", "n_embd", 4),
    HPARAM_CALL(hparam_blocks),
    HPARAM_NEED(".attention.head_count", "n_head"),
    HPARAM_NEED(".attention.head_count_kv", "num_query_groups"),
    HPARAM_F32(".attention.layer_norm_epsilon", "layer_norm_epsilon"),
    HPARAM_CALL(hparam_file_type),
    HPARAM_CALL(add_codeshell_rope),
    HPARAM_END,
};

static const struct hparam plm_hparams[] = {
    HPARAM_LIST(hparams_text),
    HPARAM_NEED(".vocab_size", "vocab_size"),
    HPARAM_NEED(".attention.kv_lora_rank", "kv_lora_rank"),
    HPARAM_CALL(add_key_length),
    HPARAM_NEED(".attention.value_length", "v_head_dim"),
    HPARAM_NEED(".rope.dimension_count", "qk_rope_head_dim"),
    HPARAM_END,
};

static const struct hparam minicpm3_hparams[] = {
    HPARAM_CALL(check_no_factors),
    HPARAM_CALL(hparam_file_type),
    HPARAM_NEED(".context_length", "max_position_embeddings"),
    HPARAM_NEED(".embedding_length", "hidden_size"),
    HPARAM_CALL(hparam_blocks),
    HPARAM_NEED(".feed_forward_length", "intermediate_size"),
    HPARAM_NEED(".attention.head_count", "num_attention_heads"),
    HPARAM_NEED(".attention.head_count_kv", "num_key_value_heads"),
    HPARAM_F32(".attention.layer_norm_rms_epsilon", "rms_norm_eps"),
    HPARAM_NEED(".vocab_size", "vocab_size"),
    HPARAM_U32(".attention.q_lora_rank", "q_lora_rank"),
    HPARAM_NEED(".attention.kv_lora_rank", "kv_lora_rank"),
    HPARAM_CALL(add_key_length),
    HPARAM_NEED(".rope.dimension_count", "qk_rope_head_dim"),
    HPARAM_END,
};

static const struct tokenizer_kind *const spm[] = { &tokenizer_spm, NULL };
static const struct tokenizer_kind *const bpe[] = { &tokenizer_gpt2, NULL };
static const struct tokenizer_kind *const llama[] = { &tokenizer_spm, &tokenizer_llama_json,
                                                      &tokenizer_gpt2, NULL };

#define LIKE_LLAMA                                                                    \
    .tokenizers = llama, .extra = decoder_llama_freqs, .vocab = decoder_space_prefix, \
    .after = decoder_llama_exceptions

static const struct arch archs[] = {
    { .gguf = "maincoder",
      .back = maincoder_back,
      .classes = "MaincoderForCausalLM",
      .rules = rules,
      .hparams = maincoder_hparams,
      .tokenizers = bpe },
    { LIKE_LLAMA, .gguf = "nanbeige", .classes = "NanbeigeForCausalLM", .back = nanbeige_back,
      .rules = llama_rules, .hparams = nanbeige_hparams },
    { LIKE_LLAMA, .gguf = "cogvlm", .classes = "CogVLMForCausalLM", .rules = cogvlm_rules,
      .hparams = llama_hparams },
    { .gguf = "pangu-embedded",
      .back = pangu_back,
      .classes = "PanguEmbeddedForCausalLM",
      .rules = pangu_rules,
      .hparams = pangu_hparams,
      .tokenizers = spm,
      .after = decoder_space_prefix },
    { .gguf = "jais2",
      .back = jais2_back,
      .classes = "Jais2ForCausalLM",
      .rules = rules,
      .hparams = jais2_hparams,
      .tokenizers = bpe },
    { .gguf = "orion",
      .back = orion_back,
      .classes = "OrionForCausalLM",
      .rules = rules,
      .hparams = orion_hparams,
      .tokenizers = spm },
    { .gguf = "codeshell",
      .back = codeshell_back,
      .classes = "CodeShellForCausalLM",
      .rules = codeshell_rules,
      .hparams = codeshell_hparams,
      .tokenizers = bpe },
    { .gguf = "plm",
      .back = plm_back,
      .classes = "PLMForCausalLM",
      .rules = latent_rules,
      .hparams = plm_hparams,
      .tokenizers = bpe },
    { .gguf = "minicpm3",
      .back = minicpm3_back,
      .classes = "MiniCPM3ForCausalLM",
      .rules = latent_rules,
      .hparams = minicpm3_hparams,
      .tokenizers = spm },
    { 0 },
};

const struct family family_decoder_kin = { classes, archs };
