/* SPDX-License-Identifier: Apache-2.0
 * tests/unit_ranks.c - vocabularies by rank: what merges follow from them, damaged files, and
 * damaged tokenizers of Mistral's own layout. Whole files: golden_hf.py. */
#include "tests/unit.h"
#include "formats/container.h"
#include "formats/folder.h"
#include "formats/form.h"
#include "formats/root.h"
#include "formats/tokenizer/ranks.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

static void expect_words(const struct words *w, const char *want) {
    char all[256] = "";
    size_t n = 0;
    for (size_t i = 0; i < w->n; i++)
        n += (size_t)snprintf(all + n, sizeof all - n, "%.*s,", STR_ARG(w->items[i]));
    assert_string_equal(all, want);
}

/* a, b, space, "ab", " a", " ab": BPE joins the pair of lowest rank first, so the last is made of
 * space and "ab". */
static void test_merges(void **state) {
    static const char file[] = "YQ== 0\nYg== 1\nIA== 2\nYWI= 3\r\nIGE= 4\nIGFi 5\n\nrest";
    struct arena a = { 0 };
    struct ranks r;
    struct words all = { 0 }, last = { 0 };
    (void)state;
    assert_ok(ranks_read(&r, str_from(file), &a, err));
    assert_int_equal(r.n, 6);
    assert_ok(ranks_all_merges(&r, &all, &a, err));
    expect_words(&all, "a b,\xc4\xa0 a,\xc4\xa0 ab,\xc4\xa0"
                       "a b,");
    assert_ok(ranks_last_merges(&r, &last, &a, err));
    expect_words(&last, "a b,\xc4\xa0 a,\xc4\xa0 ab,");
    arena_fini(&a);
}

static void test_damaged(void **state) {
    static const char *const files[] = {
        "YQ== 1\n", "YQ== 0\nYQ== 1\n", "YQ== 0\nYg== 0\n", "YQ=\n",
        "YQ= 0\n",  "Y=Q= 0\n",         "YQ==0\n",          "YQ== \n",
        "==== 0\n", "YQ== 99999999999", "Y*== 0\n",         " 0\n"
    };
    (void)state;
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        struct arena a = { 0 };
        struct ranks r;
        struct err err = { 0 };
        if (ranks_read(&r, str_from(files[i]), &a, &err) != -EBADMSG)
            fail_msg("%s: %d", files[i], err.code);
        arena_fini(&a);
    }
    struct arena a = { 0 };
    struct ranks r;
    struct words w = { 0 };
    struct err err = { 0 };
    assert_int_equal(ranks_read(&r, STR("YQ== 0\nYWJj 1\n"), &a, &err), 0);
    assert_int_equal(ranks_all_merges(&r, &w, &a, &err), -EBADMSG); /* no "ab" */
    assert_int_equal(ranks_last_merges(&r, &w, &a, &err), -EBADMSG);
    arena_fini(&a);
}

/* --- folders --- */

static char dir[] = "/tmp/weightfs-ranks-XXXXXX";

static void write_file(const char *name, const void *data, size_t n) {
    char path[128];
    snprintf(path, sizeof path, "%s/m/%s", dir, name);
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    assert_int_equal(fwrite(data, 1, n, f), n);
    fclose(f);
}

static void write_weights(void) {
    static const char header[] =
        "{\"norm.weight\":{\"dtype\":\"F32\",\"shape\":[4],\"data_offsets\":[0,16]}}";
    char all[8 + sizeof header - 1 + 16] = { (char)(sizeof header - 1) };
    memcpy(all + 8, header, sizeof header - 1);
    write_file("consolidated.safetensors", all, sizeof all);
}

static void expect(const char *params, const char *tekken, int want, const char *part) {
    struct root *root;
    struct model *m;
    struct arena a = { 0 };
    struct form f = { .arena = &a };
    struct err err = { 0 };
    write_file("params.json", params, strlen(params));
    write_file("tekken.json", tekken, strlen(tekken));
    assert_int_equal(root_open(&root, dir, &err), 0);
    assert_int_equal(model_new(&m, STR("m"), &err), 0);
    int rc = folder_read(m, root, "m", &err);
    if (rc == 0)
        rc = form_gguf_from_hf(&f, m, OUTTYPE_F16, &err);
    if (rc != want || !strstr(err.msg, part))
        fail_msg("%d: %s; wanted %d: %s", rc, err.msg, want, part);
    arena_fini(&a);
    model_unref(m);
    root_close(root);
}

#define PARAMS                                                                                  \
    "{\"dim\":4,\"n_layers\":1,\"n_heads\":1,\"n_kv_heads\":1,\"head_dim\":4,\"hidden_dim\":4," \
    "\"norm_eps\":1e-5"
#define CONFIG(version, size, special)                                       \
    "{\"config\":{\"version\":\"" version "\",\"default_vocab_size\":" #size \
    ",\"default_num_special_tokens\":" #special "}"
#define TOKENS \
    ",\"vocab\":[{\"rank\":0,\"token_bytes\":\"YQ==\"},{\"rank\":1,\"token_bytes\":\"Yg==\"}]"

static void test_folders(void **state) {
    (void)state;
    char path[64];
    assert_non_null(mkdtemp(dir));
    snprintf(path, sizeof path, "%s/m", dir);
    assert_int_equal(mkdir(path, 0700), 0);
    write_weights();
    expect(PARAMS "}", CONFIG("v3", 22, 20) TOKENS "}", 0, "");
    expect(PARAMS "}", CONFIG("v13", 22, 20) TOKENS "}", -EBADMSG, "special_tokens");
    expect(PARAMS "}", CONFIG("v3", 22, 19) TOKENS "}", -EBADMSG, "special_tokens");
    expect(PARAMS "}", CONFIG("v3", 23, 20) TOKENS "}", -EBADMSG, "shorter");
    expect(PARAMS "}", CONFIG("v3", 5, 20) TOKENS "}", -EBADMSG, "numbers of tokens");
    expect(PARAMS "}", CONFIG("v3", 21, 20) ",\"vocab\":[{\"rank\":1,\"token_bytes\":\"YQ==\"}]}",
           -EBADMSG, "rank is not its place");
    expect(PARAMS "}",
           CONFIG("v3", 3, 1) ",\"special_tokens\":[{\"rank\":7,\"token_str\":\"x\"}]" TOKENS "}",
           -EBADMSG, "without text and rank");
    expect(PARAMS "}",
           CONFIG("v3", 3, 1) ",\"special_tokens\":[{\"rank\":0,\"token_str\":\"x\"}]" TOKENS "}",
           -EBADMSG, "bos_token_id");
    expect(PARAMS "}", CONFIG("v5", 22, 20) TOKENS "}", -ENOTSUP, "chat_template.jinja");
    expect(PARAMS ",\"moe\":{}}", CONFIG("v3", 22, 20) TOKENS "}", -ENOTSUP, "experts");
    expect(PARAMS ",\"yarn\":{}}", CONFIG("v3", 22, 20) TOKENS "}", -EBADMSG, "yarn");
    expect("[]", "{}", -EBADMSG, "params.json");
    snprintf(path, sizeof path, "rm -r %s", dir);
    assert_int_equal(system(path), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_merges),
        cmocka_unit_test(test_damaged),
        cmocka_unit_test(test_folders),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
