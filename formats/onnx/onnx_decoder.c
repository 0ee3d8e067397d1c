/* SPDX-License-Identifier: Apache-2.0
 * formats/onnx/onnx_decoder.c - a decoder from the ids of tokens to logits. */
#include "formats/onnx/onnx_decoder.h"
#include <errno.h>
#include <math.h>

enum { INT64 = ONNX__TENSOR_PROTO__DATA_TYPE__INT64 };

/* --- inputs and outputs --- */

static struct onnx_dim named(const char *name) {
    return (struct onnx_dim){ name, 0 };
}

static struct onnx_dim fixed(uint64_t size) {
    return (struct onnx_dim){ NULL, (int64_t)size };
}

static void add_cache(struct decoder *d, enum onnx_value kind, const char *name,
                      const char *length) {
    static const char *const parts[] = { "key", "value" };
    const struct onnx_dim dims[4] = { named("batch_size"), fixed(d->kv_heads), named(length),
                                      fixed(d->dim) };
    for (unsigned i = 0; i < d->layers; i++)
        for (int part = 0; part < 2; part++)
            onnx_add_value(d->n.g, kind, onnx_text(d->n.g, "%s.%u.%s", name, i, parts[part]),
                           d->n.type, dims, 4);
}

void decoder_interface(struct decoder *d) {
    struct onnx_graph *g = d->n.g;
    const struct onnx_dim ids[2] = { named("batch_size"), named("sequence_length") };
    const struct onnx_dim mask[2] = { named("batch_size"), named("total_sequence_length") };
    const struct onnx_dim logits[3] = { ids[0], ids[1], fixed(d->vocab) };
    onnx_add_value(g, ONNX_INPUT, "input_ids", INT64, ids, 2);
    onnx_add_value(g, ONNX_INPUT, "attention_mask", INT64, mask, 2);
    if (!d->fused_rotary)
        onnx_add_value(g, ONNX_INPUT, "position_ids", INT64, ids, 2);
    add_cache(d, ONNX_INPUT, "past_key_values", "past_sequence_length");
    onnx_add_value(g, ONNX_OUTPUT, "logits", d->n.type, logits, 3);
    add_cache(d, ONNX_OUTPUT, "present", "total_sequence_length");
}

/* --- layers --- */

static const char *mlp(struct decoder *d, const char *x, uint64_t layer) {
    struct net *n = &d->n;
    const char *prefix = onnx_text(n->g, "model.layers.%u.mlp.", (unsigned)layer);
    const struct net_rows all = { 0, d->mlp, d->mlp };
    const char *gate, *up;
    net_scope(n, "/model/layers.%u/mlp", (unsigned)layer);
    if (d->family->fused) {
        const char *both = net_name(n, prefix, "gate_up_proj.weight");
        gate = net_linear(n, x, both, NULL, (struct net_rows){ 0, d->mlp, 2 * d->mlp }, d->hidden,
                          "gate_proj");
        up = net_linear(n, x, both, NULL, (struct net_rows){ d->mlp, d->mlp, 2 * d->mlp },
                        d->hidden, "up_proj");
    } else {
        gate = net_linear(n, x, net_name(n, prefix, "gate_proj.weight"),
                          net_name(n, prefix, "gate_proj.bias"), all, d->hidden, "gate_proj");
        up = net_linear(n, x, net_name(n, prefix, "up_proj.weight"),
                        net_name(n, prefix, "up_proj.bias"), all, d->hidden, "up_proj");
    }
    const char *y = NET_OP(n, "Mul", "Mul", net_act(n, d->act, gate, "act"), up);
    return net_linear(n, y, net_name(n, prefix, "down_proj.weight"),
                      net_name(n, prefix, "down_proj.bias"),
                      (struct net_rows){ 0, d->hidden, d->hidden }, d->mlp, "down_proj");
}

/* The residual stream [B·S, H], and what is still to be added to it: the next norm does both. */
struct stream {
    const char *sum, *skip; /* skip NULL: nothing */
};

/* Adds, and returns the norm of the sum. */
static const char *next_norm(struct decoder *d, struct stream *s, const char *weight,
                             const char *name, bool last) {
    struct net *n = &d->n;
    if (!s->skip)
        return net_rms(n, s->sum, weight, d->hidden, d->norm, name);
    const char *y =
        net_add_rms(n, s->sum, s->skip, weight, d->hidden, d->norm, name, last ? NULL : &s->sum);
    s->skip = NULL;
    return y;
}

