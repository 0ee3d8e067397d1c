/* SPDX-License-Identifier: Apache-2.0
 * formats/pickle.c - the machine: a stack, a memo, and one small function an opcode. The opcodes
 * are those of torch/_weights_only_unpickler.py (PyTorch 2.15), no others. */
#include "formats/pickle.h"
#include "formats/cursor.h"
#include <errno.h>
#include <stdlib.h>

struct values {
    struct pickle **p;
    uint32_t n, cap;
};

struct machine {
    struct cursor in;
    struct str bytes;
    struct arena *a;
    pickle_allows *allows;
    struct values stack, memo;
    struct pickle stored; /* a list */
    uint32_t *marks; /* heights of the stack */
    uint32_t n_marks, cap_marks;
    struct err *err;
};

static int fail(const struct machine *m, int code, const char *why) {
    const long at = (long)((const char *)m->in.p - m->bytes.p);
    return err_set(m->err, code, "pickle: %s (before byte %ld)", why, at);
}

static int no_memory(const struct machine *m) {
    return fail(m, -EFBIG, "more values than may be");
}

static int damaged(const struct machine *m) {
    return fail(m, -EBADMSG, "damaged: an opcode finds not what it needs");
}

static int push(struct machine *m, struct pickle *v) {
    struct values *s = &m->stack;
    if (!v)
        return no_memory(m);
    if (s->n == s->cap) {
        const uint32_t cap = s->cap ? 2 * s->cap : 64;
        struct pickle **grown = realloc(s->p, cap * sizeof *grown);
        if (!grown)
            return no_memory(m);
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

static struct pickle *top(const struct machine *m) {
    return m->stack.n > floor_of(m) ? m->stack.p[m->stack.n - 1] : NULL;
}

static struct pickle *pop(struct machine *m) {
    struct pickle *v = top(m);
    if (v)
        m->stack.n--;
    return v;
}

static struct pickle *new_value(struct machine *m, enum pickle_type type) {
    struct pickle *v = arena_new(m->a, struct pickle);
    if (v)
        v->type = type;
    return v;
}

static int append(struct machine *m, struct pickle *to, struct pickle **items, uint32_t n) {
    if (n > to->cap - to->n) {
        uint32_t cap = to->cap ? 2 * to->cap : 2;
        while (cap - to->n < n)
            cap *= 2; /* the stack holds under 2^27 values */
        struct pickle **grown = arena_array(m->a, struct pickle *, cap);
        if (!grown)
            return no_memory(m);
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

/* The last @n values of the stack become one. */
static int gather(struct machine *m, enum pickle_type type, uint32_t n) {
    if (m->stack.n - floor_of(m) < n)
        return damaged(m);
    struct pickle *v = new_value(m, type);
    if (!v || append(m, v, m->stack.p + m->stack.n - n, n) < 0)
        return no_memory(m);
    m->stack.n -= n;
    return push(m, v);
}

/* --- marks --- */

static int op_mark(struct machine *m) {
    if (m->n_marks == m->cap_marks) {
        const uint32_t cap = m->cap_marks ? 2 * m->cap_marks : 64;
        uint32_t *grown = realloc(m->marks, cap * sizeof *grown);
        if (!grown)
            return no_memory(m);
        m->marks = grown;
        m->cap_marks = cap;
    }
    m->marks[m->n_marks++] = m->stack.n;
    return 0;
}

/* What lies above the last mark, which goes; the values are still on the stack's memory. */
static bool pop_mark(struct machine *m, struct pickle ***items, uint32_t *n) {
    if (!m->n_marks)
        return false;
    const uint32_t height = m->marks[--m->n_marks];
    *n = m->stack.n - height;
    *items = m->stack.p + height;
    m->stack.n = height;
    return true;
}

static int op_tuple(struct machine *m) {
    struct pickle **items;
    uint32_t n;
    if (!pop_mark(m, &items, &n))
        return damaged(m);
    m->stack.n += n;
    return gather(m, PICKLE_TUPLE, n);
}

static int op_tuple1(struct machine *m) { return gather(m, PICKLE_TUPLE, 1); }
static int op_tuple2(struct machine *m) { return gather(m, PICKLE_TUPLE, 2); }
static int op_tuple3(struct machine *m) { return gather(m, PICKLE_TUPLE, 3); }

static int add_marked(struct machine *m, enum pickle_type type) {
    struct pickle **items;
    uint32_t n;
    if (!pop_mark(m, &items, &n))
        return damaged(m);
    struct pickle *to = top(m);
    if (!to || to->type != type || (type == PICKLE_DICT && n % 2))
        return damaged(m);
    return append(m, to, items, n);
}

static int op_appends(struct machine *m) { return add_marked(m, PICKLE_LIST); }
static int op_setitems(struct machine *m) { return add_marked(m, PICKLE_DICT); }

static int op_append(struct machine *m) {
    struct pickle *v = pop(m), *to = top(m);
    if (!v || !to || to->type != PICKLE_LIST)
        return damaged(m);
    return append(m, to, &v, 1);
}

static int op_setitem(struct machine *m) {
    struct pickle *pair[2];
    pair[1] = pop(m);
    pair[0] = pop(m);
    struct pickle *to = top(m);
    if (!pair[0] || !to || to->type != PICKLE_DICT)
        return damaged(m);
    return append(m, to, pair, 2);
}

/* --- leaves --- */

static int push_truth(struct machine *m, enum pickle_type type, bool truth) {
    struct pickle *v = new_value(m, type);
    if (v)
        v->truth = truth;
    return push(m, v);
}

static int op_none(struct machine *m) { return push_truth(m, PICKLE_NONE, false); }
static int op_false(struct machine *m) { return push_truth(m, PICKLE_BOOL, false); }
static int op_true(struct machine *m) { return push_truth(m, PICKLE_BOOL, true); }
static int op_empty_tuple(struct machine *m) { return push(m, new_value(m, PICKLE_TUPLE)); }
static int op_empty_list(struct machine *m) { return push(m, new_value(m, PICKLE_LIST)); }
static int op_empty_dict(struct machine *m) { return push(m, new_value(m, PICKLE_DICT)); }
static int op_empty_set(struct machine *m) { return push(m, new_value(m, PICKLE_SET)); }

static int push_int(struct machine *m, int64_t value) {
    struct pickle *v = new_value(m, PICKLE_INT);
    if (v)
        v->integer = value;
    return push(m, v);
}

static int op_binint(struct machine *m) { return push_int(m, (int32_t)cursor_u32(&m->in)); }
static int op_binint1(struct machine *m) { return push_int(m, cursor_u8(&m->in)); }
static int op_binint2(struct machine *m) {
    const int64_t low = cursor_u8(&m->in);
    return push_int(m, low | (int64_t)cursor_u8(&m->in) << 8);
}

static int push_text(struct machine *m, enum pickle_type type, uint64_t n) {
    struct pickle *v = new_value(m, type);
    if (v)
        v->text = cursor_str(&m->in, n);
    return push(m, v);
}

static int op_unicode(struct machine *m) {
    return push_text(m, PICKLE_TEXT, cursor_u32(&m->in));
}

static int op_short_string(struct machine *m) {
    return push_text(m, PICKLE_TEXT, cursor_u8(&m->in));
}

/* Two's complement, little-endian, as short as it can be. */
static int op_long1(struct machine *m) {
    const uint64_t n = cursor_u8(&m->in);
    if (n > 8)
        return push_text(m, PICKLE_LONG, n);
    const uint8_t *b = cursor_bytes(&m->in, n);
    uint64_t v = b && n && b[n - 1] & 0x80 ? UINT64_MAX : 0;
    for (uint64_t i = n; b && i-- > 0;)
        v = v << 8 | b[i];
    return push_int(m, (int64_t)v);
}

static int op_binfloat(struct machine *m) { /* big-endian */
    struct pickle *v = new_value(m, PICKLE_FLOAT);
    const uint64_t bits = be64toh(htole64(cursor_u64(&m->in)));
    if (v)
        memcpy(&v->real, &bits, sizeof bits);
    return push(m, v);
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

static int op_global(struct machine *m) {
    struct str module, name;
    if (!take_line(m, &module) || !take_line(m, &name))
        return 0; /* the end of the input is noticed by the loop */
    if (!m->allows(module, name))
        return err_set(m->err, -EACCES, "pickle: %.*s.%.*s is not allowed in a file of weights",
                       (int)(module.n < 80 ? module.n : 80), module.p,
                       (int)(name.n < 80 ? name.n : 80), name.p);
    struct pickle *v = new_value(m, PICKLE_GLOBAL);
    if (v) {
        v->text = arena_printf(m->a, "%.*s.%.*s", STR_ARG(module), STR_ARG(name));
        if (!v->text.p)
            return no_memory(m);
    }
    return push(m, v);
}

/* Python 2's way to keep an OrderedDict. */
static int push_pairs(struct machine *m, const struct pickle *list) {
    struct pickle *v = new_value(m, PICKLE_DICT);
    for (uint32_t i = 0; v && i < list->n; i++)
        if (append(m, v, list->items[i]->items, 2) < 0)
            return no_memory(m);
    return push(m, v);
}

static int call(struct machine *m) {
    struct pickle *args = pop(m), *callee = pop(m);
    if (!args || !callee || args->type != PICKLE_TUPLE || callee->type != PICKLE_GLOBAL)
        return damaged(m);
    const bool is_dict = str_is(callee->text, "collections.OrderedDict") ||
                         str_is(callee->text, "collections.Counter");
    if (is_dict && args->n == 0)
        return push(m, new_value(m, PICKLE_DICT));
    if (is_dict && pickle_pairs(args))
        return push_pairs(m, args->items[0]);
    struct pickle *v = new_value(m, PICKLE_CALL);
    if (v) {
        v->call.callee = callee;
        v->call.args = args;
    }
    return push(m, v);
}

static int op_build(struct machine *m) {
    struct pickle *state = pop(m), *to = top(m);
    if (!state || !to || (to->type != PICKLE_CALL && to->type != PICKLE_DICT))
        return damaged(m);
    to->state = state;
    return 0;
}

static int op_stored(struct machine *m) {
    int rc = gather(m, PICKLE_STORED, 1);
    return rc < 0 ? rc : append(m, &m->stored, &m->stack.p[m->stack.n - 1], 1);
}

/* --- the memo --- */

/* Picklers number what they remember one by one: no index is as large as what was read so far. */
static int put(struct machine *m, uint32_t index) {
    struct values *s = &m->memo;
    struct pickle *v = top(m);
    const uint64_t read = (uint64_t)((const char *)m->in.p - m->bytes.p);
    if (!v || index >= read)
        return damaged(m);
    if (index >= s->cap) {
        uint32_t cap = s->cap ? s->cap : 64;
        while (cap <= index)
            cap *= 2; /* below 2^27, as the pickle */
        struct pickle **grown = realloc(s->p, cap * sizeof *grown);
        if (!grown)
            return no_memory(m);
        memset(grown + s->cap, 0, (cap - s->cap) * sizeof *grown);
        s->p = grown;
        s->cap = cap;
    }
    s->p[index] = v;
    return 0;
}

static int get(struct machine *m, uint32_t index) {
    if (m->in.bad)
        return 0;
    if (index >= m->memo.cap || !m->memo.p[index])
        return damaged(m);
    return push(m, m->memo.p[index]);
}

static int op_put1(struct machine *m) { return put(m, cursor_u8(&m->in)); }
static int op_put4(struct machine *m) { return put(m, cursor_u32(&m->in)); }
static int op_get1(struct machine *m) { return get(m, cursor_u8(&m->in)); }
static int op_get4(struct machine *m) { return get(m, cursor_u32(&m->in)); }

static int op_proto(struct machine *m) {
    const unsigned version = cursor_u8(&m->in);
    return m->in.bad || (version >= 1 && version <= 5)
               ? 0
               : err_set(m->err, -EBADMSG, "pickle: protocol %u cannot be", version);
}

enum { OP_STOP = '.' };

static int (*const opcodes[256])(struct machine *m) = {
    ['('] = op_mark,        ['N'] = op_none,        [0x88] = op_true,       [0x89] = op_false,
    [')'] = op_empty_tuple, [']'] = op_empty_list,  ['}'] = op_empty_dict,  [0x8f] = op_empty_set,
    ['J'] = op_binint,      ['K'] = op_binint1,     ['M'] = op_binint2,     [0x8a] = op_long1,
    ['G'] = op_binfloat,    ['X'] = op_unicode,     ['U'] = op_short_string, [0x85] = op_tuple1,
    [0x86] = op_tuple2,     [0x87] = op_tuple3,     ['t'] = op_tuple,       ['a'] = op_append,
    ['e'] = op_appends,     ['s'] = op_setitem,     ['u'] = op_setitems,    ['c'] = op_global,
    ['R'] = call,           [0x81] = call,          ['b'] = op_build,       ['Q'] = op_stored,
    ['q'] = op_put1,        ['r'] = op_put4,        ['h'] = op_get1,        ['j'] = op_get4,
    [0x80] = op_proto,
};

static int run(struct machine *m) {
    for (;;) {
        const uint8_t op = cursor_u8(&m->in);
        if (m->in.bad)
            return fail(m, -ENODATA, "the file ends within it");
        if (op == OP_STOP)
            return m->stack.n == 1 && !m->n_marks ? 0 : damaged(m);
        if (!opcodes[op])
            return err_set(m->err, -ENOTSUP, "pickle: opcode 0x%02x is not one of a state_dict",
                           op);
        int rc = opcodes[op](m);
        if (m->in.bad)
            return fail(m, -ENODATA, "the file ends within it");
        if (rc < 0)
            return rc;
    }
}

int pickle_read(struct pickle_file *out, struct arena *a, struct str bytes,
                pickle_allows *allows, struct err *err) {
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
