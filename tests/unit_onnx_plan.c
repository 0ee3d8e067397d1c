/* SPDX-License-Identifier: Apache-2.0
 * tests/unit_onnx_plan.c - a graph as one file and as two, read back with protobuf-c. */
#include "tests/unit.h"
#include "formats/onnx/onnx_plan.h"
#include <errno.h>
#include <stdlib.h>

enum { FLOAT = ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT, INT64 = ONNX__TENSOR_PROTO__DATA_TYPE__INT64 };
enum { BIG_ROWS = 130, BIG_COLS = 128, BIG_BYTES = BIG_ROWS * BIG_COLS * 4, MID = 400 };

struct made {
    struct arena arena;
    struct onnx_graph g;
    struct tensor big;
};

static struct onnx_weight *add_floats(struct made *m, const char *name, uint64_t n, float first) {
    float *values = arena_array(&m->arena, float, n);
    for (uint64_t i = 0; i < n; i++)
        values[i] = first + (float)i;
    struct onnx_weight w = { .name = name,
                             .type = FLOAT,
                             .n_dims = 1,
                             .dims = { n },
                             .expr = expr_literal(&m->arena, values, n),
                             .to = DTYPE_F32 };
    return onnx_add_weight(&m->g, &w);
}

/* y = big . x: a constant, and weights above and below what a data file takes. */
static void make(struct made *m, bool external) {
    *m = (struct made){ .big = { .name = STR("big"),
                                 .dtype = DTYPE_F32,
                                 .n_dims = 2,
                                 .dims = { BIG_ROWS, BIG_COLS },
                                 .elems = BIG_ROWS * BIG_COLS,
                                 .off = 7,
                                 .bytes = BIG_BYTES } };
    struct onnx_graph *g = &m->g;
    onnx_graph_init(g, &m->arena, 8, 17, true);
    g->external = external;
    const struct onnx_dim shape[] = { { "rows", 0 }, { NULL, BIG_COLS } };
    onnx_add_value(g, ONNX_INPUT, "x", FLOAT, shape, 2);
    onnx_add_value(g, ONNX_OUTPUT, "y", FLOAT, shape, 2);
    for (int i = 0; i < 40; i++) { /* more than there is room for at first */
        Onnx__NodeProto *n =
            onnx_add_node(g, i ? "com.microsoft" : "", "Gemm", onnx_text(g, "gemm%d", i),
                          ONNX_NAMES("x", "", "big"), ONNX_NAMES("y"));
        onnx_attr_int(g, n, "transB", i);
        onnx_attr_float(g, n, "alpha", 0.5F);
        onnx_attr_ints(g, n, "axes", (const int64_t[]){ -1, i }, 2);
        onnx_attr_string(g, n, "mode", "constant");
    }
    const int64_t c = 5, dim = 1;
    onnx_add_constant(g, "c", INT64, &dim, 1, &c, sizeof c);
    struct onnx_weight big = { .name = "big",
                               .type = FLOAT,
                               .n_dims = 2,
                               .dims = { BIG_ROWS, BIG_COLS },
                               .to = DTYPE_F32,
                               .expr = expr_tensor(&m->arena, &m->big) };
    add_floats(m, "small", 3, 0);
    const struct onnx_weight *first = add_floats(m, "mid", MID, 100);
    big.same = onnx_add_weight(g, &big);
    big.name = "tied";
    onnx_add_weight(g, &big);
    assert_false(g->failed);
    assert_non_null(first);
}

/* The bytes of a layout; those of the source are its offset's low byte. */
static uint8_t *render(const struct layout *l) {
    uint8_t *out = calloc(1, l->size);
    for (uint32_t i = 0; i < l->n; i++) {
        const struct extent *x = &l->extents[i];
        assert_int_not_equal(x->kind, EXTENT_CONVERT);
        if (x->kind == EXTENT_LITERAL)
            memcpy(out + x->off, x->literal, x->len);
        for (uint64_t j = 0; x->kind == EXTENT_COPY && j < x->len; j++)
            out[x->off + j] = (uint8_t)(x->copy.off + j);
    }
    return out;
}

static Onnx__ModelProto *plan_model(struct made *m, struct layout *l, uint8_t **bytes) {
    *l = (struct layout){ .arena = &m->arena };
    assert_ok(onnx_plan(l, &m->g, "m.onnx@fp32.data", ONNX_FILE_MODEL, err));
    *bytes = render(l);
    Onnx__ModelProto *p = onnx__model_proto__unpack(NULL, l->size, *bytes);
    assert_non_null(p);
    return p;
}

static bool is_source(const uint8_t *p, uint64_t off, uint64_t n) {
    for (uint64_t i = 0; i < n; i++)
        if (p[i] != (uint8_t)(off + i))
            return false;
    return true;
}

