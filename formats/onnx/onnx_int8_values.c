/* SPDX-License-Identifier: Apache-2.0
 * formats/onnx/onnx_int8_values.c - values of a graph in 8 bits: weights as they are quantized
 * once, activations as they come (onnx_int8.h). */
#include "formats/onnx/onnx_int8.h"

enum { FLOAT = ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT };

Onnx__NodeProto *int8_add(struct int8_pass *p, const char *op, const char *name,
                          const char *const *inputs, const char *const *outputs) {
    Onnx__NodeProto *n = onnx_make_node(p->g, "", op, name, inputs, outputs);
    onnx_list_add(p->g, &p->nodes, &p->n, &p->cap, n);
    return n;
}

struct quantized *int8_new(struct int8_pass *p, const char *name) {
    struct quantized *q = arena_new(p->g->arena, struct quantized);
    if (!q) {
        p->g->failed = true;
        return NULL;
    }
    q->levels = onnx_text(p->g, "%s_quantized", name);
    q->scale = onnx_text(p->g, "%s_scale", name);
    q->zero = onnx_text(p->g, "%s_zero_point", name);
    return q;
}

struct onnx_val *int8_input(const struct int8_pass *p, const Onnx__NodeProto *n, size_t i) {
    return i < n->n_input ? onnx_values_find(&p->values, n->input[i]) : NULL;
}

/* --- weights --- */

bool int8_is_weight(const struct onnx_val *x) {
    const struct onnx_weight *w = x ? x->weight : NULL;
    return w && w->type == FLOAT && w->expr && w->expr->rows && w->expr->cols && !w->scaling;
}

struct scales int8_column_scales(const struct int8_pass *p, const struct onnx_weight *w) {
    return p->per_channel ? (struct scales){ 1, true, 1, { w->dims[w->n_dims - 1] } } : one_scale;
}

static void add_part(struct int8_pass *p, const struct onnx_weight *levels, const char *name,
                     struct scaling *s, enum scaling_part part, const struct scales *scales) {
    struct onnx_weight out = { .name = name, .expr = s->expr, .scaling = s, .part = part };
    out.type = part == SCALING_SCALE       ? FLOAT
               : s->kind == LINEAR8_SIGNED ? ONNX__TENSOR_PROTO__DATA_TYPE__INT8
                                           : ONNX__TENSOR_PROTO__DATA_TYPE__UINT8;
    if (part == SCALING_LEVELS) {
        out.n_dims = levels->n_dims;
        memcpy(out.dims, levels->dims, sizeof out.dims);
    } else {
        out.n_dims = scales->n_dims;
        memcpy(out.dims, scales->dims, sizeof scales->dims);
    }
    onnx_add_weight(p->g, &out);
}

struct quantized *int8_weight(struct int8_pass *p, struct onnx_val *x, const struct onnx_weight *w,
                              enum linear8 kind, const struct scales *scales) {
    if (x->user)
        return x->user;
    struct quantized *q = int8_new(p, w->name);
    struct scaling *s = scaling_new(p->g->arena, w->expr, kind, scales->groups, scales->per_column);
    if (!q || !s) {
        p->g->failed = true;
        return NULL;
    }
    add_part(p, w, q->scale, s, SCALING_SCALE, scales);
    add_part(p, w, q->zero, s, SCALING_ZERO, scales);
    add_part(p, w, q->levels, s, SCALING_LEVELS, scales);
    q->spread = scales->n_dims > 0;
    q->dequantized = q->spread && w != x->weight; /* turned over */
    return x->user = q;
}

/* --- activations --- */

struct quantized *int8_activation(struct int8_pass *p, struct onnx_val *x) {
    if (x->user)
        return x->user;
    struct quantized *q = int8_new(p, x->name);
    if (!q)
        return NULL;
    int8_add(p, "DynamicQuantizeLinear", onnx_text(p->g, "%s_QuantizeLinear", x->name),
             ONNX_NAMES(x->name), ONNX_NAMES(q->levels, q->scale, q->zero));
    q->dequantized = true;
    return x->user = q;
}

void int8_dequantize(struct int8_pass *p, const struct onnx_val *x) {
    struct quantized *q = x ? x->user : NULL;
    if (!q || q->dequantized)
        return;
    Onnx__NodeProto *n =
        int8_add(p, "DequantizeLinear", onnx_text(p->g, "%s_DequantizeLinear", x->name),
                 ONNX_NAMES(q->levels, q->scale, q->zero), ONNX_NAMES(x->name));
    if (q->spread)
        onnx_attr_int(p->g, n, "axis", -1);
    q->dequantized = true;
}
