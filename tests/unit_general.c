/* SPDX-License-Identifier: Apache-2.0
 * tests/unit_general.c - what names and model cards say. The expected parts are those that
 * gguf-py's get_model_id_components, id_to_title and size_label give. */
#include "tests/unit.h"
#include "formats/card.h"
#include "formats/model_name.h"
#include <errno.h>

static void assert_str(struct str got, const char *want) {
    if (!want) {
        assert_null(got.p);
        return;
    }
    assert_non_null(got.p);
    assert_int_equal(got.n, strlen(want));
    assert_memory_equal(got.p, want, got.n);
}

static void test_name_parts(void **state) {
    static const struct {
        const char *id;
        int64_t params;
        const char *org, *basename, *finetune, *version, *size;
    } cases[] = {
        { "Tiny-Llama-2-SPM-Chat-v1.0", 3400000, NULL, "Tiny-Llama-2-SPM", "Chat", "v1.0", NULL },
        { "meta-llama/Llama-3.2-1B-Instruct", 1200000000, "meta-llama", "Llama-3.2", "Instruct",
          NULL, "1B" },
        { "Mistral-7B-Instruct-v0.2", 7200000000, NULL, "Mistral", "Instruct", "v0.2", "7B" },
        { "Mixtral-8x7b-v0.1", 46000000000, NULL, "Mixtral", NULL, "v0.1", "8x7B" },
        { "bloom-7b1", 7100000000, NULL, "bloom", NULL, NULL, "7.1B" },
        { "Phi-3-mini-4k-instruct", 3800000000, NULL, "Phi-3", "4k-instruct", NULL, "mini" },
        { "Yarn-Llama-2-7b-128k", 6700000000, NULL, "Yarn-Llama-2", "128k", NULL, "7B" },
        { "gpt2", 124000000, NULL, NULL, NULL, NULL, NULL },
        { "model-q4_0", 0, NULL, NULL, NULL, NULL, NULL },
        { "./local-7B", 0, NULL, "local", NULL, NULL, "7B" },
        { "a name of words", 0, NULL, NULL, NULL, NULL, NULL },
        { "", 0, NULL, NULL, NULL, NULL, NULL },
        { "---", 0, NULL, NULL, NULL, NULL, NULL },
        /* adapters: "lora" goes without saying, and the model may be larger than what is changed */
        { "Llama-3-8B-lora", -20000000, NULL, "Llama-3", NULL, NULL, "8B" },
        { "Llama-3-8B-lora", 8000000000, NULL, "Llama-3", "lora", NULL, "8B" },
        { "Yarn-7b-lora-128k", -3000000000, NULL, "Yarn", "128k", NULL, "7B" },
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct arena a = { 0 };
        struct name_parts p;
        assert_true(name_split(&a, str_from(cases[i].id), cases[i].params, &p));
        assert_non_null(p.full.p);
        assert_str(p.org, cases[i].org);
        assert_str(p.basename, cases[i].basename);
        assert_str(p.finetune, cases[i].finetune);
        assert_str(p.version, cases[i].version);
        assert_str(p.size_label, cases[i].size);
        arena_fini(&a);
    }
}

static void test_titles(void **state) {
    static const char *const cases[][2] = {
        { "tiny-llama 2", "Tiny Llama 2" },
        { "another_set", "Another_Set" },
        { "Tiny-Llama-v1.0", "Tiny Llama v1.0" },
        { "v1.0-x", "v1.0 X" },
        { "09a9503d", "09a9503d" },
        { "f0714625b6", "F0714625B6" },
        { "", "" },
        { " - ", "" },
    };
    (void)state;
    struct arena a = { 0 };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_str(name_title(&a, str_from(cases[i][0])), cases[i][1]);
    arena_fini(&a);
}

