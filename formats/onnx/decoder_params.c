/* SPDX-License-Identifier: Apache-2.0
 * formats/onnx/decoder_params.c - the families of decoders, and what config.json says of one.
 * Source: transformers 5.23, configuration_*.py and modeling_*.py; modeling_rope_utils.py. */
#include "formats/onnx/onnx_decoder.h"
#include <errno.h>
#include <math.h>

static const struct decoder_family families_of_decoders[] = {
    { .model_type = "llama" },
    { .model_type = "mistral", .window = WINDOW_ALL },
    { .model_type = "qwen2", .window = WINDOW_ASKED },
    { .model_type = "qwen3", .window = WINDOW_ASKED, .qk_norm = true },
    { .model_type = "phi3", .window = WINDOW_ALL, .fused = true, .partial = true },
    { .model_type = "gemma",
      .scaled_embedding = true,
      .tied = true,
      .norm_plus = 1,
      .act = "gelu_pytorch_tanh" },
    { .model_type = "gemma2",
      .window = WINDOW_EVEN,
      .four_norms = true,
      .query_scale = true,
      .scaled_embedding = true,
      .softcaps = true,
      .tied = true,
      .norm_plus = 1,
      .act = "gelu_pytorch_tanh" },
};

const struct decoder_family *decoder_find(struct str model_type) {
    for (size_t i = 0; i < sizeof families_of_decoders / sizeof *families_of_decoders; i++)
        if (str_is(model_type, families_of_decoders[i].model_type))
            return &families_of_decoders[i];
    return NULL;
}

uint64_t net_need(struct net *n, const char *keys, uint64_t max) {
    uint64_t v = 1;
    int rc = hf_config_need(&n->src->config, keys, &v, n->err);
    if (rc == 0 && (v == 0 || v > max))
        rc = err_set(n->err, -EBADMSG, "config.json: \"%.*s\" is %llu", (int)strcspn(keys, " "),
                     keys, (unsigned long long)v);
    net_remember(n, rc);
    return rc < 0 ? 1 : v;
}

uint64_t net_u64(struct net *n, const char *keys, uint64_t absent) {
    uint64_t v;
    const int rc = hf_config_u64(&n->src->config, keys, &v, n->err);
    net_remember(n, rc);
    return rc > 0 ? v : absent;
}

double net_f64(struct net *n, const char *keys, double absent) {
    double v;
    const int rc = hf_config_f64(&n->src->config, keys, &v, n->err);
    net_remember(n, rc);
    return rc > 0 ? v : absent;
}

static struct hf_config *config_of(struct decoder *d) {
    return &d->n.src->config;
}

/* --- windows --- */

static bool has_window(struct decoder *d, uint64_t layer) {
    struct str type;
    const struct json *types = hf_config_json(config_of(d), "layer_types");
    if (json_str(json_at(types, layer), &type))
        return str_is(type, "sliding_attention");
    switch (d->family->window) {
    case WINDOW_ALL:
        return true;
    case WINDOW_ASKED:
        return layer >= net_u64(&d->n, "max_window_layers", 28);
    case WINDOW_EVEN:
        return layer % 2 == 0;
    case WINDOW_NONE:
        break;
    }
    return false;
}

static void read_windows(struct decoder *d) {
    bool use = d->family->window != WINDOW_NONE;
    if (d->family->window == WINDOW_ASKED)
        use = hf_config_bool(config_of(d), "use_sliding_window", false);
    d->window = use ? net_u64(&d->n, "sliding_window", 0) : 0;
    d->windowed = arena_array(d->n.g->arena, bool, d->layers);
    if (!d->windowed)
        d->n.g->failed = true;
    for (uint64_t i = 0; d->windowed && d->window && i < d->layers; i++)
        d->windowed[i] = has_window(d, i);
}

/* --- the rest --- */

static void read_counts(struct decoder *d) {
    d->layers = net_need(&d->n, "num_hidden_layers", DECODER_MAX_LAYERS);
    d->hidden = net_need(&d->n, "hidden_size", 1 << 20);
    d->heads = net_need(&d->n, "num_attention_heads", 1 << 12);
    d->mlp = net_need(&d->n, "intermediate_size", 1 << 24);
    d->vocab = net_need(&d->n, "vocab_size", 1 << 28);
    d->positions = net_need(&d->n, "max_position_embeddings", 1 << 30);
    d->kv_heads = net_u64(&d->n, "num_key_value_heads", d->heads);
    d->dim = net_u64(&d->n, "head_dim", d->hidden / d->heads);
    if (d->dim == 0 || d->dim % 2 || d->dim > DECODER_MAX_DIM)
        net_fail(&d->n, -EBADMSG, "config.json: heads of %llu numbers", (unsigned long long)d->dim);
    if (d->kv_heads == 0 || d->heads % d->kv_heads)
        net_fail(&d->n, -EBADMSG, "config.json: %llu heads do not share %llu keys",
                 (unsigned long long)d->heads, (unsigned long long)d->kv_heads);
}

void decoder_read(struct decoder *d) {
    const struct decoder_family *f = d->family;
    read_counts(d);
    if (d->n.rc < 0)
        return;
    d->norm = (struct net_norm){ net_f64(&d->n, "rms_norm_eps", 1e-6), f->norm_plus };
    const double head =
        f->query_scale ? net_f64(&d->n, "query_pre_attn_scalar", 256) : (double)d->dim;
    d->scale = 1 / sqrt(head);
    d->softcap = f->softcaps ? net_f64(&d->n, "attn_logit_softcapping", 0) : 0;
    d->final_softcap = f->softcaps ? net_f64(&d->n, "final_logit_softcapping", 0) : 0;
    d->tied = hf_config_bool(config_of(d), "tie_word_embeddings",
                             f->tied || !hf_source_has(d->n.src, "lm_head.weight"));
    if (!hf_config_str(config_of(d), "hidden_activation hidden_act", &d->act) ||
        (f->act && str_is(d->act, "gelu")))
        d->act = str_from(f->act ? f->act : "silu");
    read_windows(d);
    decoder_read_rope(d);
}
