/* SPDX-License-Identifier: Apache-2.0
 * tests/unit_plan.c - what plans of small files look like, extent by extent, and what is refused.
 * argv[1]: folder of the good files (data/bad). */
#include "tests/unit.h"
#include "formats/container.h"
#include "formats/plan.h"
#include <errno.h>
#include <stdio.h>
#include <string.h>

static const char *dir;

struct fixture {
    struct root *root;
    struct model *model;
    struct arena arena;
    struct layout layout;
};

static void open_model(struct fixture *f, const char *name) {
    *f = (struct fixture){ .layout.arena = NULL };
    f->layout.arena = &f->arena;
    assert_ok(root_open(&f->root, dir, err));
    assert_ok(model_open(&f->model, f->root, name, err));
}

static void close_model(struct fixture *f) {
    model_unref(f->model);
    root_close(f->root);
    arena_fini(&f->arena);
}

static int plan(struct fixture *f, const char *name, const char *view, struct err *err) {
    struct extras x = { .imatrix = NULL };
    open_model(f, name);
    const char *at = strchr(view, '@');
    enum format format = view[0] == 'g' ? FORMAT_GGUF : FORMAT_SAFETENSORS;
    assert_int_equal(spec_parse(&x.spec, format, str_from(at + 1), NULL), 0);
    return plan_view(&f->layout, f->model, &x, err);
}

/* Sorted, touching, covering [0, size). */
static void check_cover(const struct layout *l) {
    uint64_t end = 0;
    for (uint32_t i = 0; i < l->n; i++) {
        assert_int_equal(l->extents[i].off, end);
        assert_true(l->extents[i].len > 0);
        end += l->extents[i].len;
    }
    assert_int_equal(end, l->size);
}

static void test_own_bytes(void **state) {
    (void)state;
    static const char *const rows[][2] = { { "good.gguf", "gguf@auto" },
                                           { "good.safetensors", "safetensors@auto" } };
    for (size_t i = 0; i < 2; i++) {
        struct fixture f;
        assert_int_equal(plan(&f, rows[i][0], rows[i][1], NULL), 0);
        check_cover(&f.layout);
        assert_int_equal(f.layout.n, 1);
        assert_int_equal(f.layout.extents[0].kind, EXTENT_COPY);
        assert_int_equal(f.layout.size, source_ident(f.model->sources[0])->size);
        close_model(&f);
    }
}

static void test_quantized(void **state) {
    (void)state;
    struct fixture f;
    assert_int_equal(plan(&f, "good.gguf", "gguf@q4_0", NULL), 0);
    check_cover(&f.layout);
    /* Header, its padding, a.weight as two blocks, padding, b.weight with one dimension as it is,
     * padding. */
    static const enum extent_kind kinds[] = { EXTENT_LITERAL, EXTENT_ZERO,    EXTENT_CONVERT,
                                              EXTENT_ZERO,    EXTENT_CONVERT, EXTENT_ZERO };
    assert_int_equal(f.layout.n, 6);
    for (uint32_t i = 0; i < 6; i++)
        assert_int_equal(f.layout.extents[i].kind, kinds[i]);
    assert_int_equal(f.layout.extents[2].len, 36);
    assert_int_equal(f.layout.extents[2].convert->to, DTYPE_Q4_0);
    assert_int_equal(f.layout.extents[2].off % 32, 0);
    assert_int_equal(f.layout.size % 32, 0);
    close_model(&f);
}

/* Strings of C end at a NUL where llama-quantize copies them, file type and version come last. */
static void test_pairs(void **state) {
    (void)state;
    static const char tail[] = "general.quantization_version\4\0\0\0\2\0\0\0"
                               "\x11\0\0\0\0\0\0\0general.file_type\4\0\0\0\1\0\0\0";
    struct fixture f;
    assert_int_equal(plan(&f, "good-pairs-of-all-types.gguf", "gguf@f16", NULL), 0);
    const struct extent *head = &f.layout.extents[0];
    assert_int_equal(head->kind, EXTENT_LITERAL);
    const void *at = memmem(head->literal, head->len, tail, sizeof tail - 1);
    assert_non_null(at);
    /* Next is the length of the first tensor's name. */
    assert_memory_equal((const char *)at + sizeof tail - 1, "\10\0\0\0\0\0\0\0a.weight", 16);
    close_model(&f);
}

static void test_split(void **state) {
    (void)state;
    struct fixture f;
    for (int i = 1; i <= 2; i++) {
        char name[64];
        snprintf(name, sizeof name, "good-split-0000%d-of-00002.gguf", i);
        open_model(&f, name);
        assert_int_equal(f.model->n_sources, 2);
        assert_int_equal(f.model->n_tensors, 3);
        assert_true(str_is(f.model->name, "good-split"));
        assert_int_equal(model_find(f.model, STR("c"))->src, 1);
        assert_null(model_find(f.model, STR("d")));
        close_model(&f);
    }
    assert_int_equal(plan(&f, "good-split-00001-of-00002.gguf", "gguf@auto", NULL), 0);
    check_cover(&f.layout);
    const struct extent *head = &f.layout.extents[0];
    assert_null(memmem(head->literal, head->len, "split.", 6));
    close_model(&f);
}

static void test_safetensors(void **state) {
    (void)state;
    static const char json[] = "{\"__metadata__\":{\"format\":\"pt\"},\"a\":{\"dtype\":\"BF16\","
                               "\"shape\":[8],\"data_offsets\":[0,16]}}";
    struct fixture f;
    assert_int_equal(plan(&f, "good.safetensors", "safetensors@bf16", NULL), 0);
    check_cover(&f.layout);
    const struct extent *head = &f.layout.extents[0];
    assert_memory_equal(head->literal + 8, json, sizeof json - 1);
    assert_int_equal(head->len % 8, 0);
    assert_int_equal(f.layout.size, head->len + 16);
    close_model(&f);

    assert_int_equal(plan(&f, "good.gguf", "safetensors@f32", NULL), 0);
    check_cover(&f.layout);
    close_model(&f);
}

static void test_refused(void **state) {
    (void)state;
    static const struct {
        const char *name, *view, *part;
        int ret;
    } rows[] = {
        { "good.safetensors", "gguf@f16", "needs an architecture", -ENOTSUP },
        { "good.gguf", "gguf@iq2_xxs", NULL, 0 },              /* no row of 256: falls back */
        { "good-f4.safetensors", "safetensors@f16", NULL, 0 }, /* stays */
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct fixture f;
        struct err err = { 0 };
        int ret = plan(&f, rows[i].name, rows[i].view, &err);
        if (rows[i].ret) {
            assert_int_equal(ret, rows[i].ret);
            assert_non_null(strstr(err.msg, rows[i].part));
        } else {
            assert_true(ret == 0 || ret == -ENOTSUP);
        }
        close_model(&f);
    }
}

int main(int argc, char **argv) {
    assert_int_equal(argc, 2);
    dir = argv[1];
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_own_bytes),   cmocka_unit_test(test_quantized),
        cmocka_unit_test(test_pairs),       cmocka_unit_test(test_split),
        cmocka_unit_test(test_safetensors), cmocka_unit_test(test_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
