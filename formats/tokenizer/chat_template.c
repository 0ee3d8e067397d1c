/* SPDX-License-Identifier: Apache-2.0
 * formats/tokenizer/chat_template.c - chat templates are programs: their text is passed through,
 * never run. Sources: gguf/vocab.py, SpecialVocab; gguf/gguf_writer.py, add_chat_template. */
#include "formats/json.h"
#include "formats/tokenizer/special.h"
#include <errno.h>
#include <stdlib.h>

#define ALTERNATIVES "additional_chat_templates"

enum { TEMPLATE_MAX = 8 << 20 /* bytes */, TEMPLATES_MAX = 256 };

struct named_template {
    struct str name, text;
};

/* Text as Python reads it: \r\n and \r end a line as \n does. In the form's arena. */
static int read_text(struct arch_work *w, const char *file, struct str *out) {
    char *text = NULL;
    size_t n = 0, len = 0;
    int rc = folder_slurp(w->folder, file, TEMPLATE_MAX, &text, &n, w->err);
    if (rc < 0)
        return rc;
    for (size_t i = 0; i < n; i++) {
        if (text[i] == '\r' && i + 1 < n && text[i + 1] == '\n')
            continue;
        text[len++] = text[i] == '\r' ? '\n' : text[i];
    }
    *out = arena_str(w->form->arena, (struct str){ text, len });
    free(text);
    return out->p ? 0 : work_no_memory(w);
}

/* A name with what is not an ASCII letter or digit as '_', each character once. */
static struct str safe_name(struct arena *a, struct str name) {
    char *out = arena_alloc(a, name.n + 1, 1);
    size_t n = 0;
    for (size_t i = 0; out && i < name.n; i++) {
        const unsigned char c = (unsigned char)name.p[i];
        const bool letter = (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z');
        if ((c & 0xc0) != 0x80) /* not inside a character of UTF-8 */
            out[n++] = letter ? (char)c : '_';
    }
    return (struct str){ out, n };
}

static int by_name(const void *a, const void *b) {
    return str_cmp(*(const struct str *)a, *(const struct str *)b);
}

/* Upstream lists the names in the order of a Python set, which changes from run to run: sorted
 * here. With one name, as is usual, the bytes are the same. */
static int add_named(struct arch_work *w, const struct named_template *list, size_t n) {
    struct arena *a = w->form->arena;
    struct str names[TEMPLATES_MAX], main_text = { NULL, 0 };
    size_t n_names = 0, unique = 0;
    int rc = 0;
    for (size_t i = 0; i < n && rc == 0; i++) {
        const struct str name = safe_name(a, list[i].name);
        if (name.n == 0 || !list[i].text.p)
            continue;
        if (str_is(name, "default")) {
            main_text = list[i].text;
            continue;
        }
        const struct str key = arena_printf(a, "tokenizer.chat_template.%.*s", STR_ARG(name));
        rc = key.p ? work_str(w, key.p, list[i].text) : work_no_memory(w);
        names[n_names++] = name;
    }
    if (rc == 0 && n_names) {
        qsort(names, n_names, sizeof *names, by_name);
        for (size_t i = 0; i < n_names; i++)
            if (!unique || !str_eq(names[unique - 1], names[i]))
                names[unique++] = names[i];
        if (!kv_set_strs(&w->form->kvs, a, "tokenizer.chat_templates", names, unique))
            rc = work_no_memory(w);
    }
    return rc < 0 || !main_text.p ? rc : work_str(w, "tokenizer.chat_template", main_text);
}

static int too_many(struct arch_work *w) {
    return err_set(w->err, -E2BIG, "more than %d chat templates", TEMPLATES_MAX);
}

/* Of tokenizer_config.json or chat_template.json: a string, or a list of {name, template}. */
static int add_json(struct arch_work *w, const struct json *v) {
    struct named_template list[TEMPLATES_MAX];
    struct str text;
    if (json_str(v, &text))
        return work_str(w, "tokenizer.chat_template", text);
    if (json_type(v) != JSON_ARRAY)
        return 0;
    if (json_len(v) > TEMPLATES_MAX)
        return too_many(w);
    for (size_t i = 0; i < json_len(v); i++) {
        list[i] = (struct named_template){ 0 };
        (void)json_str(json_get(json_at(v, i), "name"), &list[i].name);
        (void)json_str(json_get(json_at(v, i), "template"), &list[i].text);
    }
    return add_named(w, list, json_len(v));
}

/* chat_template.jinja, and the files of a folder beside it. */
static int add_files(struct arch_work *w) {
    static const struct str suffix = STR(".jinja");
    struct named_template list[TEMPLATES_MAX] = { { .name = STR("default") } };
    struct str *names;
    uint32_t n_names;
    size_t n = 1;
    int rc = read_text(w, "chat_template.jinja", &list[0].text);
    if (rc == 0)
        rc = folder_list(w->folder, ALTERNATIVES, w->form->arena, &names, &n_names, w->err);
    if (rc < 0)
        return rc;
    for (uint32_t i = 0; i < n_names && rc == 0; i++) {
        if (!str_ends(names[i], suffix))
            continue;
        if (n == TEMPLATES_MAX)
            return too_many(w);
        const struct str file = arena_printf(w->form->arena, ALTERNATIVES "/%s", names[i].p);
        list[n].name = (struct str){ names[i].p, names[i].n - suffix.n };
        rc = file.p ? read_text(w, file.p, &list[n++].text) : work_no_memory(w);
    }
    if (rc < 0)
        return rc;
    return n > 1 ? add_named(w, list, n) : work_str(w, "tokenizer.chat_template", list[0].text);
}

int template_add(struct arch_work *w) {
    const struct json *own = json_get(w->folder->tokenizer_config, "chat_template");
    if (own) /* even where it is null */
        return add_json(w, own);
    if (folder_has(w->folder, "chat_template.jinja"))
        return add_files(w);
    struct json *doc;
    int rc = folder_json(w->folder, "chat_template.json", FOLDER_MAX_CONFIG, &doc, w->err);
    if (rc == 0)
        rc = add_json(w, json_get(doc, "chat_template"));
    json_free(doc);
    return rc;
}
