/* SPDX-License-Identifier: Apache-2.0
 * formats/form.c - a model as it is, as a form. */
#include "formats/form.h"
#include "formats/merge.h"
#include <errno.h>

int form_identity(struct form *f, const struct model *m, struct err *err) {
    f->targets = arena_array(f->arena, struct target, m->n_tensors);
    if (!f->targets)
        return err_set(err, -ENOMEM, "no memory for %u tensors", m->n_tensors);
    for (uint32_t i = 0; i < m->n_tensors; i++) {
        const struct tensor *t = &m->tensors[i];
        struct target *x = &f->targets[i];
        x->name = arena_str(f->arena, t->name);
        x->dtype = t->merged ? t->merged->type : t->dtype;
        x->n_dims = t->n_dims;
        memcpy(x->dims, t->dims, sizeof x->dims);
        x->expr = expr_tensor(f->arena, t);
        if (!x->name.p || !x->expr)
            return err_set(err, -ENOMEM, "no memory for %u tensors", m->n_tensors);
    }
    f->n_targets = m->n_tensors;
    f->kvs = (struct kv_list){ 0 };
    for (uint32_t i = 0; i < m->kvs.n; i++)
        if (!kv_append(&f->kvs, f->arena, m->kvs.items[i]))
            return err_set(err, -ENOMEM, "no memory for %u pairs", m->kvs.n);
    f->metadata = m->metadata;
    return 0;
}

/* As ggml_n_dims. */
static void drop_dims(struct target *t) {
    if (t->n_dims == 0) {
        t->dims[0] = 1;
        t->n_dims = 1;
    }
    while (t->n_dims > 1 && t->dims[0] == 1) {
        memmove(t->dims, t->dims + 1, --t->n_dims * sizeof *t->dims);
        t->dims[t->n_dims] = 0;
    }
}

void form_drop_dims(struct form *f) {
    for (uint32_t i = 0; i < f->n_targets; i++)
        drop_dims(&f->targets[i]);
}
