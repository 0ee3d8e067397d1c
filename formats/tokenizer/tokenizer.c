/* SPDX-License-Identifier: Apache-2.0
 * formats/tokenizer/tokenizer.c - what all kinds of tokenizers share. */
#include "formats/tokenizer/memo.h"
#include "formats/tokenizer/tokenizer.h"
#include <errno.h>
#include <stdio.h>
#include <string.h>

/* Add those of @names, "A, B", that @list does not have. */
static void list_once(char *list, size_t size, const char *names) {
    while (*names) {
        const size_t n = strcspn(names, ","), len = strlen(list);
        if (!memmem(list, len, names, n))
            snprintf(list + len, size - len, "%s%.*s", len ? ", " : "", (int)n, names);
        names += n;
        names += strspn(names, ", ");
    }
}

/* The first of the kinds that the folder has. */
static int make_pairs(struct arch_work *w) {
    char tried[256] = "";
    for (const struct tokenizer_kind *const *k = w->arch->tokenizers; *k; k++) {
        int rc = (*k)->add(w);
        if (rc)
            return rc < 0 ? rc : 0;
        list_once(tried, sizeof tried, (*k)->files);
    }
    return err_set(w->err, -ENOTSUP, "no tokenizer of a kind that is read for %s (looked for: %s)",
                   w->arch->gguf, tried);
}

/* The pairs, and what they were made of. */
static int fill_memo(struct arch_work *w, struct tokenizer_memo *memo) {
    struct form *form = w->form, aside = { 0 };
    const struct folder *folder = w->folder;
    struct folder traced = *folder;
    struct arena scratch = { 0 };
    aside.arena = &scratch;
    aside.pre = form->pre;
    traced.trace = &memo->seen;
    w->form = &aside;
    w->folder = &traced;
    int rc = make_pairs(w);
    w->form = form;
    w->folder = folder;
    for (uint32_t i = 0; rc == 0 && i < aside.kvs.n; i++) {
        const struct kv *kv = &aside.kvs.items[i];
        if (!kv_set_raw(&memo->kvs, &memo->arena, kv->key, kv->type, kv->value))
            rc = work_no_memory(w);
    }
    for (uint32_t i = 0; rc == 0 && i < memo->kvs.n; i++)
        memo->kvs.items[i].plain = kv_is_plain(&memo->kvs.items[i]);
    arena_fini(&scratch);
    return rc;
}

/* The pairs depend on the architecture, on the three files that are read with the folder, and on
 * what the trace tells. */
static int memo_key(const struct arch_work *w, struct hash128 *key) {
    struct hasher *h = hasher_new();
    if (!h)
        return work_no_memory(w);
    hasher_u64(h, (uintptr_t)w->arch); /* of one process */
    hasher_add(h, w->folder->configs.b, sizeof w->folder->configs.b);
    if (w->form->pre)
        hasher_add(h, w->form->pre, strlen(w->form->pre));
    *key = hasher_end(h);
    return 0;
}

/* Call with the slot's lock held. */
static int fill_slot(struct arch_work *w, struct tokenizer_slot *slot) {
    struct tokenizer_store *store = w->folder->store;
    struct hash128 key;
    int rc = memo_key(w, &key);
    if (rc < 0)
        return rc;
    slot->memo = tokenizer_store_find(store, &key, w->folder);
    if (slot->memo)
        return 0;
    struct tokenizer_memo *memo = tokenizer_memo_new();
    if (!memo)
        return work_no_memory(w);
    memo->key = key;
    rc = fill_memo(w, memo);
    if (rc < 0) {
        tokenizer_memo_unref(memo);
        return rc;
    }
    tokenizer_store_add(store, memo);
    slot->memo = memo;
    return 0;
}

/* With a pre-tokenizer of the caller's choice: the pairs are this form's alone. */
static int add_own(struct arch_work *w) {
    struct tokenizer_slot slot = { 0 };
    int rc = fill_slot(w, &slot);
    for (uint32_t i = 0; rc == 0 && i < slot.memo->kvs.n; i++) {
        const struct kv *kv = &slot.memo->kvs.items[i];
        if (!kv_set_raw(&w->form->kvs, w->form->arena, kv->key, kv->type, kv->value))
            rc = work_no_memory(w);
    }
    tokenizer_memo_unref(slot.memo);
    return rc;
}

int tokenizer_add(struct arch_work *w) {
    struct tokenizer_slot *slot = w->folder->tokenizer;
    if (w->form->pre)
        return add_own(w);
    pthread_mutex_lock(&slot->lock);
    int rc = slot->memo ? 0 : fill_slot(w, slot);
    pthread_mutex_unlock(&slot->lock);
    for (uint32_t i = 0; rc == 0 && i < slot->memo->kvs.n; i++) {
        const struct kv *kv = &slot->memo->kvs.items[i];
        struct kv_list *to = &w->form->kvs;
        const bool ok =
            kv_find(to, kv->key) /* an architecture may set one before: it keeps its place */
                ? kv_set_raw(to, w->form->arena, kv->key, kv->type, kv->value)
                : kv_append(to, w->form->arena, *kv);
        if (!ok)
            rc = work_no_memory(w);
    }
    return rc;
}

