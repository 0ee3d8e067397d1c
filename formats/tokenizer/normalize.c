/* SPDX-License-Identifier: Apache-2.0
 * formats/tokenizer/normalize.c - see normalize.h. Source: tokenizers 0.23, src/normalizers. */
#include "formats/tokenizer/normalize.h"
#include "formats/tokenizer/pretokenize.h"
#include "formats/tokenizer/regex.h"
#include <errno.h>
#include <stdlib.h>
#include <utf8proc.h>

enum { MAX_NESTING = 4 };

static int no_memory(struct err *err) {
    return err_set(err, -ENOMEM, "tokenizer.json: the normalizer");
}

/* Below U+0300 nothing combines, and NFC changes nothing. */
static bool is_composed(struct str text) {
    for (size_t i = 0; i < text.n; i++)
        if ((unsigned char)text.p[i] >= 0xcc) /* the first byte of U+0300 */
            return false;
    return true;
}

/* One of the four forms of Unicode. */
static int to_form(struct str *text, utf8proc_option_t options, struct arena *a, struct err *err) {
    utf8proc_uint8_t *out = NULL;
    if (options == UTF8PROC_COMPOSE && is_composed(*text))
        return 0;
    const utf8proc_ssize_t n =
        utf8proc_map((const utf8proc_uint8_t *)text->p, (utf8proc_ssize_t)text->n, &out,
                     (utf8proc_option_t)(options | UTF8PROC_STABLE));
    if (n < 0)
        return n == UTF8PROC_ERROR_NOMEM
                   ? no_memory(err)
                   : err_set(err, -EBADMSG, "tokenizer.json: the text is not UTF-8");
    *text = arena_str(a, (struct str){ (const char *)out, (size_t)n });
    free(out);
    return text->p ? 0 : no_memory(err);
}

/* What a step makes of one character: writes at most four and says how many. */
typedef unsigned map_fn(utf8proc_int32_t c, utf8proc_int32_t out[4]);

static int map_text(struct str *text, map_fn *map, struct arena *a, struct err *err) {
    char *out = arena_alloc(a, 4 * 4 * text->n + 1, 1); /* characters of at most four bytes */
    size_t n = 0;
    if (!out)
        return no_memory(err);
    for (size_t i = 0; i < text->n;) {
        utf8proc_int32_t c, to[4];
        const utf8proc_ssize_t used = utf8proc_iterate((const utf8proc_uint8_t *)text->p + i,
                                                       (utf8proc_ssize_t)(text->n - i), &c);
        if (used <= 0)
            return err_set(err, -EBADMSG, "tokenizer.json: the text is not UTF-8");
        i += (size_t)used;
        const unsigned count = map(c, to);
        for (unsigned k = 0; k < count; k++)
            n += (size_t)utf8proc_encode_char(to[k], (utf8proc_uint8_t *)out + n);
    }
    *text = (struct str){ out, n };
    return 0;
}

static unsigned lowercase(utf8proc_int32_t c, utf8proc_int32_t out[4]) {
    if (c == 0x130) { /* the one letter that becomes two: i with a dot, and a dot above */
        out[0] = 'i';
        out[1] = 0x307;
        return 2;
    }
    out[0] = utf8proc_tolower(c);
    return 1;
}

static unsigned strip_accent(utf8proc_int32_t c, utf8proc_int32_t out[4]) {
    out[0] = c;
    return utf8proc_category(c) != UTF8PROC_CATEGORY_MN;
}

static bool is_white(utf8proc_int32_t c) {
    switch (utf8proc_category(c)) {
    case UTF8PROC_CATEGORY_ZS:
    case UTF8PROC_CATEGORY_ZL:
    case UTF8PROC_CATEGORY_ZP:
        return true;
    default:
        return (c >= '\t' && c <= '\r') || c == 0x85;
    }
}

/* The character that @text begins with, or ends with: its length in bytes, 0 for none. */
static size_t first_character(struct str text, utf8proc_int32_t *c) {
    const utf8proc_ssize_t n =
        utf8proc_iterate((const utf8proc_uint8_t *)text.p, (utf8proc_ssize_t)text.n, c);
    return text.n && n > 0 ? (size_t)n : 0;
}

static size_t last_character(struct str text, utf8proc_int32_t *c) {
    size_t n = text.n ? 1 : 0;
    while (n < text.n && ((unsigned char)text.p[text.n - n] & 0xc0) == 0x80)
        n++;
    return first_character((struct str){ text.p + text.n - n, n }, c) == n ? n : 0;
}

size_t white_behind(struct str text) {
    utf8proc_int32_t c;
    size_t at = 0, n;
    while ((n = first_character((struct str){ text.p + at, text.n - at }, &c)) && is_white(c))
        at += n;
    return at;
}

