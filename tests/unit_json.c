/* SPDX-License-Identifier: Apache-2.0
 * tests/unit_json.c - JSON: what Python writes is read, what only json-c would read is not. */
#include "tests/unit.h"
#include "formats/buffer.h"
#include "formats/json.h"
#include <errno.h>
#include <math.h>
#include <stdlib.h>

static struct json *parse(const char *text) {
    struct json *doc = NULL;
    assert_ok(json_parse(&doc, str_from(text), err));
    return doc;
}

static void test_values(void **state) {
    (void)state;
    struct json *doc = parse("{\"i\": -5, \"u\": 18446744073709551614, \"d\": 1.5e3, \"n\": null,"
                             " \"s\": \"a\\u0000b\\u00e9\", \"t\": true, \"a\": [1, [2], {}],"
                             " \"big\": 1000000000000000019884624838656, \"nan\": NaN,"
                             " \"inf\": [Infinity, -Infinity]}");
    uint64_t u;
    int64_t i;
    double d;
    bool b;
    struct str s;
    assert_true(json_i64(json_get(doc, "i"), &i) && i == -5);
    assert_false(json_u64(json_get(doc, "i"), &u));
    assert_true(json_u64(json_get(doc, "u"), &u) && u == UINT64_MAX - 1);
    assert_false(json_i64(json_get(doc, "u"), &i));
    assert_true(json_f64(json_get(doc, "d"), &d) && d == 1500);
    assert_true(json_f64(json_get(doc, "i"), &d) && d == -5);
    assert_false(json_u64(json_get(doc, "d"), &u));
    assert_true(json_get(doc, "n") && json_is_null(json_get(doc, "n")));
    assert_int_equal(json_type(json_get(doc, "n")), JSON_NULL);
    assert_true(!json_get(doc, "absent") && json_is_null(json_get(doc, "absent")));
    assert_null(json_get(json_get(json_get(doc, "absent"), "x"), "y"));
    assert_true(json_str(json_get(doc, "s"), &s) && str_eq(s, STR("a\0b\xc3\xa9")));
    assert_true(json_bool(json_get(doc, "t"), &b) && b);
    assert_int_equal(json_len(json_get(doc, "a")), 3);
    assert_true(json_u64(json_at(json_at(json_get(doc, "a"), 1), 0), &u) && u == 2);
    assert_null(json_at(json_get(doc, "a"), 3));
    assert_int_equal(json_type(json_get(doc, "big")), JSON_INT);
    assert_false(json_u64(json_get(doc, "big"), &u) || json_i64(json_get(doc, "big"), &i));
    assert_true(json_f64(json_get(doc, "nan"), &d) && isnan(d));
    assert_true(json_f64(json_at(json_get(doc, "inf"), 1), &d) && isinf(d) && d < 0);
    json_free(doc);
}

static void test_order(void **state) {
    (void)state;
    struct json *doc = parse("{\"z\":0,\"a\":1,\"m\":null}");
    char keys[4] = "";
    size_t n = 0;
    for (struct json_iter it = json_iter(doc); json_next(&it);) {
        assert_true(it.key.n == 1 && it.value);
        keys[n++] = *it.key.p;
    }
    assert_string_equal(keys, "zam");
    struct json_iter none = json_iter(json_get(doc, "a"));
    assert_false(json_next(&none));
    json_free(doc);
}

static void test_scalars(void **state) {
    (void)state;
    static const char *const good[] = { "1",    " 0 ",       "-0",        "1e5",        "\"\"",
                                        "null", "NaN",       "-Infinity", "true",       "[]",
                                        "{}",   "\r\n[ ]\t", "0.1E-2",    "\"\\ud800\"" };
    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        json_free(parse(good[i]));
}

static void test_refused(void **state) {
    (void)state;
    static const char *const bad[] = {
        "",
        " ",
        "[1,]",
        "{\"a\":1,}",
        "[1 2]",
        "{'a':1}",
        "{a:1}",
        "// x\n1",
        "/**/1",
        "1 1",
        "[1]]",
        "{} x",
        "01",
        "1.",
        ".5",
        "+1",
        "1e",
        "-",
        "0x10",
        "nan",
        "inf",
        "-NaN",
        "True",
        "tru",
        "[",
        "{",
        "{\"a\"",
        "{\"a\":",
        "{\"a\":1",
        "\"abc",
        "\"\\x41\"",
        "\"\\u12g4\"",
        "\"\n\"",
        "\"\x80\"",
        "\"\xc0\xaf\"",
        "\"\xed\xa0\x80\"",
        "\"\xf4\x90\x80\x80\"",
        "\"\xe2\x82\"",
        "\xef\xbb\xbf{}",
        "{\"a\":1,\"a\":2}",
        "[{\"b\":{\"a\":1,\"\\u0061\":1}}]",
        "{\"a\\u0000b\":1}",
        "[}",
        "{]",
        "{,}",
        "[,1]",
        "{\"a\" 1}",
        "{1:2}",
        "\"\\",
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct json *doc = NULL;
        struct err err = { 0 };
        int ret = json_parse(&doc, str_from(bad[i]), &err);
        if (ret != -EBADMSG || doc || !err.msg[0])
            fail_msg("%s: %d", bad[i], ret);
    }
    struct json *doc = NULL;
    assert_int_equal(json_parse(&doc, STR("[1\0]"), NULL), -EBADMSG);
    assert_int_equal(json_parse(&doc, STR("1\0"), NULL), -EBADMSG);
}

static void test_bounds(void **state) {
    (void)state;
    char text[2 * JSON_MAX_DEPTH + 4];
    for (size_t depth = JSON_MAX_DEPTH; depth <= JSON_MAX_DEPTH + 1; depth++) {
        memset(text, '[', depth);
        memset(text + depth, ']', depth);
        struct json *doc = NULL;
        int ret = json_parse(&doc, (struct str){ text, 2 * depth }, NULL);
        assert_int_equal(ret, depth <= JSON_MAX_DEPTH ? 0 : -EBADMSG);
        json_free(doc);
    }
    size_t n = 6u << 20;
    char *many = malloc(n);
    assert_non_null(many);
    for (size_t i = 0; i < n; i += 3)
        memcpy(many + i, "{},", 3);
    many[0] = '[';
    many[1] = '1';
    struct json *doc = NULL;
    assert_int_equal(json_parse(&doc, (struct str){ many, n }, NULL), -EFBIG);
    free(many);
}

/* What Python's json.dumps(v, indent=2) writes. */
static void test_print(void **state) {
    static const char text[] = "{\n"
                               "  \"a\": 1e-05,\n"
                               "  \"b\": [\n"
                               "    1,\n"
                               "    -2,\n"
                               "    18446744073709551614,\n"
                               "    NaN,\n"
                               "    -Infinity\n"
                               "  ],\n"
                               "  \"c\": {},\n"
                               "  \"d\": [],\n"
                               "  \"e\": {\n"
                               "    \"x\\ny\": null,\n"
                               "    \"\xc3\xa4\": true\n"
                               "  }\n"
                               "}";
    (void)state;
    struct json *doc = NULL;
    struct buffer b = { 0 };
    assert_int_equal(json_parse(&doc, str_from(text), NULL), 0);
    json_print(&b, doc, 0);
    buffer_zeros(&b, 1);
    assert_false(b.failed);
    assert_string_equal(b.p, text);
    buffer_fini(&b);
    json_free(doc);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_values),  cmocka_unit_test(test_order),
        cmocka_unit_test(test_scalars), cmocka_unit_test(test_refused),
        cmocka_unit_test(test_bounds),  cmocka_unit_test(test_print),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
