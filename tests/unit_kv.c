/* SPDX-License-Identifier: Apache-2.0
 * tests/unit_kv.c - GGUF's pairs: encoding, order, numbers of every type, text. */
#include "tests/unit.h"
#include "formats/kv.h"

struct fixture {
    struct arena arena;
    struct kv_list kvs;
};

static int setup(void **state) {
    static struct fixture f;
    f = (struct fixture){ 0 };
    *state = &f;
    return 0;
}

static int teardown(void **state) {
    struct fixture *f = *state;
    arena_fini(&f->arena);
    return 0;
}

static void test_set(void **state) {
    struct fixture *f = *state;
    struct arena *a = &f->arena;
    struct kv_list *l = &f->kvs;
    assert_true(kv_set_str(l, a, "s", STR("text")));
    assert_true(kv_set_u32(l, a, "u", 7));
    assert_true(kv_set_i32(l, a, "i", -7));
    assert_true(kv_set_f32(l, a, "f", 0.5f));
    assert_true(kv_set_bool(l, a, "b", true));
    assert_true(kv_set_u64(l, a, "u", UINT64_MAX));
    assert_int_equal(l->n, 5);
    assert_true(str_is(l->items[1].key, "u") && l->items[1].type == KV_U64);
    assert_memory_equal(l->items[0].value.p, "\4\0\0\0\0\0\0\0text", 12);
    uint64_t u;
    double d;
    struct str s;
    assert_true(kv_get_u64(l, "u", &u) && u == UINT64_MAX);
    assert_true(kv_get_f64(l, "u", &d) && d == 18446744073709551616.0);
    assert_false(kv_get_u64(l, "i", &u) || kv_get_u64(l, "f", &u) || kv_get_u64(l, "b", &u));
    assert_true(kv_get_f64(l, "i", &d) && d == -7);
    assert_true(kv_get_f64(l, "f", &d) && d == 0.5);
    assert_true(kv_get_str(l, "s", &s) && str_is(s, "text"));
    assert_false(kv_get_str(l, "u", &s) || kv_get_str(l, "none", &s));
    kv_remove(l, STR("u"));
    assert_true(l->n == 4 && !kv_find(l, STR("u")) && kv_find(l, STR("b")) == &l->items[3]);
}

static void test_growth(void **state) {
    struct fixture *f = *state;
    for (uint32_t i = 0; i < 100; i++) {
        struct str key = arena_printf(&f->arena, "k%u", i);
        assert_true(kv_set_u32(&f->kvs, &f->arena, key.p, i));
    }
    uint64_t u;
    assert_true(f->kvs.n == 100 && kv_get_u64(&f->kvs, "k99", &u) && u == 99);
}

static void test_arrays(void **state) {
    struct fixture *f = *state;
    const int32_t ints[] = { 1, -2, 3 };
    const struct str strs[] = { STR("x"), STR(""), STR("yz") };
    assert_true(kv_set_array(&f->kvs, &f->arena, "ints", KV_I32, ints, 3));
    assert_true(kv_set_strs(&f->kvs, &f->arena, "strs", strs, 3));
    assert_false(kv_set_array(&f->kvs, &f->arena, "no", KV_STRING, ints, 1));
    struct kv_array a;
    struct str elem;
    int64_t i;
    assert_true(kv_get_array(&f->kvs, "ints", &a) && a.n == 3 && a.type == KV_I32);
    for (int k = 0; k < 3; k++)
        assert_true(kv_array_next(&a, &elem) && kv_integer(a.type, elem, &i) && i == ints[k]);
    assert_false(kv_array_next(&a, &elem));
    assert_true(kv_get_array(&f->kvs, "strs", &a));
    for (int k = 0; k < 3; k++)
        assert_true(kv_array_next(&a, &elem) && str_eq(elem, strs[k]));
    char buf[32];
    kv_text(kv_find(&f->kvs, STR("ints")), 2, buf, sizeof buf);
    assert_string_equal(buf, "[1, -2, ...]");
    kv_text(kv_find(&f->kvs, STR("strs")), 9, buf, sizeof buf);
    assert_string_equal(buf, "[x, , yz]");
    assert_int_equal(kv_text(kv_find(&f->kvs, STR("strs")), 9, buf, 4), 9);
    assert_string_equal(buf, "[x,");
}

static void test_types(void **state) {
    (void)state;
    static const struct {
        enum kv_type type;
        const char *bytes, *text;
    } rows[] = {
        { KV_U8, "\xff", "255" },
        { KV_I8, "\xff", "-1" },
        { KV_U16, "\xff\xff", "65535" },
        { KV_I16, "\0\x80", "-32768" },
        { KV_U32, "\xff\xff\xff\xff", "4294967295" },
        { KV_I32, "\xfe\xff\xff\xff", "-2" },
        { KV_U64, "\xff\xff\xff\xff\xff\xff\xff\xff", "18446744073709551615" },
        { KV_I64, "\xff\xff\xff\xff\xff\xff\xff\xff", "-1" },
        { KV_F32, "\0\0\xc0\x3f", "1.5" },
        { KV_F64, "\0\0\0\0\0\0\xf8\xbf", "-1.5" },
        { KV_BOOL, "\1", "true" },
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct kv kv = { .key = STR("k"),
                         .type = rows[i].type,
                         .value = { rows[i].bytes, kv_type_bytes(rows[i].type) } };
        char buf[32];
        kv_text(&kv, 1, buf, sizeof buf);
        assert_string_equal(buf, rows[i].text);
    }
}

static void test_plain(void **state) {
    struct fixture *f = *state;
    const struct str plain[] = { STR("a"), STR(""), STR("b") }, nul[] = { STR("a"), STR("b\0c") };
    const uint32_t numbers[] = { 0, 1 };
    struct kv_list *l = &f->kvs;
    assert_true(kv_set_u32(l, &f->arena, "number", 0));
    assert_true(kv_set_array(l, &f->arena, "numbers", KV_U32, numbers, 2));
    assert_true(kv_set_str(l, &f->arena, "text", STR("text")));
    assert_true(kv_set_strs(l, &f->arena, "texts", plain, 3));
    assert_true(kv_set_str(l, &f->arena, "nul", STR("te\0xt")));
    assert_true(kv_set_strs(l, &f->arena, "nuls", nul, 2));
    for (uint32_t i = 0; i < l->n; i++)
        assert_int_equal(kv_is_plain(&l->items[i]), i < 4);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_set, setup, teardown),
        cmocka_unit_test_setup_teardown(test_growth, setup, teardown),
        cmocka_unit_test_setup_teardown(test_arrays, setup, teardown),
        cmocka_unit_test(test_types),
        cmocka_unit_test_setup_teardown(test_plain, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
