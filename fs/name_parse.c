/* SPDX-License-Identifier: Apache-2.0
 * fs/name_parse.c - "NAME.gguf@q4_0", "NAME@q4_0.gguf" and "NAME-Q4_0.gguf". */
#include "fs/name_parse.h"
#include <ctype.h>
#include <stdio.h>

static struct str before(struct str s, const char *p) {
    return (struct str){ s.p, (size_t)(p - s.p) };
}

static struct str after(struct str s, const char *p) {
    return (struct str){ p + 1, (size_t)(s.p + s.n - p - 1) };
}

/* Cut a format's suffix off @s. */
static enum format cut_suffix(struct str *s) {
    for (enum format f = FORMAT_NONE + 1; f < FORMAT_COUNT; f++) {
        const struct str suffix = str_from(format_suffix(f));
        if (s->n > suffix.n && str_ends(*s, suffix)) {
            s->n -= suffix.n;
            return f;
        }
    }
    return FORMAT_NONE;
}

static bool parse_at(struct str s, struct parsed_name *out) {
    const char *at = memrchr(s.p, '@', s.n);
    if (!at)
        return false;
    out->stem = before(s, at);
    const enum format f = cut_suffix(&out->stem);
    return f && spec_parse(&out->spec, f, after(s, at), NULL) == 0;
}

static bool parse_ext(struct str s, struct parsed_name *out) {
    const enum format f = cut_suffix(&s);
    const char *at = f ? memrchr(s.p, '@', s.n) : NULL;
    if (!at || at == s.p)
        return false;
    out->stem = before(s, at);
    return spec_parse(&out->spec, f, after(s, at), NULL) == 0;
}

static bool parse_hub(struct str s, struct parsed_name *out) {
    const enum format f = cut_suffix(&s);
    const char *dash = f == FORMAT_GGUF ? memrchr(s.p, '-', s.n) : NULL;
    if (!dash || dash == s.p)
        return false;
    out->stem = before(s, dash);
    return spec_parse(&out->spec, f, after(s, dash), NULL) == 0;
}

bool name_parse(const char *name, enum names_style style, struct parsed_name *out) {
    const struct str s = str_from(name);
    switch (style) {
    case NAMES_AT:
        return parse_at(s, out);
    case NAMES_EXT:
        return parse_ext(s, out);
    case NAMES_HUB:
        return parse_hub(s, out);
    }
    return false;
}

bool name_format(struct str stem, const struct spec *spec, enum names_style style, char *buf,
                 size_t size) {
    char text[SPEC_MAX_TEXT];
    const char *suffix = format_suffix(spec->format);
    int n;
    spec_text(spec, text, sizeof text);
    if (style == NAMES_HUB && spec->format == FORMAT_GGUF) {
        for (char *p = text; *p; p++)
            *p = (char)toupper((unsigned char)*p);
        n = snprintf(buf, size, "%.*s-%s%s", STR_ARG(stem), text, suffix);
    } else if (style == NAMES_EXT) {
        n = snprintf(buf, size, "%.*s@%s%s", STR_ARG(stem), text, suffix);
    } else {
        n = snprintf(buf, size, "%.*s.%s@%s", STR_ARG(stem), format_name(spec->format), text);
    }
    return n > 0 && (size_t)n < size && n <= NAME_MAX;
}
