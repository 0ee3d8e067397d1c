/* SPDX-License-Identifier: Apache-2.0
 * formats/onnx/onnx_encoder.c - see onnx_encoder.h. Source: transformers 5.23, modeling_bert.py,
 * modeling_roberta.py, modeling_distilbert.py. As in decoders the hidden state is [B·S, H]. */
#include "formats/onnx/onnx_encoder.h"
#include "formats/json.h"
#include "formats/onnx/onnx_decoder.h"
#include <errno.h>
#include <math.h>

enum {
    INT64 = ONNX__TENSOR_PROTO__DATA_TYPE__INT64,
    BOOL = ONNX__TENSOR_PROTO__DATA_TYPE__BOOL,
};

/* Names of tensors; those of a layer follow its own. */
struct encoder_family {
    const char *model_type;
    const char *prefix; /* of the encoder in a model with a head */
    const char *layer;
    const char *q, *k, *v, *out, *out_norm, *up, *down, *norm;
    bool types;    /* token_type_ids are an input */
    bool from_pad; /* positions begin behind the id of the padding, and padding has that */
    const char *lm_dense, *lm_norm, *lm_out, *lm_bias; /* masked language model; lm_out: untied */
    const char *lm_act;                                /* NULL: that of the layers */
    const char *pool, *classifier, *pool_act;          /* classifier: of the first token */
    bool pool_inside;                                  /* pool has the prefix */
};

#define BERT_LAYER                                                                                \
    .layer = "encoder.layer", .q = "attention.self.query", .k = "attention.self.key",             \
    .v = "attention.self.value", .out = "attention.output.dense",                                 \
    .out_norm = "attention.output.LayerNorm", .up = "intermediate.dense", .down = "output.dense", \
    .norm = "output.LayerNorm"
#define ROBERTA(type)                                                                       \
    {                                                                                       \
        .model_type = type, .prefix = "roberta.", BERT_LAYER, .from_pad = true,             \
        .lm_dense = "lm_head.dense", .lm_norm = "lm_head.layer_norm",                       \
        .lm_out = "lm_head.decoder.weight", .lm_bias = "lm_head.bias", .lm_act = "gelu",    \
        .pool = "classifier.dense", .classifier = "classifier.out_proj", .pool_act = "tanh" \
    }

static const struct encoder_family encoder_families[] = {
    { .model_type = "bert",
      .prefix = "bert.",
      BERT_LAYER,
      .types = true,
      .lm_dense = "cls.predictions.transform.dense",
      .lm_norm = "cls.predictions.transform.LayerNorm",
      .lm_out = "cls.predictions.decoder.weight",
      .lm_bias = "cls.predictions.bias",
      .pool = "pooler.dense",
      .classifier = "classifier",
      .pool_act = "tanh",
      .pool_inside = true },
    ROBERTA("roberta"),
    ROBERTA("xlm-roberta"),
    { .model_type = "distilbert",
      .prefix = "distilbert.",
      .layer = "transformer.layer",
      .q = "attention.q_lin",
      .k = "attention.k_lin",
      .v = "attention.v_lin",
      .out = "attention.out_lin",
      .out_norm = "sa_layer_norm",
      .up = "ffn.lin1",
      .down = "ffn.lin2",
      .norm = "output_layer_norm",
      .lm_dense = "vocab_transform",
      .lm_norm = "vocab_layer_norm",
      .lm_out = "vocab_projector.weight",
      .lm_bias = "vocab_projector.bias",
      .pool = "pre_classifier",
      .classifier = "classifier",
      .pool_act = "relu" },
};

enum head { HEAD_NONE, HEAD_MASKED_LM, HEAD_CLASSIFIER };

struct encoder {
    struct net n;
    const struct encoder_family *f;
    enum head head;
    const char *prefix; /* the family's, or "" */
    uint64_t hidden, layers, heads, dim, mlp, vocab, positions, labels, pad;
    double eps;
    struct str act;
    const char *to4, *mask;
};

const struct encoder_family *encoder_find(struct str model_type) {
    for (size_t i = 0; i < sizeof encoder_families / sizeof *encoder_families; i++)
        if (str_is(model_type, encoder_families[i].model_type))
            return &encoder_families[i];
    return NULL;
}

static const char *tensor(struct encoder *e, const char *name) {
    return net_name(&e->n, e->prefix, name);
}

/* --- config.json --- */

