/* SPDX-License-Identifier: Apache-2.0
 * quant/recipe_names.c - roles of tensors and the names that are left alone: tensor_get_category,
 * tensor_allows_quantization and tensor_requires_imatrix of src/llama-quant.cpp. */
#include "quant/recipe_names.h"
#include <stdlib.h>
#include <string.h>

static bool has(const char *name, const char *part) {
    return strstr(name, part) != NULL;
}

static bool is_embedding(const char *name) {
    return !strcmp(name, "token_embd.weight") || !strcmp(name, "per_layer_token_embd.weight");
}

enum role recipe_role(const char *name) {
    /* The order matters: the first part that is found wins. */
    static const struct {
        const char *part;
        enum role role;
    } parts[] = {
        { "attn_qkv.weight", ROLE_V }, { "attn_kv_b.weight", ROLE_V },
        { "attn_v.weight", ROLE_V },   { "attn_k.weight", ROLE_K },
        { "attn_q.weight", ROLE_Q },   { "attn_output.weight", ROLE_ATTN_OUTPUT },
        { "ffn_up", ROLE_UP },         { "ffn_gate", ROLE_GATE },
        { "ffn_down", ROLE_DOWN },
    };
    if (!strcmp(name, "output.weight"))
        return ROLE_OUTPUT;
    if (is_embedding(name))
        return ROLE_EMBEDDING;
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        if (has(name, parts[i].part))
            return parts[i].role;
    return ROLE_OTHER;
}

/* Parts of the names of tensors that keep their type. */
static const char *const kept[] = {
    "_norm.weight",
    "ffn_gate_inp.weight",
    "ffn_gate_tid2eid.weight",
    "altup",
    "laurel",
    "per_layer_model_proj",
    "ssm_conv1d",
    "shortconv.conv.weight",
    "indexer.k_proj.weight",
    "indexer.q_proj.weight",
    "time_mix_first.weight",
    "time_mix_w0.weight",
    "time_mix_w1.weight",
    "time_mix_w2.weight",
    "time_mix_v0.weight",
    "time_mix_v1.weight",
    "time_mix_v2.weight",
    "time_mix_a0.weight",
    "time_mix_a1.weight",
    "time_mix_a2.weight",
    "time_mix_g1.weight",
    "time_mix_g2.weight",
    "time_mix_decay_w1.weight",
    "time_mix_decay_w2.weight",
    "time_mix_lerp_fused.weight",
    "attn_rel_b.weight",
    ".position_embd",
    "sam.pos_embd",
    "sam.neck.",
    "sam.net_",
    ".rel_pos",
    ".patch_embd",
    ".patch_merger",
    "a.rvq.codebook",
    "mm.a.code_embd",
    NULL,
};

static const char *const kept_glm5_next[] = {
    "hc_",
    "indexer.attn_q_b",
    "indexer.attn_k",
    "indexer.proj",
    "indexer_compressor_gate",
    "indexer_compressor_ape",
    "ssm_f_a.weight",
    "ssm_f_b.weight",
    "ssm_g_a.weight",
    "ssm_g_b.weight",
    "ssm_beta.weight",
    "attn_kv_a_mqa.weight",
    "attn_k_b.weight",
    "attn_v_b.weight",
    NULL,
};

static bool has_any(const char *name, const char *const *parts) {
    for (; *parts; parts++)
        if (has(name, *parts))
            return true;
    return false;
}

/* Upstream compares the last place of "weight" with the length less 6, which wraps to "not found"
 * for a name of five letters. */
static bool ends_in_weight(const char *name) {
    size_t n = strlen(name);
    return n == 5 || (n >= 6 && !strcmp(name + n - 6, "weight"));
}

bool recipe_allows(const char *architecture, const struct recipe_tensor *t) {
    uint32_t n_dims = t->n_dims; /* leading dimensions of 1 do not count */
    const uint64_t *dims = t->dims;
    for (; n_dims > 1 && *dims == 1; n_dims--)
        dims++;
    if (n_dims < 2 || !ends_in_weight(t->name) || has_any(t->name, kept))
        return false;
    if (!strcmp(t->name, "position_embd.weight") || !strcmp(t->name, "token_types.weight"))
        return false;
    return strcmp(architecture, "glm5-next") || !has_any(t->name, kept_glm5_next);
}

int recipe_block(const char *name) {
    if (strncmp(name, "blk.", 4))
        return -1;
    char *end;
    long n = strtol(name + 4, &end, 10);
    return end == name + 4 ? -1 : (int)n;
}

bool recipe_needs_imatrix(const struct ftype *type, const char *name, enum dtype to) {
    if (is_embedding(name) || !strcmp(name, "output.weight"))
        return false;
    switch (to) {
    case DTYPE_IQ3_XXS:
    case DTYPE_IQ2_XXS:
    case DTYPE_IQ2_XS:
    case DTYPE_IQ2_S:
    case DTYPE_IQ1_M:
    case DTYPE_IQ1_S:
        return true;
    case DTYPE_Q2_K:
        return type->file_type == FILE_Q2_K_S;
    default:
        return false;
    }
}
