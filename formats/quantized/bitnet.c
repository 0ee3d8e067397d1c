/* SPDX-License-Identifier: Apache-2.0
 * formats/quantized/bitnet.c - BitNet: bytes of four ternary numbers, each a quarter of the rows
 * apart, and one scale. Source: transformers' integrations/bitnet.py; dequant_bitnet in
 * conversion/base.py (llama.cpp 0c1e570). */
#include "formats/quantized/method.h"

/* The layers called AutoBitLinear multiply by the scale; the first ones divide by it. */
static bool is_divided(const struct quantization *q) {
    struct str layer = STR("bitlinear");
    json_str(json_get(q->config, "linear_class"), &layer);
    return !str_is(layer, "autobitlinear");
}

int quant_build_bitnet(struct quantization *q, struct quant_weight *w) {
    struct packed *p = w->p;
    p->scales = w->anchor;
    p->words = model_find(q->model, w->name);
    if (!p->words || p->words->n_dims != 2)
        return quant_bad(q, w->anchor, "its weight is missing, or no matrix");
    p->packing = (struct packing){ LANES_PLANES, 2, 8, NULL, NULL };
    p->zero = 1;
    p->divide = is_divided(q);
    w->n_dims = 2;
    w->dims[0] = p->rows = 4 * p->words->dims[0];
    w->dims[1] = p->cols = p->words->dims[1];
    p->group_rows = p->rows;
    p->group_cols = p->cols;
    p->groups = 1;
    return 0;
}