static enum head find_head(struct encoder *e) {
    const struct json *all = hf_config_json(&e->n.src->config, "architectures");
    struct str name;
    if (!json_str(json_at(all, 0), &name))
        return HEAD_NONE;
    return str_ends(name, STR("ForMaskedLM"))                 ? HEAD_MASKED_LM
           : str_ends(name, STR("ForSequenceClassification")) ? HEAD_CLASSIFIER
                                                              : HEAD_NONE;
}

static uint64_t count_labels(struct encoder *e) {
    const struct json *names = hf_config_json(&e->n.src->config, "id2label");
    return json_len(names) ? json_len(names) : net_u64(&e->n, "num_labels", 2);
}

static void read_config(struct encoder *e) {
    struct net *n = &e->n;
    const char *word = "embeddings.word_embeddings.weight";
    e->prefix = hf_source_has(n->src, net_name(n, e->f->prefix, word)) ? e->f->prefix : "";
    e->head = find_head(e);
    e->layers = net_need(n, "n_layers num_hidden_layers", DECODER_MAX_LAYERS);
    e->hidden = net_need(n, "dim hidden_size", 1 << 20);
    e->heads = net_need(n, "n_heads num_attention_heads", 1 << 12);
    e->mlp = net_need(n, "hidden_dim intermediate_size", 1 << 24);
    e->vocab = net_need(n, "vocab_size", 1 << 28);
    e->positions = net_need(n, "max_position_embeddings", 1 << 30);
    e->pad = net_u64(n, "pad_token_id", 0);
    e->labels = count_labels(e);
    e->eps = net_f64(n, "layer_norm_eps", 1e-12);
    if (!hf_config_str(&n->src->config, "hidden_act activation", &e->act))
        e->act = STR("gelu");
    if (e->hidden % e->heads)
        net_fail(n, -EBADMSG, "config.json: %llu heads do not divide the hidden size",
                 (unsigned long long)e->heads);
    e->dim = e->hidden / e->heads;
}

/* --- inputs, outputs --- */

static void add_interface(struct encoder *e) {
    struct onnx_graph *g = e->n.g;
    const struct onnx_dim batch = { "batch_size", 0 }, length = { "sequence_length", 0 };
    const struct onnx_dim ids[2] = { batch, length };
    const uint64_t width = e->head == HEAD_MASKED_LM ? e->vocab : e->hidden;
    const struct onnx_dim states[3] = { batch, length, { NULL, (int64_t)width } };
    const struct onnx_dim classes[2] = { batch, { NULL, (int64_t)e->labels } };
    onnx_add_value(g, ONNX_INPUT, "input_ids", INT64, ids, 2);
    onnx_add_value(g, ONNX_INPUT, "attention_mask", INT64, ids, 2);
    if (e->f->types)
        onnx_add_value(g, ONNX_INPUT, "token_type_ids", INT64, ids, 2);
    if (e->head == HEAD_CLASSIFIER)
        onnx_add_value(g, ONNX_OUTPUT, "logits", e->n.type, classes, 2);
    else
        onnx_add_value(g, ONNX_OUTPUT, e->head ? "logits" : "last_hidden_state", e->n.type, states,
                       3);
}

/* --- embeddings --- */

static const char *size_of(struct net *n, int64_t dim, const char *name) {
    const char *y = NET_OP(n, "Shape", name, "input_ids");
    net_int(n, "start", dim);
    net_int(n, "end", dim + 1);
    return y;
}

/* RoBERTa counts the tokens that are no padding. */
static const char *positions(struct encoder *e, const char *length) {
    struct net *n = &e->n;
    const char *zero = net_i64_scalar(n, 0);
    if (!e->f->from_pad)
        return NET_OP(n, "Range", "Range", zero,
                      NET_OP(n, "Squeeze", "Squeeze", length, NET_I64(n, 0)), net_i64_scalar(n, 1));
    const char *pad = net_i64_scalar(n, (int64_t)e->pad);
    const char *valid = net_cast(
        n, NET_OP(n, "Not", "Not", NET_OP(n, "Equal", "Equal", "input_ids", pad)), INT64, "Cast");
    const char *count = NET_OP(n, "CumSum", "CumSum", valid, net_i64_scalar(n, 1));
    return NET_OP(n, "Add", "Add", NET_OP(n, "Mul", "Mul", count, valid), pad);
}

/* Rows of types, by token_type_ids, or the first for all. */
static const char *add_types(struct encoder *e, const char *x) {
    struct net *n = &e->n;
    const char *name = tensor(e, "embeddings.token_type_embeddings.weight");
    if (!hf_source_has(n->src, name))
        return x;
    const char *ids = e->f->types ? "token_type_ids" : net_i64_scalar(n, 0);
    const char *y = net_gather(n, name, net_need(n, "type_vocab_size", 1 << 20), e->hidden, ids,
                               "token_type_embeddings/Gather");
    return NET_OP(n, "Add", "Add_types", x, y);
}

