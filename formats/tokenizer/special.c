/* SPDX-License-Identifier: Apache-2.0
 * formats/tokenizer/special.c - special tokens, as gguf-py's SpecialVocab gathers them from
 * tokenizer.json, tokenizer_config.json and config.json (gguf/vocab.py, llama.cpp 0c1e570). What
 * looks odd here is odd there: the order of the pairs follows from it. */
#include "formats/tokenizer/special.h"
#include <errno.h>

/* In upstream's order; eot and eom count only where a template calls for them. */
static const struct {
    const char *name, *config_key, *token_key, *add_key, *id_pair, *add_pair;
} kinds[SPECIAL_COUNT] = {
#define KIND(name, pair, add) \
    { name, name "_token_id", name "_token", "add_" name "_token", pair, add }
    [SPECIAL_BOS] = KIND("bos", "tokenizer.ggml.bos_token_id", "tokenizer.ggml.add_bos_token"),
    [SPECIAL_EOS] = KIND("eos", "tokenizer.ggml.eos_token_id", "tokenizer.ggml.add_eos_token"),
    [SPECIAL_UNK] = KIND("unk", "tokenizer.ggml.unknown_token_id", NULL),
    [SPECIAL_SEP] =
        KIND("sep", "tokenizer.ggml.seperator_token_id", "tokenizer.ggml.add_sep_token"),
    [SPECIAL_PAD] = KIND("pad", "tokenizer.ggml.padding_token_id", NULL),
    [SPECIAL_CLS] = KIND("cls", NULL, NULL),
    [SPECIAL_MASK] = KIND("mask", "tokenizer.ggml.mask_token_id", NULL),
    [SPECIAL_EOT] = KIND("eot", "tokenizer.ggml.eot_token_id", NULL),
    [SPECIAL_EOM] = KIND("eom", "tokenizer.ggml.eom_token_id", NULL),
#undef KIND
};

/* A dictionary of Python: a key that is set again keeps its place. */
static void set_add(struct special *s, enum special_kind kind, bool value, bool keep) {
    for (uint32_t i = 0; i < s->n_adds; i++) {
        if (s->adds[i].kind != kind)
            continue;
        if (!keep)
            s->adds[i].value = value;
        return;
    }
    s->adds[s->n_adds].kind = kind;
    s->adds[s->n_adds++].value = value;
}

static int set_id(struct special *s, enum special_kind kind, const struct json *id,
                  const char *file) {
    int64_t v;
    if (!json_i64(id, &v))
        return 0;
    if (v < 0 || v > UINT32_MAX)
        return err_set(s->w->err, -EBADMSG, "%s: the id of the special token \"%s\" is %lld", file,
                       kinds[kind].name, (long long)v);
    for (uint32_t i = 0; i < s->n_ids; i++)
        if (s->ids[i].kind == kind)
            return 0;
    if (s->n_vocab && (uint64_t)v >= s->n_vocab)
        return 0;
    s->ids[s->n_ids].kind = kind;
    s->ids[s->n_ids++].id = (uint32_t)v;
    return 0;
}

/* --- tokenizer_config.json --- */

static void read_tokens(struct special *s) {
    for (int k = 0; k < SPECIAL_COUNT; k++) {
        const struct json *v = json_get(s->config, kinds[k].token_key);
        struct special_token *t = &s->tokens[k];
        t->object = json_type(v) == JSON_OBJECT;
        t->named = json_str(t->object ? json_get(v, "content") : v, &t->text);
        t->set = t->object ? json_len(v) > 0 : t->named && t->text.n > 0;
    }
}

/* The id that tokenizer.json gives the token's text. */
static const struct json *find_added(const struct json *tokenizer, struct str text) {
    const struct json *added = json_get(tokenizer, "added_tokens");
    for (size_t i = 0; i < json_len(added); i++) {
        struct str content;
        if (json_str(json_get(json_at(added, i), "content"), &content) && str_eq(content, text))
            return json_get(json_at(added, i), "id");
    }
    return NULL;
}

