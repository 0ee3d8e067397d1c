/* SPDX-License-Identifier: Apache-2.0
 * formats/tokenizer/ranks.c - see ranks.h. Sources: tiktoken's load.py; gguf-py's vocab.py,
 * extract_vocab_merges_from_model; conversion/qwen.py, bpe (llama.cpp 0c1e570). */
#include "formats/tokenizer/ranks.h"
#include <errno.h>
#include <stdlib.h>

static int no_memory(struct err *err) {
    return err_set(err, -ENOMEM, "no memory for the vocabulary");
}

int ranks_init(struct ranks *r, uint32_t n, struct arena *a, struct err *err) {
    *r = (struct ranks){ .n = n };
    if (n > RANKS_MAX)
        return err_set(err, -EBADMSG, "a vocabulary of %u tokens is too large", n);
    r->tokens = arena_array(a, struct str, n ? n : 1);
    return r->tokens && token_map_init(&r->by_bytes, a, n) ? 0 : no_memory(err);
}

static int base64_digit(char c) {
    return c >= 'A' && c <= 'Z'   ? c - 'A'
           : c >= 'a' && c <= 'z' ? c - 'a' + 26
           : c >= '0' && c <= '9' ? c - '0' + 52
           : c == '+'             ? 62
           : c == '/'             ? 63
                                  : -1;
}

/* p is NULL for lack of memory; *bad: it is no base64. */
static struct str decode_base64(struct arena *a, struct str text, bool *bad) {
    char *out = arena_alloc(a, text.n / 4 * 3 + 1, 1);
    size_t n = 0;
    uint32_t word = 0;
    unsigned padding = 0;
    *bad = text.n % 4 != 0;
    for (size_t i = 0; out && i < text.n && !*bad; i++) {
        const bool pad = text.p[i] == '=' && i + 2 >= text.n;
        const int digit = pad ? 0 : base64_digit(text.p[i]);
        *bad = digit < 0 || (padding && !pad);
        padding += pad;
        word = word << 6 | (uint32_t)(digit & 63);
        for (int shift = 16; i % 4 == 3 && shift >= 0; shift -= 8)
            out[n++] = (char)(word >> shift);
    }
    return (struct str){ out, n - (n ? padding : 0) };
}

int ranks_put(struct ranks *r, uint64_t rank, struct str text, struct arena *a, struct err *err) {
    bool bad;
    uint32_t other;
    const struct str bytes = decode_base64(a, text, &bad);
    if (!bytes.p)
        return no_memory(err);
    if (bad || !bytes.n || bytes.n > RANKS_MAX_TOKEN)
        return err_set(err, -EBADMSG, "token %llu is no base64 of one to %d bytes",
                       (unsigned long long)rank, RANKS_MAX_TOKEN);
    if (rank >= r->n || r->tokens[rank].p || token_map_get(&r->by_bytes, bytes, &other))
        return err_set(err, -EBADMSG, "token %llu is there twice, or its rank is too large",
                       (unsigned long long)rank);
    r->tokens[rank] = bytes;
    token_map_put(&r->by_bytes, bytes, (uint32_t)rank);
    return 0;
}

static struct str take_line(struct str *file) {
    const char *end = file->n ? memchr(file->p, '\n', file->n) : NULL;
    struct str line = { file->p, end ? (size_t)(end - file->p) : file->n };
    const size_t used = line.n + (end != NULL);
    *file = (struct str){ file->p + used, file->n - used };
    if (line.n && line.p[line.n - 1] == '\r')
        line.n--;
    return line;
}

int ranks_read(struct ranks *r, struct str file, struct arena *a, struct err *err) {
    uint32_t lines = 0;
    for (struct str rest = file; rest.n && take_line(&rest).n;)
        lines++;
    int rc = ranks_init(r, lines, a, err);
    while (rc == 0 && file.n) {
        struct str line = take_line(&file);
        const char *space = line.n ? memchr(line.p, ' ', line.n) : NULL;
        uint64_t rank = 0;
        if (!line.n)
            break;
        const char *end = line.p + line.n;
        bool ok = space && space + 1 < end && end - space <= 10;
        for (const char *p = space + 1; ok && p < end; p++) {
            ok = *p >= '0' && *p <= '9';
            rank = 10 * rank + (uint64_t)(*p - '0');
        }
        rc = ok ? ranks_put(r, rank, (struct str){ line.p, (size_t)(space - line.p) }, a, err)
                : err_set(err, -EBADMSG, "a line is not a token and its rank");
    }
    return rc;
}

