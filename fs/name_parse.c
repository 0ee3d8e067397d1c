/* SPDX-License-Identifier: Apache-2.0
 * fs/name_parse.c - "NAME.gguf@q4_0", "NAME@q4_0.gguf" and "NAME-Q4_0.gguf"; and the one form that
 * parts have, "NAME@q4_0+split=2g-00001-of-00003.gguf". */
#include "fs/name_parse.h"
#include "formats/gguf.h"
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>

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

/* "NAME@TYPE.onnx.data". */
static bool cut_data(struct str *s) {
    const struct str suffix = STR(".onnx.data");
    const bool found = str_ends(*s, suffix);
    s->n -= found ? strlen(".data") : 0;
    return found;
}

static bool parse_ext(struct str s, struct parsed_name *out) {
    const bool data = cut_data(&s);
    const enum format f = cut_suffix(&s);
    const char *at = f ? memrchr(s.p, '@', s.n) : NULL;
    if (!at || at == s.p)
        return false;
    out->stem = before(s, at);
    if (spec_parse(&out->spec, f, after(s, at), NULL) < 0 || out->spec.data)
        return false; /* NAME@TYPE.data.onnx */
    out->spec.data = data;
    return true;
}

/* The type begins behind the last '-' that makes sense: files of options may have some too. */
static bool parse_hub(struct str s, struct parsed_name *out) {
    const enum format f = cut_suffix(&s);
    bool found = false;
    for (size_t left = s.n; f == FORMAT_GGUF && left > 0;) {
        const char *dash = memrchr(s.p, '-', left);
        struct spec spec;
        if (!dash || dash == s.p)
            break;
        left = (size_t)(dash - s.p);
        if (spec_parse(&spec, f, after(s, dash), NULL) < 0 || (spec.profile[0] && found))
            continue;
        *out = (struct parsed_name){ before(s, dash), spec };
        found = true;
        if (!spec.profile[0])
            break;
    }
    return found;
}

static bool parse_part(const char *name, struct parsed_name *out) {
    size_t prefix;
    const unsigned parts = gguf_split_parts(name, &prefix);
    const char *at = parts ? memrchr(name, '@', prefix) : NULL;
    const struct str whole = { name, prefix };
    if (!at || at == name || spec_parse(&out->spec, FORMAT_GGUF, after(whole, at), NULL) < 0)
        return false;
    out->stem = before(whole, at);
    out->spec.part = (uint32_t)strtoul(name + prefix + 1, NULL, 10);
    out->spec.parts = parts;
    return out->spec.split || out->spec.profile[0];
}

bool name_parse(const char *name, enum names_style style, struct parsed_name *out) {
    const struct str s = str_from(name);
    if (parse_part(name, out))
        return true;
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

bool name_projector(struct parsed_name *p) {
    const struct str ending = STR(".mmproj");
    char text[SPEC_MAX_TEXT];
    struct spec spec;
    spec_text(&p->spec, text, sizeof text);
    if (p->spec.format != FORMAT_GGUF || !str_ends(p->stem, ending) || p->spec.profile[0] ||
        spec_parse(&spec, FORMAT_MMPROJ, str_from(text), NULL) < 0)
        return false;
    p->spec = spec;
    p->stem.n -= ending.n;
    return true;
}

bool name_format(struct str stem, const struct spec *spec, enum names_style style, char *buf,
                 size_t size) {
    char text[SPEC_MAX_TEXT], longer[NAME_MAX + 1];
    if (spec->format == FORMAT_MMPROJ && style != NAMES_AT) { /* as if it were a model's name */
        struct spec plain = *spec;
        plain.format = FORMAT_GGUF;
        return snprintf(longer, sizeof longer, "%.*s.mmproj", STR_ARG(stem)) <= NAME_MAX &&
               name_format(str_from(longer), &plain, style, buf, size);
    }
    const char *suffix = format_suffix(spec->format), *data = spec->data ? ".data" : "";
    int n;
    spec_text(spec, text, sizeof text);
    if (spec->part) {
        n = snprintf(buf, size, "%.*s@%s-%05u-of-%05u%s", STR_ARG(stem), text, spec->part,
                     spec->parts, suffix);
    } else if (style == NAMES_HUB && spec->format == FORMAT_GGUF) {
        for (char *p = text; *p && *p != '+' && !spec->profile[0]; p++)
            *p = (char)toupper((unsigned char)*p);
        n = snprintf(buf, size, "%.*s-%s%s", STR_ARG(stem), text, suffix);
    } else if (style == NAMES_EXT) {
        n = snprintf(buf, size, "%.*s@%s%s%s", STR_ARG(stem), text, suffix, data);
    } else {
        n = snprintf(buf, size, "%.*s.%s@%s%s", STR_ARG(stem), format_name(spec->format), text,
                     data);
    }
    return n > 0 && (size_t)n < size && n <= NAME_MAX;
}
