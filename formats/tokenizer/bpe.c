/* SPDX-License-Identifier: Apache-2.0
 * formats/tokenizer/bpe.c - see bpe.h. Source: tokenizers 0.23, src/models/bpe. */
#include "formats/tokenizer/bpe.h"
#include "formats/hash.h"
#include <errno.h>
#include <stdio.h>

bool token_map_init(struct token_map *m, struct arena *a, size_t n) {
    *m = (struct token_map){ .n_slots = 16 };
    while (m->n_slots < 2 * n && m->n_slots < 1u << 30)
        m->n_slots *= 2;
    m->texts = arena_array(a, struct str, m->n_slots);
    m->ids = arena_array(a, uint32_t, m->n_slots);
    return m->texts && m->ids && n < m->n_slots;
}

static uint32_t find_slot(const struct token_map *m, struct str text) {
    uint32_t i = (uint32_t)hash64(text.p, text.n) & (m->n_slots - 1);
    while (m->texts[i].p && !str_eq(m->texts[i], text))
        i = (i + 1) & (m->n_slots - 1);
    return i;
}

void token_map_put(struct token_map *m, struct str text, uint32_t id) {
    const uint32_t i = find_slot(m, text);
    m->n += !m->texts[i].p;
    m->texts[i] = text;
    m->ids[i] = id;
}

bool token_map_get(const struct token_map *m, struct str text, uint32_t *id) {
    *id = 0;
    if (m->n == 0) /* also where token_map_read has failed */
        return false;
    const uint32_t i = find_slot(m, text);
    *id = m->ids[i];
    return m->texts[i].p != NULL;
}

int token_map_read(struct token_map *m, const struct json *vocab, struct arena *a,
                   struct err *err) {
    if (json_type(vocab) != JSON_OBJECT)
        return err_set(err, -EBADMSG, "tokenizer.json: no \"vocab\"");
    if (!token_map_init(m, a, json_len(vocab)))
        return err_set(err, -ENOMEM, "tokenizer.json: the vocabulary");
    for (struct json_iter it = json_iter(vocab); json_next(&it);) {
        uint64_t id;
        if (!json_u64(it.value, &id) || id > UINT32_MAX)
            return err_set(err, -EBADMSG, "tokenizer.json: the id of \"%.*s\"", STR_ARG(it.key));
        token_map_put(m, it.key.p ? it.key : STR(""), (uint32_t)id);
    }
    return 0;
}

/* The two parts of a merge: ["a", "b"] or, of old, "a b". */
static bool merge_parts(const struct json *v, struct str *left, struct str *right) {
    struct str both;
    if (!json_str(v, &both))
        return json_len(v) == 2 && json_str(json_at(v, 0), left) && json_str(json_at(v, 1), right);
    const char *space = both.n ? memchr(both.p, ' ', both.n) : NULL;
    if (!space)
        return false;
    *left = (struct str){ both.p, (size_t)(space - both.p) };
    *right = (struct str){ space + 1, both.n - left->n - 1 };
    return true;
}

static uint64_t merge_slot(const struct bpe *b, uint64_t pair) {
    uint64_t i = (pair * 0x9e3779b97f4a7c15ull >> 32) & (b->n_slots - 1);
    while (b->merges[i].used && b->merges[i].pair != pair)
        i = (i + 1) & (b->n_slots - 1);
    return i;
}

static int take_merge(struct bpe *b, const struct json *v, uint32_t rank, struct err *err) {
    struct str left, right;
    char joined[4096];
    uint32_t l, r, id;
    if (!merge_parts(v, &left, &right) || left.n + right.n > sizeof joined)
        return err_set(err, -EBADMSG, "tokenizer.json: merge %u is not a pair of texts", rank);
    memcpy(joined, left.p, left.n);
    memcpy(joined + left.n, right.p, right.n);
    if (!token_map_get(&b->vocab, left, &l) || !token_map_get(&b->vocab, right, &r) ||
        !token_map_get(&b->vocab, (struct str){ joined, left.n + right.n }, &id))
        return err_set(err, -EBADMSG, "tokenizer.json: merge %u has a part that is no token", rank);
    const uint64_t pair = (uint64_t)l << 32 | r, i = merge_slot(b, pair);
    b->merges[i].pair = pair;
    b->merges[i].rank = rank;
    b->merges[i].id = id;
    b->merges[i].used = true;
    return 0;
}

