/* SPDX-License-Identifier: Apache-2.0
 * tools/metadata.c - pairs of GGUF, __metadata__ of safetensors, config.json of a folder. */
#include "tools/metadata.h"
#include "formats/folder.h"
#include "formats/json.h"
#include "tools/text.h"
#include <math.h>
#include <stdlib.h>

/* An array that is longer than this (a vocabulary) is told by its length. */
enum { ARRAY_MAX = 64, LINE_MAX_BYTES = 200 };

/* The shortest text that reads back as the same number. */
static void print_number(double d, bool single) {
    char buf[TEXT_SIZE];
    if (!isfinite(d)) {
        fputs("null", stdout); /* JSON has no word for it */
        return;
    }
    for (int digits = single ? 6 : 15; digits <= 17; digits++) {
        snprintf(buf, sizeof buf, "%.*g", digits, d);
        const double back = strtod(buf, NULL);
        if (single ? (float)back == (float)d : back == d)
            break;
    }
    fputs(buf, stdout);
}

static void print_value_json(const struct json *v) {
    struct str s;
    int64_t i;
    uint64_t u;
    double d;
    bool b;
    if (json_str(v, &s))
        text_json(stdout, s);
    else if (json_bool(v, &b))
        fputs(b ? "true" : "false", stdout);
    else if (json_u64(v, &u))
        printf("%llu", (unsigned long long)u);
    else if (json_i64(v, &i))
        printf("%lld", (long long)i);
    else if (json_f64(v, &d))
        print_number(d, false);
    else if (json_type(v) == JSON_ARRAY) {
        putchar('[');
        for (size_t k = 0; k < json_len(v); k++) {
            fputs(k ? ", " : "", stdout);
            print_value_json(json_at(v, k));
        }
        putchar(']');
    } else if (json_type(v) == JSON_OBJECT) {
        const char *comma = "";
        putchar('{');
        for (struct json_iter it = json_iter(v); json_next(&it); comma = ", ") {
            fputs(comma, stdout);
            text_json(stdout, it.key);
            fputs(": ", stdout);
            print_value_json(it.value);
        }
        putchar('}');
    } else
        fputs("null", stdout);
}

static void kv_number_json(enum kv_type type, struct str value) {
    int64_t i;
    double d;
    if (type == KV_BOOL)
        fputs(value.n && *value.p ? "true" : "false", stdout);
    else if (kv_integer(type, value, &i) && type == KV_U64)
        printf("%llu", (unsigned long long)i);
    else if (kv_integer(type, value, &i))
        printf("%lld", (long long)i);
    else if (kv_real(type, value, &d))
        print_number(d, type == KV_F32);
    else
        fputs("null", stdout);
}

static void kv_json(const struct kv *kv) {
    struct kv_array a;
    struct str elem;
    if (kv->type == KV_STRING && kv->value.n >= 8) {
        text_json(stdout, (struct str){ kv->value.p + 8, kv->value.n - 8 }); /* after its length */
        return;
    }
    if (!kv_array(kv, &a)) {
        kv_number_json(kv->type, kv->value);
        return;
    }
    if (a.n > ARRAY_MAX || a.type == KV_ARRAY) {
        printf("{\"array_of\": \"%s\", \"length\": %llu}", kv_type_name(a.type),
               (unsigned long long)a.n);
        return;
    }
    putchar('[');
    for (const char *comma = ""; kv_array_next(&a, &elem); comma = ", ") {
        fputs(comma, stdout);
        if (a.type == KV_STRING)
            text_json(stdout, elem);
        else
            kv_number_json(a.type, elem);
    }
    putchar(']');
}

/* The document that holds the metadata of a format other than GGUF; json_free what is @*owned. */
static const struct json *document(const struct model *m, struct json **owned) {
    *owned = NULL;
    if (m->folder)
        return m->folder->config;
    if (m->metadata.n && json_parse(owned, m->metadata, NULL) < 0)
        *owned = NULL;
    return *owned;
}

void metadata_json(const struct model *m) {
    struct json *owned;
    const struct json *doc = document(m, &owned);
    printf(",\n \"metadata\": ");
    if (doc) {
        print_value_json(doc);
    } else {
        putchar('{');
        for (uint32_t i = 0; i < m->kvs.n; i++) {
            printf("%s\n  ", i ? "," : "");
            text_json(stdout, m->kvs.items[i].key);
            fputs(": ", stdout);
            kv_json(&m->kvs.items[i]);
        }
        putchar('}');
    }
    json_free(owned);
}

/* One line, cut where it gets long: chat templates have pages. */
static void print_line(struct str key, struct str value) {
    fputs("  ", stdout);
    text_plain(stdout, key);
    fputs(" = ", stdout);
    text_plain(stdout,
               (struct str){ value.p, value.n < LINE_MAX_BYTES ? value.n : LINE_MAX_BYTES });
    puts(value.n > LINE_MAX_BYTES ? " ..." : "");
}

void metadata_text(const struct model *m) {
    struct json *owned;
    const struct json *doc = document(m, &owned);
    char buf[4 * LINE_MAX_BYTES];
    if (m->kvs.n || doc)
        puts("metadata");
    for (uint32_t i = 0; i < m->kvs.n; i++) {
        const size_t n = kv_text(&m->kvs.items[i], 8, buf, sizeof buf);
        print_line(m->kvs.items[i].key, (struct str){ buf, n < sizeof buf ? n : sizeof buf - 1 });
    }
    for (struct json_iter it = json_iter(doc); json_next(&it);) {
        fputs("  ", stdout);
        text_plain(stdout, it.key);
        fputs(" = ", stdout);
        print_value_json(it.value);
        putchar('\n');
    }
    json_free(owned);
}
