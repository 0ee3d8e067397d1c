/* SPDX-License-Identifier: Apache-2.0
 * formats/tokenizer/mistral_vocab.c - tekken.json, and SentencePiece models with a version behind
 * their name. Sources: gguf-py, MistralVocab; conversion/base.py, _set_vocab_mistral (llama.cpp
 * 0c1e570); mistral-common 1.13, tekken.py and sentencepiece.py. */
#include "formats/tokenizer/mistral_vocab.h"
#include "formats/tokenizer/ranks.h"
#include "formats/tokenizer/spm.h"
#include <errno.h>
#include <stdlib.h>

#define TEKKEN   "tekken.json"
#define TEMPLATE "chat_template.jinja"

enum { MAX_SPECIAL = 1 << 16 };

bool mistral_vocab_fits(const struct folder *f) {
    return f->layout == LAYOUT_MISTRAL ||
           (folder_has(f, TEKKEN) && !folder_has(f, "tokenizer.json"));
}

static const struct str bos_text = STR("<s>"), eos_text = STR("</s>"), unk_text = STR("<unk>"),
                        pad_text = STR("<pad>");

struct mistral {
    struct arch_work *w;
    struct arena *a; /* until the pairs are made */
    struct vocab v;
    struct words merges; /* tekken */
    bool tekken;
    int64_t bos, eos, unk, pad; /* -1: there is none */
    struct str version;         /* "v3" */
};

/* --- tekken.json --- */

/* What files up to version 7 leave out. */
static const char *const old_special[] = {
    "<unk>",
    "<s>",
    "</s>",
    "[INST]",
    "[/INST]",
    "[AVAILABLE_TOOLS]",
    "[/AVAILABLE_TOOLS]",
    "[TOOL_RESULTS]",
    "[/TOOL_RESULTS]",
    "[TOOL_CALLS]",
    "[IMG]",
    "<pad>",
    "[IMG_BREAK]",
    "[IMG_END]",
    "[PREFIX]",
    "[MIDDLE]",
    "[SUFFIX]",
    "[SYSTEM_PROMPT]",
    "[/SYSTEM_PROMPT]",
    "[TOOL_CONTENT]",
};

static int version_number(struct str version) {
    return version.n > 1 && version.p[0] == 'v' ? atoi(version.p + 1) : 0;
}

static int bad_tekken(struct mistral *m, const char *why) {
    return err_set(m->w->err, -EBADMSG, TEKKEN ": %s", why);
}

static int put_special(struct mistral *m, uint64_t i, struct str text, uint64_t rank) {
    m->v.texts[i] = arena_str(m->w->form->arena, text);
    m->v.types[i] = TOKEN_CONTROL;
    if (!m->v.texts[i].p)
        return work_no_memory(m->w);
    int64_t *const roles[] = { &m->bos, &m->eos, &m->unk, &m->pad };
    const struct str names[] = { bos_text, eos_text, unk_text, pad_text };
    for (size_t k = 0; k < 4; k++)
        if (str_eq(text, names[k]))
            *roles[k] = (int64_t)rank;
    return 0;
}

/* Those of the file, or of old; then fillers up to @n. */
static int put_specials(struct mistral *m, const struct json *list, uint64_t n) {
    const bool given = json_type(list) == JSON_ARRAY;
    const size_t known = given ? json_len(list) : sizeof old_special / sizeof *old_special;
    int rc = 0;
    if (!given && version_number(m->version) > 7)
        return bad_tekken(m, "no \"special_tokens\"");
    if (known > n)
        return bad_tekken(m, "more \"special_tokens\" than \"default_num_special_tokens\"");
    for (size_t i = 0; i < n && rc == 0; i++) {
        uint64_t rank = i;
        struct str text = { NULL, 0 };
        if (i >= known)
            text = arena_printf(m->a, "<SPECIAL_%zu>", i);
        else if (!given)
            text = str_from(old_special[i]);
        else if (!json_str(json_get(json_at(list, i), "token_str"), &text) ||
                 !json_u64(json_get(json_at(list, i), "rank"), &rank) || rank >= n)
            return bad_tekken(m, "a special token without text and rank");
        rc = text.p ? put_special(m, i, text, rank) : work_no_memory(m->w);
    }
    return rc;
}