int tokenizer_vocab_size(struct arch_work *w, const char *names, uint64_t *n) {
    uint64_t multiple = w->arch->vocab_multiple;
    int rc = hf_config_u64(&w->config, names, n, w->err);
    if (rc <= 0 || !multiple)
        return rc;
    rc = hf_config_u64(&w->config, "pad_vocab_size_multiple", &multiple, w->err);
    if (rc < 0)
        return rc;
    if (!multiple || multiple > UINT32_MAX || *n > UINT32_MAX)
        return err_set(w->err, -EBADMSG, "config.json: \"pad_vocab_size_multiple\" does not fit");
    *n = (*n + multiple - 1) / multiple * multiple;
    return 1;
}

int tokenizer_count(struct arch_work *w, uint64_t *n) {
    struct json *tokenizer;
    if (folder_has(w->folder, "tokenizer.model"))
        return hf_config_need(&w->config, "vocab_size", n, w->err);
    int rc = folder_json(w->folder, "tokenizer.json", FOLDER_MAX_TOKENIZER, &tokenizer, w->err);
    *n = rc < 0 ? 0
                : json_len(json_get(json_get(tokenizer, "model"), "vocab")) +
                      json_len(json_get(tokenizer, "added_tokens"));
    json_free(tokenizer);
    return rc;
}

int vocab_init(struct vocab *v, struct arch_work *w, uint64_t n, bool scores) {
    struct arena *a = w->form->arena;
    *v = (struct vocab){ .n = n };
    if (n > VOCAB_MAX)
        return err_set(w->err, -EBADMSG, "config.json: a vocabulary of %llu tokens is too large",
                       (unsigned long long)n);
    v->texts = arena_array(a, struct str, n ? n : 1);
    v->types = arena_array(a, int32_t, n ? n : 1);
    v->scores = scores ? arena_array(a, float, n ? n : 1) : NULL;
    if (!v->texts || !v->types || (scores && !v->scores))
        return work_no_memory(w);
    for (uint64_t i = 0; i < n; i++) {
        v->types[i] = TOKEN_UNUSED;
        if (scores)
            v->scores[i] = -10000;
    }
    return 0;
}

int vocab_add(struct arch_work *w, const struct vocab *v, const char *model, const char *pre) {
    struct arena *a = w->form->arena;
    for (uint64_t i = 0; i < v->n; i++) {
        if (!v->texts[i].p)
            v->texts[i] = arena_printf(a, "[PAD%llu]", (unsigned long long)i);
        if (!v->texts[i].p)
            return work_no_memory(w);
    }
    int rc = work_str(w, "tokenizer.ggml.model", str_from(model));
    if (rc == 0 && pre)
        rc = work_str(w, "tokenizer.ggml.pre", str_from(pre));
    if (rc < 0 || v->n == 0)
        return rc;
    if (!kv_set_strs(&w->form->kvs, a, "tokenizer.ggml.tokens", v->texts, v->n))
        return work_no_memory(w);
    if (v->scores)
        rc = work_array(w, "tokenizer.ggml.scores", KV_F32, v->scores, v->n);
    return rc < 0 ? rc : work_array(w, "tokenizer.ggml.token_type", KV_I32, v->types, v->n);
}

bool token_looks_special(struct str text) {
    static const char *const whole[] = { "<pad>", "<mask>", "<2mass>", "[@BOS@]" };
    static const struct {
        struct str start, end;
    } around[] = { { STR("<|"), STR("|>") },
                   { STR("<\xef\xbd\x9c"), STR("\xef\xbd\x9c>") },
                   { STR("<unused"), STR(">") } };
    for (size_t i = 0; i < sizeof whole / sizeof *whole; i++)
        if (str_is(text, whole[i]))
            return true;
    for (size_t i = 0; i < sizeof around / sizeof *around; i++)
        if (str_starts(text, around[i].start) && str_ends(text, around[i].end))
            return true;
    return false;
}

struct str token_unescape(struct arena *a, struct str text) {
    static const struct str mark = STR("\xe2\x96\x81");
    char *out = arena_alloc(a, text.n + 1, 1);
    size_t n = 0;
    for (size_t i = 0; out && i < text.n;) {
        const bool escaped = str_starts((struct str){ text.p + i, text.n - i }, mark);
        out[n++] = escaped ? ' ' : text.p[i];
        i += escaped ? mark.n : 1;
    }
    return (struct str){ out, n };
}
