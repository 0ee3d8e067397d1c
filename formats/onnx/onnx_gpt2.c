/* SPDX-License-Identifier: Apache-2.0
 * formats/onnx/onnx_gpt2.c - GPT-2: positions are learned, matrices lie with inputs as rows.
 * Source: transformers 5.23, modeling_gpt2.py. */
#include "formats/onnx/onnx_decoder.h"
#include "formats/json.h"
#include <errno.h>
#include <math.h>

struct gpt2 {
    struct decoder d;
    const char *prefix; /* "transformer." or "" */
    double eps;
    bool by_layer; /* scores are divided by the number of the layer too */
};

static const char *tensor(struct gpt2 *m, const char *name) {
    return net_name(&m->d.n, m->prefix, name);
}

static void read_config(struct gpt2 *m) {
    struct decoder *d = &m->d;
    struct net *n = &d->n;
    const struct hf_config *c = &n->src->config;
    m->prefix = hf_source_has(n->src, "transformer.wte.weight") ? "transformer." : "";
    d->layers = net_need(n, "n_layer num_hidden_layers", DECODER_MAX_LAYERS);
    d->hidden = net_need(n, "n_embd hidden_size", 1 << 20);
    d->heads = d->kv_heads = net_need(n, "n_head num_attention_heads", 1 << 12);
    d->vocab = net_need(n, "vocab_size", 1 << 28);
    d->positions = net_need(n, "n_positions max_position_embeddings", 1 << 30);
    d->mlp = net_u64(n, "n_inner", 4 * d->hidden);
    m->eps = net_f64(n, "layer_norm_epsilon", 1e-5);
    m->by_layer = hf_config_bool(c, "scale_attn_by_inverse_layer_idx", false);
    d->tied = hf_config_bool(c, "tie_word_embeddings", true);
    if (!hf_config_str(c, "activation_function", &d->act))
        d->act = STR("gelu_new");
    if (d->hidden % d->heads)
        net_fail(n, -EBADMSG, "config.json: %llu heads do not divide \"n_embd\"",
                 (unsigned long long)d->heads);
    d->dim = d->hidden / d->heads;
    d->windowed = arena_array(n->g->arena, bool, d->layers);
    if (!d->windowed)
        n->g->failed = true;
}

static const char *embed(struct gpt2 *m) {
    struct decoder *d = &m->d;
    struct net *n = &d->n;
    net_scope(n, "/transformer");
    const char *x =
        net_gather(n, tensor(m, "wte.weight"), d->vocab, d->hidden, "input_ids", "wte/Gather");
    const char *p = net_gather(n, tensor(m, "wpe.weight"), d->positions, d->hidden, "position_ids",
                               "wpe/Gather");
    return NET_OP(n, "Reshape", "Reshape", NET_OP(n, "Add", "Add", x, p),
                  NET_I64(n, -1, (int64_t)d->hidden));
}

static const char *attention(struct gpt2 *m, const char *x, unsigned layer) {
    struct decoder *d = &m->d;
    struct net *n = &d->n;
    const char *prefix = onnx_text(n->g, "%sh.%u.attn.", m->prefix, layer);
    const int64_t h = (int64_t)d->hidden;
    struct decoder_heads heads = decoder_heads(d, layer);
    net_scope(n, "/transformer/h.%u/attn", layer);
    const char *qkv =
        net_conv1d(n, x, net_name(n, prefix, "c_attn"), d->hidden, 3 * d->hidden, "c_attn");
    heads.q = net_output(n, "Split", 0);
    heads.k = net_output(n, "Split", 1);
    heads.v = net_output(n, "Split", 2);
    net_node(n, "", "Split", "Split", ONNX_NAMES(qkv, NET_I64(n, h, h, h)),
             ONNX_NAMES(heads.q, heads.k, heads.v));
    net_int(n, "axis", -1);
    const bool scaled = hf_config_bool(&n->src->config, "scale_attn_weights", true);
    d->scale = (scaled ? 1 / sqrt((double)d->dim) : 1) / (m->by_layer ? layer + 1 : 1);
    return net_conv1d(n, decoder_attend(d, &heads, layer), net_name(n, prefix, "c_proj"), d->hidden,
                      d->hidden, "c_proj");
}

static const char *layer_norm(struct gpt2 *m, const char *x, const char *name, const char *label) {
    return net_layer_norm(&m->d.n, x, tensor(m, name), m->d.hidden, m->eps, label);
}

static const char *add_layer(struct gpt2 *m, const char *x, unsigned i) {
    struct decoder *d = &m->d;
    struct net *n = &d->n;
    const char *prefix = onnx_text(n->g, "%sh.%u.mlp.", m->prefix, i);
    net_scope(n, "/transformer/h.%u", i);
    const char *y = layer_norm(m, x, onnx_text(n->g, "h.%u.ln_1", i), "ln_1");
    y = attention(m, y, i);
    net_scope(n, "/transformer/h.%u", i);
    x = NET_OP(n, "Add", "attn/residual", x, y);
    y = layer_norm(m, x, onnx_text(n->g, "h.%u.ln_2", i), "ln_2");
    y = net_conv1d(n, y, net_name(n, prefix, "c_fc"), d->hidden, d->mlp, "mlp/c_fc");
    y = net_act(n, d->act, y, "mlp/act");
    y = net_conv1d(n, y, net_name(n, prefix, "c_proj"), d->mlp, d->hidden, "mlp/c_proj");
    return NET_OP(n, "Add", "mlp/residual", x, y);
}

int gpt2_build(struct onnx_graph *g, struct hf_source *src, const struct spec *spec,
               struct err *err) {
    static const char *const buffers[] = { ".attn.bias", ".attn.masked_bias", NULL };
    static const char *const tied_buffers[] = { ".attn.bias", ".attn.masked_bias", "lm_head.weight",
                                                NULL };
    static const struct decoder_family family = { .model_type = "gpt2" };
    struct gpt2 m = { .d.family = &family, .prefix = "" };
    struct decoder *d = &m.d;
    decoder_begin(d, g, src, spec, err);
    read_config(&m);
    if (d->n.rc == 0 && !g->failed) {
        decoder_interface(d);
        decoder_preamble(d);
        const char *x = embed(&m);
        for (unsigned i = 0; i < d->layers && d->n.rc == 0 && !g->failed; i++)
            x = add_layer(&m, x, i);
        net_scope(&d->n, "/transformer");
        x = layer_norm(&m, x, "ln_f", "ln_f");
        decoder_logits(d, x, d->tied ? tensor(&m, "wte.weight") : "lm_head.weight", NULL);
    }
    return net_end(&d->n, d->tied ? tied_buffers : buffers);
}
