/* SPDX-License-Identifier: Apache-2.0
 * formats/card.c - see card.h. By events, not documents: what is nested deeper than anyone asks
 * for (evaluation results of thousands of lines) is skipped and costs no memory. Types of plain
 * scalars as PyYAML resolves them (YAML 1.1), for the converter asks for strings. */
#include "formats/card.h"
#include <errno.h>
#include <regex.h>
#include <stdlib.h>
#include <yaml.h>

struct card_reader {
    yaml_parser_t parser;
    regex_t null, other;
    struct arena *arena;
    struct err *err;
    const char *file;    /* for messages */
    uint32_t first_line; /* of the file, that libyaml calls 0 */
    bool is_card;        /* lists hold no lists, and all is shallow */
};

static const char null_pattern[] = "^(~|null|Null|NULL)?$";
static const char other_pattern[] =
    "^(yes|Yes|YES|no|No|NO|true|True|TRUE|false|False|FALSE|on|On|ON|off|Off|OFF"
    "|[-+]?[0-9][0-9_]*\\.[0-9_]*([eE][-+][0-9]+)?"
    "|\\.[0-9][0-9_]*([eE][-+][0-9]+)?"
    "|[-+]?[0-9][0-9_]*(:[0-5]?[0-9])+\\.[0-9_]*"
    "|[-+]?\\.(inf|Inf|INF)|\\.(nan|NaN|NAN)"
    "|[-+]?0b[01_]+|[-+]?0[0-7_]+|[-+]?(0|[1-9][0-9_]*)|[-+]?0x[0-9a-fA-F_]+"
    "|[-+]?[1-9][0-9_]*(:[0-5]?[0-9])+"
    "|[0-9]{4}-[0-9]{2}-[0-9]{2}"
    "|[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}([Tt]|[ \t]+)[0-9]{1,2}:[0-9]{2}:[0-9]{2}(\\.[0-9]*)?"
    "([ \t]*(Z|[-+][0-9]{1,2}(:?[0-9]{2})?))?"
    "|<<|=)$";

static int next_event(struct card_reader *r, yaml_event_t *ev) {
    if (yaml_parser_parse(&r->parser, ev))
        return 0;
    if (r->parser.error == YAML_MEMORY_ERROR)
        return err_set(r->err, -ENOMEM, "%s", r->file);
    return err_set(r->err, -EBADMSG, "%s: line %zu: %s", r->file,
                   r->parser.problem_mark.line + r->first_line,
                   r->parser.problem ? r->parser.problem : "not YAML");
}

static int out_of_memory(struct card_reader *r) {
    return err_set(r->err, -ENOMEM, "%s", r->file);
}

/* The rest of a sequence or mapping whose start was read. */
static int skip_nested(struct card_reader *r) {
    for (uint64_t depth = 1; depth > 0;) {
        yaml_event_t ev;
        int rc = next_event(r, &ev);
        if (rc < 0)
            return rc;
        depth += ev.type == YAML_SEQUENCE_START_EVENT || ev.type == YAML_MAPPING_START_EVENT;
        depth -= ev.type == YAML_SEQUENCE_END_EVENT || ev.type == YAML_MAPPING_END_EVENT;
        yaml_event_delete(&ev);
    }
    return 0;
}

static int take_scalar(struct card_reader *r, struct card_value *v, const yaml_event_t *ev) {
    const char *text = (const char *)ev->data.scalar.value;
    v->kind = CARD_TEXT;
    v->text = arena_str(r->arena, (struct str){ text, ev->data.scalar.length });
    if (!v->text.p)
        return out_of_memory(r);
    if (!ev->data.scalar.plain_implicit)
        return 0;
    if (regexec(&r->null, text, 0, NULL, 0) == 0)
        v->kind = CARD_NULL;
    else if (regexec(&r->other, text, 0, NULL, 0) == 0)
        v->kind = CARD_OTHER;
    return 0;
}

/* Room for one more item, and for its key in a map. */
static struct card_value *add_item(struct card_reader *r, struct card_value *v) {
    if (v->n == v->cap) {
        const uint32_t cap = v->cap ? 2 * v->cap : 8;
        struct card_value *items = arena_array(r->arena, struct card_value, cap);
        struct str *keys = arena_array(r->arena, struct str, cap);
        if (cap > CARD_MAX_ITEMS || !items || !keys)
            return NULL;
        if (v->n) {
            memcpy(items, v->items, v->n * sizeof *items);
            memcpy(keys, v->keys, v->n * sizeof *keys);
        }
        v->items = items;
        v->keys = keys;
        v->cap = cap;
    }
    return &v->items[v->n++];
}

