/* SPDX-License-Identifier: Apache-2.0
 * formats/model_name.c - see model_name.h. Letters and digits are those of ASCII: what Python
 * makes of others in the name of a model is not followed. */
#include "formats/model_name.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

enum { NAME_MAX_PARTS = 64 };

/* What a part was recognized as; a part may be several things. */
enum part_is {
    IS_BASENAME = 1 << 0,
    IS_SIZE = 1 << 1,
    IS_FINETUNE = 1 << 2,
    IS_VERSION = 1 << 3,
    IS_TYPE = 1 << 4,
};

struct part {
    char *p; /* terminated */
    size_t n;
    unsigned is;
};

static bool is_digit(char c) {
    return c >= '0' && c <= '9';
}
static bool is_lower(char c) {
    return c >= 'a' && c <= 'z';
}
static bool is_upper(char c) {
    return c >= 'A' && c <= 'Z';
}
static bool is_letter(char c) {
    return is_lower(c) || is_upper(c) || (unsigned char)c >= 0x80;
}
static char to_upper(char c) {
    return is_lower(c) ? (char)(c - 'a' + 'A') : c;
}
static char to_lower(char c) {
    return is_upper(c) ? (char)(c - 'A' + 'a') : c;
}

static const char *skip_digits(const char *s) {
    while (is_digit(*s))
        s++;
    return s;
}

static bool is_word(const char *s, const char *const *words) {
    for (; *words; words++)
        if (strcasecmp(s, *words) == 0)
            return true;
    return false;
}

/* digits(.digits)* to the end. */
static bool dotted_number(const char *s) {
    for (;;) {
        const char *end = skip_digits(s);
        if (end == s)
            return false;
        if (!*end)
            return true;
        if (*end != '.')
            return false;
        s = end + 1;
    }
}

/* (v|iter)?\d+(\.\d+)* */
static bool looks_like_version(const char *s) {
    if (strncasecmp(s, "iter", 4) == 0)
        return dotted_number(s + 4);
    return dotted_number(s + (*s == 'v' || *s == 'V'));
}

/* i?q\d(_\w)* | b?fp?(16|32) */
static bool looks_like_type(const char *s) {
    const char *q = s + (*s == 'i' || *s == 'I');
    if ((*q == 'q' || *q == 'Q') && is_digit(q[1])) {
        for (q += 2; *q == '_' && (is_letter(q[1]) || is_digit(q[1]) || q[1] == '_'); q += 2)
            ;
        if (!*q)
            return true;
    }
    s += *s == 'b' || *s == 'B';
    if (*s != 'f' && *s != 'F')
        return false;
    s += s[1] == 'p' || s[1] == 'P' ? 2 : 1;
    return strcmp(s, "16") == 0 || strcmp(s, "32") == 0;
}

/* (a|\d+x)?\d+([._]\d+)?[kmbt]\d? | small | mini | medium | large | x?xl */
static bool looks_like_size(const char *s) {
    static const char *const words[] = { "small", "mini", "medium", "large", "xl", "xxl", NULL };
    if (is_word(s, words))
        return true;
    const char *times = skip_digits(s);
    if (*s == 'a' || *s == 'A')
        s++;
    else if (times > s && (*times == 'x' || *times == 'X'))
        s = times + 1;
    const char *end = skip_digits(s);
    if (end == s)
        return false;
    if ((*end == '.' || *end == '_') && is_digit(end[1]))
        end = skip_digits(end + 1);
    if (!*end || !strchr("kmbtKMBT", *end))
        return false;
    return !end[1] || (is_digit(end[1]) && !end[2]);
}

static void to_case(struct part *part, char (*map)(char)) {
    for (size_t i = 0; i < part->n; i++)
        part->p[i] = map(part->p[i]);
}

/* Is the number before the suffix K, M, B or T so far from @params that it is not the model's
 * size, but (so upstream guesses) a context length? */
static bool is_other_size(const struct part *part, int64_t params) {
    static const char suffixes[] = "KMBT";
    const char last = part->p[part->n - 1];
    const char *at = strchr(suffixes, last);
    char number[64];
    if (!params || part->n > sizeof number || !is_digit(part->p[0]) || !at)
        return false;
    memcpy(number, part->p, part->n - 1);
    number[part->n - 1] = 0;
    char *end;
    const double label = strtod(number, &end) * pow(1000, (double)(at - suffixes + 1));
    if (*end)
        return false;
    return params < 0 ? label < (double)(-params / 8)
                      : fabs(label - (double)params) > (double)(7 * params / 8);
}