/* --- merges --- */

static bool rank_of(const struct ranks *r, const char *p, size_t n, uint32_t *rank) {
    return token_map_get(&r->by_bytes, (struct str){ p, n }, rank);
}

static bool add_line(struct words *out, struct arena *a, struct str left, struct str right) {
    const struct str l = byte_level(a, left), r = byte_level(a, right);
    const struct str line =
        l.p && r.p ? arena_printf(a, "%.*s %.*s", STR_ARG(l), STR_ARG(r)) : (struct str){ 0 };
    return line.p && words_add(out, a, line);
}

struct split {
    uint32_t left, right;
    size_t at;
};

static int by_ranks(const void *a, const void *b) {
    const struct split *x = a, *y = b;
    return x->left != y->left ? (x->left > y->left) - (x->left < y->left)
                              : (x->right > y->right) - (x->right < y->right);
}

static int no_pair(uint32_t rank, struct err *err) {
    return err_set(err, -EBADMSG, "token %u is not made of two others", rank);
}

int ranks_all_merges(const struct ranks *r, struct words *out, struct arena *a, struct err *err) {
    struct split *splits = arena_array(a, struct split, RANKS_MAX_TOKEN);
    if (!splits)
        return no_memory(err);
    for (uint32_t i = 0; i < r->n; i++) {
        const struct str t = r->tokens[i];
        size_t n = 0;
        for (size_t at = 1; at < t.n; at++) {
            struct split *s = &splits[n];
            s->at = at;
            n += rank_of(r, t.p, at, &s->left) && rank_of(r, t.p + at, t.n - at, &s->right);
        }
        if (t.n > 1 && !n)
            return no_pair(i, err);
        qsort(splits, n, sizeof *splits, by_ranks);
        for (size_t k = 0; k < n; k++) {
            const size_t at = splits[k].at;
            if (!add_line(out, a, (struct str){ t.p, at }, (struct str){ t.p + at, t.n - at }))
                return no_memory(err);
        }
    }
    return 0;
}

/* Joins neighbours, those of the lowest rank first, as long as that is below @rank; @ends: where
 * the parts of @t end. How many are left. */
static size_t merge_parts(const struct ranks *r, struct str t, uint32_t rank, uint16_t *ends) {
    size_t n = t.n;
    for (size_t i = 0; i < n; i++)
        ends[i] = (uint16_t)(i + 1);
    for (;;) {
        uint32_t least = rank, found;
        size_t at = 0;
        for (size_t i = 0; i + 1 < n; i++) {
            const size_t start = i ? ends[i - 1] : 0;
            if (rank_of(r, t.p + start, ends[i + 1] - start, &found) && found < least) {
                least = found;
                at = i + 1;
            }
        }
        if (!at)
            return n;
        memmove(ends + at - 1, ends + at, (n - at) * sizeof *ends);
        n--;
    }
}

bool ranks_encode(const struct ranks *r, struct str bytes, struct ids *out, struct arena *a) {
    uint16_t ends[RANKS_MAX_TOKEN];
    if (bytes.n > RANKS_MAX_TOKEN)
        return false;
    const size_t n = merge_parts(r, bytes, UINT32_MAX, ends);
    for (size_t i = 0, start = 0; i < n; start = ends[i++]) {
        uint32_t id;
        if (rank_of(r, bytes.p + start, ends[i] - start, &id) && !ids_add(out, a, id))
            return false;
    }
    return true;
}

int ranks_last_merges(const struct ranks *r, struct words *out, struct arena *a, struct err *err) {
    uint16_t ends[RANKS_MAX_TOKEN];
    for (uint32_t i = 0; i < r->n; i++) {
        const struct str t = r->tokens[i];
        if (t.n < 2)
            continue;
        if (merge_parts(r, t, i, ends) != 2)
            return no_pair(i, err);
        if (!add_line(out, a, (struct str){ t.p, ends[0] },
                      (struct str){ t.p + ends[0], t.n - ends[0] }))
            return no_memory(err);
    }
    return 0;
}
