/* SPDX-License-Identifier: Apache-2.0
 * tests/fuzz_json.c - fuzz target: JSON texts. What the scan lets through the parser must take. */
#include "tests/fuzz.h"
#include "formats/json.h"
#include "formats/json_scan.h"
#include <errno.h>
#include <stdlib.h>

/* Members of objects and elements of arrays, all levels. The scan bounds the depth. */
static uint64_t walk(const struct json *v) {
    uint64_t n = 1;
    double number;
    struct str s;
    json_f64(v, &number);
    if (json_str(v, &s) && !json_is_utf8(s))
        abort();
    for (size_t i = 0; i < json_len(v); i++)
        if (json_type(v) == JSON_ARRAY)
            n += walk(json_at(v, i));
    for (struct json_iter it = json_iter(v); json_next(&it);)
        n += walk(it.value);
    return n;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    const struct str text = { (const char *)data, size };
    struct err err = { 0 };
    struct json *doc;
    uint64_t members;
    int scanned = json_scan(text, &members, NULL), ret = json_parse(&doc, text, &err);
    if (scanned < 0 && ret != scanned)
        abort();
    if (ret < 0) {
        if (err.code != ret || !err.msg[0])
            abort();
        return 0;
    }
    if (walk(doc) < members)
        abort();
    json_free(doc);
    return 0;
}