static int take_config(struct special *s, const struct json *tokenizer) {
    int rc = 0;
    for (int k = 0; k < SPECIAL_COUNT && rc == 0; k++) {
        bool add;
        if (!s->counts[k])
            continue;
        if (json_bool(json_get(s->config, kinds[k].add_key), &add))
            set_add(s, (enum special_kind)k, add, true);
        if (s->tokens[k].named)
            rc = set_id(s, (enum special_kind)k, find_added(tokenizer, s->tokens[k].text),
                        "tokenizer.json");
    }
    return rc;
}

/* --- config.json, as it is in the file --- */

static int take_model_config(struct special *s) {
    const struct json *config = s->w->folder->config;
    int rc = 0;
    for (int k = 0; k < SPECIAL_COUNT && rc == 0; k++) {
        if (!s->counts[k])
            continue;
        const struct json *id = json_get(config, kinds[k].config_key);
        if (json_is_null(id))
            id = json_get(json_get(config, "text_config"), kinds[k].config_key);
        rc = set_id(s, (enum special_kind)k, id, "config.json");
    }
    return rc;
}

/* --- tokenizer.json --- */

/* A null takes back what a normalizer before said. */
static void take_flag(enum flag *flag, const struct json *v) {
    bool b;
    if (json_bool(v, &b))
        *flag = b ? FLAG_TRUE : FLAG_FALSE;
    else if (v && json_is_null(v))
        *flag = FLAG_ABSENT;
}

static void read_normalizer(struct special *s, const struct json *normalizer, unsigned depth) {
    struct str type;
    if (!json_str(json_get(normalizer, "type"), &type) || depth > 8)
        return;
    if (str_is(type, "Lowercase"))
        s->lowercase = FLAG_TRUE;
    else if (str_is(type, "StripAccents"))
        s->strip_accents = FLAG_TRUE;
    if (str_is(type, "BertNormalizer")) {
        take_flag(&s->lowercase, json_get(normalizer, "lowercase"));
        take_flag(&s->strip_accents, json_get(normalizer, "strip_accents"));
    }
    const struct json *list = json_get(normalizer, "normalizers");
    for (size_t i = 0; str_is(type, "Sequence") && i < json_len(list); i++)
        read_normalizer(s, json_at(list, i), depth + 1);
}

static struct special_token token_of(struct str text) {
    return (struct special_token){ .text = text, .set = text.n > 0, .named = true };
}

static bool is_token(const struct special_token *t, struct str text) {
    return t->named && !t->object && str_eq(t->text, text);
}

static void take_roberta(struct special *s, const struct json *processor) {
    static const struct {
        enum special_kind kind;
        const char *key;
    } pairs[] = { { SPECIAL_CLS, "cls" }, { SPECIAL_SEP, "sep" } };
    set_add(s, SPECIAL_BOS, true, false);
    set_add(s, SPECIAL_EOS, true, false);
    set_add(s, SPECIAL_SEP, true, false);
    for (size_t i = 0; i < 2; i++) {
        struct str text;
        if (!s->tokens[pairs[i].kind].set && s->config &&
            json_str(json_at(json_get(processor, pairs[i].key), 0), &text))
            s->tokens[pairs[i].kind] = token_of(text);
    }
}

static struct str entry_id(const struct json *entry, const char *kind) {
    struct str id = { NULL, 0 };
    (void)json_str(json_get(json_get(entry, kind), "id"), &id);
    return id;
}

/* The token in front of a sequence is bos. */
static void take_first(struct special *s, struct str first) {
    struct special_token *bos = &s->tokens[SPECIAL_BOS], *cls = &s->tokens[SPECIAL_CLS];
    if (!s->config) {
        *bos = token_of(first);
    } else if (!is_token(bos, first) && !is_token(cls, first)) {
        if (!bos->set)
            *bos = token_of(first);
        if (!cls->set)
            *cls = token_of(first);
    }
    set_add(s, SPECIAL_BOS, is_token(bos, first) || is_token(cls, first), false);
}

