/* SPDX-License-Identifier: Apache-2.0
 * formats/tokenizer/hf_tokenizer.c - see hf_tokenizer.h. Source: transformers 5.23,
 * tokenization_utils_base.py and tokenization_utils_tokenizers.py. */
#include "formats/tokenizer/hf_tokenizer.h"
#include "formats/buffer.h"
#include "formats/tokenizer/vocab_files.h"
#include <errno.h>

/* {NAME} or {NAME|DEFAULT} at @p; the length, or 0 where it is a brace of JSON. */
static size_t placeholder(const char *p, struct str *name, struct str *absent) {
    const size_t n = strspn(p + 1, "abcdefghijklmnopqrstuvwxyz_");
    const size_t more = p[1 + n] == '|' ? 1 + strspn(p + 2 + n, "abcdefghijklmnopqrstuvwxyz") : 0;
    if (!n || p[1 + n + more] != '}')
        return 0;
    *name = (struct str){ p + 1, n };
    *absent = more ? (struct str){ p + 2 + n, more - 1 } : (struct str){ NULL, 0 };
    return n + more + 2;
}

static void add_value(struct buffer *b, const struct hf_tokenizer *t, const struct json *config,
                      struct str name, struct str absent) {
    const struct role *role = roles_find(&t->roles, name);
    char key[64] = "";
    if (!absent.p) {
        if (role)
            buffer_json(b, role->token.text);
        else
            buffer_z(b, "null");
        return;
    }
    memcpy(key, name.p, name.n < sizeof key ? name.n : 0);
    const struct json *v = json_get(config, key);
    if (v)
        json_print(b, v, 0);
    else
        buffer_add(b, absent.p, absent.n);
}

/* The class's own steps. */
static int make_own(struct hf_tokenizer *t, const struct arch_work *w) {
    const struct json *config = w->folder->tokenizer_config;
    struct buffer b = { 0 };
    for (const char *p = t->by->steps(config); *p;) {
        struct str name, absent;
        const size_t n = *p == '{' ? placeholder(p, &name, &absent) : 0;
        if (n)
            add_value(&b, t, config, name, absent);
        else
            buffer_add(&b, p, 1);
        p += n ? n : 1;
    }
    int rc = b.failed ? work_no_memory(w) : json_parse(&t->own, (struct str){ b.p, b.n }, w->err);
    buffer_fini(&b);
    return rc;
}

/* Before or behind a text: the token with a role, if tokenizer_config.json wants it there. */
static void add_end(struct buffer *b, const struct hf_tokenizer *t, const struct json *config,
                    const char *wanted, const char *name) {
    const struct role *role = roles_find(&t->roles, str_from(name));
    bool is_wanted = false;
    if (!json_bool(json_get(config, wanted), &is_wanted) || !is_wanted || !role)
        return;
    buffer_z(b, "{\"SpecialToken\":{\"id\":");
    buffer_json(b, role->token.text);
    buffer_z(b, "}},");
}

/* What stands around a text where no tokenizer.json says it (update_post_processor). */
static int make_around(struct hf_tokenizer *t, const struct arch_work *w) {
    const struct json *config = w->folder->tokenizer_config;
    struct buffer b = { 0 };
    buffer_z(&b, "{\"type\":\"TemplateProcessing\",\"single\":[");
    add_end(&b, t, config, "add_bos_token", "bos_token");
    buffer_z(&b, "{\"Sequence\":{\"id\":\"A\"}},");
    add_end(&b, t, config, "add_eos_token", "eos_token");
    b.n -= !b.failed; /* the last comma */
    buffer_z(&b, "]}");
    int rc =
        b.failed ? work_no_memory(w) : json_parse(&t->around, (struct str){ b.p, b.n }, w->err);
    buffer_fini(&b);
    t->processor = t->around;
    return rc;
}

static int check_model(const struct hf_tokenizer *t, const struct arch_work *w) {
    struct str type = STR("of no type");
    (void)json_str(json_get(json_get(t->file, "model"), "type"), &type);
    const struct str first = { t->by->names, strcspn(t->by->names, " ") };
    return str_is(type, t->by->model)
               ? 0
               : err_set(w->err, -ENOTSUP, "tokenizer.json: a model %.*s, which %.*s does not read",
                         STR_ARG(type), STR_ARG(first));
}

int hf_tokenizer_open(struct hf_tokenizer *t, const struct arch_work *w, struct arena *a) {
    const struct json *config = w->folder->tokenizer_config;
    *t = (struct hf_tokenizer){ 0 };
    int rc = folder_json(w->folder, "tokenizer.json", FOLDER_MAX_TOKENIZER, &t->file, w->err);
    if (rc < 0)
        return rc;
    t->by = token_class_find(w->folder->config, config, t->file);
    const bool older = !t->file;
    if (older)
        rc = vocab_files_read(&t->file, t->by, w);
    if (rc < 0 || !t->file)
        return rc;
    const bool old = !json_get(config, "added_tokens_decoder");
    if (old)
        rc = folder_json(w->folder, "special_tokens_map.json", FOLDER_MAX_CONFIG, &t->map, w->err);
    if (rc == 0 && old)
        rc = folder_json(w->folder, "added_tokens.json", FOLDER_MAX_CONFIG, &t->texts, w->err);
    const struct roles_source from = {
        .by = t->by, .file = t->file, .config = config, .map = t->map
    };
    if (rc == 0)
        rc = roles_read(&t->roles, &from, a, w->err);
    if (rc == 0 && t->by)
        rc = check_model(t, w);
    if (rc == 0 && t->by && t->by->steps)
        rc = make_own(t, w);
    t->steps = t->own ? t->own : t->file;
    t->settings = json_get(t->steps, "model");
    t->processor = json_get(t->steps, "post_processor");
    if (t->own && !t->processor)
        t->processor = json_get(t->file, "post_processor");
    return rc == 0 && older && t->by->files == FILES_PAIRS ? make_around(t, w) : rc;
}

void hf_tokenizer_close(struct hf_tokenizer *t) {
    json_free(t->file);
    json_free(t->map);
    json_free(t->texts);
    json_free(t->own);
    json_free(t->around);
}

int hf_tokenizer_added(const struct hf_tokenizer *t, struct added *out, const struct arch_work *w,
                       const struct token_map *vocab, struct arena *a) {
    const struct added_source from = {
        .list = json_get(t->file, "added_tokens"),
        .list_first = !t->by,
        .decoder = json_get(w->folder->tokenizer_config, "added_tokens_decoder"),
        .texts = t->texts,
        .roles = &t->roles,
        .again = t->by ? t->by->again : ROLES_ONCE,
        .normalizer = json_get(t->steps, "normalizer"),
    };
    return added_read(out, &from, vocab, a, w->err);
}
