/* SPDX-License-Identifier: Apache-2.0
 * tests/unit_tokenizer_check.c - parts of a tokenizer that do not belong together are found; the
 * patterns of tokenizers that are written anew are patterns. */
#include "tests/unit.h"
#include "formats/json.h"
#include "formats/tokenizer/hf_json.h"
#include "formats/tokenizer/regex.h"
#include "formats/tokenizer/tokenizer_check.h"
#include <errno.h>
#include <math.h>
#include <string.h>

static struct arena arena;

enum { N = 4 };

/* A tokenizer that is sound. */
static struct kv_list make(void) {
    static const struct str tokens[N] = { { "a", 1 }, { "b", 1 }, { "ab", 2 }, { " ", 1 } };
    static const struct str merges[] = { { "a b", 3 } };
    static const float scores[N] = { 0, -1, -2, -3 };
    static const int32_t types[N] = { 1, 1, 1, 6 };
    struct kv_list l = { 0 };
    assert_true(kv_set_strs(&l, &arena, "tokenizer.ggml.tokens", tokens, N));
    assert_true(kv_set_array(&l, &arena, "tokenizer.ggml.scores", KV_F32, scores, N));
    assert_true(kv_set_array(&l, &arena, "tokenizer.ggml.token_type", KV_I32, types, N));
    assert_true(kv_set_strs(&l, &arena, "tokenizer.ggml.merges", merges, 1));
    assert_true(kv_set_u32(&l, &arena, "tokenizer.ggml.bos_token_id", N - 1));
    return l;
}

static int check(const struct kv_list *l, uint64_t rows, const char *want) {
    struct err err = { 0 };
    uint64_t n;
    const int rc = tokenizer_check(l, rows, &n, &err);
    if (rc < 0 && (!want || !strstr(err.msg, want)))
        fail_msg("%s", err.msg);
    return rc;
}

static void test_sound(void **state) {
    (void)state;
    struct kv_list l = make(), none = { 0 };
    uint64_t n;
    assert_ok(tokenizer_check(&l, N, &n, err));
    assert_int_equal(n, N);
    assert_int_equal(check(&l, 0, NULL), 0);
    assert_ok(tokenizer_check(&none, N, &n, err));
    assert_int_equal(n, 0);
}

static void test_lists(void **state) {
    (void)state;
    static const float scores[N] = { 0, 1, NAN, 2 };
    static const int32_t types[N] = { 1, 1, 7, 1 };
    struct kv_list l = make();
    assert_int_equal(check(&l, N + 1, "4 tokens, and an embedding for 5"), -EBADMSG);
    assert_true(kv_set_array(&l, &arena, "tokenizer.ggml.scores", KV_F32, scores, N - 1));
    assert_int_equal(check(&l, N, "scores"), -EBADMSG);
    assert_true(kv_set_array(&l, &arena, "tokenizer.ggml.scores", KV_F32, scores, N));
    assert_int_equal(check(&l, N, "score of token 2"), -EBADMSG);
    l = make();
    assert_true(kv_set_array(&l, &arena, "tokenizer.ggml.token_type", KV_I32, types, N));
    assert_int_equal(check(&l, N, "token 2 has a type"), -EBADMSG);
    l = make();
    assert_true(kv_set_u32(&l, &arena, "tokenizer.ggml.tokens", 1));
    assert_int_equal(check(&l, N, "tokens"), -EBADMSG);
}

static void test_merges(void **state) {
    (void)state;
    static const struct str bad[] = { { "ab", 2 }, { "b a", 3 }, { "a c", 3 }, { "a", 1 },
                                      { " b", 2 }, { "", 0 },    { "a ", 2 } };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct kv_list l = make();
        assert_true(kv_set_strs(&l, &arena, "tokenizer.ggml.merges", &bad[i], 1));
        assert_int_equal(check(&l, N, "merge 0"), -EBADMSG);
    }
}

static void check_ids(const char *file, const char *added, const char *want) {
    struct err why = { 0 };
    struct json *f, *more = NULL;
    assert_ok(json_parse(&f, str_from(file), err));
    if (added)
        assert_ok(json_parse(&more, str_from(added), err));
    const int rc = tokenizer_ids_check(f, more, &why);
    if (rc != (want ? -EBADMSG : 0) || (want && !strstr(why.msg, want)))
        fail_msg("%s: %d, %s", file, rc, why.msg);
    json_free(f);
    json_free(more);
}

static void test_ids(void **state) {
    (void)state;
    const char *plain = "{\"model\":{\"vocab\":{\"a\":0,\"b\":1}}}";
    check_ids(plain, NULL, NULL);
    check_ids(plain, "{\"c\":2}", NULL);
    check_ids(plain, "{\"c\":1}", "both have the id 1");
    check_ids("{\"model\":{\"vocab\":[[\"a\",0.5],[\"b\",0]]}}", NULL, NULL); /* Unigram */
    check_ids("{\"model\":{\"vocab\":{\"a\":7,\"b\":7}}}", NULL, "both have the id 7");
    check_ids("{\"model\":{\"vocab\":{\"a\":-1}}}", NULL, "\"a\" has no id");
    check_ids("{\"model\":{\"vocab\":{\"a\":0}},\"added_tokens\":[{\"id\":0,\"content\":\"a\"},"
              "{\"id\":1,\"content\":\"x\"}]}",
              NULL, NULL);
    check_ids("{\"added_tokens\":[{\"id\":3,\"content\":\"x\"},{\"id\":3,\"content\":\"y\"}]}",
              NULL, "both have the id 3");
    check_ids("{}", NULL, NULL);
}