static int read_merges(struct bpe *b, const struct json *list, struct arena *a, struct err *err) {
    const size_t n = json_len(list);
    for (b->n_slots = 16; b->n_slots < 2 * n; b->n_slots *= 2)
        ;
    b->merges = arena_alloc(a, b->n_slots, sizeof *b->merges);
    if (!b->merges || n > UINT32_MAX)
        return err_set(err, -ENOMEM, "tokenizer.json: the merges");
    int rc = 0;
    for (size_t i = 0; i < n && rc == 0; i++)
        rc = take_merge(b, json_at(list, i), (uint32_t)i, err);
    return rc;
}

int bpe_init(struct bpe *b, const struct json *model, const struct json *settings, struct arena *a,
             struct err *err) {
    static const char *const affixes[] = { "continuing_subword_prefix", "end_of_word_suffix" };
    struct str text;
    *b = (struct bpe){ 0 };
    for (size_t i = 0; i < 2; i++)
        if (json_str(json_get(settings, affixes[i]), &text) && text.n)
            return err_set(err, -ENOTSUP, "tokenizer.json: a BPE model with a %s", affixes[i]);
    int rc = token_map_read(&b->vocab, json_get(model, "vocab"), a, err);
    if (rc == 0)
        rc = read_merges(b, json_get(model, "merges"), a, err);
    (void)json_bool(json_get(settings, "ignore_merges"), &b->whole_words);
    (void)json_bool(json_get(settings, "byte_fallback"), &b->bytes);
    (void)json_bool(json_get(settings, "fuse_unk"), &b->fuse_unk);
    b->has_unk =
        json_str(json_get(settings, "unk_token"), &text) && token_map_get(&b->vocab, text, &b->unk);
    return rc;
}

bool ids_add(struct ids *l, struct arena *a, uint32_t id) {
    if (l->n == l->cap) {
        const size_t cap = l->cap ? 2 * l->cap : 64;
        uint32_t *more = arena_array(a, uint32_t, cap);
        if (!more)
            return false;
        if (l->n)
            memcpy(more, l->items, l->n * sizeof *more);
        l->items = more;
        l->cap = cap;
    }
    l->items[l->n++] = id;
    return true;
}

static size_t character_length(struct str s) {
    size_t n = 1;
    while (n < s.n && ((unsigned char)s.p[n] & 0xc0) == 0x80)
        n++;
    return n;
}

/* The tokens of the bytes of @c; n is 0 where one is missing. */
static size_t byte_tokens(const struct bpe *b, struct str c, uint32_t ids[4]) {
    for (size_t i = 0; i < c.n; i++) {
        char name[8];
        const int n = snprintf(name, sizeof name, "<0x%02X>", (unsigned char)c.p[i]);
        if (i == 4 || !token_map_get(&b->vocab, (struct str){ name, (size_t)n }, &ids[i]))
            return 0;
    }
    return c.n;
}

/* The characters' tokens; one that is none is its bytes, else unk, or left out where there is no
 * unk. */
static bool start_word(const struct bpe *b, struct str word, struct ids *out, struct arena *a) {
    bool unknown = false;
    while (word.n) {
        const struct str c = { word.p, character_length(word) };
        uint32_t ids[4];
        size_t n = token_map_get(&b->vocab, c, ids);
        if (!n && b->bytes)
            n = byte_tokens(b, c, ids);
        const bool fused = !n && unknown && b->fuse_unk;
        unknown = !n;
        if (!n && b->has_unk && !fused)
            ids[n++] = b->unk;
        for (size_t i = 0; i < n; i++)
            if (!ids_add(out, a, ids[i]))
                return false;
        word.p += c.n;
        word.n -= c.n;
    }
    return true;
}

/* --- merging --- */

/* A token of the word that is merged, in a list. */
struct symbol {
    uint32_t id, prev, next; /* SYMBOL_NONE at the ends; @prev is SYMBOL_GONE when merged away */
    uint32_t rank;           /* of the merge with the next; UINT32_MAX: none */
};
#define SYMBOL_NONE UINT32_MAX
#define SYMBOL_GONE (UINT32_MAX - 1)