static void note_size(struct part *part, int64_t params) {
    char *p = part->p;
    size_t n = part->n;
    for (size_t i = 0; i < n; i++)
        if (p[i] == '_')
            p[i] = '.';
    if (is_digit(p[n - 1])) { /* "7b1" is written for 7.1b; there is room for one more */
        const char unit = p[n - 2];
        p[n - 2] = '.';
        p[n] = unit;
        p[n + 1] = 0;
        part->n = ++n;
    }
    if (n > 1 && is_digit(p[n - 2]) && strchr("kmbt", p[n - 1]))
        p[n - 1] = to_upper(p[n - 1]);
    if (is_other_size(part, params)) {
        part->is |= IS_FINETUNE;
        p[n - 1] = to_lower(p[n - 1]);
    } else {
        part->is |= IS_SIZE;
    }
}

static void note_part(struct part *part, bool first, int64_t params) {
    static const char *const finetunes[] = { "chat", "instruct", "vision", "lora", NULL };
    static const char *const adapters[] = { "lora", NULL }; /* goes without saying then */
    if (looks_like_version(part->p)) {
        part->is |= IS_VERSION;
    } else if (looks_like_type(part->p)) {
        part->is |= IS_TYPE;
        to_case(part, to_upper);
    } else if (!first && looks_like_size(part->p)) {
        note_size(part, params);
    } else if (!first && is_word(part->p, finetunes)) {
        part->is |= params < 0 && is_word(part->p, adapters) ? IS_TYPE : IS_FINETUNE;
    }
}

/* A size in words counts only where there is none in numbers. */
static void drop_word_sizes(struct part *parts, uint32_t n) {
    bool numbers = false;
    for (uint32_t i = 0; i < n; i++)
        for (const char *c = parts[i].p; parts[i].is & IS_SIZE && *c; c++)
            numbers |= is_digit(*c);
    for (uint32_t i = 0; numbers && i < n; i++) {
        bool letters = true;
        for (const char *c = parts[i].p; *c; c++)
            letters &= is_letter(*c);
        if (letters)
            parts[i].is &= ~(unsigned)IS_SIZE;
    }
}

static void find_basename(struct part *parts, uint32_t n) {
    bool at_start = true;
    for (uint32_t i = 0; i < n; i++) {
        struct part *part = &parts[i];
        if (at_start && ((!part->is && is_letter(part->p[0])) || part->is & IS_VERSION)) {
            part->is |= IS_BASENAME;
            continue;
        }
        at_start = false;
        if (!part->is)
            part->is = IS_FINETUNE;
    }
    /* what trails the basename and is something else too, is that something else */
    for (uint32_t i = n; i-- > 0 && parts[i].is & IS_BASENAME && parts[i].is != IS_BASENAME;)
        parts[i].is &= ~(unsigned)IS_BASENAME;
}

/* The parts that are @is and not @unless, joined by '-'. {NULL, 0} when there is none. */
static bool join_parts(struct arena *a, const struct part *parts, uint32_t n, unsigned is,
                       unsigned unless, struct str *out) {
    size_t total = 0;
    for (uint32_t i = 0; i < n; i++)
        total += parts[i].n + 1;
    *out = (struct str){ NULL, 0 };
    char *buf = arena_alloc(a, total + 1, 1);
    if (!buf)
        return false;
    size_t len = 0;
    for (uint32_t i = 0; i < n; i++) {
        bool take = parts[i].is & is && !(parts[i].is & unless);
        for (uint32_t j = 0; take && is == IS_SIZE && j < i; j++) /* a size counts once */
            take = !(parts[j].is & IS_SIZE) || strcmp(parts[i].p, parts[j].p) != 0;
        if (!take)
            continue;
        if (len)
            buf[len++] = '-';
        memcpy(buf + len, parts[i].p, parts[i].n);
        len += parts[i].n;
    }
    if (len)
        *out = (struct str){ buf, len };
    return true;
}