static int put_ranks(struct mistral *m, const struct json *vocab, uint64_t specials) {
    struct ranks r;
    const uint64_t n = m->v.n - specials;
    int rc = json_len(vocab) < n ? bad_tekken(m, "\"vocab\" is shorter than \"config\" says") : 0;
    if (rc == 0)
        rc = ranks_init(&r, (uint32_t)n, m->a, m->w->err);
    for (uint64_t i = 0; i < n && rc == 0; i++) {
        const struct json *token = json_at(vocab, i);
        struct str text;
        uint64_t rank;
        if (!json_u64(json_get(token, "rank"), &rank) || rank != i ||
            !json_str(json_get(token, "token_bytes"), &text))
            return bad_tekken(m, "a token without its bytes, or whose rank is not its place");
        rc = ranks_put(&r, rank, text, m->a, m->w->err);
        if (rc < 0)
            break;
        const struct str t = byte_level(m->w->form->arena, r.tokens[i]);
        m->v.texts[specials + i] = t;
        m->v.types[specials + i] = TOKEN_NORMAL;
        if (!t.p)
            return work_no_memory(m->w);
    }
    if (rc == 0)
        rc = ranks_all_merges(&r, &m->merges, m->a, m->w->err);
    if (rc < 0)
        err_prefix(m->w->err, TEKKEN);
    return rc;
}

static int read_tekken(struct mistral *m) {
    struct json *doc;
    uint64_t n, specials;
    int rc = folder_json(m->w->folder, TEKKEN, FOLDER_MAX_TOKENIZER, &doc, m->w->err);
    if (rc < 0)
        return rc;
    const struct json *config = json_get(doc, "config");
    struct str version;
    if (!json_str(json_get(config, "version"), &version) ||
        !json_u64(json_get(config, "default_vocab_size"), &n) ||
        !json_u64(json_get(config, "default_num_special_tokens"), &specials) || n > RANKS_MAX ||
        specials > n || specials > MAX_SPECIAL)
        rc = bad_tekken(m, "\"config\" does not tell version and numbers of tokens");
    m->version = rc == 0 ? arena_str(m->a, version) : STR("");
    if (rc == 0)
        rc = vocab_init(&m->v, m->w, n, false);
    if (rc == 0)
        rc = put_specials(m, json_get(doc, "special_tokens"), specials);
    if (rc == 0)
        rc = put_ranks(m, json_get(doc, "vocab"), specials);
    json_free(doc);
    return rc;
}

/* --- tokenizer.model.vN --- */

/* Of the name's end: "v3" of "tokenizer.model.v3" and of ".v3m1", "v1" of "tokenizer.model"; p is
 * NULL for another name. */
static struct str spm_version(struct str name) {
    static const struct str mark = STR(".model");
    const char *at = memmem(name.p, name.n, mark.p, mark.n);
    if (!at)
        return (struct str){ NULL, 0 };
    struct str rest = { at + mark.n, name.n - (size_t)(at + mark.n - name.p) };
    if (!rest.n)
        return STR("v1");
    if (rest.n < 3 || rest.p[0] != '.' || rest.p[1] != 'v')
        return (struct str){ NULL, 0 };
    const char *images = memchr(rest.p, 'm', rest.n);
    return (struct str){ rest.p + 1, images ? (size_t)(images - rest.p) - 1 : rest.n - 1 };
}

/* The last by name. */
static int find_spm(struct mistral *m, struct str *name) {
    struct str *names;
    uint32_t n;
    int rc = folder_list(m->w->folder, "", m->a, &names, &n, m->w->err);
    *name = (struct str){ NULL, 0 };
    for (uint32_t i = 0; i < n && rc == 0; i++) {
        const struct str version = spm_version(names[i]);
        if (version.p) {
            *name = names[i];
            m->version = version;
        }
    }
    return rc < 0 || name->p ? rc
                             : err_set(m->w->err, -ENOENT,
                                       "neither " TEKKEN " nor tokenizer.model.vN in the folder");
}

static int take_pieces(struct mistral *m, struct str model) {
    uint64_t n;
    int rc = spm_count(m->w, model, &n);
    if (rc == 0)
        rc = vocab_init(&m->v, m->w, n, true);
    if (rc == 0)
        rc = spm_take(m->w, &m->v, model);
    for (uint64_t i = 0; i < m->v.n && rc == 0; i++) {
        struct str *text = &m->v.texts[i];
        if (m->v.types[i] == TOKEN_UNKNOWN)
            m->unk = (int64_t)i;
        else if (m->v.types[i] == TOKEN_CONTROL && str_eq(*text, bos_text))
            m->bos = (int64_t)i;
        else if (m->v.types[i] == TOKEN_CONTROL && str_eq(*text, eos_text))
            m->eos = (int64_t)i;
        else if (m->v.types[i] == TOKEN_CONTROL && str_eq(*text, pad_text))
            m->pad = (int64_t)i;
        *text = arena_str(m->w->form->arena, *text);
        if (!text->p)
            rc = work_no_memory(m->w);
    }
    return rc;
}

static int read_spm(struct mistral *m) {
    struct str name;
    char *bytes = NULL;
    size_t n;
    int rc = find_spm(m, &name);
    if (rc == 0)
        rc = folder_slurp(m->w->folder, name.p, FOLDER_MAX_TOKENIZER, &bytes, &n, m->w->err);
    if (rc == 0)
        rc = take_pieces(m, (struct str){ bytes, n });
    free(bytes);
    return rc;
}

