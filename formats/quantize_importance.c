/* SPDX-License-Identifier: Apache-2.0
 * formats/quantize_importance.c - which entry of an imatrix is for which tensor, as
 * llama_model_quantize_impl looks it up (llama.cpp 0c1e570). */
#include "formats/quantize_impl.h"
#include "quant/codec.h"
#include <errno.h>

uint32_t quantize_entries(const struct extras *x) {
    uint32_t n = 0;
    for (uint32_t i = 0; x->imatrix && i < x->imatrix->n; i++)
        n += !x->profile || profile_includes(x->profile, x->imatrix->entries[i].name);
    return n;
}

static bool is_embedding(const char *name) {
    return !strcmp(name, "token_embd.weight") || !strcmp(name, "per_layer_token_embd.weight");
}

static const struct imatrix_entry *find_entry(const struct extras *x, struct str name) {
    const struct imatrix_entry *e = x->imatrix ? imatrix_find(x->imatrix, name) : NULL;
    return e && (!x->profile || profile_includes(x->profile, name)) ? e : NULL;
}

int quantize_importance(struct form *f, struct target *t, const struct quantized *q,
                        const struct extras *x, struct err *err) {
    const struct imatrix_entry *e = find_entry(x, q->origin);
    const uint64_t cols = tensor_row(t->dims, t->n_dims);
    const uint64_t rows = t->n_dims > 1 ? t->dims[t->n_dims - 2] : 1;
    const uint64_t slices = t->n_dims > 2 ? t->dims[t->n_dims - 3] : 1;
    uint64_t values;
    bool fits = e && !__builtin_mul_overflow(cols, slices, &values) &&
                values == e->importance.values && rows > 0;
    if (e && !fits && !is_embedding(t->name.p))
        return err_set(err, -ENOTSUP,
                       "%s: the importance matrix has %llu values for it, not one a column",
                       t->name.p, (unsigned long long)e->importance.values);
    if (!fits && q->tensor.needs_imatrix)
        return err_set(err, -ENOTSUP,
                       "%s: the importance matrix has nothing for it, and %s needs it", t->name.p,
                       dtype_info[q->tensor.to].name);
    if (!fits || codec_importance(q->tensor.to) == IMPORTANCE_NONE)
        return 0;
    struct importance *w = arena_new(f->arena, struct importance);
    if (!w)
        return err_set(err, -ENOMEM, "no memory for the importance matrix");
    *w = e->importance;
    w->cols = cols;
    w->rows = rows;
    t->importance = w;
    return 0;
}
