/* SPDX-License-Identifier: Apache-2.0
 * formats/machine.c - the stack of the machine and the values on it. */
#include "formats/machine.h"
#include <errno.h>
#include <stdlib.h>

int machine_fail(const struct machine *m, int code, const char *why) {
    const long at = (long)((const char *)m->in.p - m->bytes.p);
    return err_set(m->err, code, "pickle: %s (before byte %ld)", why, at);
}

int machine_full(const struct machine *m) {
    return machine_fail(m, -EFBIG, "more values than may be");
}

int machine_damaged(const struct machine *m) {
    return machine_fail(m, -EBADMSG, "damaged: an opcode finds not what it needs");
}

int machine_push(struct machine *m, struct pickle *v) {
    struct values *s = &m->stack;
    if (!v)
        return machine_full(m);
    if (s->n == s->cap) {
        const uint32_t cap = s->cap ? 2 * s->cap : 64;
        struct pickle **grown = realloc(s->p, cap * sizeof *grown);
        if (!grown)
            return machine_full(m);
        s->p = grown;
        s->cap = cap;
    }
    s->p[s->n++] = v;
    return 0;
}

/* The lowest height that may be popped to: nothing reaches below a mark. */
static uint32_t floor_of(const struct machine *m) {
    return m->n_marks ? m->marks[m->n_marks - 1] : 0;
}

struct pickle *machine_top(const struct machine *m) {
    return m->stack.n > floor_of(m) ? m->stack.p[m->stack.n - 1] : NULL;
}

struct pickle *machine_pop(struct machine *m) {
    struct pickle *v = machine_top(m);
    if (v)
        m->stack.n--;
    return v;
}

struct pickle *machine_value(struct machine *m, enum pickle_type type) {
    struct pickle *v = arena_new(m->a, struct pickle);
    if (v)
        v->type = type;
    return v;
}

int machine_append(struct machine *m, struct pickle *to, struct pickle **items, uint32_t n) {
    if (n > to->cap - to->n) {
        uint32_t cap = to->cap ? 2 * to->cap : 2;
        while (cap - to->n < n)
            cap *= 2; /* the stack holds under 2^27 values */
        struct pickle **grown = arena_array(m->a, struct pickle *, cap);
        if (!grown)
            return machine_full(m);
        if (to->n)
            memcpy(grown, to->items, to->n * sizeof *grown);
        to->items = grown;
        to->cap = cap;
    }
    if (n)
        memcpy(to->items + to->n, items, n * sizeof *items);
    to->n += n;
    return 0;
}

int machine_gather(struct machine *m, enum pickle_type type, uint32_t n) {
    if (m->stack.n - floor_of(m) < n)
        return machine_damaged(m);
    struct pickle *v = machine_value(m, type);
    if (!v || machine_append(m, v, m->stack.p + m->stack.n - n, n) < 0)
        return machine_full(m);
    m->stack.n -= n;
    return machine_push(m, v);
}

bool machine_unmark(struct machine *m, struct pickle ***items, uint32_t *n) {
    if (!m->n_marks)
        return false;
    const uint32_t height = m->marks[--m->n_marks];
    *n = m->stack.n - height;
    *items = m->stack.p + height;
    m->stack.n = height;
    return true;
}
