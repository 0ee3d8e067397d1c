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

static int split(struct words *words, struct str pattern, bool literal, enum behavior behavior,
                 bool invert, struct arena *a, struct err *err) {
    struct words out = { 0 };
    struct splitter s = { .behavior = behavior, .invert = invert, .out = &out, .arena = a };
    int rc = regex_new(&s.re, pattern, literal, err);
    for (size_t i = 0; i < words->n && rc == 0; i++)
        rc = split_word(&s, words->items[i], err);
    regex_free(s.re);
    *words = out;
    return rc;
}

/* --- bytes as characters --- */

static bool is_own_character(unsigned b) {
    return (b >= '!' && b <= '~') || (b >= 0xa1 && b <= 0xac) || b >= 0xae;
}

/* Printable bytes of Latin-1 stand for themselves, the others for U+0100 and on, in order. */
static unsigned byte_to_character(unsigned byte) {
    unsigned others = 0;
    if (is_own_character(byte))
        return byte;
    for (unsigned b = 0; b < byte; b++)
        others += !is_own_character(b);
    return 0x100 + others;
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

static int pre_split(struct words *words, const struct json *spec, struct arena *a,
                     struct err *err) {
    const struct json *pattern = json_get(spec, "pattern");
    enum behavior behavior;
    struct str text;
    int rc = get_behavior(spec, ISOLATED, &behavior, err);
    if (rc < 0)
        return rc;
    const bool literal = json_str(json_get(pattern, "String"), &text);
    if (!literal && !json_str(json_get(pattern, "Regex"), &text))
        return err_set(err, -EBADMSG, "tokenizer.json: a Split without a pattern");
    return split(words, text, literal, behavior, flag(spec, "invert", false), a, err);
}

static int pre_byte_level(struct words *words, const struct json *spec, struct arena *a,
                          struct err *err) {
    static const struct str gpt2 =
        STR("'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+");
    for (size_t i = 0; flag(spec, "add_prefix_space", true) && i < words->n; i++) {
        struct str *word = &words->items[i];
        if (word->p[0] != ' ')
            *word = arena_printf(a, " %.*s", STR_ARG(*word));
        if (!word->p)
            return no_memory(err);
    }
    if (flag(spec, "use_regex", true)) {
        int rc = split(words, gpt2, false, ISOLATED, false, a, err);
        if (rc < 0)
            return rc;
    }
    for (size_t i = 0; i < words->n; i++) {
        words->items[i] = byte_level(a, words->items[i]);
        if (!words->items[i].p)
            return no_memory(err);
    }
    return 0;
}

static int pre_digits(struct words *words, const struct json *spec, struct arena *a,
                      struct err *err) {
    const bool each = flag(spec, "individual_digits", false);
    return split(words, STR("\\p{N}"), false, each ? ISOLATED : CONTIGUOUS, false, a, err);
}

static int pre_punctuation(struct words *words, const struct json *spec, struct arena *a,
                           struct err *err) {
    enum behavior behavior;
    int rc = get_behavior(spec, ISOLATED, &behavior, err);
    return rc < 0 ? rc : split(words, STR("[\\p{P}$+<=>^`|~]"), false, behavior, false, a, err);
}

static int pre_whitespace(struct words *words, const struct json *spec, struct arena *a,
                          struct err *err) {
    (void)spec;
    return split(words, STR("\\w+|[^\\w\\s]+"), false, REMOVED, true, a, err);
}

static int pre_whitespace_split(struct words *words, const struct json *spec, struct arena *a,
                                struct err *err) {
    (void)spec;
    return split(words, STR("\\s"), false, REMOVED, false, a, err);
}

static int pre_bert(struct words *words, const struct json *spec, struct arena *a,
                    struct err *err) {
    int rc = pre_whitespace_split(words, spec, a, err);
    return rc < 0 ? rc : split(words, STR("[\\p{P}$+<=>^`|~]"), false, ISOLATED, false, a, err);
}

static const struct {
    const char *type;
    int (*run)(struct words *, const struct json *, struct arena *, struct err *);
} kinds[] = {
    { "Split", pre_split },           { "ByteLevel", pre_byte_level },
    { "Digits", pre_digits },         { "Punctuation", pre_punctuation },
    { "Whitespace", pre_whitespace }, { "WhitespaceSplit", pre_whitespace_split },
    { "BertPreTokenizer", pre_bert },
};

static int run(struct words *words, const struct json *spec, struct arena *a, unsigned depth,
               struct err *err) {
    struct str type;
    if (json_is_null(spec))
        return 0;
    if (!json_str(json_get(spec, "type"), &type))
        return err_set(err, -EBADMSG, "tokenizer.json: a pre-tokenizer without a type");
    if (str_is(type, "Sequence") && depth < MAX_NESTING) {
        const struct json *list = json_get(spec, "pretokenizers");
        int rc = 0;
        for (size_t i = 0; i < json_len(list) && rc == 0; i++)
            rc = run(words, json_at(list, i), a, depth + 1, err);
        return rc;
    }
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (str_is(type, kinds[i].type))
            return kinds[i].run(words, spec, a, err);
    return err_set(err, -ENOTSUP, "tokenizer.json: the pre-tokenizer \"%.*s\" is not known",
                   STR_ARG(type));
}

int pretokenize(struct words *words, const struct json *spec, struct arena *a, struct err *err) {
    return run(words, spec, a, 0, err);
}