/* Merges to come, the next one first: rank << 32 | index of the left symbol. A binary heap; an
 * entry whose symbol has another rank by now is passed over. */
struct queue {
    uint64_t *items;
    size_t n;
};

static void queue_push(struct queue *q, uint64_t key) {
    size_t i = q->n++;
    for (; i > 0 && q->items[(i - 1) / 2] > key; i = (i - 1) / 2)
        q->items[i] = q->items[(i - 1) / 2];
    q->items[i] = key;
}

static uint64_t queue_pop(struct queue *q) {
    const uint64_t top = q->items[0], last = q->items[--q->n];
    size_t i = 0;
    for (size_t child; (child = 2 * i + 1) < q->n; i = child) {
        child += child + 1 < q->n && q->items[child + 1] < q->items[child];
        if (q->items[child] >= last)
            break;
        q->items[i] = q->items[child];
    }
    q->items[i] = last;
    return top;
}

/* The merge of the symbol at @i with the next, if there is one. */
static void find_merge(const struct bpe *b, struct symbol *list, uint32_t i, struct queue *q) {
    struct symbol *s = &list[i];
    s->rank = UINT32_MAX;
    if (s->next == SYMBOL_NONE)
        return;
    const uint64_t slot = merge_slot(b, (uint64_t)s->id << 32 | list[s->next].id);
    if (!b->merges[slot].used)
        return;
    s->rank = b->merges[slot].rank;
    queue_push(q, (uint64_t)s->rank << 32 | i);
}

/* The merge of lowest rank, the leftmost among equals, until none is left. */
static void merge_symbols(const struct bpe *b, struct symbol *list, struct queue *q) {
    while (q->n) {
        const uint64_t key = queue_pop(q);
        const uint32_t i = (uint32_t)key;
        struct symbol *s = &list[i];
        if (s->prev == SYMBOL_GONE || s->rank != key >> 32)
            continue;
        const uint32_t gone = s->next, next = list[gone].next;
        s->id = b->merges[merge_slot(b, (uint64_t)s->id << 32 | list[gone].id)].id;
        list[gone].prev = SYMBOL_GONE;
        s->next = next;
        if (next != SYMBOL_NONE)
            list[next].prev = i;
        find_merge(b, list, i, q);
        if (s->prev != SYMBOL_NONE)
            find_merge(b, list, s->prev, q);
    }
}

/* The ids from @first on, a character's each, are merged. Each merge takes one away and adds at
 * most two to come. */
static bool merge_word(const struct bpe *b, struct ids *ids, size_t first, struct arena *a) {
    enum { SHORT = 64 };
    struct symbol few[SHORT], *list = few;
    uint64_t keys[3 * SHORT];
    struct queue q = { keys, 0 };
    const size_t n = ids->n - first;
    if (n < 2)
        return true;
    if (n > SHORT) {
        list = n < SYMBOL_GONE ? arena_array(a, struct symbol, n) : NULL;
        q.items = arena_array(a, uint64_t, 3 * n);
        if (!list || !q.items)
            return false;
    }
    for (size_t i = 0; i < n; i++)
        list[i] = (struct symbol){ .id = ids->items[first + i],
                                   .prev = i ? (uint32_t)i - 1 : SYMBOL_NONE,
                                   .next = i + 1 < n ? (uint32_t)i + 1 : SYMBOL_NONE };
    for (size_t i = 0; i < n; i++)
        find_merge(b, list, (uint32_t)i, &q);
    merge_symbols(b, list, &q);
    ids->n = first;
    for (uint32_t i = 0; i != SYMBOL_NONE; i = list[i].next)
        ids->items[ids->n++] = list[i].id;
    return true;
}

bool bpe_encode(const struct bpe *b, struct str word, struct ids *out, struct arena *a) {
    uint32_t id;
    if (b->whole_words && token_map_get(&b->vocab, word, &id))
        return ids_add(out, a, id);
    const size_t first = out->n;
    if (!start_word(b, word, out, a))
        return false;
    return merge_word(b, out, first, a);
}