/* --- pairs --- */

/* A name that llama.cpp knows a template by; p is NULL: none. */
static struct str template_name(const struct mistral *m) {
    static const struct {
        const char *version;
        bool tekken;
        const char *name;
    } names[] = { { "v1", false, "mistral-v1" }, { "v1", true, "mistral-v1" },
                  { "v3", false, "mistral-v3" }, { "v3", true, "mistral-v3-tekken" },
                  { "v7", false, "mistral-v7" }, { "v7", true, "mistral-v7-tekken" } };
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (str_is(m->version, names[i].version) && m->tekken == names[i].tekken)
            return str_from(names[i].name);
    return (struct str){ NULL, 0 };
}

/* Upstream has templates of its own for some newer versions, and stops at others: here they are
 * what the folder has. */
static int add_template(struct mistral *m) {
    struct arch_work *w = m->w;
    const struct str name = template_name(m);
    if (!folder_has(w->folder, TEMPLATE) || (!w->folder->layout && name.p))
        return name.p ? work_str(w, "tokenizer.chat_template", name)
                      : err_set(w->err, -ENOTSUP,
                                "a tokenizer of version %.*s needs " TEMPLATE " in the folder",
                                STR_ARG(m->version));
    char *text = NULL;
    size_t n;
    int rc = folder_slurp(w->folder, TEMPLATE, FOLDER_MAX_CONFIG, &text, &n, w->err);
    if (rc == 0)
        rc = work_str(w, "tokenizer.chat_template", (struct str){ text, n });
    free(text);
    return rc;
}

static int add_id(struct mistral *m, const char *key, int64_t id) {
    if (id < 0)
        return err_set(m->w->err, -EBADMSG, "the tokenizer has no token for %s", key);
    return work_u32(m->w, key, (uint64_t)id);
}

static int add_tokens(struct mistral *m) {
    struct arch_work *w = m->w;
    struct kv_list *kvs = &w->form->kvs;
    struct arena *a = w->form->arena;
    if (!kv_set_strs(kvs, a, "tokenizer.ggml.tokens", m->v.texts, m->v.n))
        return work_no_memory(w);
    int rc;
    if (m->v.scores) {
        rc = work_array(w, "tokenizer.ggml.scores", KV_F32, m->v.scores, m->v.n);
    } else { /* whole numbers there */
        const int32_t *zeros = arena_array(m->a, int32_t, m->v.n ? m->v.n : 1);
        rc = zeros ? work_array(w, "tokenizer.ggml.scores", KV_I32, zeros, m->v.n)
                   : work_no_memory(w);
    }
    if (rc == 0)
        rc = work_array(w, "tokenizer.ggml.token_type", KV_I32, m->v.types, m->v.n);
    return rc < 0 ? rc : work_u32(w, ".vocab_size", m->v.n);
}

static int add_pairs(struct mistral *m) {
    struct arch_work *w = m->w;
    int rc = work_str(w, "tokenizer.ggml.model", m->tekken ? STR("gpt2") : STR("llama"));
    if (rc == 0 && m->tekken)
        rc = work_str(w, "tokenizer.ggml.pre", STR("tekken"));
    if (rc == 0 && m->tekken &&
        !kv_set_strs(&w->form->kvs, w->form->arena, "tokenizer.ggml.merges", m->merges.items,
                     m->merges.n))
        rc = work_no_memory(w);
    if (rc == 0)
        rc = add_id(m, "tokenizer.ggml.bos_token_id", m->bos);
    if (rc == 0)
        rc = add_id(m, "tokenizer.ggml.eos_token_id", m->eos);
    if (rc == 0)
        rc = add_id(m, "tokenizer.ggml.unknown_token_id", m->unk);
    if (rc == 0)
        rc = add_id(m, "tokenizer.ggml.padding_token_id", m->pad < 0 ? m->eos : m->pad);
    if (rc == 0)
        rc = add_tokens(m);
    if (rc == 0)
        rc = work_bool(w, "tokenizer.ggml.add_bos_token", true);
    if (rc == 0)
        rc = work_bool(w, "tokenizer.ggml.add_eos_token", false);
    return rc < 0 ? rc : add_template(m);
}

static int mistral_add(struct arch_work *w) {
    struct arena a = { 0 };
    struct mistral m = { .w = w, .a = &a, .bos = -1, .eos = -1, .unk = -1, .pad = -1 };
    if (!mistral_vocab_fits(w->folder))
        return 0;
    m.tekken = folder_has(w->folder, TEKKEN);
    int rc = m.tekken ? read_tekken(&m) : read_spm(&m);
    if (rc == 0)
        rc = add_pairs(&m);
    arena_fini(&a);
    return rc < 0 ? rc : 1;
}

const struct tokenizer_kind tokenizer_mistral = { TEKKEN, mistral_add };
