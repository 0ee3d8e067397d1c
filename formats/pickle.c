/* SPDX-License-Identifier: Apache-2.0
 * formats/pickle.c - the machine: a stack, a memo, and one small function an opcode. The opcodes
 * are those of torch/_weights_only_unpickler.py (PyTorch 2.15), and those that protocols 3 to 5 have
 * in their places (Lib/pickletools.py), no others. */
#include "formats/machine.h"
#include <errno.h>
#include <stdlib.h>

/* --- marks --- */

static int op_mark(struct machine *m, int arg) {
    (void)arg;
    if (m->n_marks == m->cap_marks) {
        const uint32_t cap = m->cap_marks ? 2 * m->cap_marks : 64;
        uint32_t *grown = realloc(m->marks, cap * sizeof *grown);
        if (!grown)
            return machine_full(m);
        m->marks = grown;
        m->cap_marks = cap;
    }
    m->marks[m->n_marks++] = m->stack.n;
    return 0;
}

static int op_tuple(struct machine *m, int arg) {
    (void)arg;
    struct pickle **items;
    uint32_t n;
    if (!machine_unmark(m, &items, &n))
        return machine_damaged(m);
    m->stack.n += n;
    return machine_gather(m, PICKLE_TUPLE, n);
}

static int op_tuple_n(struct machine *m, int n) {
    return machine_gather(m, PICKLE_TUPLE, (uint32_t)n);
}

static int op_add_marked(struct machine *m, int type) {
    struct pickle **items;
    uint32_t n;
    if (!machine_unmark(m, &items, &n))
        return machine_damaged(m);
    struct pickle *to = machine_top(m);
    if (!to || to->type != (enum pickle_type)type || (type == PICKLE_DICT && n % 2))
        return machine_damaged(m);
    return machine_append(m, to, items, n);
}

static int op_append(struct machine *m, int arg) {
    (void)arg;
    struct pickle *v = machine_pop(m), *to = machine_top(m);
    if (!v || !to || to->type != PICKLE_LIST)
        return machine_damaged(m);
    return machine_append(m, to, &v, 1);
}

static int op_setitem(struct machine *m, int arg) {
    (void)arg;
    struct pickle *pair[2];
    pair[1] = machine_pop(m);
    pair[0] = machine_pop(m);
    struct pickle *to = machine_top(m);
    if (!pair[0] || !to || to->type != PICKLE_DICT)
        return machine_damaged(m);
    return machine_append(m, to, pair, 2);
}

/* --- leaves --- */

static int op_empty(struct machine *m, int type) {
    return machine_push(m, machine_value(m, (enum pickle_type)type));
}

static int op_truth(struct machine *m, int truth) {
    struct pickle *v = machine_value(m, PICKLE_BOOL);
    if (v)
        v->truth = truth;
    return machine_push(m, v);
}

/* Unsigned, little-endian. */
static uint32_t take_number(struct machine *m, int bytes) {
    uint32_t v = 0;
    for (int i = 0; i < bytes; i++)
        v |= (uint32_t)cursor_u8(&m->in) << 8 * i;
    return v;
}

static int push_int(struct machine *m, int64_t value) {
    struct pickle *v = machine_value(m, PICKLE_INT);
    if (v)
        v->integer = value;
    return machine_push(m, v);
}

/* Only the widest has a sign. */
static int op_int(struct machine *m, int bytes) {
    const uint32_t v = take_number(m, bytes);
    return push_int(m, bytes == 4 ? (int32_t)v : (int64_t)v);
}

static int push_text(struct machine *m, enum pickle_type type, uint64_t n) {
    struct pickle *v = machine_value(m, type);
    if (v)
        v->text = cursor_str(&m->in, n);
    return machine_push(m, v);
}

static int op_text(struct machine *m, int bytes) {
    return push_text(m, PICKLE_TEXT, take_number(m, bytes));
}

static int op_text8(struct machine *m, int arg) {
    (void)arg;
    return push_text(m, PICKLE_TEXT, cursor_u64(&m->in));
}

/* Two's complement, little-endian, as short as it can be. */
static int op_long1(struct machine *m, int arg) {
    (void)arg;
    const uint64_t n = cursor_u8(&m->in);
    if (n > 8)
        return push_text(m, PICKLE_LONG, n);
    const uint8_t *b = cursor_bytes(&m->in, n);
    uint64_t v = b && n && b[n - 1] & 0x80 ? UINT64_MAX : 0;
    for (uint64_t i = n; b && i-- > 0;)
        v = v << 8 | b[i];
    return push_int(m, (int64_t)v);
}