size_t white_before(struct str text) {
    utf8proc_int32_t c;
    size_t left = text.n, n;
    while ((n = last_character((struct str){ text.p, left }, &c)) && is_white(c))
        left -= n;
    return text.n - left;
}

static bool is_word(utf8proc_int32_t c) {
    switch (utf8proc_category(c)) {
    case UTF8PROC_CATEGORY_LU:
    case UTF8PROC_CATEGORY_LL:
    case UTF8PROC_CATEGORY_LT:
    case UTF8PROC_CATEGORY_LM:
    case UTF8PROC_CATEGORY_LO:
    case UTF8PROC_CATEGORY_MN:
    case UTF8PROC_CATEGORY_MC:
    case UTF8PROC_CATEGORY_ME:
    case UTF8PROC_CATEGORY_ND:
    case UTF8PROC_CATEGORY_NL:
    case UTF8PROC_CATEGORY_PC:
        return true;
    default: /* letters in circles and squares, and joiners */
        return c == 0x200c || c == 0x200d || (c >= 0x24b6 && c <= 0x24e9) ||
               (c >= 0x1f130 && c <= 0x1f149) || (c >= 0x1f150 && c <= 0x1f169) ||
               (c >= 0x1f170 && c <= 0x1f189);
    }
}

bool word_before(struct str text) {
    utf8proc_int32_t c;
    return last_character(text, &c) && is_word(c);
}

bool word_behind(struct str text) {
    utf8proc_int32_t c;
    return first_character(text, &c) && is_word(c);
}

/* Control characters go, but for those that are white space; that becomes a space. */
static unsigned clean(utf8proc_int32_t c, utf8proc_int32_t out[4]) {
    const utf8proc_category_t k = utf8proc_category(c);
    const bool other = k == UTF8PROC_CATEGORY_CC || k == UTF8PROC_CATEGORY_CF ||
                       k == UTF8PROC_CATEGORY_CN || k == UTF8PROC_CATEGORY_CO;
    if (c == 0 || c == 0xfffd || (other && c != '\t' && c != '\n' && c != '\r'))
        return 0;
    out[0] = is_white(c) ? ' ' : c;
    return 1;
}

/* Each Chinese character is a word of its own. */
static unsigned set_apart(utf8proc_int32_t c, utf8proc_int32_t out[4]) {
    static const utf8proc_int32_t blocks[][2] = {
        { 0x4e00, 0x9fff },   { 0x3400, 0x4dbf },   { 0x20000, 0x2a6df }, { 0x2a700, 0x2b73f },
        { 0x2b740, 0x2b81f }, { 0x2b920, 0x2ceaf }, { 0xf900, 0xfaff },   { 0x2f800, 0x2fa1f },
    };
    for (size_t i = 0; i < sizeof blocks / sizeof *blocks; i++)
        if (c >= blocks[i][0] && c <= blocks[i][1]) {
            out[0] = out[2] = ' ';
            out[1] = c;
            return 3;
        }
    out[0] = c;
    return 1;
}

static bool flag(const struct json *spec, const char *name, bool absent) {
    bool value = absent;
    (void)json_bool(json_get(spec, name), &value);
    return value;
}

static int bert(struct str *text, const struct json *spec, struct arena *a, struct err *err) {
    const bool lower = flag(spec, "lowercase", true);
    int rc = flag(spec, "clean_text", true) ? map_text(text, clean, a, err) : 0;
    if (rc == 0 && flag(spec, "handle_chinese_chars", true))
        rc = map_text(text, set_apart, a, err);
    if (rc == 0 && flag(spec, "strip_accents", lower)) {
        rc = to_form(text, UTF8PROC_DECOMPOSE, a, err);
        rc = rc < 0 ? rc : map_text(text, strip_accent, a, err);
    }
    return rc < 0 || !lower ? rc : map_text(text, lowercase, a, err);
}

static int lower(struct str *text, const struct json *spec, struct arena *a, struct err *err) {
    (void)spec;
    return map_text(text, lowercase, a, err);
}

static unsigned strip_mark(utf8proc_int32_t c, utf8proc_int32_t out[4]) {
    const utf8proc_category_t k = utf8proc_category(c);
    out[0] = c;
    return k != UTF8PROC_CATEGORY_MN && k != UTF8PROC_CATEGORY_MC && k != UTF8PROC_CATEGORY_ME;
}

static int strip_accents(struct str *text, const struct json *spec, struct arena *a,
                         struct err *err) {
    (void)spec;
    return map_text(text, strip_mark, a, err);
}

#define FORM(name, options)                                                                        \
    static int name(struct str *text, const struct json *spec, struct arena *a, struct err *err) { \
        (void)spec;                                                                                \
        return to_form(text, (utf8proc_option_t)(options), a, err);                                \
    }
