/* SPDX-License-Identifier: Apache-2.0
 * formats/tokenizer/text_encoder.c - see text_encoder.h. Source: tokenizers 0.23, src/tokenizer and
 * src/processors; transformers 5.23, tokenization_utils_tokenizers.py. */
#include "formats/tokenizer/text_encoder.h"
#include "formats/hash.h"
#include "formats/tokenizer/normalize.h"
#include "formats/tokenizer/wordpiece.h"
#include <errno.h>

enum { MAX_NESTING = 4, MAX_TEMPLATE = 64 };

/* --- models --- */

static bool encode_bpe(const void *self, struct str word, struct ids *out, struct arena *a) {
    return bpe_encode(self, word, out, a);
}

static bool encode_wordpiece(const void *self, struct str word, struct ids *out, struct arena *a) {
    return wordpiece_encode(self, word, out, a);
}

int word_model_init(struct word_model *m, const struct json *model, const struct json *settings,
                    struct arena *a, struct err *err) {
    struct str type = STR("of no type");
    (void)json_str(json_get(model, "type"), &type);
    struct bpe *bpe = str_is(type, "BPE") ? arena_new(a, struct bpe) : NULL;
    if (bpe) {
        *m = (struct word_model){ bpe, &bpe->vocab, encode_bpe };
        return bpe_init(bpe, model, settings, a, err);
    }
    struct wordpiece *pieces = str_is(type, "WordPiece") ? arena_new(a, struct wordpiece) : NULL;
    if (pieces) {
        *m = (struct word_model){ pieces, &pieces->vocab, encode_wordpiece };
        return wordpiece_init(pieces, model, settings, a, err);
    }
    return str_is(type, "BPE") || str_is(type, "WordPiece")
               ? err_set(err, -ENOMEM, "tokenizer.json")
               : err_set(err, -ENOTSUP, "tokenizer.json: a model %.*s", STR_ARG(type));
}

/* --- text --- */

/* One text on its way through an encoder. */
struct run {
    struct text_encoder *by;
    const struct json *normalizer, *pre_tokenizer;
    struct ids ids;
    struct arena *arena;
    struct err *err;
};

static int no_memory(struct run *e) {
    return err_set(e->err, -ENOMEM, "tokenizer.json: encoding");
}

void text_encoder_fini(struct text_encoder *e) {
    patterns_fini(&e->patterns);
}

static bool encode_word(struct run *e, struct str word) {
    const struct word_model *m = e->by->model;
    if (!e->by->cache || word.n > WORD_CACHE_TEXT)
        return m->encode(m->self, word, &e->ids, e->arena);
    struct cached_word *c = &e->by->cache[hash64(word.p, word.n) & (WORD_CACHE_SLOTS - 1)];
    if (c->n_text != word.n || memcmp(c->text, word.p, word.n) != 0) {
        const size_t first = e->ids.n;
        if (!m->encode(m->self, word, &e->ids, e->arena))
            return false;
        const size_t n = e->ids.n - first;
        if (n && n <= WORD_CACHE_IDS) {
            c->n_text = (uint8_t)word.n;
            c->n_ids = (uint8_t)n;
            memcpy(c->text, word.p, word.n);
            memcpy(c->ids, e->ids.items + first, n * sizeof *c->ids);
        }
        return true;
    }
    for (unsigned i = 0; i < c->n_ids; i++)
        if (!ids_add(&e->ids, e->arena, c->ids[i]))
            return false;
    return true;
}

/* Text without added tokens in it. */
static int encode_text(struct run *e, struct str text, bool at_start) {
    struct words words = { 0 };
    if (!words_add(&words, e->arena, text))
        return no_memory(e);
    int rc = pretokenize(&words, at_start, e->pre_tokenizer, &e->by->patterns, e->arena, e->err);
    for (size_t i = 0; i < words.n && rc == 0; i++)
        if (!encode_word(e, words.items[i]))
            rc = no_memory(e);
    return rc;
}

/* Added tokens that are not normalized are found first, in the text as it is; the others in what
 * the normalizer makes of the rest. */
static int encode(struct run *e, struct str text, bool normalized, bool at_start) {
    for (size_t from = 0, start, end; from < text.n; from = end) {
        const struct added_token *t =
            added_find(e->by->added, text, from, normalized, &start, &end);
        struct str before = { text.p + from, start - from };
        int rc = normalized ? 0 : normalize(&before, e->normalizer, e->arena, e->err);
        if (rc == 0)
            rc = normalized ? encode_text(e, before, at_start) : encode(e, before, true, at_start);
        at_start = false;
        if (rc < 0)
            return rc;
        if (t && !ids_add(&e->ids, e->arena, t->id))
            return no_memory(e);
    }
    return 0;
}

