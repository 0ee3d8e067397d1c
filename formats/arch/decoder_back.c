/* SPDX-License-Identifier: Apache-2.0
 * formats/arch/decoder_back.c - see decoder_kin.h. But for Jais 2 and MiniCPM 3 the code is in the
 * model's own repository. */
#include "formats/arch/decoder_kin.h"

const struct arch_back jais2_back[] = { { "jais2", "Jais2ForCausalLM", .more = back_biases },
                                        { 0 } };

static uint64_t key_rest(const struct back *w) {
    const uint64_t rope = back_count(w, ".rope.dimension_count", 0, 0);
    const uint64_t key = back_count(w, ".attention.key_length", 0, 0);
    return key > rope ? key - rope : 0;
}

/* llama.cpp knows one model, whose scales are no pairs. */
static void say_minicpm3(struct back *w) {
    const struct tensor *out = model_find(w->m, STR("blk.0.attn_output.weight"));
    const uint64_t heads = back_count(w, ".attention.head_count", 0, 0);
    back_u64(w, "scale_emb", 12);
    back_f32(w, "scale_depth", 1.4f);
    back_u64(w, "dim_model_base", 256);
    back_u64(w, "qk_nope_head_dim", key_rest(w));
    back_u64(w, "head_dim", back_count(w, ".rope.dimension_count", 0, 0));
    if (out && out->n_dims == 2 && heads)
        back_u64(w, "v_head_dim", out->dims[1] / heads);
}

const struct arch_back minicpm3_back[] = {
    { "minicpm3", "MiniCPM3ForCausalLM", .more = say_minicpm3 }, { 0 }
};

const struct arch_back maincoder_back[] = {
    { "maincoder", "MaincoderForCausalLM", .fields = BACK_DECODER_FIELDS "head_dim" }, { 0 }
};

static const struct hparam nanbeige_pairs[] = {
    HPARAM_U32(".num_loops", "num_loops"),
    HPARAM_BOOL(".skip_loop_final_norm", "skip_loop_final_norm"),
    HPARAM_END,
};
const struct arch_back nanbeige_back[] = {
    { "nanbeige", "NanbeigeForCausalLM",
      .fields = BACK_DECODER_FIELDS "head_dim num_loops skip_loop_final_norm",
      .pairs = nanbeige_pairs },
    { 0 },
};

/* Its code has head_dim from the others. */
static void say_pangu(struct back *w) {
    back_bool(w, "bias", back_has_tensor(w, "blk.0.attn_q.bias"));
}

const struct arch_back pangu_back[] = { { "PanguEmbedded", "PanguEmbeddedForCausalLM",
                                          .fields = BACK_DECODER_FIELDS, .more = say_pangu },
                                        { 0 } };

const struct arch_back orion_back[] = {
    { "orion", "OrionForCausalLM", .fields = BACK_DECODER_FIELDS }, { 0 }
};

static void say_codeshell(struct back *w) {
    const struct tensor *up = model_find(w->m, STR("blk.0.ffn_up.weight"));
    if (up && up->n_dims == 2)
        back_u64(w, "n_inner", up->dims[0]);
    back_raw(w, "position_embedding_type", "\"rope\"");
    back_bool(w, "group_query_attention", true);
}

const struct arch_back codeshell_back[] = {
    { "codeshell", "CodeShellForCausalLM",
      .fields = "n_positions n_embd n_layer n_head num_query_groups layer_norm_epsilon",
      .more = say_codeshell },
    { 0 },
};

static void say_plm(struct back *w) {
    back_u64(w, "qk_nope_head_dim", key_rest(w));
    back_null(w, "q_lora_rank");
    back_null(w, "head_dim");               /* its code adds two parts */
    back_raw(w, "hidden_act", "\"relu2\""); /* as llama.cpp runs it */
}

const struct arch_back plm_back[] = {
    { "plm", "PLMForCausalLM",
      .fields = BACK_DECODER_FIELDS "kv_lora_rank v_head_dim qk_rope_head_dim", .more = say_plm },
    { 0 },
};