enum { DEPTH_VALUE = 1, DEPTH_ITEM, DEPTH_MEMBER, DEPTH_SKIPPED = CARD_MAX_DEPTH };

static int take_value(struct card_reader *r, struct card_value *v, yaml_event_t *ev, int depth);

static int take_sequence(struct card_reader *r, struct card_value *v, int depth) {
    v->kind = CARD_LIST;
    for (;;) {
        yaml_event_t ev;
        int rc = next_event(r, &ev);
        if (rc < 0)
            return rc;
        if (ev.type == YAML_SEQUENCE_END_EVENT) {
            yaml_event_delete(&ev);
            return 0;
        }
        struct card_value *item = add_item(r, v);
        rc = item ? take_value(r, item, &ev, depth + 1) : out_of_memory(r);
        yaml_event_delete(&ev);
        if (rc < 0)
            return rc;
    }
}

static int take_mapping(struct card_reader *r, struct card_value *v, int depth) {
    v->kind = CARD_MAP;
    for (;;) {
        yaml_event_t ev;
        struct card_value key = { 0 };
        int rc = next_event(r, &ev);
        if (rc < 0)
            return rc;
        const bool end = ev.type == YAML_MAPPING_END_EVENT;
        if (!end)
            rc = take_value(r, &key, &ev, DEPTH_SKIPPED);
        yaml_event_delete(&ev);
        if (end || rc < 0)
            return rc;

        rc = next_event(r, &ev);
        if (rc < 0)
            return rc;
        struct card_value *item = add_item(r, v);
        if (item)
            v->keys[v->n - 1] = key.text;
        rc = item ? take_value(r, item, &ev, depth + 1) : out_of_memory(r);
        yaml_event_delete(&ev);
        if (rc < 0)
            return rc;
    }
}

static bool is_too_deep(const struct card_reader *r, yaml_event_type_t type, int depth) {
    if (!r->is_card)
        return depth >= CARD_MAX_DEPTH;
    return depth >= DEPTH_MEMBER || (depth == DEPTH_ITEM && type == YAML_SEQUENCE_START_EVENT);
}

/* The value that begins with @ev. Recursion ends where it is too deep. */
static int take_value(struct card_reader *r, struct card_value *v, yaml_event_t *ev, int depth) {
    v->line = (uint32_t)(ev->start_mark.line + r->first_line);
    switch (ev->type) {
    case YAML_SCALAR_EVENT:
        return take_scalar(r, v, ev);
    case YAML_SEQUENCE_START_EVENT:
    case YAML_MAPPING_START_EVENT:
        if (is_too_deep(r, ev->type, depth)) {
            v->kind = CARD_OTHER;
            return skip_nested(r);
        }
        return ev->type == YAML_MAPPING_START_EVENT ? take_mapping(r, v, depth)
                                                    : take_sequence(r, v, depth);
    case YAML_ALIAS_EVENT:
        return err_set(r->err, -ENOTSUP, "%s: line %u: aliases are not followed", r->file, v->line);
    default:
        return err_set(r->err, -EBADMSG, "%s: line %u: it ends early", r->file, v->line);
    }
}

/* Up to and with the first event of the document's content; false at the end of the stream. */
static int first_event(struct card_reader *r, yaml_event_t *ev, bool *found) {
    for (;;) {
        int rc = next_event(r, ev);
        if (rc < 0)
            return rc;
        *found = ev->type != YAML_STREAM_END_EVENT;
        if (ev->type != YAML_STREAM_START_EVENT && ev->type != YAML_DOCUMENT_START_EVENT)
            return 0;
        yaml_event_delete(ev);
    }
}

static int read_map(struct card_reader *r, struct card_value *out) {
    yaml_event_t ev;
    bool found = false;
    int rc = first_event(r, &ev, &found);
    if (rc < 0)
        return rc;
    if (found && ev.type == YAML_MAPPING_START_EVENT)
        rc = take_mapping(r, out, 0);
    else if (found && !r->is_card)
        rc = err_set(r->err, -EBADMSG, "%s: line 1: it is not KEY: VALUE", r->file);
    yaml_event_delete(&ev);
    return rc;
}