/* The token behind a sequence is eos; the one that tokenizer_config.json calls so becomes eot. */
static void take_last(struct special *s, struct str last) {
    struct special_token *eos = &s->tokens[SPECIAL_EOS];
    if (s->config && !is_token(eos, last)) {
        const enum special_kind spare = !s->counts[SPECIAL_EOT]   ? SPECIAL_EOT
                                        : !s->counts[SPECIAL_EOM] ? SPECIAL_EOM
                                                                  : SPECIAL_COUNT;
        if (spare < SPECIAL_COUNT) {
            s->counts[spare] = true;
            s->tokens[spare] = *eos;
        }
    }
    *eos = token_of(last);
    set_add(s, SPECIAL_EOS, true, false);
}

/* Is there a separator between the two sequences of a pair? */
static void take_pair(struct special *s, const struct json *pair, struct str first,
                      struct str last) {
    size_t at = 0, end = json_len(pair);
    if (end == 0)
        return;
    const struct special_token *sep = &s->tokens[SPECIAL_SEP], *eos = &s->tokens[SPECIAL_EOS];
    at += first.p && str_eq(entry_id(json_at(pair, 0), "SpecialToken"), first);
    end -= last.p && str_eq(entry_id(json_at(pair, end - 1), "SpecialToken"), last);
    if (end < at + 3 || !str_is(entry_id(json_at(pair, at), "Sequence"), "A") ||
        !str_is(entry_id(json_at(pair, end - 1), "Sequence"), "B"))
        return;
    const struct str one = entry_id(json_at(pair, at + 1), "SpecialToken");
    bool add = one.n && (is_token(sep, one) || is_token(eos, one)) && !last.n;
    if (end - at == 4) {
        const struct str two = entry_id(json_at(pair, at + 2), "SpecialToken");
        add |= two.n && (is_token(sep, two) || is_token(eos, two));
    }
    set_add(s, SPECIAL_SEP, add, false);
    if (add && !sep->set && s->config)
        s->tokens[SPECIAL_SEP] = *eos;
}

static void take_template(struct special *s, const struct json *processor) {
    const struct json *single = json_get(processor, "single");
    struct str first = { NULL, 0 }, last = { NULL, 0 };
    if (json_len(single) > 1) {
        first = entry_id(json_at(single, 0), "SpecialToken");
        if (first.n)
            take_first(s, first);
        last = entry_id(json_at(single, json_len(single) - 1), "SpecialToken");
        if (last.n)
            take_last(s, last);
    }
    take_pair(s, json_get(processor, "pair"), first, last);
}

static void read_processor(struct special *s, const struct json *processor) {
    struct str type;
    if (!json_str(json_get(processor, "type"), &type))
        return;
    if (str_is(type, "ByteLevel")) {
        set_add(s, SPECIAL_BOS, false, true);
        set_add(s, SPECIAL_EOS, false, true);
    } else if (str_is(type, "RobertaProcessing")) {
        take_roberta(s, processor);
    } else if (str_is(type, "TemplateProcessing")) {
        take_template(s, processor);
    }
}

static void read_tokenizer(struct special *s, const struct json *tokenizer) {
    const struct json *post = json_get(tokenizer, "post_processor");
    const struct json *list = json_get(post, "processors");
    struct special_token *t = s->tokens;
    if (json_len(tokenizer) == 0)
        return;
    read_normalizer(s, json_get(tokenizer, "normalizer"), 0);
    if (!t[SPECIAL_BOS].set && t[SPECIAL_CLS].set)
        t[SPECIAL_BOS] = t[SPECIAL_CLS];
    if (!t[SPECIAL_EOS].set && t[SPECIAL_SEP].set)
        t[SPECIAL_EOS] = t[SPECIAL_SEP];
    if (!list) {
        read_processor(s, post);
        return;
    }
    for (size_t i = 0; i < json_len(list); i++)
        read_processor(s, json_at(list, i));
}

