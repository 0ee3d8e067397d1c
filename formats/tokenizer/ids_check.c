/* SPDX-License-Identifier: Apache-2.0
 * formats/tokenizer/ids_check.c - does each id of tokenizer.json belong to one token? `tokenizers`
 * reads such a file and gives one of the two another id, or none. */
#include "formats/arena.h"
#include "formats/json.h"
#include "formats/tokenizer/tokenizer_check.h"
#include <errno.h>
#include <stdlib.h>

struct token_id {
    struct str text;
    uint64_t id;
};

struct token_ids {
    struct token_id *items;
    size_t n;
};

static int put(struct token_ids *l, struct str text, const struct json *id, struct err *err) {
    struct token_id *t = &l->items[l->n++];
    t->text = text;
    return json_u64(id, &t->id)
               ? 0
               : err_set(err, -EBADMSG, "tokenizer.json: token \"%.*s\" has no id", STR_ARG(text));
}

static int put_map(struct token_ids *l, const struct json *map, struct err *err) {
    int rc = 0;
    if (json_type(map) == JSON_OBJECT)
        for (struct json_iter it = json_iter(map); rc == 0 && json_next(&it);)
            rc = put(l, it.key, it.value, err);
    return rc;
}

static int put_list(struct token_ids *l, const struct json *list, struct err *err) {
    int rc = 0;
    for (size_t i = 0; rc == 0 && json_type(list) == JSON_ARRAY && i < json_len(list); i++) {
        struct str text = STR("");
        const struct json *token = json_at(list, i);
        (void)json_str(json_get(token, "content"), &text);
        rc = put(l, text, json_get(token, "id"), err);
    }
    return rc;
}

static int by_id(const void *a, const void *b) {
    const struct token_id *x = a, *y = b;
    return (x->id > y->id) - (x->id < y->id);
}

static int find_twice(struct token_ids *l, struct err *err) {
    if (l->n)
        qsort(l->items, l->n, sizeof *l->items, by_id);
    for (size_t i = 1; i < l->n; i++) {
        const struct token_id *a = &l->items[i - 1], *b = &l->items[i];
        if (a->id == b->id && !str_eq(a->text, b->text))
            return err_set(err, -EBADMSG,
                           "tokenizer.json: \"%.*s\" and \"%.*s\" both have the id %llu",
                           STR_ARG(a->text), STR_ARG(b->text), (unsigned long long)a->id);
    }
    return 0;
}

int tokenizer_ids_check(const struct json *file, const struct json *added, struct err *err) {
    const struct json *vocab = json_get(json_get(file, "model"), "vocab");
    const struct json *list = json_get(file, "added_tokens");
    struct token_ids l = { 0 };
    l.items = calloc(json_len(vocab) + json_len(list) + json_len(added) + 1, sizeof *l.items);
    if (!l.items)
        return err_set(err, -ENOMEM, "no memory for the tokens");
    int rc = put_map(&l, vocab, err);
    if (rc == 0)
        rc = put_list(&l, list, err);
    if (rc == 0)
        rc = put_map(&l, added, err);
    if (rc == 0)
        rc = find_twice(&l, err);
    free(l.items);
    return rc;
}