static void test_size_labels(void **state) {
    static const struct {
        struct param_count count;
        const char *label;
    } cases[] = {
        { { .total = 3400000 }, "3.4M" },
        { { .total = 7241732096 }, "7.2B" },
        { { .total = 70000000000 }, "70B" },
        { { .total = 999 }, "1.0K" },
        { { .total = 400 }, "0.40K" },
        { { .total = 1000000 }, "1000K" },
        { { .total = 2000000000000 }, "2.0T" },
        { { 46700000000, 1600000000, 5640000000, 8, false }, "8x7.2B" },
    };
    (void)state;
    struct arena a = { 0 };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_str(name_size_label(&a, &cases[i].count), cases[i].label);
    arena_fini(&a);
}

static void test_card(void **state) {
    static const char text[] = "---\r\nlicense: apache-2.0\r\nlanguage:\r\n- en\r\n- no\r\n"
                               "version: 1.0\r\nempty:\r\ntags: [a, \"b c\", 3]\n"
                               "base_model:\n- name: X\n  deep: [1, 2]\n- org/y\n"
                               "model-index:\n- results:\n  - task: {type: t, a: [[[]]]}\n"
                               "license: mit\n---\n# not: yaml: at all\n";
    struct arena a = { 0 };
    struct card_value card;
    (void)state;
    assert_ok(card_parse(&card, str_from(text), &a, err));
    assert_str(card_get(&card, "license")->text, "mit"); /* the last one counts */
    const struct card_value *v = card_get(&card, "language");
    assert_int_equal(v->kind, CARD_LIST);
    assert_int_equal(v->n, 2);
    assert_int_equal(v->items[1].kind, CARD_TEXT);
    assert_str(v->items[1].text, "no");
    assert_int_equal(card_get(&card, "version")->kind, CARD_OTHER);
    assert_int_equal(card_get(&card, "empty")->kind, CARD_NULL);
    assert_int_equal(card_get(&card, "absent")->kind, CARD_ABSENT);
    v = card_get(&card, "tags");
    assert_str(v->items[1].text, "b c");
    assert_int_equal(v->items[2].kind, CARD_OTHER);
    v = card_get(&card, "base_model");
    assert_int_equal(v->items[0].kind, CARD_MAP);
    assert_str(card_get(&v->items[0], "name")->text, "X");
    assert_int_equal(card_get(&v->items[0], "deep")->kind, CARD_OTHER);
    assert_str(v->items[1].text, "org/y");
    arena_fini(&a);
}

static void test_bad_cards(void **state) {
    static const struct {
        struct str text;
        int rc;
    } cases[] = {
        { STR(""), 0 },
        { STR("# no front matter\n---\na: b\n---\n"), 0 },
        { STR("---\n---\n"), 0 },
        { STR("---\njust words\n---\n"), 0 },
        { STR("---\na: [b\n---\n"), -EBADMSG },
        { STR("---\na: b: c\n---\n"), -EBADMSG },
        { STR("---\na: &x 1\nb: *x\n---\n"), -ENOTSUP },
        { STR("---\n\xff\xfe: 1\n---\n"), -EBADMSG },
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct arena a = { 0 };
        struct card_value card;
        struct err err = { 0 };
        assert_int_equal(card_parse(&card, cases[i].text, &a, &err), cases[i].rc);
        assert_int_equal(err.code, cases[i].rc);
        arena_fini(&a);
    }
}

/* 10,000 levels: an error or skipped, and no stack that overflows. */
static void test_deep_card(void **state) {
    static char text[32 << 10] = "---\na: ";
    struct arena a = { 0 };
    struct card_value card;
    struct err err = { 0 };
    (void)state;
    memset(text + strlen(text), '[', 10000);
    assert_int_equal(card_parse(&card, str_from(text), &a, &err), -EBADMSG);
    arena_fini(&a);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_name_parts),  cmocka_unit_test(test_titles),
        cmocka_unit_test(test_size_labels), cmocka_unit_test(test_card),
        cmocka_unit_test(test_bad_cards),   cmocka_unit_test(test_deep_card),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
