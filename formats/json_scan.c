/* SPDX-License-Identifier: Apache-2.0
 * formats/json_scan.c - the strict, iterative grammar check in front of json-c, which itself takes
 * comments, single quotes, trailing commas and text after the end. */
#include "formats/json_scan.h"
#include "formats/json.h"
#include <errno.h>

/* Bytes that json-c 0.16 uses for one of each, rounded up: an object comes with a table of 16
 * entries; a member is an entry of a table that may be a third full, and a copy of its key. */
enum { COST_OBJECT = 900, COST_ARRAY = 160, COST_MEMBER = 160, COST_SCALAR = 80 };

struct scan {
    const uint8_t *begin, *p, *end;
    uint64_t members, cost;
    uint32_t depth;
    bool in_object[JSON_MAX_DEPTH];
    struct err *err;
};

enum expect {
    EXPECT_VALUE,
    EXPECT_VALUE_OR_END, /* after '[' */
    EXPECT_KEY,
    EXPECT_KEY_OR_END, /* after '{' */
    EXPECT_NEXT        /* after a value: ',' or a bracket */
};

static int bad(const struct scan *s, const char *what) {
    return err_set(s->err, -EBADMSG, "JSON: %s at byte %zu", what, (size_t)(s->p - s->begin));
}

static int add_cost(struct scan *s, uint64_t bytes) {
    s->cost += bytes;
    if (s->cost > JSON_MAX_COST)
        return err_set(s->err, -EFBIG, "JSON: more values than %llu MiB of memory hold",
                       JSON_MAX_COST >> 20);
    return 0;
}

static void skip_space(struct scan *s) {
    while (s->p < s->end && (*s->p == ' ' || *s->p == '\n' || *s->p == '\r' || *s->p == '\t'))
        s->p++;
}

/* Length of the UTF-8 sequence at @p, 2 to 4, or 0: overlong forms, surrogates and what is beyond
 * U+10FFFF are none. The first byte is not ASCII. */
static size_t utf8_len(const uint8_t *p, const uint8_t *end) {
    size_t n = p[0] >= 0xf0 ? 4 : p[0] >= 0xe0 ? 3 : 2;
    if (p[0] < 0xc2 || p[0] > 0xf4 || n > (size_t)(end - p))
        return 0;
    for (size_t i = 1; i < n; i++)
        if ((p[i] & 0xc0) != 0x80)
            return 0;
    if ((p[0] == 0xe0 && p[1] < 0xa0) || (p[0] == 0xed && p[1] > 0x9f) ||
        (p[0] == 0xf0 && p[1] < 0x90) || (p[0] == 0xf4 && p[1] > 0x8f))
        return 0;
    return n;
}

bool json_is_utf8(struct str s) {
    const uint8_t *p = (const uint8_t *)s.p, *end = p + s.n;
    while (p < end) {
        size_t n = *p < 0x80 ? 1 : utf8_len(p, end);
        if (!n)
            return false;
        p += n;
    }
    return true;
}

static bool is_digit(const struct scan *s) {
    return s->p < s->end && *s->p >= '0' && *s->p <= '9';
}

