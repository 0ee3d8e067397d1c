/* SPDX-License-Identifier: Apache-2.0
 * formats/tokenizer/regex.c - see regex.h. The patterns are written for Oniguruma; those in use
 * mean the same here with UTF and UCP. They come from the model: steps and memory are bounded. */
#define PCRE2_CODE_UNIT_WIDTH 8
#include "formats/tokenizer/regex.h"
#include <errno.h>
#include <pcre2.h>
#include <stdlib.h>

enum { MAX_STEPS = 1 << 20, MAX_DEPTH = 1 << 12, MAX_HEAP = 1 << 14 /* KiB */ };

struct regex {
    pcre2_code *code;
    pcre2_match_data *match;
    pcre2_match_context *context;
};

void regex_free(struct regex *re) {
    if (!re)
        return;
    pcre2_match_context_free(re->context);
    pcre2_match_data_free(re->match);
    pcre2_code_free(re->code);
    free(re);
}

static const uint32_t options[] = {
    [REGEX_ONIGURUMA] = PCRE2_UTF | PCRE2_UCP,
    [REGEX_LITERAL] = PCRE2_UTF | PCRE2_LITERAL,
    [REGEX_ECMASCRIPT] = PCRE2_ALT_BSUX | PCRE2_ALLOW_EMPTY_CLASS | PCRE2_DOLLAR_ENDONLY |
                         PCRE2_MATCH_UNSET_BACKREF | PCRE2_NEVER_UTF,
};

/* Oniguruma counts numbers of Latin-1 in; PCRE2's \w has no marks, and all numbers. */
#define WORD REGEX_WORD "\\x{b2}\\x{b3}\\x{b9}\\x{bc}-\\x{be}"

/* @pattern with \w, and \W outside of a class, in those words; NULL: no memory. */
static char *spell_words(struct str pattern, size_t *n) {
    static const char set[] = "[" WORD "]", other[] = "[^" WORD "]", part[] = WORD;
    char *out = malloc(pattern.n * sizeof other + 1);
    bool in_class = false;
    *n = 0;
    for (size_t i = 0; out && i < pattern.n; i++) {
        const char c = pattern.p[i];
        const char next = c == '\\' && i + 1 < pattern.n ? pattern.p[i + 1] : 0;
        const char *word = next == 'w'                ? (in_class ? part : set)
                           : next == 'W' && !in_class ? other
                                                      : NULL;
        if (word) {
            *n += (size_t)(stpcpy(out + *n, word) - (out + *n));
            i++;
            continue;
        }
        if (c == '[' || c == ']')
            in_class = c == '[';
        out[(*n)++] = c;
        if (next) {
            out[(*n)++] = next;
            i++;
        }
    }
    return out;
}

int regex_new(struct regex **out, struct str pattern, enum regex_syntax syntax, struct err *err) {
    const char *where = syntax == REGEX_ECMASCRIPT ? "" : "tokenizer.json: ";
    int code;
    PCRE2_SIZE at;
    PCRE2_UCHAR message[120];
    struct regex *re = calloc(1, sizeof *re);
    if (!re)
        return err_set(err, -ENOMEM, "%sa pattern", where);
    if (pattern.n > REGEX_MAX_PATTERN) {
        free(re);
        return err_set(err, -ENOTSUP, "%sa pattern of %zu bytes", where, pattern.n);
    }
    char *spelt = syntax == REGEX_ONIGURUMA ? spell_words(pattern, &pattern.n) : NULL;
    if (syntax == REGEX_ONIGURUMA && !spelt) {
        free(re);
        return err_set(err, -ENOMEM, "%sa pattern", where);
    }
    re->code = pcre2_compile((PCRE2_SPTR)(spelt ? spelt : pattern.p), pattern.n, options[syntax],
                             &code, &at, NULL);
    free(spelt);
    if (!re->code) {
        free(re);
        pcre2_get_error_message(code, message, sizeof message);
        return err_set(err, -ENOTSUP, "%sa pattern, at byte %zu: %s", where, at,
                       (const char *)message);
    }
    re->match = pcre2_match_data_create_from_pattern(re->code, NULL);
    re->context = pcre2_match_context_create(NULL);
    (void)pcre2_jit_compile(re->code, PCRE2_JIT_COMPLETE); /* else it is interpreted */
    if (!re->match || !re->context) {
        regex_free(re);
        return err_set(err, -ENOMEM, "%sa pattern", where);
    }
    pcre2_set_match_limit(re->context, MAX_STEPS);
    pcre2_set_depth_limit(re->context, MAX_DEPTH);
    pcre2_set_heap_limit(re->context, MAX_HEAP);
    *out = re;
    return 0;
}

int regex_find(struct regex *re, struct str text, size_t *start, size_t *end, struct err *err) {
    const uint32_t checked = *start ? PCRE2_NO_UTF_CHECK : 0;
    int n =
        pcre2_match(re->code, (PCRE2_SPTR)text.p, text.n, *start, checked, re->match, re->context);
    if (n == PCRE2_ERROR_JIT_STACKLIMIT) /* the interpreter has a heap */
        n = pcre2_match(re->code, (PCRE2_SPTR)text.p, text.n, *start, checked | PCRE2_NO_JIT,
                        re->match, re->context);
    if (n == PCRE2_ERROR_NOMATCH)
        return 0;
    if (n == PCRE2_ERROR_NOMEMORY)
        return err_set(err, -ENOMEM, "tokenizer.json: a pattern");
    if (n < 0)
        return err_set(err, -ENOTSUP, "tokenizer.json: a pattern failed (%d)", n);
    const PCRE2_SIZE *bounds = pcre2_get_ovector_pointer(re->match);
    *start = bounds[0];
    *end = bounds[1] < bounds[0] ? bounds[0] : bounds[1];
    return 1;
}
