/* SPDX-License-Identifier: Apache-2.0
 * formats/tokenizer/pretokenize.c - see pretokenize.h. Source: tokenizers 0.23,
 * src/pre_tokenizers. */
#include "formats/tokenizer/pretokenize.h"
#include "formats/tokenizer/regex.h"
#include <errno.h>

enum { MAX_NESTING = 4 };

/* What becomes of the matches of a splitting pattern. */
enum behavior { ISOLATED, REMOVED, MERGED_WITH_PREVIOUS, MERGED_WITH_NEXT, CONTIGUOUS };

static const char *const behavior_names[] = {
    [ISOLATED] = "Isolated",
    [REMOVED] = "Removed",
    [MERGED_WITH_PREVIOUS] = "MergedWithPrevious",
    [MERGED_WITH_NEXT] = "MergedWithNext",
    [CONTIGUOUS] = "Contiguous",
};

bool words_add(struct words *w, struct arena *a, struct str word) {
    if (word.n == 0)
        return true;
    if (w->n == w->cap) {
        const size_t cap = w->cap ? 2 * w->cap : 64;
        struct str *more = arena_array(a, struct str, cap);
        if (!more)
            return false;
        if (w->n)
            memcpy(more, w->items, w->n * sizeof *more);
        w->items = more;
        w->cap = cap;
    }
    w->items[w->n++] = word;
    return true;
}

static int no_memory(struct err *err) {
    return err_set(err, -ENOMEM, "tokenizer.json: words");
}

/* --- splitting by a pattern --- */

struct splitter {
    struct regex *re;
    enum behavior behavior;
    bool invert;
    struct words *out;
    struct arena *arena;
    /* of the word that is being cut: */
    struct str pending; /* what the next part may be joined to; n is 0: nothing */
    bool pending_match, started;
};

static bool flush(struct splitter *s) {
    const bool ok = words_add(s->out, s->arena, s->pending);
    s->pending = (struct str){ NULL, 0 };
    return ok;
}

/* One part of the word, a match of the pattern or what lies between. */
static bool take_part(struct splitter *s, struct str part, bool match) {
    if (part.n == 0)
        return true;
    match ^= s->invert;
    bool join = false;
    switch (s->behavior) {
    case REMOVED:
        return match || words_add(s->out, s->arena, part);
    case ISOLATED:
        return words_add(s->out, s->arena, part);
    case CONTIGUOUS:
        join = s->pending_match == match;
        break;
    case MERGED_WITH_PREVIOUS:
        join = match && !s->pending_match;
        break;
    case MERGED_WITH_NEXT:
        join = s->pending_match && !match;
        break;
    }
    if (join && s->pending.n) {
        s->pending.n += part.n; /* the parts touch */
    } else {
        if (!flush(s))
            return false;
        s->pending = part;
    }
    s->pending_match = match;
    return true;
}

static int split_word(struct splitter *s, struct str word, struct err *err) {
    size_t done = 0, start = 0, end;
    while (start <= word.n) {
        int rc = regex_find(s->re, word, &start, &end, err);
        if (rc < 0)
            return rc;
        if (rc == 0)
            break;
        if (!take_part(s, (struct str){ word.p + done, start - done }, false) ||
            !take_part(s, (struct str){ word.p + start, end - start }, true))
            return no_memory(err);
        done = end;
        if (end == start) /* an empty match: go on behind the next character */
            do
                end++;
            while (end < word.n && ((unsigned char)word.p[end] & 0xc0) == 0x80);
        start = end;
    }
    if (!take_part(s, (struct str){ word.p + done, word.n - done }, false) || !flush(s))
        return no_memory(err);
    return 0;
}

void patterns_fini(struct patterns *p) {
    while (p->n)
        regex_free(p->items[--p->n].re);
}

static int find_pattern(struct patterns *p, struct str text, bool literal, struct regex **out,
                        struct err *err) {
    for (unsigned i = 0; i < p->n; i++)
        if (p->items[i].literal == literal && str_eq(p->items[i].text, text)) {
            *out = p->items[i].re;
            return 0;
        }
    if (p->n == PATTERNS_MAX)
        return err_set(err, -ENOTSUP, "tokenizer.json: more than %d patterns", PATTERNS_MAX);
    int rc = regex_new(out, text, literal ? REGEX_LITERAL : REGEX_ONIGURUMA, err);
    if (rc < 0)
        return rc;
    p->items[p->n].re = *out;
    p->items[p->n].text = text;
    p->items[p->n++].literal = literal;
    return 0;
}

struct cutter {
    struct words *words;
    bool at_start;
    struct patterns *patterns;
    struct arena *arena;
    struct err *err;
};

