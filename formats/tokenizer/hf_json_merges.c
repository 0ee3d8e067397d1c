/* SPDX-License-Identifier: Apache-2.0
 * formats/tokenizer/hf_json_merges.c - SentencePiece has scores where BPE has a list of merges. */
#include "formats/tokenizer/hf_json.h"
#include "formats/tokenizer/tokenizer.h"
#include <errno.h>
#include <stdlib.h>

struct merge {
    float score;
    uint32_t left_chars, right_chars, whole, left, right; /* ids but for the first two */
};

struct merges {
    struct merge *items;
    size_t n, cap;
};

static bool add(struct merges *m, struct merge one) {
    if (m->n == m->cap) {
        const size_t cap = m->cap ? 2 * m->cap : 1 << 16;
        struct merge *more = reallocarray(m->items, cap, sizeof *more);
        if (!more)
            return false;
        m->items = more;
        m->cap = cap;
    }
    m->items[m->n++] = one;
    return true;
}

static bool begins_char(char c) {
    return ((unsigned char)c & 0xc0) != 0x80;
}

/* All ways to cut a piece into two. */
static bool add_cuts(struct merges *m, const struct hf_vocab *v, uint32_t whole) {
    const struct str text = v->texts[whole];
    uint32_t chars = 0, left_chars = 0;
    for (size_t i = 0; i < text.n; i++)
        chars += begins_char(text.p[i]);
    for (size_t i = 0; i < text.n; i++) {
        struct merge one = { .score = v->scores[whole], .whole = whole };
        if (begins_char(text.p[i])) {
            one.left_chars = left_chars;
            one.right_chars = chars - left_chars;
            left_chars++;
            if (i && hf_vocab_find(v, (struct str){ text.p, i }, &one.left) &&
                hf_vocab_find(v, (struct str){ text.p + i, text.n - i }, &one.right) &&
                !add(m, one))
                return false;
        }
    }
    return true;
}

#define COMPARE(a, b) (((a) > (b)) - ((a) < (b)))

/* Python's stable sort by (score, characters), both falling, of what was sorted by ids. */
static int by_rank(const void *a, const void *b) {
    const struct merge *x = a, *y = b;
    int c = COMPARE(y->score, x->score);
    c = c ? c : COMPARE(y->left_chars, x->left_chars);
    c = c ? c : COMPARE(y->right_chars, x->right_chars);
    c = c ? c : COMPARE(x->whole, y->whole);
    c = c ? c : COMPARE(x->left, y->left);
    return c ? c : COMPARE(x->right, y->right);
}

int hf_merges_add(struct buffer *b, const struct hf_vocab *v, struct err *err) {
    struct merges m = { 0 };
    bool ok = true;
    for (uint64_t i = 0; ok && i < v->n; i++)
        if (v->types[i] == TOKEN_NORMAL || v->types[i] == TOKEN_USER_DEFINED)
            ok = add_cuts(&m, v, (uint32_t)i);
    if (ok && m.n)
        qsort(m.items, m.n, sizeof *m.items, by_rank);
    for (size_t i = 0; ok && i < m.n; i++) {
        struct buffer pair = { 0 };
        buffer_add(&pair, v->texts[m.items[i].left].p, v->texts[m.items[i].left].n);
        buffer_z(&pair, " ");
        buffer_add(&pair, v->texts[m.items[i].right].p, v->texts[m.items[i].right].n);
        buffer_z(b, i ? ",\n" : "\n");
        buffer_json(b, (struct str){ pair.p, pair.n });
        ok = !pair.failed;
        buffer_fini(&pair);
    }
    free(m.items);
    return ok ? 0 : err_set(err, -ENOMEM, "no memory for the merges");
}
