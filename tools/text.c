/* SPDX-License-Identifier: Apache-2.0
 * tools/text.c - sizes, JSON strings and complaints. */
#include "tools/text.h"
#include "formats/checked.h"
#include "tools/tools.h"
#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <getopt.h>
#include <stdlib.h>

const char *text_bytes(uint64_t bytes, char buf[TEXT_SIZE]) {
    static const char *const unit[] = { "B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB" };
    double v = (double)bytes;
    int u = 0;
    while (v >= 1023.95) {
        v /= 1024;
        u++;
    }
    snprintf(buf, TEXT_SIZE, u ? "%.1f %s" : "%.0f %s", v, unit[u]);
    return buf;
}

const char *text_count(uint64_t n, char buf[TEXT_SIZE]) {
    static const char *const unit[] = { "", " K", " M", " B", " T" };
    double v = (double)n;
    int u = 0;
    while (v >= 999.5 && u < 4) {
        v /= 1000;
        u++;
    }
    snprintf(buf, TEXT_SIZE, u && v < 99.95 ? "%.1f%s" : "%.0f%s", v, unit[u]);
    return buf;
}

bool text_parse_bytes(const char *text, uint64_t *out) {
    static const char suffixes[] = "KMGT";
    char *end;
    if (!isdigit((unsigned char)*text))
        return false;
    errno = 0;
    uint64_t v = strtoull(text, &end, 10), scale = 1;
    if (errno)
        return false;
    if (*end) {
        const char *s = strchr(suffixes, toupper((unsigned char)*end));
        if (!s || end[1])
            return false;
        scale <<= 10 * (s - suffixes + 1);
    }
    return checked_mul(v, scale, out);
}

bool text_parse_threads(const char *text, unsigned *out) {
    uint64_t n;
    if (!text_parse_bytes(text, &n) || n < 1 || n > 1024)
        return false;
    *out = (unsigned)n;
    return true;
}

/* Length of the UTF-8 sequence at @p of at most @n bytes; 0 if there is none. */
static size_t utf8_length(const unsigned char *p, size_t n) {
    const size_t len = p[0] < 0x80 ? 1 : p[0] < 0xc2 ? 0 : p[0] < 0xe0 ? 2 : p[0] < 0xf0 ? 3 : 4;
    if (!len || len > n || p[0] > 0xf4)
        return 0;
    for (size_t i = 1; i < len; i++) {
        if ((p[i] & 0xc0) != 0x80)
            return 0;
    }
    const bool overlong = (p[0] == 0xe0 && p[1] < 0xa0) || (p[0] == 0xf0 && p[1] < 0x90);
    const bool beyond = (p[0] == 0xed && p[1] > 0x9f) || (p[0] == 0xf4 && p[1] > 0x8f);
    return overlong || beyond ? 0 : len;
}

void text_json(FILE *f, struct str s) {
    const unsigned char *p = (const unsigned char *)s.p, *end = p + s.n;
    putc('"', f);
    while (p < end) {
        const size_t n = utf8_length(p, (size_t)(end - p));
        if (n == 0)
            fputs("\xef\xbf\xbd", f);
        else if (*p == '"' || *p == '\\')
            fprintf(f, "\\%c", *p);
        else if (*p < 0x20 || *p == 0x7f)
            fprintf(f, "\\u%04x", *p);
        else
            fwrite(p, 1, n, f);
        p += n ? n : 1;
    }
    putc('"', f);
}

void text_plain(FILE *f, struct str s) {
    for (size_t i = 0; i < s.n; i++) {
        const unsigned char c = (unsigned char)s.p[i];
        putc(c < 0x20 || c == 0x7f ? '?' : c, f);
    }
}

int text_fail(const char *verb, const struct err *err) {
    fprintf(stderr, "weightfs %s: %s\n", verb, err->msg);
    return TOOL_FAILED;
}

int text_usage(const char *verb, const char *fmt, ...) {
    va_list ap;
    fprintf(stderr, "weightfs %s: ", verb);
    va_start(ap, fmt);
    vfprintf(stderr, fmt, ap);
    va_end(ap);
    fprintf(stderr, "\nTry `weightfs %s --help`.\n", verb);
    return TOOL_USAGE;
}

int text_option(const char *verb, char *const *argv) {
    return text_usage(verb, "%s: no such option, or its value is missing", argv[optind - 1]);
}