static bool is_hex(uint8_t c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

/* At a backslash. A key may not hold U+0000: json-c would cut it short there. */
static int scan_escape(struct scan *s, bool is_key) {
    size_t left = (size_t)(s->end - s->p);
    if (left < 2)
        return bad(s, "string without end");
    if (s->p[1] != 'u') {
        if (!memchr("\"\\/bfnrt", s->p[1], 8))
            return bad(s, "unknown escape");
        s->p += 2;
        return 0;
    }
    if (left < 6 || !is_hex(s->p[2]) || !is_hex(s->p[3]) || !is_hex(s->p[4]) || !is_hex(s->p[5]))
        return bad(s, "\\u without four digits");
    if (is_key && !memcmp(s->p + 2, "0000", 4))
        return bad(s, "key with a NUL");
    s->p += 6;
    return 0;
}

/* At the opening quote. */
static int scan_string(struct scan *s, bool is_key) {
    const uint8_t *from = ++s->p;
    while (s->p < s->end) {
        uint8_t c = *s->p;
        if (c == '"') {
            s->p++;
            return add_cost(s, (uint64_t)(s->p - from));
        }
        if (c < 0x20)
            return bad(s, "control character in a string");
        if (c == '\\') {
            int ret = scan_escape(s, is_key);
            if (ret < 0)
                return ret;
        } else if (c < 0x80) {
            s->p++;
        } else {
            size_t n = utf8_len(s->p, s->end);
            if (!n)
                return bad(s, "text that is not UTF-8");
            s->p += n;
        }
    }
    return bad(s, "string without end");
}

static bool skip_word(struct scan *s, const char *word) {
    size_t n = strlen(word);
    if ((size_t)(s->end - s->p) < n || memcmp(s->p, word, n))
        return false;
    s->p += n;
    return true;
}

static int scan_number(struct scan *s) {
    if (*s->p == '-')
        s->p++;
    if (skip_word(s, "Infinity"))
        return 0;
    if (!is_digit(s))
        return bad(s, "no value");
    if (*s->p++ != '0')
        while (is_digit(s))
            s->p++;
    if (s->p < s->end && *s->p == '.') {
        s->p++;
        if (!is_digit(s))
            return bad(s, "number without digits after the point");
        while (is_digit(s))
            s->p++;
    }
    if (s->p < s->end && (*s->p == 'e' || *s->p == 'E')) {
        s->p++;
        if (s->p < s->end && (*s->p == '+' || *s->p == '-'))
            s->p++;
        if (!is_digit(s))
            return bad(s, "number without digits in the exponent");
        while (is_digit(s))
            s->p++;
    }
    return 0;
}

static int open_bracket(struct scan *s, enum expect *expect) {
    bool object = *s->p == '{';
    if (s->depth == JSON_MAX_DEPTH)
        return bad(s, "too many levels");
    s->in_object[s->depth++] = object;
    s->p++;
    *expect = object ? EXPECT_KEY_OR_END : EXPECT_VALUE_OR_END;
    return add_cost(s, object ? COST_OBJECT : COST_ARRAY);
}

static int scan_value(struct scan *s, enum expect *expect) {
    if (s->p == s->end)
        return bad(s, "end of text in place of a value");
    if (*s->p == '{' || *s->p == '[')
        return open_bracket(s, expect);
    *expect = EXPECT_NEXT;
    int ret = add_cost(s, COST_SCALAR);
    if (ret < 0)
        return ret;
    if (*s->p == '"')
        return scan_string(s, false);
    if (skip_word(s, "true") || skip_word(s, "false") || skip_word(s, "null") ||
        skip_word(s, "NaN"))
        return 0;
    return scan_number(s);
}

static int scan_key(struct scan *s, enum expect *expect) {
    if (s->p == s->end || *s->p != '"')
        return bad(s, "no key");
    int ret = scan_string(s, true);
    if (ret < 0)
        return ret;
    skip_space(s);
    if (s->p == s->end || *s->p != ':')
        return bad(s, "no colon after a key");
    s->p++;
    s->members++;
    *expect = EXPECT_VALUE;
    return add_cost(s, COST_MEMBER);
}

/* After a value; the text goes on, and is inside an array or object. */
static int scan_next(struct scan *s, enum expect *expect) {
    bool object = s->in_object[s->depth - 1];
    if (s->p == s->end)
        return bad(s, "end of text within an array or object");
    if (*s->p == ',') {
        s->p++;
        *expect = object ? EXPECT_KEY : EXPECT_VALUE;
        return 0;
    }
    if (*s->p != (object ? '}' : ']'))
        return bad(s, "no comma and no end");
    s->p++;
    s->depth--;
    *expect = EXPECT_NEXT;
    return 0;
}

static int scan_step(struct scan *s, enum expect *expect) {
    bool ends = s->p < s->end && ((*expect == EXPECT_VALUE_OR_END && *s->p == ']') ||
                                  (*expect == EXPECT_KEY_OR_END && *s->p == '}'));
    if (ends || *expect == EXPECT_NEXT)
        return scan_next(s, expect);
    if (*expect == EXPECT_KEY || *expect == EXPECT_KEY_OR_END)
        return scan_key(s, expect);
    return scan_value(s, expect);
}

int json_scan(struct str text, uint64_t *members, struct err *err) {
    const uint8_t *p = (const uint8_t *)text.p;
    struct scan s = { .begin = p, .p = p, .end = p + text.n, .err = err };
    enum expect expect = EXPECT_VALUE;
    do {
        skip_space(&s);
        int ret = scan_step(&s, &expect);
        if (ret < 0)
            return ret;
    } while (s.depth || expect != EXPECT_NEXT);
    skip_space(&s);
    if (s.p != s.end)
        return bad(&s, "text after the end");
    *members = s.members;
    return 0;
}