static int split(struct cutter *c, struct str pattern, bool literal, enum behavior behavior,
                 bool invert) {
    struct words out = { 0 };
    struct splitter s = { .behavior = behavior, .invert = invert, .out = &out, .arena = c->arena };
    int rc = find_pattern(c->patterns, pattern, literal, &s.re, c->err);
    for (size_t i = 0; i < c->words->n && rc == 0; i++)
        rc = split_word(&s, c->words->items[i], c->err);
    *c->words = out;
    return rc;
}

/* --- bytes as characters --- */

static bool is_own_character(unsigned b) {
    return (b >= '!' && b <= '~') || (b >= 0xa1 && b <= 0xac) || b >= 0xae;
}

/* Printable bytes of Latin-1 stand for themselves, the others for U+0100 and on, in order. */
static unsigned byte_to_character(unsigned byte) {
    enum { CONTROLS = '!', OTHERS = 0xa1 - 0x7f }; /* those below '!', and from DEL on */
    if (is_own_character(byte))
        return byte;
    return 0x100 + (byte < CONTROLS ? byte
                    : byte == 0xad  ? CONTROLS + OTHERS
                                    : CONTROLS + byte - 0x7f);
}

struct str byte_level(struct arena *a, struct str bytes) {
    char *out = arena_alloc(a, 2 * bytes.n + 1, 1);
    size_t n = 0;
    for (size_t i = 0; out && i < bytes.n; i++) {
        const unsigned c = byte_to_character((unsigned char)bytes.p[i]);
        if (c < 0x80) {
            out[n++] = (char)c;
        } else {
            out[n++] = (char)(0xc0 | c >> 6);
            out[n++] = (char)(0x80 | (c & 0x3f));
        }
    }
    return (struct str){ out, n };
}

struct str byte_level_decode(struct arena *a, struct str text) {
    char *out = arena_alloc(a, text.n + 1, 1);
    unsigned char from[0x144] = { 0 };
    size_t n = 0;
    for (unsigned b = 0; b < 256; b++)
        from[byte_to_character(b)] = (unsigned char)b;
    for (size_t i = 0; out && i < text.n;) {
        unsigned c = (unsigned char)text.p[i++];
        if (c >= 0xc0 && c < 0xe0 && i < text.n)
            c = (c & 0x1f) << 6 | ((unsigned char)text.p[i++] & 0x3f);
        if (c >= sizeof from || byte_to_character(from[c]) != c)
            return (struct str){ NULL, 0 };
        out[n++] = (char)from[c];
    }
    return (struct str){ out, n };
}

/* --- kinds --- */

static bool flag(const struct json *spec, const char *name, bool absent) {
    bool value = absent;
    (void)json_bool(json_get(spec, name), &value);
    return value;
}

static int get_behavior(const struct json *spec, enum behavior absent, enum behavior *out,
                        struct err *err) {
    struct str name;
    *out = absent;
    if (!json_str(json_get(spec, "behavior"), &name))
        return 0;
    for (size_t i = 0; i < sizeof behavior_names / sizeof *behavior_names; i++)
        if (str_is(name, behavior_names[i])) {
            *out = (enum behavior)i;
            return 0;
        }
    return err_set(err, -ENOTSUP, "tokenizer.json: a pre-tokenizer's behavior \"%.*s\"",
                   STR_ARG(name));
}

static int pre_split(struct cutter *c, const struct json *spec) {
    const struct json *pattern = json_get(spec, "pattern");
    enum behavior behavior;
    struct str text;
    int rc = get_behavior(spec, ISOLATED, &behavior, c->err);
    if (rc < 0)
        return rc;
    const bool literal = json_str(json_get(pattern, "String"), &text);
    if (!literal && !json_str(json_get(pattern, "Regex"), &text))
        return err_set(c->err, -EBADMSG, "tokenizer.json: a Split without a pattern");
    return split(c, text, literal, behavior, flag(spec, "invert", false));
}

static int pre_byte_level(struct cutter *c, const struct json *spec) {
    static const struct str gpt2 =
        STR("'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+");
    for (size_t i = 0; flag(spec, "add_prefix_space", true) && i < c->words->n; i++) {
        struct str *word = &c->words->items[i];
        if (word->p[0] != ' ')
            *word = arena_join(c->arena, STR(" "), *word);
        if (!word->p)
            return no_memory(c->err);
    }
    if (flag(spec, "use_regex", true)) {
        int rc = split(c, gpt2, false, ISOLATED, false);
        if (rc < 0)
            return rc;
    }
    for (size_t i = 0; i < c->words->n; i++) {
        c->words->items[i] = byte_level(c->arena, c->words->items[i]);
        if (!c->words->items[i].p)
            return no_memory(c->err);
    }
    return 0;
}

static int pre_digits(struct cutter *c, const struct json *spec) {
    const bool each = flag(spec, "individual_digits", false);
    return split(c, STR("\\p{N}"), false, each ? ISOLATED : CONTIGUOUS, false);
}

