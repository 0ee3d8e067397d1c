/* SPDX-License-Identifier: Apache-2.0
 * formats/arch/stored_blocks.c - weights of a quantized folder whose blocks GGUF has too: they are
 * written as they are, before all other tensors, with the scales that the blocks do not hold.
 * Source: _generate_nvfp4_tensors in conversion/base.py (llama.cpp 0c1e570). */
#include "formats/arch/work.h"
#include "formats/packed.h"
#include <errno.h>
#include <math.h>
#include <stdlib.h>

/* The stored tensor of each part of a stack; one where it is none. */
static uint32_t count_parts(const struct expr *e) {
    return e->op == EXPR_STACK ? e->stack.n : 1;
}

static const struct packed *nth_part(const struct expr *e, uint32_t i) {
    if (e->op == EXPR_STACK)
        e = e->stack.in[i];
    while (e->op == EXPR_ROWS)
        e = e->gather.in;
    return e->op == EXPR_TENSOR ? e->tensor->packed : NULL;
}

/* Of a weight that is written as it is, or the first of a stack; NULL for all else. */
static const struct packed *stored_part(const struct expr *e) {
    const struct packed *p = dtype_is_quantized(expr_copies(e)) ? nth_part(e, 0) : NULL;
    return p && p->blocks != DTYPE_NONE ? p : NULL;
}

/* One number for each part, behind the weight: left out where all are 1. */
static int add_scales(struct arch_work *w, const struct target *t, const char *ending, bool input) {
    static const char weight[] = ".weight";
    struct arena *a = w->form->arena;
    const uint64_t n = count_parts(t->expr);
    float *values = arena_array(a, float, n);
    bool trivial = true;
    if (!values)
        return work_no_memory(w);
    for (uint32_t i = 0; i < n; i++) {
        const struct packed *p = nth_part(t->expr, i);
        values[i] = !p ? 1 : input ? p->input_scale : p->factor;
        trivial = trivial && fabs((double)values[i] - 1) < (n > 1 ? 1.1e-5 : 1e-6);
    }
    if (trivial)
        return 0;
    const struct str stem = { t->name.p, t->name.n - strlen(weight) };
    return work_target(w, arena_printf(a, "%.*s%s", STR_ARG(stem), ending), &n, 1,
                       expr_literal(a, values, n));
}

/* What the rules have made of a weight, from target @first on: each with its scales behind it. */
static int add_all_scales(struct arch_work *w, uint32_t first) {
    const uint32_t n = w->form->n_targets - first;
    struct target *made = arena_array(w->form->arena, struct target, n ? n : 1);
    int rc = made ? 0 : work_no_memory(w);
    if (rc == 0 && n)
        memcpy(made, w->form->targets + first, n * sizeof *made);
    w->form->n_targets = rc == 0 ? first : w->form->n_targets;
    for (uint32_t i = 0; i < n && rc == 0; i++) {
        rc = work_target(w, made[i].name, made[i].dims, made[i].n_dims, made[i].expr);
        if (rc == 0)
            rc = add_scales(w, &made[i], ".scale", false);
        if (rc == 0)
            rc = add_scales(w, &made[i], ".input_scale", true);
    }
    return rc;
}

static int by_text(const void *a, const void *b) {
    return str_cmp(*(const struct str *)a, *(const struct str *)b);
}

int arch_add_precision(struct arch_work *w) {
    const struct form *f = w->form;
    struct str *names = arena_array(f->arena, struct str, (uint64_t)f->n_targets + 1);
    uint8_t *no = arena_array(f->arena, uint8_t, (uint64_t)f->n_targets + 1); /* to 4 bits */
    uint64_t n = 0;
    if (!names || !no)
        return work_no_memory(w);
    for (uint32_t i = 0; i < f->n_targets && w->stored_blocks; i++) {
        const struct packed *p = stored_part(f->targets[i].expr);
        if (p && p->a16)
            names[n++] = f->targets[i].name;
    }
    if (!n)
        return 0;
    qsort(names, n, sizeof *names, by_text);
    if (!kv_set_strs(&w->form->kvs, f->arena, "general.tensor_extra.name", names, n))
        return work_no_memory(w);
    return work_array(w, "general.tensor_extra.prec_a4", KV_BOOL, no, n);
}

int arch_add_blocks(struct arch_work *w) {
    int rc = 0;
    for (uint32_t i = 0; i < w->model->n_tensors && rc == 0; i++) {
        const struct tensor *t = &w->model->tensors[i];
        const uint32_t first = w->form->n_targets;
        if (!arch_keeps_blocks(t))
            continue;
        w->stored_blocks = t->packed->blocks;
        const struct tensor *blocks = packed_blocks(w->form->arena, t);
        rc = blocks ? arch_add_tensor(w, blocks)
                    : err_set(w->err, -ENOTSUP, "tensor %.*s: its rows are no whole blocks of %s",
                              STR_ARG(t->name), dtype_info[t->packed->blocks].name);
        if (rc == 0)
            rc = add_all_scales(w, first);
    }
    return rc;
}
