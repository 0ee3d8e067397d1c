/* SPDX-License-Identifier: Apache-2.0
 * formats/tokenizer/merges.c - the merges of a BPE tokenizer as pairs of texts with a space
 * between. Source: gguf/vocab.py, SpecialVocab. */
#include "formats/json.h"
#include "formats/tokenizer/special.h"
#include <errno.h>
#include <stdlib.h>

#define MERGES_FILE "merges.txt"

static int put(struct arch_work *w, const struct str *merges, uint64_t n) {
    if (n == 0)
        return 0;
    return kv_set_strs(&w->form->kvs, w->form->arena, "tokenizer.ggml.merges", merges, n)
               ? 0
               : work_no_memory(w);
}

/* One part of a merge that is a pair: a space in it is written as U+0120, the byte-level sign. */
static size_t write_part(char *out, struct str part) {
    size_t n = 0;
    for (size_t i = 0; i < part.n; i++) {
        if (part.p[i] == ' ') {
            out[n++] = (char)0xc4;
            out[n++] = (char)0xa0;
        } else {
            out[n++] = part.p[i];
        }
    }
    return n;
}

static int take_merge(struct arch_work *w, const struct json *v, struct str *out) {
    struct str a, b;
    if (json_str(v, out))
        return 0;
    if (json_len(v) != 2 || !json_str(json_at(v, 0), &a) || !json_str(json_at(v, 1), &b))
        return err_set(w->err, -EBADMSG, "tokenizer.json: a merge is not a pair of texts");
    char *text = arena_alloc(w->form->arena, 2 * (a.n + b.n) + 2, 1);
    if (!text)
        return work_no_memory(w);
    size_t n = write_part(text, a);
    text[n++] = ' ';
    n += write_part(text + n, b);
    *out = (struct str){ text, n };
    return 0;
}

static bool is_space(char c) {
    return c == ' ' || (c >= '\t' && c <= '\r');
}

/* The next word of @line, which loses it. */
static struct str take_word(struct str *line) {
    while (line->n && is_space(*line->p)) {
        line->p++;
        line->n--;
    }
    struct str word = { line->p, 0 };
    while (word.n < line->n && !is_space(word.p[word.n]))
        word.n++;
    line->p += word.n;
    line->n -= word.n;
    return word;
}

static int take_lines(struct arch_work *w, struct str text) {
    uint64_t lines = 1, n = 0;
    for (size_t i = 0; i < text.n; i++)
        lines += text.p[i] == '\n';
    struct str *merges = arena_array(w->form->arena, struct str, lines);
    if (!merges)
        return work_no_memory(w);
    for (bool first = true; text.n; first = false) {
        const char *end = memchr(text.p, '\n', text.n);
        struct str line = { text.p, end ? (size_t)(end - text.p) : text.n };
        text.p += line.n + (end != NULL);
        text.n -= line.n + (end != NULL);
        if (first && line.n && *line.p == '#')
            continue;
        const struct str a = take_word(&line), b = take_word(&line);
        if (a.n == 0 || b.n == 0 || take_word(&line).n)
            continue; /* not a merge: passed over, as upstream does */
        merges[n] = arena_printf(w->form->arena, "%.*s %.*s", STR_ARG(a), STR_ARG(b));
        if (!merges[n++].p)
            return work_no_memory(w);
    }
    return put(w, merges, n);
}

int merges_add(struct arch_work *w, const struct json *tokenizer) {
    const struct json *list = json_get(json_get(tokenizer, "model"), "merges");
    const size_t n = json_len(list);
    int rc = 0;
    if (n && json_type(list) == JSON_ARRAY) {
        struct str *merges = arena_array(w->form->arena, struct str, n);
        if (!merges)
            return work_no_memory(w);
        for (size_t i = 0; i < n && rc == 0; i++)
            rc = take_merge(w, json_at(list, i), &merges[i]);
        return rc < 0 ? rc : put(w, merges, n);
    }
    if (!folder_has(w->folder, MERGES_FILE))
        return 0;
    char *text = NULL;
    size_t len;
    rc = folder_slurp(w->folder, MERGES_FILE, FOLDER_MAX_TOKENIZER, &text, &len, w->err);
    if (rc == 0)
        rc = take_lines(w, (struct str){ text, len });
    free(text);
    return rc;
}