static const char *embed(struct encoder *e) {
    struct net *n = &e->n;
    net_scope(n, "/shapes");
    const char *batch = size_of(n, 0, "B"), *length = size_of(n, 1, "S");
    e->to4 = NET_OP(n, "Concat", "to4", batch, length, NET_I64(n, -1), NET_I64(n, (int64_t)e->dim));
    net_int(n, "axis", 0);
    net_scope(n, "/position_ids");
    const char *at = positions(e, length);
    net_scope(n, "/embeddings");
    const char *x = net_gather(n, tensor(e, "embeddings.word_embeddings.weight"), e->vocab,
                               e->hidden, "input_ids", "word_embeddings/Gather");
    x = add_types(e, x);
    x = NET_OP(n, "Add", "Add_positions", x,
               net_gather(n, tensor(e, "embeddings.position_embeddings.weight"), e->positions,
                          e->hidden, at, "position_embeddings/Gather"));
    x = NET_OP(n, "Reshape", "Reshape", x, NET_I64(n, -1, (int64_t)e->hidden));
    return net_layer_norm(n, x, tensor(e, "embeddings.LayerNorm"), e->hidden, e->eps, "norm");
}

/* 0 for tokens, the lowest number for padding: [B, 1, 1, S]. */
static void add_mask(struct encoder *e) {
    struct net *n = &e->n;
    net_scope(n, "/attn_mask");
    const char *seen = NET_OP(n, "Unsqueeze", "Unsqueeze",
                              net_cast(n, "attention_mask", BOOL, "Cast"), NET_I64(n, 1, 2));
    e->mask =
        NET_OP(n, "Where", "Where", seen, net_f32(n, 0), net_f32(n, -3.40282346638528859812e38f));
}

/* --- layers --- */

static const char *linear(struct encoder *e, const char *x, const char *name, uint64_t out,
                          uint64_t in, const char *label) {
    return net_linear(&e->n, x, net_name(&e->n, name, ".weight"), net_name(&e->n, name, ".bias"),
                      (struct net_rows){ 0, out, out }, in, label);
}

/* [B, heads, S, D], or with the last two turned over. */
static const char *split_heads(struct encoder *e, const char *x, const char *name, bool turned) {
    struct net *n = &e->n;
    x = NET_OP(n, "Reshape", onnx_text(n->g, "%s/Reshape", name), x, e->to4);
    const char *label = onnx_text(n->g, "%s/Transpose", name);
    return turned ? net_transpose(n, x, label, 0, 2, 3, 1) : net_transpose(n, x, label, 0, 2, 1, 3);
}

static const char *attention(struct encoder *e, const char *x, const char *prefix) {
    struct net *n = &e->n;
    const uint64_t h = e->hidden;
    const char *q = linear(e, x, net_name(n, prefix, e->f->q), h, h, "query");
    const char *k = linear(e, x, net_name(n, prefix, e->f->k), h, h, "key");
    const char *v = linear(e, x, net_name(n, prefix, e->f->v), h, h, "value");
    q = NET_OP(n, "Mul", "scale/Mul", split_heads(e, q, "query", false),
               net_scalar(n, 1 / sqrt((double)e->dim)));
    const char *s = NET_OP(n, "MatMul", "scores/MatMul", q, split_heads(e, k, "key", true));
    s = NET_OP(n, "Add", "mask/Add", net_widen(n, s, "Softmax/Cast"), e->mask);
    s = NET_OP(n, "Softmax", "Softmax", s);
    net_int(n, "axis", -1);
    s = net_narrow(n, s, "Softmax/Cast_1");
    const char *y = NET_OP(n, "MatMul", "values/MatMul", s, split_heads(e, v, "value", false));
    y = net_transpose(n, y, "values/Transpose", 0, 2, 1, 3);
    y = NET_OP(n, "Reshape", "out/Reshape", y, NET_I64(n, -1, (int64_t)h));
    return linear(e, y, net_name(n, prefix, e->f->out), h, h, "output");
}

