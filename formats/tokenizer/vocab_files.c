/* SPDX-License-Identifier: Apache-2.0
 * formats/tokenizer/vocab_files.c - see vocab_files.h. Source: tokenizers 0.23, BPE::read_file and
 * WordPiece::read_file, which the classes of transformers hand these files to. */
#include "formats/tokenizer/vocab_files.h"
#include "formats/buffer.h"
#include "formats/cleanup.h"
#include "formats/tokenizer/bpe.h"
#include <errno.h>
#include <stdlib.h>

#define VOCAB_JSON "vocab.json"
#define VOCAB_TXT  "vocab.txt"
#define MERGES_TXT "merges.txt"

/* The next line of @text, which loses it, without what ends it. False: there is none. */
static bool take_line(struct str *text, struct str *line) {
    if (!text->n)
        return false;
    const char *end = memchr(text->p, '\n', text->n);
    *line = (struct str){ text->p, end ? (size_t)(end - text->p) : text->n };
    text->p += line->n + (end != NULL);
    text->n -= line->n + (end != NULL);
    if (end && line->n && line->p[line->n - 1] == '\r')
        line->n--;
    return true;
}

static bool is_pair(struct str line) {
    const char *space = memchr(line.p, ' ', line.n);
    return space && !memchr(space + 1, ' ', line.n - (size_t)(space + 1 - line.p));
}

static int add_merges(struct buffer *b, struct str text, struct err *err) {
    struct str line;
    bool first = true;
    for (uint64_t n = 1; take_line(&text, &line); n++) {
        if (str_starts(line, STR("#version")))
            continue;
        if (!is_pair(line))
            return err_set(err, -EBADMSG, MERGES_TXT ": line %llu is not a pair of texts",
                           (unsigned long long)n);
        buffer_z(b, first ? "" : ",");
        buffer_json(b, line);
        first = false;
    }
    return 0;
}

static int read_pairs(struct buffer *b, const struct arch_work *w) {
    auto_free char *vocab = NULL, *merges = NULL;
    size_t n_vocab, n_merges;
    int rc = folder_slurp(w->folder, VOCAB_JSON, FOLDER_MAX_TOKENIZER, &vocab, &n_vocab, w->err);
    if (rc == 0)
        rc = folder_slurp(w->folder, MERGES_TXT, FOLDER_MAX_TOKENIZER, &merges, &n_merges, w->err);
    if (rc < 0)
        return rc;
    buffer_z(b, "{\"model\":{\"type\":\"BPE\",\"vocab\":");
    buffer_add(b, vocab, n_vocab);
    buffer_z(b, ",\"merges\":[");
    rc = add_merges(b, (struct str){ merges, n_merges }, w->err);
    buffer_z(b, "]}}");
    return rc;
}

static bool take_token(struct str *text, struct str *token) {
    if (!take_line(text, token))
        return false;
    while (token->n && (token->p[token->n - 1] == ' ' || token->p[token->n - 1] == '\t'))
        token->n--;
    return true;
}

/* Of lines that are equal the last counts. False: no memory. */
static bool find_last(struct token_map *last, struct str text, struct arena *a) {
    struct str token;
    size_t n = 1;
    for (size_t i = 0; i < text.n; i++)
        n += text.p[i] == '\n';
    if (!token_map_init(last, a, n))
        return false;
    for (uint32_t id = 0; take_token(&text, &token); id++)
        token_map_put(last, token, id);
    return true;
}

/* A token a line. */
static int read_lines(struct buffer *b, const struct arch_work *w) {
    auto_free char *vocab = NULL;
    struct arena a = { 0 };
    struct token_map last;
    size_t n;
    int rc = folder_slurp(w->folder, VOCAB_TXT, FOLDER_MAX_TOKENIZER, &vocab, &n, w->err);
    if (rc < 0)
        return rc;
    struct str text = { vocab, n }, token;
    if (find_last(&last, text, &a)) {
        const char *comma = "";
        buffer_z(b, "{\"model\":{\"type\":\"WordPiece\",\"vocab\":{");
        for (uint32_t id = 0, at; take_token(&text, &token); id++) {
            if (token_map_get(&last, token, &at) && at != id)
                continue;
            buffer_z(b, comma);
            buffer_json(b, token);
            buffer_z(b, ":");
            buffer_decimal(b, id);
            comma = ",";
        }
        buffer_z(b, "}}}");
    } else {
        rc = work_no_memory(w);
    }
    arena_fini(&a);
    return rc;
}

int vocab_files_read(struct json **out, const struct token_class *by, const struct arch_work *w) {
    static const struct {
        enum vocab_files kind;
        const char *name, *beside;
        int (*read)(struct buffer *b, const struct arch_work *w);
    } kinds[] = {
        { FILES_PAIRS, VOCAB_JSON, MERGES_TXT, read_pairs },
        { FILES_LINES, VOCAB_TXT, VOCAB_TXT, read_lines },
    };
    *out = NULL;
    for (size_t i = 0; by && i < sizeof kinds / sizeof *kinds; i++) {
        if (kinds[i].kind != by->files || !folder_has(w->folder, kinds[i].name) ||
            !folder_has(w->folder, kinds[i].beside))
            continue;
        struct buffer b = { 0 };
        int rc = kinds[i].read(&b, w);
        if (rc == 0 && b.failed)
            rc = work_no_memory(w);
        if (rc == 0 && (rc = json_parse(out, (struct str){ b.p, b.n }, w->err)) < 0)
            err_prefix(w->err, kinds[i].name);
        buffer_fini(&b);
        return rc;
    }
    return 0;
}