static bool cut_parts(struct arena *a, struct str name, struct part *parts, uint32_t *n) {
    *n = 0;
    for (size_t at = 0; at < name.n;) {
        size_t end = at;
        while (end < name.n && name.p[end] != '-')
            end++;
        if (end > at && *n < NAME_MAX_PARTS) {
            char *copy = arena_alloc(a, end - at + 2, 1); /* note_size may add a byte */
            if (!copy)
                return false;
            memcpy(copy, name.p + at, end - at);
            parts[(*n)++] = (struct part){ copy, end - at, 0 };
        }
        at = end + 1;
    }
    return true;
}

bool name_split(struct arena *a, struct str id, int64_t params, struct name_parts *out) {
    struct part parts[NAME_MAX_PARTS];
    uint32_t n;
    *out = (struct name_parts){ .full = { id.p ? id.p : "", id.n } };
    if (id.n && memchr(id.p, ' ', id.n))
        return true; /* a sentence, not an id */
    const char *slash = id.n ? memchr(id.p, '/', id.n) : NULL;
    if (slash) {
        const struct str org = { id.p, (size_t)(slash - id.p) };
        out->full = (struct str){ slash + 1, id.n - org.n - 1 };
        if (org.n == 0 || org.p[0] != '.')
            out->org = org;
    }
    if (!cut_parts(a, out->full, parts, &n))
        return false;
    for (uint32_t i = 0; i < n; i++)
        note_part(&parts[i], i == 0, params);
    drop_word_sizes(parts, n);
    find_basename(parts, n);
    if (!join_parts(a, parts, n, IS_BASENAME, 0, &out->basename) ||
        !join_parts(a, parts, n, IS_SIZE, 0, &out->size_label) ||
        !join_parts(a, parts, n, IS_FINETUNE, 0, &out->finetune) ||
        !join_parts(a, parts, n, IS_VERSION, IS_BASENAME, &out->version))
        return false;
    if (!out->size_label.p && !out->finetune.p && !out->version.p)
        out->basename = (struct str){ NULL, 0 };
    return true;
}

/* Lower case throughout, and neither "v1.2" nor a word that begins with a digit? */
static bool wants_title(const char *w, size_t n) {
    bool lower = false;
    for (size_t i = 0; i < n; i++) {
        if (is_upper(w[i]))
            return false;
        lower |= is_lower(w[i]);
    }
    if (!lower || is_digit(w[0]))
        return false;
    char word[64];
    if (w[0] != 'v' || n >= sizeof word)
        return true;
    memcpy(word, w + 1, n - 1);
    word[n - 1] = 0;
    return !dotted_number(word);
}

static bool is_gap(char c) {
    return c == ' ' || c == '-' || (c >= '\t' && c <= '\r') || (c >= 0x1c && c <= 0x1f);
}

struct str name_title(struct arena *a, struct str id) {
    char *buf = arena_alloc(a, id.n + 1, 1);
    size_t len = 0;
    for (size_t at = 0; buf && at < id.n;) {
        size_t end = at;
        while (end < id.n && !is_gap(id.p[end]))
            end++;
        if (end == at) {
            at++;
            continue;
        }
        if (len)
            buf[len++] = ' ';
        const bool title = wants_title(id.p + at, end - at);
        for (bool start = true; at < end; at++) {
            buf[len++] = title && start ? to_upper(id.p[at]) : id.p[at];
            start = !is_letter(id.p[at]);
        }
    }
    return (struct str){ buf, len };
}

struct str name_size_label(struct arena *a, const struct param_count *count) {
    static const struct {
        double above, scale;
        char suffix;
    } units[] = { { 1e12, 1e-12, 'T' }, { 1e9, 1e-9, 'B' }, { 1e6, 1e-6, 'M' }, { -1, 1e-3, 'K' } };
    const bool moe = count->experts > 0;
    const double params = (double)(moe ? count->shared + count->expert : count->total);
    size_t u = 0;
    while (!(params > units[u].above))
        u++;
    const double scaled = params * units[u].scale;
    const double whole = rint(scaled); /* as Python's round(): ties to even */
    const int digits = whole < 1 ? 0 : whole < 10 ? 1 : 2;
    if (moe)
        return arena_printf(a, "%llux%.*f%c", (unsigned long long)count->experts, 2 - digits,
                            scaled, units[u].suffix);
    return arena_printf(a, "%.*f%c", 2 - digits, scaled, units[u].suffix);
}
