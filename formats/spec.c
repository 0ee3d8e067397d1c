/* SPDX-License-Identifier: Apache-2.0
 * formats/spec.c - reading and writing what stands behind the '@'. */
#include "formats/spec.h"
#include <errno.h>
#include <stdio.h>
#include <strings.h>

static const struct {
    const char *name, *suffix;
} formats[FORMAT_COUNT] = {
    [FORMAT_NONE] = { "", "" },
    [FORMAT_GGUF] = { "gguf", ".gguf" },
    [FORMAT_SAFETENSORS] = { "safetensors", ".safetensors" },
};

const char *format_name(enum format f) {
    return formats[f].name;
}

const char *format_suffix(enum format f) {
    return formats[f].suffix;
}

/* The text up to the next '+', and what follows it. */
static struct str take_word(struct str *text) {
    const char *plus = text->n ? memchr(text->p, '+', text->n) : NULL;
    struct str word = { text->p, plus ? (size_t)(plus - text->p) : text->n };
    size_t used = word.n + (plus != NULL);
    *text = (struct str){ text->p + used, text->n - used };
    return word;
}

static bool has_type(enum format format, const struct ftype *type) {
    return format == FORMAT_GGUF || (format == FORMAT_SAFETENSORS && type->is_float);
}

int spec_parse(struct spec *out, enum format format, struct str text, struct err *err) {
    if (text.n >= SPEC_MAX_TEXT || (text.n && text.p[text.n - 1] == '+'))
        return err_set(err, -ENOENT, "a spec is TYPE or TYPE+OPTION, as q4_0 or q4_0+requantize");
    struct str word = take_word(&text);
    struct spec s = { .format = format, .type = ftype_find(word.p, word.n) };
    if (!s.type)
        return err_set(err, -ENOENT, "%.*s is not a type", STR_ARG(word));
    if (!has_type(format, s.type))
        return err_set(err, -ENOENT, "%s does not have the type %s", format_name(format),
                       s.type->name);
    while (text.n) {
        word = take_word(&text);
        if (s.requantize || word.n != strlen("requantize") ||
            strncasecmp(word.p, "requantize", word.n))
            return err_set(err, -ENOENT, "%.*s is not an option, or is there twice", STR_ARG(word));
        s.requantize = true;
    }
    *out = s;
    return 0;
}

void spec_text(const struct spec *s, char *buf, size_t size) {
    /* A float type can be made from any source: the option changes nothing there. */
    snprintf(buf, size, "%s%s", s->type->name,
             s->requantize && !s->type->is_float ? "+requantize" : "");
}
