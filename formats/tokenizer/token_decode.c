/* SPDX-License-Identifier: Apache-2.0
 * formats/tokenizer/token_decode.c - see decoder.h. */
#include "formats/tokenizer/token_decode.h"
#include "formats/tokenizer/normalize.h"
#include "formats/tokenizer/pretokenize.h"

enum { DECODERS_DEPTH = 4 };

/* The length of the character at @s, or of the bytes that are none (Unicode, "maximal subpart"). */
static size_t utf8_length(struct str s, bool *valid) {
    const unsigned char c = (unsigned char)s.p[0];
    const size_t want = c < 0x80   ? 1
                        : c < 0xc2 ? 0
                        : c < 0xe0 ? 2
                        : c < 0xf0 ? 3
                        : c < 0xf5 ? 4
                                   : 0;
    const unsigned low = c == 0xe0 ? 0xa0 : c == 0xf0 ? 0x90 : 0x80;
    const unsigned high = c == 0xed ? 0x9f : c == 0xf4 ? 0x8f : 0xbf;
    size_t n = 1;
    while (n < want && n < s.n) {
        const unsigned char d = (unsigned char)s.p[n];
        if (n == 1 ? d < low || d > high : d < 0x80 || d > 0xbf)
            break;
        n++;
    }
    *valid = want && n == want;
    return n;
}

/* Bytes that are not UTF-8 become U+FFFD. */
static struct str to_utf8(struct arena *a, struct str bytes) {
    char *out = arena_alloc(a, 3 * bytes.n + 1, 1);
    size_t len = 0;
    while (out && bytes.n) {
        bool valid;
        const size_t n = utf8_length(bytes, &valid);
        memcpy(out + len, valid ? bytes.p : "\xef\xbf\xbd", valid ? n : 3);
        len += valid ? n : 3;
        bytes.p += n;
        bytes.n -= n;
    }
    return (struct str){ out, len };
}

struct swap {
    struct str from, to;
};

static struct str swap(struct arena *a, struct str text, const struct swap *s) {
    char *out = arena_alloc(a, text.n * (s->to.n + 1) + 1, 1);
    size_t n = 0;
    for (size_t i = 0; out && i < text.n;) {
        const bool here = str_starts((struct str){ text.p + i, text.n - i }, s->from);
        memcpy(out + n, here ? s->to.p : text.p + i, here ? s->to.n : 1);
        n += here ? s->to.n : 1;
        i += here ? s->from.n : 1;
    }
    return (struct str){ out, n };
}

static struct str swap_all(struct arena *a, struct str text, const struct swap *list, size_t n) {
    for (size_t i = 0; i < n && text.p; i++)
        text = swap(a, text, &list[i]);
    return text;
}

#define FIRST                                                                             \
    { STR(" ."), STR(".") }, { STR(" ?"), STR("?") }, { STR(" !"), STR("!") },            \
        { STR(" ,"), STR(",") }, { STR(" ' "), STR("'") }, { STR(" n't"), STR("n't") }, { \
        STR(" 'm"), STR("'m")                                                             \
    }
#define LAST                                                  \
    { STR(" 's"), STR("'s") }, { STR(" 've"), STR("'ve") }, { \
        STR(" 're"), STR("'re")                               \
    }

static struct str clean_up(struct arena *a, struct str text) {
    static const struct swap swaps[] = { FIRST, LAST };
    return swap_all(a, text, swaps, sizeof swaps / sizeof *swaps);
}

/* --- the kinds --- */

static struct str byte_levels(struct arena *a, struct str text, const struct json *spec) {
    (void)spec;
    const struct str bytes = byte_level_decode(a, text);
    return bytes.p ? to_utf8(a, bytes) : text;
}

static struct str wordpiece(struct arena *a, struct str text, const struct json *spec) {
    static const struct swap swaps[] = { FIRST, { STR(" do not"), STR(" don't") }, LAST };
    bool clean = false;
    (void)json_bool(json_get(spec, "cleanup"), &clean);
    return clean ? swap_all(a, text, swaps, sizeof swaps / sizeof *swaps) : text;
}

/* The first token of a text has no spaces where one was put in front. */
static struct str metaspace(struct arena *a, struct str text, const struct json *spec) {
    struct swap s = { STR("\xe2\x96\x81"), STR("") };
    struct str scheme;
    (void)json_str(json_get(spec, "replacement"), &s.from);
    if (json_str(json_get(spec, "prepend_scheme"), &scheme) && str_is(scheme, "never"))
        s.to = STR(" ");
    return s.from.n ? swap(a, text, &s) : text;
}

static struct str replace(struct arena *a, struct str text, const struct json *spec) {
    struct str out = text;
    return normalize(&out, spec, a, NULL) == 0 ? out : text;
}

static int hex(char c) {
    return c >= '0' && c <= '9' ? c - '0' : (c | 32) >= 'a' && (c | 32) <= 'f' ? (c | 32) - 87 : -1;
}

/* "<0x41>" */
static struct str byte_fallback(struct arena *a, struct str text, const struct json *spec) {
    (void)spec;
    if (text.n != 6 || memcmp(text.p, "<0x", 3) != 0 || text.p[5] != '>' || hex(text.p[3]) < 0 ||
        hex(text.p[4]) < 0)
        return text;
    const char c = (char)(hex(text.p[3]) << 4 | hex(text.p[4]));
    return to_utf8(a, (struct str){ &c, 1 });
}

static struct str strip(struct arena *a, struct str text, const struct json *spec) {
    uint64_t start = 0, stop = 0;
    struct str c;
    (void)a;
    (void)json_u64(json_get(spec, "start"), &start);
    (void)json_u64(json_get(spec, "stop"), &stop);
    if (!json_str(json_get(spec, "content"), &c) || !c.n)
        return text;
    for (; start && str_starts(text, c); start--)
        text = (struct str){ text.p + c.n, text.n - c.n };
    for (; stop && str_ends(text, c); stop--)
        text.n -= c.n;
    return text;
}

static struct str decode(struct arena *a, struct str text, const struct json *spec,
                         unsigned depth) {
    static const struct {
        const char *type;
        struct str (*decode)(struct arena *a, struct str text, const struct json *spec);
    } kinds[] = { { "ByteLevel", byte_levels },      { "WordPiece", wordpiece },
                  { "Metaspace", metaspace },        { "Replace", replace },
                  { "ByteFallback", byte_fallback }, { "Strip", strip } };
    const struct json *list = json_get(spec, "decoders");
    struct str type;
    if (!json_str(json_get(spec, "type"), &type))
        return text;
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (str_is(type, kinds[i].type))
            return kinds[i].decode(a, text, spec);
    if (str_is(type, "Sequence") && depth < DECODERS_DEPTH)
        for (size_t i = 0; i < json_len(list) && text.p; i++)
            text = decode(a, text, json_at(list, i), depth + 1);
    return text;
}

struct str token_decode(struct arena *a, struct str text, const struct json *spec, bool clean) {
    text = decode(a, text, spec, 0);
    return clean && text.p ? clean_up(a, text) : text;
}
