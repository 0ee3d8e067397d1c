/* SPDX-License-Identifier: Apache-2.0
 * formats/tokenizer/tokenizer_check.c - see tokenizer_check.h. What llama.cpp relies on when it
 * loads a vocabulary (src/llama-vocab.cpp). */
#include "formats/tokenizer/tokenizer_check.h"
#include "formats/hash.h"
#include "formats/tokenizer/tokenizer.h"
#include <errno.h>
#include <math.h>
#include <stdlib.h>

/* The tokens by their text. */
struct texts {
    struct str *slots; /* n_slots is a power of two; p NULL: free */
    uint64_t n_slots;
};

static struct str *find_slot(const struct texts *t, struct str text) {
    uint64_t i = hash64(text.p, text.n) & (t->n_slots - 1);
    while (t->slots[i].p && !str_eq(t->slots[i], text))
        i = (i + 1) & (t->n_slots - 1);
    return &t->slots[i];
}

static bool has(const struct texts *t, struct str text) {
    return find_slot(t, text)->p;
}

/* @once: no text may be there twice. */
static int read_texts(struct texts *t, struct kv_array tokens, bool once, struct err *err) {
    struct str text;
    for (t->n_slots = 16; t->n_slots < 2 * tokens.n;)
        t->n_slots *= 2;
    t->slots = calloc(t->n_slots, sizeof *t->slots);
    if (!t->slots)
        return err_set(err, -ENOMEM, "no memory for %llu tokens", (unsigned long long)tokens.n);
    for (uint64_t i = 0; kv_array_next(&tokens, &text); i++) {
        struct str *slot = find_slot(t, text);
        if (once && slot->p && text.n) /* those without a text get one from llama.cpp */
            return err_set(err, -EBADMSG, "token %llu, \"%.*s\", is there twice",
                           (unsigned long long)i, (int)(text.n < 60 ? text.n : 60), text.p);
        *slot = text.p ? text : STR("");
    }
    return 0;
}

static int check_length(const struct kv_list *kvs, const char *key, uint64_t n, struct err *err) {
    struct kv_array list;
    if (!kv_find(kvs, str_from(key)))
        return 0;
    if (!kv_get_array(kvs, key, &list) || list.n != n)
        return err_set(err, -EBADMSG, "%s does not have one element for each of %llu tokens", key,
                       (unsigned long long)n);
    return 0;
}

static int check_scores(const struct kv_list *kvs, struct err *err) {
    struct kv_array list;
    struct str elem;
    double score;
    if (!kv_get_array(kvs, "tokenizer.ggml.scores", &list))
        return 0;
    for (uint64_t i = 0; kv_array_next(&list, &elem); i++)
        if (!kv_real(list.type, elem, &score) || !isfinite(score))
            return err_set(err, -EBADMSG, "the score of token %llu is no number",
                           (unsigned long long)i);
    return 0;
}

static int check_types(const struct kv_list *kvs, struct err *err) {
    struct kv_array list;
    struct str elem;
    int64_t type;
    if (!kv_get_array(kvs, "tokenizer.ggml.token_type", &list))
        return 0;
    for (uint64_t i = 0; kv_array_next(&list, &elem); i++)
        if (!kv_integer(list.type, elem, &type) || type < 0 || type > TOKEN_BYTE)
            return err_set(err, -EBADMSG, "token %llu has a type that does not exist",
                           (unsigned long long)i);
    return 0;
}

/* "A B": two tokens, which together are a third. A space may be the first letter of A. */
static int check_merge(const struct texts *t, struct str merge, uint64_t i, struct err *err) {
    const char *space = merge.n > 1 ? memchr(merge.p + 1, ' ', merge.n - 1) : NULL;
    char whole[4096]; /* there are tokens of hundreds of spaces */
    if (!space || merge.n > sizeof whole)
        return err_set(err, -EBADMSG, "merge %llu is not two tokens", (unsigned long long)i);
    const struct str a = { merge.p, (size_t)(space - merge.p) };
    const struct str b = { space + 1, merge.n - a.n - 1 };
    memcpy(whole, a.p, a.n);
    memcpy(whole + a.n, b.p, b.n);
    if (has(t, a) && has(t, b) && has(t, (struct str){ whole, a.n + b.n }))
        return 0;
    return err_set(err, -EBADMSG, "merge %llu, \"%.*s\", is of tokens that do not exist",
                   (unsigned long long)i, (int)(merge.n < 60 ? merge.n : 60), merge.p);
}

static int check_merges(const struct kv_list *kvs, struct kv_array tokens, struct err *err) {
    struct texts t = { 0 };
    struct kv_array merges;
    struct str merge;
    if (!kv_get_array(kvs, "tokenizer.ggml.merges", &merges))
        return 0;
    int rc = read_texts(&t, tokens, false, err);
    for (uint64_t i = 0; rc == 0 && kv_array_next(&merges, &merge); i++)
        rc = check_merge(&t, merge, i, err);
    free(t.slots);
    return rc;
}

int tokenizer_check_once(const struct kv_list *kvs, struct err *err) {
    struct texts t = { 0 };
    struct kv_array tokens;
    if (!kv_get_array(kvs, "tokenizer.ggml.tokens", &tokens) || tokens.type != KV_STRING)
        return 0;
    int rc = read_texts(&t, tokens, true, err);
    free(t.slots);
    return rc;
}

static int check_special(const struct kv_list *kvs, uint64_t n, struct err *err) {
    for (uint32_t i = 0; i < kvs->n; i++) {
        const struct kv *kv = &kvs->items[i];
        int64_t id;
        if (!str_starts(kv->key, STR("tokenizer.ggml.")) || !str_ends(kv->key, STR("_token_id")))
            continue;
        if (!kv_integer(kv->type, kv->value, &id) || id < 0 || (uint64_t)id >= n)
            return err_set(err, -EBADMSG, "%.*s is not one of %llu tokens", STR_ARG(kv->key),
                           (unsigned long long)n);
    }
    return 0;
}

int tokenizer_check(const struct kv_list *kvs, uint64_t rows, uint64_t *n, struct err *err) {
    struct kv_array tokens;
    *n = 0;
    if (!kv_find(kvs, STR("tokenizer.ggml.tokens")))
        return 0;
    if (!kv_get_array(kvs, "tokenizer.ggml.tokens", &tokens) || tokens.type != KV_STRING)
        return err_set(err, -EBADMSG, "tokenizer.ggml.tokens is not a list of texts");
    *n = tokens.n;
    int rc = check_length(kvs, "tokenizer.ggml.scores", tokens.n, err);
    if (rc == 0)
        rc = check_length(kvs, "tokenizer.ggml.token_type", tokens.n, err);
    if (rc == 0)
        rc = check_scores(kvs, err);
    if (rc == 0)
        rc = check_types(kvs, err);
    if (rc == 0)
        rc = check_merges(kvs, tokens, err);
    if (rc == 0)
        rc = check_special(kvs, tokens.n, err);
    if (rc == 0 && rows && rows != tokens.n)
        rc = err_set(err, -EBADMSG, "%llu tokens, and an embedding for %llu",
                     (unsigned long long)tokens.n, (unsigned long long)rows);
    return rc;
}
