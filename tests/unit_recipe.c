/* SPDX-License-Identifier: Apache-2.0
 * tests/unit_recipe.c - the types of all tensors of models of real size, as llama-quantize
 * --dry-run chose them (data/mixtures.txt, made by data/mixtures.py). argv[1]: that file. */
#include "tests/unit.h"
#include "quant/recipe.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_TENSORS = 4096, NAME_BYTES = 64 };

struct table {
    struct recipe_tensor tensors[MAX_TENSORS];
    char names[MAX_TENSORS][NAME_BYTES];
    enum dtype want[MAX_TENSORS];
    size_t n;
    char architecture[32];
    struct recipe_model model;
};
static const char *data_path;

static enum dtype type_of(const char *name) {
    enum dtype t = dtype_from_name(name, strlen(name));
    assert_int_not_equal(t, DTYPE_NONE);
    return t;
}

static void add_tensor(struct table *t, const char *name, enum dtype dtype, const char *dims) {
    assert_true(t->n < MAX_TENSORS);
    struct recipe_tensor *x = &t->tensors[t->n];
    *x = (struct recipe_tensor){ .name = strcpy(t->names[t->n], name), .dtype = dtype };
    for (char *end = (char *)(uintptr_t)dims; *dims; dims = end + (*end == 'x'))
        x->dims[x->n_dims++] = strtoull(dims, &end, 10);
    t->n++;
}

static void want(struct table *t, const char *name, enum dtype type) {
    for (size_t i = 0; i < t->n; i++)
        if (!strcmp(t->tensors[i].name, name)) {
            t->want[i] = type;
            return;
        }
    fail_msg("no tensor %s", name);
}

/* Call @f for each name that PATTERN with the blocks "0-3,7" stands for. */
static void expand(struct table *t, const char *pattern, const char *blocks, enum dtype type,
                   const char *dims) {
    char name[NAME_BYTES];
    const char *percent = strchr(pattern, '%');
    long last = -1;
    for (char *p = (char *)(uintptr_t)blocks; *p || last == -1; p += *p == ',') {
        long first = percent ? strtol(p, &p, 10) : 0;
        last = percent && *p == '-' ? strtol(p + 1, &p, 10) : first;
        for (long b = first; b <= last; b++) {
            if (percent)
                snprintf(name, sizeof name, "blk.%ld%s", b, percent + 1);
            else
                snprintf(name, sizeof name, "%s", pattern);
            if (dims)
                add_tensor(t, name, type, dims);
            else
                want(t, name, type);
        }
    }
}

static int compare(const void *a, const void *b) {
    return recipe_compare(((const struct recipe_tensor *)a)->name,
                          ((const struct recipe_tensor *)b)->name);
}

/* The types that "type" and "to" lines asked for, against what the recipe says. */
static void check_types(struct table *t, const char *name, const char *needs) {
    struct recipe_fault fault = { 0 };
    const struct ftype *type = ftype_find(name, strlen(name));
    bool any = false, ok = recipe_choose(type, &t->model, t->tensors, t->n, &fault);
    if (ok == !strcmp(needs, "refused"))
        fail_msg("%s %s: %s", t->architecture, name, ok ? "not refused" : fault.reason);
    for (size_t i = 0; ok && i < t->n; i++) {
        any |= t->tensors[i].needs_imatrix;
        if (t->tensors[i].to != t->want[i])
            fail_msg("%s %s: %s is %s, not %s", t->architecture, name, t->tensors[i].name,
                     dtype_info[t->tensors[i].to].name, dtype_info[t->want[i]].name);
    }
    if (ok)
        assert_int_equal(any, !strcmp(needs, "1"));
}

static void start_model(struct table *t, const char *line) {
    t->n = 0;
    t->model = (struct recipe_model){ .architecture = t->architecture };
    assert_int_equal(sscanf(line, "model %31s %lu %lu %lu %lu", t->architecture, &t->model.n_layer,
                            &t->model.n_expert, &t->model.n_head, &t->model.n_head_kv),
                     5);
}

/* All tensors of the data that are f32 stay so. */
static void start_type(struct table *t, const char *most) {
    qsort(t->tensors, t->n, sizeof *t->tensors, compare);
    for (size_t i = 0; i < t->n; i++)
        t->want[i] = t->tensors[i].dtype == DTYPE_F32 || !*most ? DTYPE_F32 : type_of(most);
}

static void test_mixtures(void **state) {
    (void)state;
    struct table *t = calloc(1, sizeof *t);
    FILE *f = fopen(data_path, "r");
    assert_true(t && f);
    char line[512], type[32] = "", needs[16] = "";
    size_t n_types = 0;
    for (bool more = true; more;) {
        char word[16] = "", a[64] = "", b[64] = "", c[256] = "", d[256] = "";
        more = fgets(line, sizeof line, f) != NULL;
        if (more)
            sscanf(line, "%15s %63s %63s %255s %255s", word, a, b, c, d);
        if (*type && strcmp(word, "to")) {
            check_types(t, type, needs);
            n_types++;
            *type = '\0';
        }
        if (!strcmp(word, "model")) {
            start_model(t, line);
        } else if (!strcmp(word, "tensor")) {
            expand(t, a, d, type_of(b), c);
        } else if (!strcmp(word, "type")) {
            snprintf(type, sizeof type, "%.31s", a);
            snprintf(needs, sizeof needs, "%.15s", b);
            start_type(t, c);
        } else if (!strcmp(word, "to")) {
            expand(t, b, c, type_of(a), NULL);
        }
    }
    assert_int_equal(n_types, 16 * 35);
    fclose(f);
    free(t);
}

static void test_names(void **state) {
    (void)state;
    assert_ptr_equal(ftype_find("Q4_K", 4), ftype_find("q4_k_m", 6));
    assert_ptr_equal(ftype_find("FP16", 4), ftype_find("f16", 3));
    assert_int_equal(ftype_find("AUTO", 4)->file_type, FILE_AUTO);
    assert_null(ftype_find("q4", 2));
    assert_null(ftype_find("", 0));
    for (size_t i = 0; i < ftype_count; i++)
        assert_ptr_equal(ftype_find(ftype_table[i].name, strlen(ftype_table[i].name)),
                         &ftype_table[i]);
}

static void test_order(void **state) {
    (void)state;
    static const char *const names[] = { "blk.x",   "output.weight", "token_embd.weight", "blk.0.b",
                                         "blk.2.a", "blk.10.a",      "blk.10.b" };
    for (size_t i = 1; i < sizeof names / sizeof *names; i++)
        assert_true(recipe_compare(names[i - 1], names[i]) < 0);
    assert_int_equal(recipe_compare("blk.1.a", "blk.1.a"), 0);
}

int main(int argc, char **argv) {
    assert_int_equal(argc, 2);
    data_path = argv[1];
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_mixtures),
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