static const char *add_layer(struct encoder *e, const char *x, unsigned i) {
    struct net *n = &e->n;
    const char *prefix = onnx_text(n->g, "%s%s.%u.", e->prefix, e->f->layer, i);
    net_scope(n, "/%s.%u/attention", e->f->layer, i);
    const char *y = attention(e, x, prefix);
    net_scope(n, "/%s.%u", e->f->layer, i);
    x = net_layer_norm(n, NET_OP(n, "Add", "attention/residual", x, y),
                       net_name(n, prefix, e->f->out_norm), e->hidden, e->eps, "attention_norm");
    y = linear(e, x, net_name(n, prefix, e->f->up), e->mlp, e->hidden, "intermediate");
    y = net_act(n, e->act, y, "act");
    y = linear(e, y, net_name(n, prefix, e->f->down), e->hidden, e->mlp, "output");
    return net_layer_norm(n, NET_OP(n, "Add", "residual", x, y), net_name(n, prefix, e->f->norm),
                          e->hidden, e->eps, "output_norm");
}

/* --- heads --- */

static void as_states(struct encoder *e, const char *x, uint64_t width, const char *name) {
    struct net *n = &e->n;
    const char *batch = size_of(n, 0, "B_out"), *length = size_of(n, 1, "S_out");
    const char *shape = NET_OP(n, "Concat", "shape", batch, length, NET_I64(n, (int64_t)width));
    net_int(n, "axis", 0);
    net_node(n, "", "Reshape", "Reshape", ONNX_NAMES(x, shape), ONNX_NAMES(name));
}

static void masked_lm(struct encoder *e, const char *x) {
    struct net *n = &e->n;
    const char *word = tensor(e, "embeddings.word_embeddings.weight");
    const char *out = hf_config_bool(&n->src->config, "tie_word_embeddings", true) ||
                              !hf_source_has(n->src, e->f->lm_out)
                          ? word
                          : e->f->lm_out;
    net_scope(n, "/lm_head");
    x = linear(e, x, e->f->lm_dense, e->hidden, e->hidden, "dense");
    x = net_act(n, e->f->lm_act ? str_from(e->f->lm_act) : e->act, x, "act");
    x = net_layer_norm(n, x, e->f->lm_norm, e->hidden, e->eps, "norm");
    x = net_linear(n, x, out, e->f->lm_bias, (struct net_rows){ 0, e->vocab, e->vocab }, e->hidden,
                   "decoder");
    as_states(e, x, e->vocab, "logits");
}

static void classify(struct encoder *e, const char *x) {
    struct net *n = &e->n;
    net_scope(n, "/classifier");
    const char *batch = size_of(n, 0, "B_out");
    const char *shape =
        NET_OP(n, "Concat", "shape", batch, NET_I64(n, -1), NET_I64(n, (int64_t)e->hidden));
    net_int(n, "axis", 0);
    x = NET_OP(n, "Gather", "first/Gather", NET_OP(n, "Reshape", "Reshape", x, shape),
               net_i64_scalar(n, 0));
    net_int(n, "axis", 1);
    const char *pool = e->f->pool_inside ? tensor(e, e->f->pool) : e->f->pool;
    x = net_act(n, str_from(e->f->pool_act), linear(e, x, pool, e->hidden, e->hidden, "pool"),
                "act");
    x = linear(e, x, e->f->classifier, e->labels, e->hidden, "out");
    net_node(n, "", "Identity", "Identity", ONNX_NAMES(x), ONNX_NAMES("logits"));
}

static void add_graph(struct encoder *e) {
    add_interface(e);
    const char *x = embed(e);
    add_mask(e);
    for (unsigned i = 0; i < e->layers && e->n.rc == 0 && !e->n.g->failed; i++)
        x = add_layer(e, x, i);
    if (e->head == HEAD_MASKED_LM) {
        masked_lm(e, x);
    } else if (e->head == HEAD_CLASSIFIER) {
        classify(e, x);
    } else {
        net_scope(&e->n, "/output");
        as_states(e, x, e->hidden, "last_hidden_state");
    }
}

int encoder_build(struct onnx_graph *g, struct hf_source *src, const struct spec *spec,
                  struct err *err) {
    static const char *const buffers[] = { "position_ids",           "token_type_ids",
                                           "pooler.dense.weight",    "pooler.dense.bias",
                                           "decoder.weight",         "decoder.bias",
                                           "vocab_projector.weight", NULL };
    struct encoder e = { .f = encoder_find(src->model_type) };
    if (spec->contrib || spec->opset == 23)
        return err_set(err, -ENOTSUP, "encoders have opset 17 and standard operators");
    net_begin(&e.n, g, src, spec, false, err);
    read_config(&e);
    if (e.n.rc == 0 && !g->failed)
        add_graph(&e);
    return net_end(&e.n, buffers);
}
