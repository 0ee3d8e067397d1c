/* SPDX-License-Identifier: Apache-2.0
 * formats/tokenizer/added.c - see added.h. Sources: tokenizers 0.23, src/tokenizer/
 * added_vocabulary.rs; transformers 5.23, tokenization_utils_tokenizers.py. */
#include "formats/tokenizer/added.h"
#include "formats/tokenizer/normalize.h"
#include <errno.h>
#include <stdlib.h>

static int no_memory(struct err *err) {
    return err_set(err, -ENOMEM, "tokenizer.json: added tokens");
}

/* The id that a token gets which is added now. */
static uint32_t next_id(const struct added *l, const struct token_map *vocab) {
    return l->n && l->last_id >= vocab->n ? l->last_id + 1 : vocab->n;
}

static int add(struct added *l, struct added_token token, const struct token_map *vocab,
               struct arena *a, struct err *err) {
    uint32_t known;
    if (token.text.n == 0 || token_map_get(&l->by_text, token.text, &known))
        return 0;
    if (l->n == ADDED_MAX)
        return err_set(err, -E2BIG, "tokenizer.json: more than %d added tokens", ADDED_MAX);
    if (l->n == l->cap) {
        const uint32_t cap = l->cap ? 2 * l->cap : 64;
        struct added_token *more = arena_array(a, struct added_token, cap);
        if (!more || !token_map_init(&l->by_text, a, cap))
            return no_memory(err);
        for (uint32_t i = 0; i < l->n; i++) {
            more[i] = l->items[i];
            token_map_put(&l->by_text, more[i].text, i);
        }
        l->items = more;
        l->cap = cap;
    }
    if (!token_map_get(vocab, token.text, &token.id))
        token.id = next_id(l, vocab);
    if (l->n == 0 || token.id > l->last_id)
        l->last_id = token.id;
    token_map_put(&l->by_text, token.text, l->n);
    l->items[l->n++] = token;
    return 0;
}

/* {"content": ..., "special": ...}, or a text alone, which is special then. */
static bool read_token(const struct json *v, struct added_token *out) {
    *out = (struct added_token){ 0 };
    if (json_str(v, &out->text)) {
        out->special = true;
        return true;
    }
    if (!json_str(json_get(v, "content"), &out->text))
        return false;
    (void)json_bool(json_get(v, "special"), &out->special);
    out->normalized = !out->special;
    (void)json_bool(json_get(v, "normalized"), &out->normalized);
    (void)json_bool(json_get(v, "lstrip"), &out->lstrip);
    (void)json_bool(json_get(v, "rstrip"), &out->rstrip);
    (void)json_bool(json_get(v, "single_word"), &out->single_word);
    return true;
}

static int by_id(const void *a, const void *b) {
    const struct added_token *x = a, *y = b;
    return (x->id > y->id) - (x->id < y->id);
}

/* added_tokens_decoder: id -> token, added in the order of the ids. */
static int add_decoder(struct added *l, const struct json *decoder, const struct token_map *vocab,
                       struct arena *a, struct err *err) {
    struct added_token *list = arena_array(a, struct added_token, json_len(decoder) + 1);
    size_t n = 0;
    if (!list)
        return no_memory(err);
    for (struct json_iter it = json_iter(decoder); json_next(&it);) {
        char digits[12] = { 0 };
        if (!read_token(it.value, &list[n]) || it.key.n >= sizeof digits)
            return err_set(err, -EBADMSG, "tokenizer_config.json: added_tokens_decoder: \"%.*s\"",
                           STR_ARG(it.key));
        memcpy(digits, it.key.p, it.key.n);
        list[n++].id = (uint32_t)strtoul(digits, NULL, 10);
    }
    qsort(list, n, sizeof *list, by_id);
    int rc = 0;
    for (size_t i = 0; i < n && rc == 0; i++)
        rc = add(l, list[i], vocab, a, err);
    return rc;
}

static int add_special(struct added *l, const struct json *config, const struct token_map *vocab,
                       struct arena *a, struct err *err) {
    static const char *const names[] = { "bos_token", "eos_token", "unk_token", "sep_token",
                                         "pad_token", "cls_token", "mask_token" };
    static const char *const lists[] = { "additional_special_tokens", "extra_special_tokens" };
    struct added_token token;
    int rc = 0;
    for (size_t i = 0; i < sizeof names / sizeof *names && rc == 0; i++)
        if (read_token(json_get(config, names[i]), &token)) {
            token.special = true;
            rc = add(l, token, vocab, a, err);
        }
    for (size_t k = 0; k < 2; k++) {
        const struct json *list = json_get(config, lists[k]);
        for (size_t i = 0; json_type(list) == JSON_ARRAY && i < json_len(list) && rc == 0; i++)
            if (read_token(json_at(list, i), &token)) {
                token.special = true;
                rc = add(l, token, vocab, a, err);
            }
    }
    return rc;
}

/* A normalizer that is not known is met again, as an error, when a text is encoded. */
static void seek(struct added *l, const struct json *normalizer, struct arena *a) {
    for (uint32_t i = 0; i < l->n; i++) {
        struct added_token *t = &l->items[i];
        struct str text = t->text;
        t->sought = t->normalized && normalize(&text, normalizer, a, NULL) == 0 ? text : t->text;
        if (t->sought.n)
            l->starts[(unsigned char)t->sought.p[0]] = true;
    }
}

int added_read(struct added *out, const struct json *tokenizer, const struct json *config,
               const struct token_map *vocab, struct arena *a, struct err *err) {
    const struct json *list = json_get(tokenizer, "added_tokens");
    struct added_token token;
    *out = (struct added){ 0 };
    if (!token_map_init(&out->by_text, a, 0))
        return no_memory(err);
    int rc = 0;
    for (size_t i = 0; i < json_len(list) && rc == 0; i++) {
        if (!read_token(json_at(list, i), &token))
            return err_set(err, -EBADMSG, "tokenizer.json: added token %zu has no content", i);
        rc = add(out, token, vocab, a, err);
    }
    if (rc == 0)
        rc = add_decoder(out, json_get(config, "added_tokens_decoder"), vocab, a, err);
    if (rc == 0)
        rc = add_special(out, config, vocab, a, err);
    if (rc == 0)
        seek(out, json_get(tokenizer, "normalizer"), a);
    return rc;
}

static bool stands_alone(struct str text, size_t start, size_t end) {
    return !word_before((struct str){ text.p, start }) &&
           !word_behind((struct str){ text.p + end, text.n - end });
}

const struct added_token *added_find(const struct added *added, struct str text, size_t from,
                                     bool normalized, size_t *start, size_t *end) {
    for (size_t at = from; at < text.n; at++) {
        const struct added_token *best = NULL;
        if (!added->starts[(unsigned char)text.p[at]])
            continue;
        for (uint32_t i = 0; i < added->n; i++) {
            const struct added_token *t = &added->items[i];
            if (t->normalized == normalized && t->sought.n &&
                (!best || t->sought.n > best->sought.n) &&
                str_starts((struct str){ text.p + at, text.n - at }, t->sought))
                best = t;
        }
        if (!best)
            continue;
        *start = at;
        *end = at + best->sought.n;
        if (best->single_word && !stands_alone(text, *start, *end)) {
            at = *end - 1; /* nothing is looked for in it */
            continue;
        }
        if (best->lstrip)
            *start -= white_before((struct str){ text.p + from, *start - from });
        if (best->rstrip)
            *end += white_behind((struct str){ text.p + *end, text.n - *end });
        return best;
    }
    *start = *end = text.n;
    return NULL;
}