/* Ends of lines as Python's splitlines() has them: \n, \r, \r\n, \v, \f, FS, GS, RS, NEL, LS, PS.
 * The length of the line that begins at @s; *skip: bytes of its end. */
static size_t line_length(struct str s, size_t *skip) {
    for (size_t i = 0; i < s.n; i++) {
        const unsigned char c = (unsigned char)s.p[i];
        const char *rest = s.p + i;
        const size_t left = s.n - i;
        *skip = c == '\r' && left > 1 && rest[1] == '\n'               ? 2
                : (c >= '\n' && c <= '\r') || (c >= 0x1c && c <= 0x1e) ? 1
                : left > 1 && memcmp(rest, "\xc2\x85", 2) == 0         ? 2
                : left > 2 && (memcmp(rest, "\xe2\x80\xa8", 3) == 0 ||
                               memcmp(rest, "\xe2\x80\xa9", 3) == 0)
                    ? 3
                    : 0;
        if (*skip)
            return i;
    }
    *skip = 0;
    return s.n;
}

/* The lines between the first "---" and the next, ended by '\n', with the converter's repairs: a
 * list item `no` (Norwegian) is a string, a tab is two spaces. *n == 0: no front matter. */
static char *front_matter(struct str text, size_t *n) {
    size_t skip, len = line_length(text, &skip);
    *n = 0;
    char *buf = malloc(2 * text.n + 8);
    if (!buf || !str_is((struct str){ text.p, len }, "---"))
        return buf;
    for (size_t at = len + skip; at < text.n; at += len + skip) {
        struct str line = { text.p + at, text.n - at };
        line.n = len = line_length(line, &skip);
        if (str_is(line, "---"))
            break;
        const bool norway = str_ends(line, STR("- no"));
        for (size_t i = 0; i < line.n - (norway ? 2 : 0); i++) {
            buf[(*n)++] = line.p[i] == '\t' ? ' ' : line.p[i];
            if (line.p[i] == '\t')
                buf[(*n)++] = ' ';
        }
        if (norway)
            *n += (size_t)(stpcpy(buf + *n, "\"no\"") - (buf + *n));
        buf[(*n)++] = '\n';
    }
    return buf;
}

static int parse_text(struct card_reader *r, struct card_value *out, const char *yaml, size_t n) {
    int rc = -ENOMEM;
    const bool null_ok = regcomp(&r->null, null_pattern, REG_EXTENDED | REG_NOSUB) == 0;
    const bool other_ok = regcomp(&r->other, other_pattern, REG_EXTENDED | REG_NOSUB) == 0;
    if (null_ok && other_ok && yaml_parser_initialize(&r->parser)) {
        yaml_parser_set_input_string(&r->parser, (const unsigned char *)yaml, n);
        yaml_parser_set_encoding(&r->parser, YAML_UTF8_ENCODING);
        rc = read_map(r, out);
        yaml_parser_delete(&r->parser);
    }
    if (null_ok)
        regfree(&r->null);
    if (other_ok)
        regfree(&r->other);
    return rc == -ENOMEM ? out_of_memory(r) : rc;
}

int card_parse(struct card_value *out, struct str text, struct arena *a, struct err *err) {
    /* the front matter begins below "---" */
    struct card_reader r = {
        .arena = a, .err = err, .file = "README.md", .first_line = 2, .is_card = true
    };
    size_t n;
    *out = (struct card_value){ .kind = CARD_MAP };
    char *yaml = front_matter(text, &n);
    if (!yaml)
        return out_of_memory(&r);
    int rc = n ? parse_text(&r, out, yaml, n) : 0;
    free(yaml);
    return rc;
}

int card_parse_file(struct card_value *out, const char *file, struct str text, struct arena *a,
                    struct err *err) {
    struct card_reader r = { .arena = a, .err = err, .file = file, .first_line = 1 };
    *out = (struct card_value){ .kind = CARD_MAP };
    return parse_text(&r, out, text.p, text.n);
}

const struct card_value *card_get(const struct card_value *map, const char *key) {
    static const struct card_value absent = { .kind = CARD_ABSENT };
    for (uint32_t i = map->n; i-- > 0;)
        if (str_is(map->keys[i], key))
            return &map->items[i];
    return &absent;
}