static void test_one_file(void **state) {
    (void)state;
    struct made m;
    struct layout l;
    uint8_t *bytes;
    make(&m, false);
    Onnx__ModelProto *p = plan_model(&m, &l, &bytes);
    assert_int_equal(p->ir_version, 8);
    assert_int_equal(p->n_opset_import, 2);
    assert_int_equal(p->graph->n_node, 40);
    const Onnx__NodeProto *n = p->graph->node[39];
    assert_string_equal(n->domain, "com.microsoft");
    assert_int_equal(n->n_input, 3);
    assert_string_equal(n->input[1], "");
    assert_int_equal(onnx_attr(n, "transB")->i, 39);
    assert_int_equal(onnx_attr(n, "axes")->ints[1], 39);
    assert_memory_equal(onnx_attr(n, "mode")->s.data, "constant", 8);
    assert_null(onnx_attr(n, "beta"));
    const Onnx__TypeProto__Tensor *x = p->graph->input[0]->type->tensor_type;
    assert_string_equal(x->shape->dim[0]->dim_param, "rows");
    assert_int_equal(x->shape->dim[1]->dim_value, BIG_COLS);
    assert_int_equal(p->graph->n_initializer, 5);
    const char *const names[] = { "c", "small", "mid", "big", "tied" };
    const size_t sizes[] = { 8, 12, 4 * MID, BIG_BYTES, BIG_BYTES };
    for (int i = 0; i < 5; i++) {
        const Onnx__TensorProto *t = p->graph->initializer[i];
        assert_string_equal(t->name, names[i]);
        assert_int_equal(t->raw_data.len, sizes[i]);
        assert_int_equal(t->n_external_data, 0);
    }
    assert_true(is_source(p->graph->initializer[4]->raw_data.data, 7, BIG_BYTES));
    assert_int_equal(p->graph->initializer[3]->dims[0], BIG_ROWS);
    onnx__model_proto__free_unpacked(p, NULL);
    free(bytes);
    struct layout data = { .arena = &m.arena };
    assert_int_equal(onnx_plan(&data, &m.g, "", ONNX_FILE_DATA, NULL), -ENOTSUP);
    arena_fini(&m.arena);
}

static uint64_t entry(const Onnx__TensorProto *t, int i, const char *key) {
    assert_int_equal(t->n_external_data, 3);
    assert_string_equal(t->external_data[i]->key, key);
    return strtoull(t->external_data[i]->value, NULL, 10);
}

static void test_two_files(void **state) {
    (void)state;
    struct made m;
    struct layout l, data;
    uint8_t *bytes;
    make(&m, true);
    data = (struct layout){ .arena = &m.arena };
    Onnx__ModelProto *p = plan_model(&m, &l, &bytes);
    assert_ok(onnx_plan(&data, &m.g, "m.onnx@fp32.data", ONNX_FILE_DATA, err));
    uint8_t *weights = render(&data);
    Onnx__TensorProto *const *t = p->graph->initializer;
    assert_int_equal(t[1]->raw_data.len, 12); /* small ones stay */
    for (int i = 2; i < 5; i++) {
        entry(t[i], 0, "location");
        assert_string_equal(t[i]->external_data[0]->value, "m.onnx@fp32.data");
        assert_int_equal(t[i]->data_location, ONNX__TENSOR_PROTO__DATA_LOCATION__EXTERNAL);
        assert_false(t[i]->has_raw_data);
    }
    assert_int_equal(entry(t[2], 1, "offset"), 0);
    assert_int_equal(entry(t[2], 2, "length"), 4 * MID);
    const uint64_t big = entry(t[3], 1, "offset");
    assert_int_equal(big, 4096);
    assert_int_equal(entry(t[4], 1, "offset"), big); /* tied */
    assert_int_equal(data.size, big + BIG_BYTES);
    assert_true(is_source(weights + big, 7, BIG_BYTES));
    float third;
    memcpy(&third, weights + 8, sizeof third);
    assert_true(third == 102);
    onnx__model_proto__free_unpacked(p, NULL);
    free(weights);
    free(bytes);
    arena_fini(&m.arena);
}

/* Over 2 GiB a model has to have a data file. */
static void test_large(void **state) {
    (void)state;
    struct made m;
    make(&m, false);
    m.big.dims[0] = 5 << 20;
    m.big.elems = m.big.dims[0] * BIG_COLS;
    m.big.bytes = m.big.elems * 4;
    struct onnx_weight w = { .name = "huge",
                             .type = FLOAT,
                             .n_dims = 2,
                             .dims = { m.big.dims[0], BIG_COLS },
                             .to = DTYPE_F32,
                             .expr = expr_tensor(&m.arena, &m.big) };
    onnx_add_weight(&m.g, &w);
    struct layout model = { .arena = &m.arena }, data = { .arena = &m.arena };
    assert_ok(onnx_plan(&model, &m.g, "d", ONNX_FILE_MODEL, err));
    assert_ok(onnx_plan(&data, &m.g, "d", ONNX_FILE_DATA, err));
    assert_true(model.size < 16 << 10);
    assert_true(data.size > m.big.bytes);
    w.dims[1]--; /* a shape that the numbers do not fill */
    w.name = "lies";
    onnx_add_weight(&m.g, &w);
    struct err err = { 0 };
    assert_int_equal(onnx_plan(&model, &m.g, "d", ONNX_FILE_MODEL, &err), -ENOTSUP);
    assert_non_null(strstr(err.msg, "lies"));
    arena_fini(&m.arena);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one_file),
        cmocka_unit_test(test_two_files),
        cmocka_unit_test(test_large),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
