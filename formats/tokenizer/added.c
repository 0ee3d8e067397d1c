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

static bool grow(struct added *l, struct arena *a) {
    const uint32_t cap = l->cap ? 2 * l->cap : 64;
    struct added_token *more = arena_array(a, struct added_token, cap);
    if (!more || !token_map_init(&l->by_text, a, cap))
        return false;
    for (uint32_t i = 0; i < l->n; i++) {
        more[i] = l->items[i];
        token_map_put(&l->by_text, more[i].text, i);
    }
    l->items = more;
    l->cap = cap;
    return true;
}

static int add(struct added *l, struct added_token token, const struct token_map *vocab,
               struct arena *a, struct err *err) {
    uint32_t known;
    if (token.text.n == 0)
        return 0;
    if (token_map_get(&l->by_text, token.text, &known)) {
        token.id = l->items[known].id;
        token.was_normalized = token.normalized || l->items[known].was_normalized;
        l->items[known] = token;
        return 0;
    }
    if (l->n == ADDED_MAX)
        return err_set(err, -E2BIG, "tokenizer.json: more than %d added tokens", ADDED_MAX);
    if (l->n == l->cap && !grow(l, a))
        return no_memory(err);
    token.was_normalized = token.normalized;
    if (!token_map_get(vocab, token.text, &token.id))
        token.id = next_id(l, vocab);
    if (l->n == 0 || token.id > l->last_id)
        l->last_id = token.id;
    token_map_put(&l->by_text, token.text, l->n);
    l->items[l->n++] = token;
    return 0;
}