/* --- the architecture's own --- */

static enum special_kind find_kind(const char *name) {
    int k = 0;
    while (k < SPECIAL_COUNT - 1 && strcmp(kinds[k].name, name) != 0)
        k++;
    return (enum special_kind)k;
}

/* One that is there already keeps its place. */
static void set_number(struct special *s, enum special_kind kind, uint32_t id, bool replace) {
    uint32_t at = 0;
    while (at < s->n_ids && s->ids[at].kind != kind)
        at++;
    if (at < s->n_ids && !replace)
        return;
    s->n_ids += at == s->n_ids;
    s->ids[at].kind = kind;
    s->ids[at].id = id;
}

static int take_named(struct special *s, const struct json *tokenizer,
                      const struct named_token *list) {
    const bool none = s->n_ids == 0;
    int rc = 0;
    for (const struct named_token *t = list; t && t->kind && rc == 0; t++) {
        const enum special_kind kind = find_kind(t->kind);
        if (t->alone && !none)
            continue;
        if (!t->text) {
            set_number(s, kind, t->id, t->replace);
            continue;
        }
        const struct json *id = find_added(tokenizer, str_from(t->text));
        rc = id ? set_id(s, kind, id, "tokenizer.json")
                : err_set(s->w->err, -EBADMSG, "tokenizer.json: no added token \"%s\"", t->text);
    }
    return rc;
}

/* --- pairs --- */

static int add_flag(struct special *s, const char *key, enum flag flag) {
    return flag == FLAG_ABSENT ? 0 : work_bool(s->w, key, flag == FLAG_TRUE);
}

static int add_pairs(struct special *s) {
    int rc = 0;
    for (uint32_t i = 0; i < s->n_ids && rc == 0; i++)
        if (kinds[s->ids[i].kind].id_pair)
            rc = work_u32(s->w, kinds[s->ids[i].kind].id_pair, s->ids[i].id);
    for (uint32_t i = 0; i < s->n_adds && rc == 0; i++)
        if (kinds[s->adds[i].kind].add_pair)
            rc = work_bool(s->w, kinds[s->adds[i].kind].add_pair, s->adds[i].value);
    if (rc == 0 && s->config)
        rc = template_add(s->w);
    if (rc == 0)
        rc = add_flag(s, "tokenizer.ggml.normalizer.lowercase", s->lowercase);
    return rc < 0 ? rc : add_flag(s, "tokenizer.ggml.normalizer.strip_accents", s->strip_accents);
}

int special_add(struct arch_work *w, const struct json *tokenizer, uint64_t n_vocab, bool merges) {
    return special_add_own(w, tokenizer, n_vocab, merges, NULL);
}

int special_add_own(struct arch_work *w, const struct json *tokenizer, uint64_t n_vocab,
                    bool merges, const struct named_token *own) {
    struct special s = { .w = w, .n_vocab = n_vocab, .config = w->folder->tokenizer_config };
    if (json_len(s.config) == 0)
        s.config = NULL;
    for (int k = 0; k < SPECIAL_EOT; k++)
        s.counts[k] = true;
    read_tokens(&s);
    read_tokenizer(&s, tokenizer);
    int rc = s.config ? take_config(&s, tokenizer) : 0;
    if (rc == 0)
        rc = take_model_config(&s);
    if (rc == 0)
        rc = take_named(&s, tokenizer, w->arch->tokens);
    if (rc == 0)
        rc = take_named(&s, tokenizer, own);
    if (rc == 0 && merges)
        rc = merges_add(w, tokenizer);
    return rc < 0 ? rc : add_pairs(&s);
}