/* --- what the post-processor puts around the text --- */

static int put_around(struct run *e, const uint32_t *before, size_t n_before, const uint32_t *after,
                      size_t n_after) {
    struct ids all = { 0 };
    bool ok = true;
    for (size_t i = 0; i < n_before; i++)
        ok = ok && ids_add(&all, e->arena, before[i]);
    for (size_t i = 0; i < e->ids.n; i++)
        ok = ok && ids_add(&all, e->arena, e->ids.items[i]);
    for (size_t i = 0; i < n_after; i++)
        ok = ok && ids_add(&all, e->arena, after[i]);
    e->ids = all;
    return ok ? 0 : no_memory(e);
}

/* The ids of @name; their number, or -1. Without a list of them it is one token's text. */
static int template_ids(const struct run *e, const struct json *special, const char *name,
                        uint32_t *out, size_t most) {
    const struct json *ids = json_get(json_get(special, name), "ids");
    const struct text_encoder *by = e->by;
    const size_t n = json_len(ids);
    if (!special)
        return most && added_id(by->added, by->model->vocab, str_from(name), out) ? 1 : -1;
    for (size_t k = 0; k < n; k++) {
        uint64_t id;
        if (!json_u64(json_at(ids, k), &id) || id > UINT32_MAX || k == most)
            return -1;
        out[k] = (uint32_t)id;
    }
    return (int)n;
}

static int post_template(struct run *e, const struct json *v) {
    const struct json *single = json_get(v, "single");
    uint32_t around[2][MAX_TEMPLATE];
    size_t n[2] = { 0 };
    bool behind = false;
    for (size_t i = 0; i < json_len(single); i++) {
        const struct json *token = json_get(json_at(single, i), "SpecialToken");
        struct str name;
        char key[256];
        if (!json_str(json_get(token, "id"), &name) || name.n >= sizeof key) {
            uint64_t absent;
            if (json_u64(json_get(token, "absent"), &absent) && n[behind] < MAX_TEMPLATE)
                around[behind][n[behind]++] = (uint32_t)absent;
            behind = behind || !token;
            continue;
        }
        memcpy(key, name.p, name.n);
        key[name.n] = 0;
        const size_t most = MAX_TEMPLATE - n[behind];
        const int added =
            template_ids(e, json_get(v, "special_tokens"), key, around[behind] + n[behind], most);
        if (added < 0)
            return err_set(e->err, -EBADMSG, "tokenizer.json: a template's \"%s\"", key);
        n[behind] += (size_t)added;
    }
    return put_around(e, around[0], n[0], around[1], n[1]);
}

static int post_pair(struct run *e, const struct json *v) {
    uint64_t cls, sep;
    if (!json_u64(json_at(json_get(v, "cls"), 1), &cls) ||
        !json_u64(json_at(json_get(v, "sep"), 1), &sep) || cls > UINT32_MAX || sep > UINT32_MAX)
        return err_set(e->err, -EBADMSG, "tokenizer.json: a post-processor without cls and sep");
    const uint32_t before = (uint32_t)cls, after = (uint32_t)sep;
    return put_around(e, &before, 1, &after, 1);
}

static int post_process(struct run *e, const struct json *v, unsigned depth) {
    struct str type;
    int rc = 0;
    if (json_is_null(v))
        return 0;
    if (!json_str(json_get(v, "type"), &type))
        return err_set(e->err, -EBADMSG, "tokenizer.json: a post-processor without a type");
    if (str_is(type, "TemplateProcessing"))
        return post_template(e, v);
    if (str_is(type, "RobertaProcessing") || str_is(type, "BertProcessing"))
        return post_pair(e, v);
    if (str_is(type, "ByteLevel"))
        return 0;
    if (!str_is(type, "Sequence") || depth == MAX_NESTING)
        return err_set(e->err, -ENOTSUP, "tokenizer.json: the post-processor \"%.*s\" is not known",
                       STR_ARG(type));
    const struct json *list = json_get(v, "processors");
    for (size_t i = 0; i < json_len(list) && rc == 0; i++)
        rc = post_process(e, json_at(list, i), depth + 1);
    return rc;
}

int text_encode(struct text_encoder *e, struct str text, struct ids *out, struct arena *a,
                struct err *err) {
    struct run r = { .by = e,
                     .normalizer = json_get(e->steps, "normalizer"),
                     .pre_tokenizer = json_get(e->steps, "pre_tokenizer"),
                     .arena = a,
                     .err = err };
    int rc = encode(&r, text, false, true);
    if (rc == 0)
        rc = post_process(&r, e->processor, 0);
    *out = r.ids;
    return rc;
}