static int op_binfloat(struct machine *m, int arg) {
    (void)arg; /* big-endian */
    struct pickle *v = machine_value(m, PICKLE_FLOAT);
    const uint64_t bits = be64toh(htole64(cursor_u64(&m->in)));
    if (v)
        memcpy(&v->real, &bits, sizeof bits);
    return machine_push(m, v);
}

/* --- names, and what would be done with them --- */

static bool take_line(struct machine *m, struct str *line) {
    const uint64_t left = cursor_left(&m->in);
    const uint8_t *end = left ? memchr(m->in.p, '\n', left) : NULL;
    if (!end) {
        m->in.bad = true;
        return false;
    }
    *line = cursor_str(&m->in, (uint64_t)(end - m->in.p));
    cursor_u8(&m->in);
    return true;
}

static int push_global(struct machine *m, struct str module, struct str name) {
    if (!m->allows(module, name))
        return err_set(m->err, -EACCES, "pickle: %.*s.%.*s is not allowed in a file of weights",
                       (int)(module.n < 80 ? module.n : 80), module.p,
                       (int)(name.n < 80 ? name.n : 80), name.p);
    struct pickle *v = machine_value(m, PICKLE_GLOBAL);
    if (v) {
        v->text = arena_printf(m->a, "%.*s.%.*s", STR_ARG(module), STR_ARG(name));
        if (!v->text.p)
            return machine_full(m);
    }
    return machine_push(m, v);
}

static int op_global(struct machine *m, int arg) {
    (void)arg;
    struct str module, name;
    if (!take_line(m, &module) || !take_line(m, &name))
        return 0; /* the end of the input is noticed by the loop */
    return push_global(m, module, name);
}

static int op_stack_global(struct machine *m, int arg) {
    (void)arg;
    const struct pickle *name = machine_pop(m), *module = machine_pop(m);
    if (!name || !module || name->type != PICKLE_TEXT || module->type != PICKLE_TEXT)
        return machine_damaged(m);
    return push_global(m, module->text, name->text);
}

/* Python 2's way to keep an OrderedDict. */
static int push_pairs(struct machine *m, const struct pickle *list) {
    struct pickle *v = machine_value(m, PICKLE_DICT);
    for (uint32_t i = 0; v && i < list->n; i++)
        if (machine_append(m, v, list->items[i]->items, 2) < 0)
            return machine_full(m);
    return machine_push(m, v);
}

static int op_call(struct machine *m, int arg) {
    (void)arg;
    struct pickle *args = machine_pop(m), *callee = machine_pop(m);
    if (!args || !callee || args->type != PICKLE_TUPLE || callee->type != PICKLE_GLOBAL)
        return machine_damaged(m);
    const bool is_dict = str_is(callee->text, "collections.OrderedDict") ||
                         str_is(callee->text, "collections.Counter");
    if (is_dict && args->n == 0)
        return machine_push(m, machine_value(m, PICKLE_DICT));
    if (is_dict && pickle_pairs(args))
        return push_pairs(m, args->items[0]);
    struct pickle *v = machine_value(m, PICKLE_CALL);
    if (v) {
        v->call.callee = callee;
        v->call.args = args;
    }
    return machine_push(m, v);
}

static int op_build(struct machine *m, int arg) {
    (void)arg;
    struct pickle *state = machine_pop(m), *to = machine_top(m);
    if (!state || !to || (to->type != PICKLE_CALL && to->type != PICKLE_DICT))
        return machine_damaged(m);
    to->state = state;
    return 0;
}

static int op_stored(struct machine *m, int arg) {
    (void)arg;
    int rc = machine_gather(m, PICKLE_STORED, 1);
    return rc < 0 ? rc : machine_append(m, &m->stored, &m->stack.p[m->stack.n - 1], 1);
}

/* --- the memo --- */

/* Picklers number what they remember one by one: no index is as large as what was read so far. */
static int put(struct machine *m, uint32_t index) {
    struct values *s = &m->memo;
    struct pickle *v = machine_top(m);
    const uint64_t read = (uint64_t)((const char *)m->in.p - m->bytes.p);
    if (!v || index >= read)
        return machine_damaged(m);
    if (index >= s->cap) {
        uint32_t cap = s->cap ? s->cap : 64;
        while (cap <= index)
            cap *= 2; /* below 2^27, as the pickle */
        struct pickle **grown = realloc(s->p, cap * sizeof *grown);
        if (!grown)
            return machine_full(m);
        memset(grown + s->cap, 0, (cap - s->cap) * sizeof *grown);
        s->p = grown;
        s->cap = cap;
    }
    s->n += !s->p[index];
    s->p[index] = v;
    return 0;
}

static int op_put(struct machine *m, int bytes) {
    return put(m, take_number(m, bytes));
}