bool added_token_read(const struct json *v, struct added_token *out) {
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

/* --- tokens by their ids --- */

/* Those that the files give ids; of one id the last counts. */
struct by_id {
    struct placed {
        struct added_token token;
        size_t at;
    } * items;
    size_t n;
};

static int order(const void *a, const void *b) {
    const struct placed *x = a, *y = b;
    const int c = (x->token.id > y->token.id) - (x->token.id < y->token.id);
    return c ? c : (x->at > y->at) - (x->at < y->at);
}

static void sort(struct by_id *l) {
    size_t n = 0;
    if (l->n)
        qsort(l->items, l->n, sizeof *l->items, order);
    for (size_t i = 0; i < l->n; i++)
        if (i + 1 == l->n || l->items[i].token.id != l->items[i + 1].token.id)
            l->items[n++] = l->items[i];
    l->n = n;
}

static void place(struct by_id *l, struct added_token token) {
    l->items[l->n] = (struct placed){ token, l->n };
    l->n++;
}

static int take_decoder(struct by_id *l, const struct json *decoder, struct err *err) {
    for (struct json_iter it = json_iter(decoder); json_next(&it);) {
        char digits[12] = { 0 };
        struct added_token token;
        if (!added_token_read(it.value, &token) || it.key.n >= sizeof digits)
            return err_set(err, -EBADMSG, "tokenizer_config.json: added_tokens_decoder: \"%.*s\"",
                           STR_ARG(it.key));
        memcpy(digits, it.key.p, it.key.n);
        token.id = (uint32_t)strtoul(digits, NULL, 10);
        place(l, token);
    }
    return 0;
}

static int take_old(struct by_id *l, const struct added_source *from, struct err *err) {
    uint64_t id;
    if (json_type(from->texts) == JSON_OBJECT)
        for (struct json_iter it = json_iter(from->texts); json_next(&it);) {
            const bool special = from->roles && roles_have(from->roles, it.key);
            if (!json_u64(it.value, &id) || id > UINT32_MAX)
                return err_set(err, -EBADMSG, "added_tokens.json: \"%.*s\" has no id",
                               STR_ARG(it.key));
            place(l, (struct added_token){ .text = it.key,
                                           .id = (uint32_t)id,
                                           .special = special,
                                           .normalized = !special });
        }
    for (size_t i = 0; i < json_len(from->list); i++) {
        struct added_token token;
        if (!added_token_read(json_at(from->list, i), &token))
            return err_set(err, -EBADMSG, "tokenizer.json: added token %zu has no content", i);
        token.id = json_u64(json_get(json_at(from->list, i), "id"), &id) ? (uint32_t)id : 0;
        place(l, token);
    }
    return 0;
}

static int read_by_id(struct by_id *l, const struct added_source *from, struct arena *a,
                      struct err *err) {
    const size_t most =
        from->decoder ? json_len(from->decoder) : json_len(from->texts) + json_len(from->list);
    *l = (struct by_id){ .items = arena_array(a, struct placed, most + 1) };
    if (!l->items)
        return no_memory(err);
    int rc = json_type(from->decoder) == JSON_OBJECT ? take_decoder(l, from->decoder, err)
             : from->decoder                         ? 0
                                                     : take_old(l, from, err);
    sort(l);
    return rc;
}

/* --- tokens with a role --- */

static bool is_named(const struct roles *roles, struct str text) {
    uint32_t first;
    return roles && token_map_get(&roles->by_text, text, &first) && first < roles->n_named;
}

/* What a file says of the token of a role, if one does. */
static const struct added_token *described(const struct by_id *l, struct str text) {
    for (size_t i = l->n; i-- > 0;)
        if (str_eq(l->items[i].token.text, text))
            return &l->items[i].token;
    return NULL;
}

static int add_roles(struct added *l, const struct roles *roles, const struct token_map *vocab,
                     struct arena *a, struct err *err) {
    const uint32_t before = l->n;
    int rc = 0;
    for (uint32_t i = 0; i < roles->n && rc == 0; i++) {
        struct added_token token = roles->items[i].token;
        uint32_t known;
        if (token_map_get(&l->by_text, token.text, &known) && known < before)
            continue;
        token.special = token.special || is_named(roles, token.text);
        rc = add(l, token, vocab, a, err);
    }
    return rc;
}

static int add_again(struct added *l, const struct added_source *from, const struct by_id *list,
                     const struct token_map *vocab, struct arena *a, struct err *err) {
    const struct roles *roles = from->roles;
    int rc = 0;
    for (uint32_t i = 0; i < roles->n && rc == 0; i++) {
        const struct role *r = &roles->items[i];
        const struct added_token *said = i < roles->n_named ? described(list, r->token.text) : NULL;
        struct added_token token = said && !r->own ? *said : r->token;
        if (from->again == ROLES_AS_TEXTS)
            token = (struct added_token){ .text = token.text };
        token.special = true;
        rc = add(l, token, vocab, a, err);
    }
    return rc;
}

/* A normalizer that is not known is met again, as an error, when a text is encoded. */
static void seek(struct added *l, const struct json *normalizer, struct arena *a) {
    for (uint32_t i = 0; i < l->n; i++) {
        struct added_token *t = &l->items[i];
        struct str text = t->text;
        const bool changes = t->was_normalized && normalize(&text, normalizer, a, NULL) == 0;
        t->shown = changes ? text : t->text;
        t->sought = t->normalized ? t->shown : t->text;
        if (t->sought.n)
            l->starts[(unsigned char)t->sought.p[0]] = true;
    }
}

static int add_list(struct added *l, const struct json *list, const struct token_map *vocab,
                    struct arena *a, struct err *err) {
    int rc = 0;
    for (size_t i = 0; i < json_len(list) && rc == 0; i++) {
        struct added_token token;
        if (!added_token_read(json_at(list, i), &token))
            return err_set(err, -EBADMSG, "tokenizer.json: added token %zu has no content", i);
        rc = add(l, token, vocab, a, err);
    }
    return rc;
}

int added_read(struct added *out, const struct added_source *from, const struct token_map *vocab,
               struct arena *a, struct err *err) {
    struct by_id list;
    *out = (struct added){ 0 };
    if (!token_map_init(&out->by_text, a, 0))
        return no_memory(err);
    int rc = from->list_first ? add_list(out, from->list, vocab, a, err) : 0;
    if (rc == 0)
        rc = read_by_id(&list, from, a, err);
    for (size_t i = 0; rc == 0 && i < list.n; i++) {
        struct added_token *token = &list.items[i].token;
        token->special |= is_named(from->roles, token->text);
        rc = add(out, *token, vocab, a, err);
    }
    if (rc == 0 && from->roles)
        rc = add_roles(out, from->roles, vocab, a, err);
    if (rc == 0 && from->roles && from->again != ROLES_ONCE)
        rc = add_again(out, from, &list, vocab, a, err);
    if (rc == 0)
        seek(out, from->normalizer, a);
    return rc;
}

bool added_id(const struct added *added, const struct token_map *vocab, struct str text,
              uint32_t *id) {
    uint32_t at;
    if (!token_map_get(&added->by_text, text, &at))
        return token_map_get(vocab, text, id);
    *id = added->items[at].id;
    return true;
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