FORM(nfc, UTF8PROC_COMPOSE)
FORM(nfd, UTF8PROC_DECOMPOSE)
FORM(nfkc, UTF8PROC_COMPOSE | UTF8PROC_COMPAT)
FORM(nfkd, UTF8PROC_DECOMPOSE | UTF8PROC_COMPAT)
#undef FORM

static int prepend(struct str *text, const struct json *spec, struct arena *a, struct err *err) {
    struct str what;
    if (!json_str(json_get(spec, "prepend"), &what))
        return err_set(err, -EBADMSG, "tokenizer.json: a Prepend without its text");
    if (text->n)
        *text = arena_join(a, what, *text);
    return text->p ? 0 : no_memory(err);
}

static int strip(struct str *text, const struct json *spec, struct arena *a, struct err *err) {
    const size_t before = flag(spec, "strip_left", true) ? white_behind(*text) : 0;
    (void)a, (void)err;
    *text = (struct str){ text->p + before, text->n - before };
    if (flag(spec, "strip_right", true))
        text->n -= white_before(*text);
    return 0;
}

/* Each match of the pattern by @by. */
static int replace_matches(struct str *text, struct str pattern, struct str by, struct arena *a,
                           struct err *err) {
    struct regex *re;
    size_t n = 0, done = 0, start = 0, end, room = text->n * (1 + by.n) + 1;
    int rc = regex_new(&re, pattern, REGEX_ONIGURUMA, err);
    if (rc < 0)
        return rc;
    char *out = arena_alloc(a, room, 1);
    while (out && start <= text->n && (rc = regex_find(re, *text, &start, &end, err)) > 0) {
        if (end > start) { /* one that is empty changes nothing */
            memcpy(out + n, text->p + done, start - done);
            memcpy(out + n + (start - done), by.p, by.n);
            n += start - done + by.n;
            done = end;
        }
        start = end > start ? end : end + 1;
    }
    regex_free(re);
    if (!out || rc < 0)
        return out ? rc : no_memory(err);
    memcpy(out + n, text->p + done, text->n - done);
    *text = (struct str){ out, n + text->n - done };
    return 0;
}

static int replace(struct str *text, const struct json *spec, struct arena *a, struct err *err) {
    const struct json *pattern = json_get(spec, "pattern");
    struct str what, by;
    if (json_str(json_get(spec, "content"), &by) && json_str(json_get(pattern, "Regex"), &what))
        return replace_matches(text, what, by, a, err);
    if (!json_str(json_get(spec, "content"), &by) ||
        !json_str(json_get(pattern, "String"), &what) || what.n == 0)
        return err_set(err, -ENOTSUP, "tokenizer.json: a Replace that is not of a text by a text");
    char *out = arena_alloc(a, text->n + 1, 1 + by.n);
    size_t n = 0;
    if (!out)
        return no_memory(err);
    for (size_t i = 0; i < text->n;) {
        const bool found = str_starts((struct str){ text->p + i, text->n - i }, what);
        if (found)
            memcpy(out + n, by.p, by.n);
        else
            out[n] = text->p[i];
        n += found ? by.n : 1;
        i += found ? what.n : 1;
    }
    *text = (struct str){ out, n };
    return 0;
}

static int bytes(struct str *text, const struct json *spec, struct arena *a, struct err *err) {
    (void)spec;
    *text = byte_level(a, *text);
    return text->p ? 0 : no_memory(err);
}

static const struct {
    const char *type;
    int (*run)(struct str *, const struct json *, struct arena *, struct err *);
} kinds[] = {
    { "NFC", nfc },         { "NFD", nfd },         { "NFKC", nfkc },
    { "NFKD", nfkd },       { "Lowercase", lower }, { "StripAccents", strip_accents },
    { "Prepend", prepend }, { "Replace", replace }, { "BertNormalizer", bert },
    { "Strip", strip },     { "ByteLevel", bytes },
};

static int run(struct str *text, const struct json *spec, struct arena *a, unsigned depth,
               struct err *err) {
    struct str type;
    if (json_is_null(spec))
        return 0;
    if (!json_str(json_get(spec, "type"), &type))
        return err_set(err, -EBADMSG, "tokenizer.json: a normalizer without a type");
    if (str_is(type, "Sequence") && depth < MAX_NESTING) {
        const struct json *list = json_get(spec, "normalizers");
        int rc = 0;
        for (size_t i = 0; i < json_len(list) && rc == 0; i++)
            rc = run(text, json_at(list, i), a, depth + 1, err);
        return rc;
    }
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (str_is(type, kinds[i].type))
            return kinds[i].run(text, spec, a, err);
    return err_set(err, -ENOTSUP, "tokenizer.json: the normalizer \"%.*s\" is not known",
                   STR_ARG(type));
}

int normalize(struct str *text, const struct json *spec, struct arena *a, struct err *err) {
    return run(text, spec, a, 0, err);
}