static void test_texts_once(void **state) {
    (void)state;
    static const struct str twice[] = { STR("a"), STR("b"), STR("a") },
                            empty[] = { { "", 0 }, { "", 0 } };
    struct kv_list l = { 0 };
    struct err why = { 0 };
    assert_ok(tokenizer_check_once(&l, err));
    assert_true(kv_set_strs(&l, &arena, "tokenizer.ggml.tokens", empty, 2));
    assert_ok(tokenizer_check_once(&l, err));
    assert_true(kv_set_strs(&l, &arena, "tokenizer.ggml.tokens", twice, 3));
    assert_int_equal(tokenizer_check_once(&l, &why), -EBADMSG);
    assert_non_null(strstr(why.msg, "token 2, \"a\", is there twice"));
}

static void test_special(void **state) {
    (void)state;
    struct kv_list l = make();
    assert_true(kv_set_u32(&l, &arena, "tokenizer.ggml.eot_token_id", N));
    assert_int_equal(check(&l, N, "eot_token_id"), -EBADMSG);
    l = make();
    assert_true(kv_set_i32(&l, &arena, "tokenizer.ggml.bos_token_id", -1));
    assert_int_equal(check(&l, N, "bos_token_id"), -EBADMSG);
}

/* One name a row. DeepSeek LLM's letters hold characters that editors like to compose: U+1FBE. */
static void test_patterns(void **state) {
    static const char *const names[] = {
        "default", "roberta-bpe", "mpt",        "llama-bpe",      "dbrx",         "glm4",
        "qwen2",   "qwen35",      "stablelm2",  "ufakzeka",       "starcoder",    "command-r",
        "tekken",  "gpt-4o",      "tiny_aya",   "deepseek-coder", "deepseek-llm", "deepseek-v3",
        "bloom",   "viking",      "bailingmoe", "seed-coder",     "falcon",
    };
    const struct str odd = STR("\xe1\xbe\xbe");
    size_t patterns = 0, start = 0, end;
    struct regex *re;
    struct err err = { 0 };
    (void)state;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        const struct hf_pre *pre = hf_pre_find(str_from(names[i]));
        assert_non_null(pre);
        for (size_t k = 0; k < sizeof pre->splits / sizeof *pre->splits && pre->splits[k]; k++) {
            assert_int_equal(regex_new(&re, str_from(pre->splits[k]), REGEX_ONIGURUMA, &err), 0);
            regex_free(re);
            patterns++;
        }
    }
    assert_true(patterns > 20);
    const struct hf_pre *pre = hf_pre_find(STR("deepseek-llm"));
    assert_int_equal(regex_new(&re, str_from(pre->splits[1]), REGEX_ONIGURUMA, &err), 0);
    assert_int_equal(regex_find(re, odd, &start, &end, &err), 1);
    assert_int_equal(end, odd.n);
    regex_free(re);
}

/* A token of two spaces, written anew. */
static bool rewritten(const char *model, const char *content) {
    static const struct str tokens[] = { STR("a"), STR("  ") };
    static const int32_t types[] = { 1, 4 };
    static const float scores[] = { 0, 0 };
    struct kv_list l = { 0 };
    struct buffer b = { 0 };
    struct err err = { 0 };
    assert_true(kv_set_str(&l, &arena, "tokenizer.ggml.model", str_from(model)));
    assert_true(kv_set_str(&l, &arena, "tokenizer.ggml.pre", STR("olmo")));
    assert_true(kv_set_strs(&l, &arena, "tokenizer.ggml.tokens", tokens, 2));
    assert_true(kv_set_strs(&l, &arena, "tokenizer.ggml.merges", tokens, 0));
    assert_true(kv_set_array(&l, &arena, "tokenizer.ggml.scores", KV_F32, scores, 2));
    assert_true(kv_set_array(&l, &arena, "tokenizer.ggml.token_type", KV_I32, types, 2));
    assert_int_equal(hf_tokenizer_json_add(&b, &l, &err), 0);
    buffer_add(&b, "", 1);
    const bool there = strstr(b.p, content) != NULL;
    buffer_fini(&b);
    return there;
}

static void test_spaces(void **state) {
    (void)state;
    assert_true(rewritten("gpt2", "\"content\": \"  \""));
    assert_true(rewritten("llama", "\"content\": \"\xe2\x96\x81\xe2\x96\x81\""));
}

static int teardown(void **state) {
    (void)state;
    arena_fini(&arena);
    return 0;
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sound),    cmocka_unit_test(test_lists),
        cmocka_unit_test(test_merges),   cmocka_unit_test(test_special),
        cmocka_unit_test(test_ids),      cmocka_unit_test(test_texts_once),
        cmocka_unit_test(test_patterns), cmocka_unit_test(test_spaces),
    };
    return cmocka_run_group_tests(tests, NULL, teardown);
}