static int pre_punctuation(struct cutter *c, const struct json *spec) {
    enum behavior behavior;
    int rc = get_behavior(spec, ISOLATED, &behavior, c->err);
    return rc < 0 ? rc : split(c, STR("[\\p{P}$+<=>^`|~]"), false, behavior, false);
}

#define RUST_WORD REGEX_WORD "\\x{200c}\\x{200d}"

static int pre_whitespace(struct cutter *c, const struct json *spec) {
    (void)spec;
    return split(c, STR("[" RUST_WORD "]+|[^\\s" RUST_WORD "]+"), false, REMOVED, true);
}

static int pre_whitespace_split(struct cutter *c, const struct json *spec) {
    (void)spec;
    return split(c, STR("\\s"), false, REMOVED, false);
}

static int pre_bert(struct cutter *c, const struct json *spec) {
    int rc = pre_whitespace_split(c, spec);
    return rc < 0 ? rc : split(c, STR("[\\p{P}$+<=>^`|~]"), false, ISOLATED, false);
}

static int pre_delimiter(struct cutter *c, const struct json *spec) {
    struct str text;
    if (!json_str(json_get(spec, "delimiter"), &text) || !text.n)
        return err_set(c->err, -EBADMSG, "tokenizer.json: a CharDelimiterSplit without delimiter");
    return split(c, text, true, REMOVED, false);
}

/* @word with each space as @mark, and one in front where it has none and @prepend says so. */
static struct str mark_spaces(struct arena *a, struct str word, struct str mark, bool prepend) {
    char *out = arena_alloc(a, (word.n + 1) * (1 + mark.n) + 1, 1);
    size_t n = 0;
    if (!out)
        return (struct str){ NULL, 0 };
    if (prepend && *word.p != ' ' && !str_starts(word, mark)) {
        memcpy(out, mark.p, mark.n);
        n = mark.n;
    }
    for (size_t i = 0; i < word.n; i++) {
        const bool space = word.p[i] == ' ';
        memcpy(out + n, space ? mark.p : word.p + i, space ? mark.n : 1);
        n += space ? mark.n : 1;
    }
    return (struct str){ out, n };
}

/* "prepend_scheme" is of later versions than "add_prefix_space". */
static int pre_metaspace(struct cutter *c, const struct json *spec) {
    struct str mark = STR("\xe2\x96\x81"), scheme;
    (void)json_str(json_get(spec, "replacement"), &mark);
    if (!json_str(json_get(spec, "prepend_scheme"), &scheme))
        scheme = flag(spec, "add_prefix_space", true) ? STR("always") : STR("never");
    for (size_t i = 0; i < c->words->n; i++) {
        struct str *word = &c->words->items[i];
        const bool first = str_is(scheme, "first") && c->at_start && i == 0;
        *word = mark_spaces(c->arena, *word, mark, first || str_is(scheme, "always"));
        if (!word->p)
            return no_memory(c->err);
    }
    return flag(spec, "split", true) ? split(c, mark, true, MERGED_WITH_NEXT, false) : 0;
}

static const struct {
    const char *type;
    int (*run)(struct cutter *, const struct json *);
} kinds[] = {
    { "Split", pre_split },
    { "ByteLevel", pre_byte_level },
    { "Digits", pre_digits },
    { "Punctuation", pre_punctuation },
    { "Whitespace", pre_whitespace },
    { "WhitespaceSplit", pre_whitespace_split },
    { "BertPreTokenizer", pre_bert },
    { "Metaspace", pre_metaspace },
    { "CharDelimiterSplit", pre_delimiter },
};

static int run(struct cutter *c, const struct json *spec, unsigned depth) {
    struct str type;
    if (json_is_null(spec))
        return 0;
    if (!json_str(json_get(spec, "type"), &type))
        return err_set(c->err, -EBADMSG, "tokenizer.json: a pre-tokenizer without a type");
    if (str_is(type, "Sequence") && depth < MAX_NESTING) {
        const struct json *list = json_get(spec, "pretokenizers");
        int rc = 0;
        for (size_t i = 0; i < json_len(list) && rc == 0; i++)
            rc = run(c, json_at(list, i), depth + 1);
        return rc;
    }
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (str_is(type, kinds[i].type))
            return kinds[i].run(c, spec);
    return err_set(c->err, -ENOTSUP, "tokenizer.json: the pre-tokenizer \"%.*s\" is not known",
                   STR_ARG(type));
}

int pretokenize(struct words *words, bool at_start, const struct json *spec,
                struct patterns *patterns, struct arena *a, struct err *err) {
    struct cutter c = { words, at_start, patterns, a, err };
    return run(&c, spec, 0);
}