/* Behind the others. */
static int op_memoize(struct machine *m, int arg) {
    (void)arg;
    return put(m, m->memo.n);
}

static int op_get(struct machine *m, int bytes) {
    const uint32_t index = take_number(m, bytes);
    if (m->in.bad)
        return 0;
    if (index >= m->memo.cap || !m->memo.p[index])
        return machine_damaged(m);
    return machine_push(m, m->memo.p[index]);
}

/* How long the next part is: all is read in one piece here. */
static int op_frame(struct machine *m, int arg) {
    (void)arg;
    cursor_u64(&m->in);
    return 0;
}

static int op_proto(struct machine *m, int arg) {
    (void)arg;
    const unsigned version = cursor_u8(&m->in);
    return m->in.bad || (version >= 1 && version <= 5)
               ? 0
               : err_set(m->err, -EBADMSG, "pickle: protocol %u cannot be", version);
}

enum { OP_STOP = '.' };

/* clang-format off */
static const struct {
    int (*run)(struct machine *m, int arg);
    int arg; /* a type of value, a number of bytes, or whatever the function says */
} opcodes[256] = {
    ['('] = { op_mark, 0 },
    ['N'] = { op_empty, PICKLE_NONE },
    [')'] = { op_empty, PICKLE_TUPLE },
    [']'] = { op_empty, PICKLE_LIST },
    ['}'] = { op_empty, PICKLE_DICT },
    [0x8f] = { op_empty, PICKLE_SET },
    [0x88] = { op_truth, true },
    [0x89] = { op_truth, false },
    ['K'] = { op_int, 1 },
    ['M'] = { op_int, 2 },
    ['J'] = { op_int, 4 },
    [0x8a] = { op_long1, 0 },
    ['G'] = { op_binfloat, 0 },
    ['X'] = { op_text, 4 },
    ['U'] = { op_text, 1 },
    ['B'] = { op_text, 4 },
    ['C'] = { op_text, 1 },
    [0x8c] = { op_text, 1 },
    [0x8d] = { op_text8, 0 },
    [0x8e] = { op_text8, 0 },
    ['t'] = { op_tuple, 0 },
    [0x85] = { op_tuple_n, 1 },
    [0x86] = { op_tuple_n, 2 },
    [0x87] = { op_tuple_n, 3 },
    ['a'] = { op_append, 0 },
    ['e'] = { op_add_marked, PICKLE_LIST },
    ['s'] = { op_setitem, 0 },
    ['u'] = { op_add_marked, PICKLE_DICT },
    [0x90] = { op_add_marked, PICKLE_SET },
    ['c'] = { op_global, 0 },
    [0x93] = { op_stack_global, 0 },
    ['R'] = { op_call, 0 },
    [0x81] = { op_call, 0 },
    ['b'] = { op_build, 0 },
    ['Q'] = { op_stored, 0 },
    ['q'] = { op_put, 1 },
    ['r'] = { op_put, 4 },
    ['h'] = { op_get, 1 },
    ['j'] = { op_get, 4 },
    [0x94] = { op_memoize, 0 },
    [0x80] = { op_proto, 0 },
    [0x95] = { op_frame, 0 },
};
/* clang-format on */

static int run(struct machine *m) {
    for (;;) {
        const uint8_t op = cursor_u8(&m->in);
        if (m->in.bad)
            return machine_fail(m, -ENODATA, "the file ends within it");
        if (op == OP_STOP)
            return m->stack.n == 1 && !m->n_marks ? 0 : machine_damaged(m);
        if (!opcodes[op].run)
            return err_set(m->err, -ENOTSUP, "pickle: opcode 0x%02x is not one of a state_dict",
                           op);
        int rc = opcodes[op].run(m, opcodes[op].arg);
        if (m->in.bad)
            return machine_fail(m, -ENODATA, "the file ends within it");
        if (rc < 0)
            return rc;
    }
}

int pickle_read(struct pickle_file *out, struct arena *a, struct str bytes, pickle_allows *allows,
                struct err *err) {
    struct machine m = { .a = a, .bytes = bytes, .allows = allows, .err = err };
    if (bytes.n > PICKLE_MAX_BYTES)
        return err_set(err, -EFBIG, "pickle: %zu bytes are too many", bytes.n);
    m.in = cursor_over(bytes);
    int rc = run(&m);
    if (rc == 0)
        *out = (struct pickle_file){ m.stack.p[0], m.stored.items, m.stored.n,
                                     (uint64_t)((const char *)m.in.p - bytes.p) };
    free(m.stack.p);
    free(m.memo.p);
    free(m.marks);
    return rc;
}
