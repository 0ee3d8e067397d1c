/* SPDX-License-Identifier: Apache-2.0
 * tests/unit_memo.c - folders whose tokenizers say the same share what is made of them, and one
 * that differs in any file which a tokenizer is made of does not. argv[1]: a model folder. */
#include "tests/unit_dir.h"
#include "formats/container.h"
#include "formats/folder.h"
#include "formats/form.h"
#include "formats/tokenizer/memo.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char *sample;
static struct root *root;
static struct tokenizer_store *store;

static void copy_sample(const char *name) {
    run("cd %s && mkdir %s && ln weights %s/model.safetensors && cp %s/*.json %s/tokenizer.model "
        "%s",
        dir, name, name, sample, sample, name);
}

static int start(void **state) {
    if (make_dir(state) < 0)
        return -1;
    run("cp %s/model.safetensors %s/weights", sample, dir);
    copy_sample("a");
    copy_sample("b");
    store = tokenizer_store_new();
    return store ? 0 : -1;
}

static int stop(void **state) {
    tokenizer_store_free(store);
    return remove_dir(state);
}

/* The memo that a view of the folder @name uses, held. */
static struct tokenizer_memo *memo_of(const char *name) {
    struct model *m;
    struct arena a = { 0 };
    struct form f = { .arena = &a };
    assert_ok(root_open(&root, dir, err));
    assert_ok(model_open(&m, root, name, err));
    m->folder->store = store;
    assert_ok(form_gguf_from_hf(&f, m, OUTTYPE_F16, err));
    assert_non_null(m->folder->tokenizer->memo);
    struct tokenizer_memo *memo = tokenizer_memo_ref(m->folder->tokenizer->memo);
    arena_fini(&a);
    model_unref(m);
    root_close(root);
    return memo;
}

static bool share(void) {
    struct tokenizer_memo *a = memo_of("a"), *b = memo_of("b");
    const bool same = a == b;
    tokenizer_memo_unref(a);
    tokenizer_memo_unref(b);
    return same;
}

static void same_files_share(void **state) {
    (void)state;
    assert_true(share());
    run("touch %s/b/README.md", dir); /* no tokenizer is made of it */
    assert_true(share());
}

static void others_do_not(void **state) {
    static const char *const changes[] = {
        "echo '{\"<x>\": 4}' > %s/b/added_tokens.json",
        "echo '{{ messages }}' > %s/b/chat_template.jinja",
        "sed -i 's/<unk>/<unj>/' %s/b/tokenizer.model",
        "sed -i 's/512/513/' %s/b/config.json",
        "sed -i 's/true/false/' %s/b/tokenizer_config.json",
        "sed -i 's/2/1/' %s/b/generation_config.json",
    };
    (void)state;
    for (size_t i = 0; i < sizeof changes / sizeof *changes; i++) {
        assert_true(share());
        run(changes[i], dir);
        if (share())
            fail_msg("shared after: %s", changes[i]);
        run("rm -r %s/b", dir);
        copy_sample("b");
    }
}

/* What is made of the store's memo is what is made without a store. */
static void shared_pairs_are_the_same(void **state) {
    (void)state;
    struct tokenizer_memo *first = memo_of("a"), *shared = memo_of("b");
    struct tokenizer_store *kept = store;
    store = NULL;
    struct tokenizer_memo *own = memo_of("b");
    store = kept;
    assert_ptr_equal(first, shared);
    assert_ptr_not_equal(shared, own);
    assert_int_equal(shared->kvs.n, own->kvs.n);
    for (uint32_t i = 0; i < own->kvs.n; i++) {
        assert_true(str_eq(own->kvs.items[i].key, shared->kvs.items[i].key));
        assert_true(str_eq(own->kvs.items[i].value, shared->kvs.items[i].value));
    }
    tokenizer_memo_unref(first);
    tokenizer_memo_unref(shared);
    tokenizer_memo_unref(own);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, start, stop)

int main(int argc, char **argv) {
    if (argc < 2)
        return 2;
    sample = argv[1];
    const struct CMUnitTest tests[] = { TEST(same_files_share), TEST(others_do_not),
                                        TEST(shared_pairs_are_the_same) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