static void add_layer(struct decoder *d, struct stream *s, unsigned i) {
    struct net *n = &d->n;
    const char *prefix = onnx_text(n->g, "model.layers.%u.", i);
    const char *before_mlp = "post_attention_layernorm";
    net_scope(n, "/model/layers.%u", i);
    const char *x =
        next_norm(d, s, net_name(n, prefix, "input_layernorm.weight"), "input_layernorm", false);
    s->skip = decoder_attention(d, x, i);
    net_scope(n, "/model/layers.%u", i);
    if (d->family->four_norms) {
        s->skip = net_rms(n, s->skip, net_name(n, prefix, "post_attention_layernorm.weight"),
                          d->hidden, d->norm, "post_attention_layernorm");
        before_mlp = "pre_feedforward_layernorm";
    }
    x = next_norm(d, s, onnx_text(n->g, "%s%s.weight", prefix, before_mlp), before_mlp, false);
    s->skip = mlp(d, x, i);
    net_scope(n, "/model/layers.%u", i);
    if (d->family->four_norms)
        s->skip = net_rms(n, s->skip, net_name(n, prefix, "post_feedforward_layernorm.weight"),
                          d->hidden, d->norm, "post_feedforward_layernorm");
}

static const char *embed(struct decoder *d) {
    struct net *n = &d->n;
    net_scope(n, "/model/embed_tokens");
    const char *x =
        net_gather(n, "model.embed_tokens.weight", d->vocab, d->hidden, "input_ids", "Gather");
    x = NET_OP(n, "Reshape", "Reshape", x, NET_I64(n, -1, (int64_t)d->hidden));
    return d->family->scaled_embedding
               ? NET_OP(n, "Mul", "scale", x, net_scalar(n, sqrt((double)d->hidden)))
               : x;
}

void decoder_logits(struct decoder *d, const char *x, const char *weight, const char *bias) {
    struct net *n = &d->n;
    net_scope(n, "%s", "");
    const char *y = net_linear(n, x, weight, bias, (struct net_rows){ 0, d->vocab, d->vocab },
                               d->hidden, "lm_head");
    if (d->final_softcap != 0)
        y = net_softcap(n, y, d->final_softcap, "lm_head/softcap");
    const char *shape =
        NET_OP(n, "Concat", "lm_head/shape", d->batch, d->seq, NET_I64(n, (int64_t)d->vocab));
    net_int(n, "axis", 0);
    net_node(n, "", "Reshape", "lm_head/Reshape", ONNX_NAMES(y, shape), ONNX_NAMES("logits"));
}

static void add_graph(struct decoder *d) {
    decoder_interface(d);
    decoder_preamble(d);
    struct stream s = { embed(d), NULL };
    for (unsigned i = 0; i < d->layers && d->n.rc == 0 && !d->n.g->failed; i++)
        add_layer(d, &s, i);
    net_scope(&d->n, "/model");
    const char *x = next_norm(d, &s, "model.norm.weight", "norm", true);
    if (d->tied)
        decoder_logits(d, x, "model.embed_tokens.weight", NULL);
    else
        decoder_logits(d, x, "lm_head.weight", "lm_head.bias");
}

void decoder_begin(struct decoder *d, struct onnx_graph *g, struct hf_source *src,
                   const struct spec *spec, struct err *err) {
    const bool new_opset = spec->opset == 23;
    net_begin(&d->n, g, src, spec, new_opset, err);
    d->n.ops = new_opset ? NET_OPSET23 : spec->contrib ? NET_CONTRIB : NET_STANDARD;
    d->seqlens = spec->contrib && spec->format == FORMAT_GENAI;
}

int net_end(struct net *n, const char *const *buffers) {
    if (n->rc == 0 && n->g->failed)
        net_fail(n, -ENOMEM, "no memory for the graph");
    return n->rc < 0 ? n->rc : hf_source_check_used(n->src, buffers);
}

int decoder_build(struct onnx_graph *g, struct hf_source *src, const struct spec *spec,
                  struct err *err) {
    static const char *const buffers[] = { ".rotary_emb.inv_freq", NULL };
    static const char *const tied_buffers[] = { ".rotary_emb.inv_freq", "lm_head.weight", NULL };
    struct decoder d = { .family = decoder_find(src->model_type) };
    decoder_begin(&d, g, src, spec, err);
    decoder_read(&d);
    if (d.n.rc == 0 && !g->failed)
        add_graph(&d);
    return net_end(&d.n, d.tied ? tied_buffers : buffers);
}
