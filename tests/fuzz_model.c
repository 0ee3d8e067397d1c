/* SPDX-License-Identifier: Apache-2.0
 * tests/fuzz_model.c - a model file from a fuzzer: opened, looked at, planned. */
#include "tests/fuzz.h"
#include "formats/container.h"
#include "formats/plan.h"
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static char dir[64];
static struct root *root;

static void remove_dir(void) {
    char command[96];
    root_close(root);
    snprintf(command, sizeof command, "rm -rf %s", dir);
    if (system(command) != 0)
        perror(command);
}

/* In memory where that is possible: a file system on a disk is slow. */
static void make_dir(void) {
    snprintf(dir, sizeof dir, "%s/weightfs-fuzz.XXXXXX",
             access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
    if (!mkdtemp(dir) || root_open(&root, dir, NULL) < 0)
        abort();
    atexit(remove_dir);
}

static void look_at(const struct model *m) {
    char text[256];
    for (uint32_t i = 0; i < m->kvs.n; i++)
        kv_text(&m->kvs.items[i], 4, text, sizeof text);
    for (uint32_t i = 0; i < m->n_tensors; i++) {
        const struct tensor *t = &m->tensors[i];
        if (model_find(m, t->name) != t ||
            (!t->packed && t->off + t->bytes > source_ident(m->sources[t->src])->size))
            abort();
    }
}

/* Where an expression leads must lie within its leaf. */
static void look_at_conversion(const struct conversion *c) {
    const uint64_t elems = c->scaling ? c->expr->rows * c->expr->cols : c->elems;
    for (uint64_t at = 0; at < elems;) {
        struct expr_run run;
        expr_run(c->expr, at, elems - at, &run);
        if (run.count == 0 || run.leaf_elem + run.count > run.leaf->rows * run.leaf->cols)
            abort();
        at += run.count;
        if (at > 1 << 16)
            break;
    }
}

static void check_layout(const struct layout *l) {
    uint64_t end = 0;
    for (uint32_t i = 0; i < l->n; i++) {
        const struct extent *e = &l->extents[i];
        if (e->off != end || !e->len || layout_find(l, e->off + e->len - 1) != e)
            abort();
        end += e->len;
        if (e->kind == EXTENT_CONVERT)
            look_at_conversion(e->convert);
    }
    if (end != l->size)
        abort();
}

static void plan(const struct model *m, enum format format, const char *text) {
    struct arena arena = { 0 };
    struct layout l = { .arena = &arena };
    struct err err = { 0 };
    struct extras x = { .imatrix = NULL };
    if (spec_parse(&x.spec, format, str_from(text), NULL) < 0)
        abort();
    int ret = plan_view(&l, m, &x, &err);
    if (ret == 0)
        check_layout(&l);
    else if (err.code != ret || !err.msg[0])
        abort();
    arena_fini(&arena);
}

void fuzz_model(const char *name, const uint8_t *data, size_t size) {
    struct err err = { 0 };
    struct model *m;
    char path[128];
    if (!root)
        make_dir();
    snprintf(path, sizeof path, "%s/%s", dir, name);
    int fd = open(path, O_CREAT | O_TRUNC | O_WRONLY, 0600);
    if (fd < 0 || write(fd, data, size) != (ssize_t)size || close(fd) < 0)
        abort();
    int ret = model_open(&m, root, name, &err);
    if (ret < 0) {
        if (err.code != ret || !err.msg[0])
            abort();
        return;
    }
    look_at(m);
    plan(m, FORMAT_GGUF, "auto");
    plan(m, FORMAT_GGUF, "q4_k_m+requantize");
    plan(m, FORMAT_GGUF, "f16");
    plan(m, FORMAT_SAFETENSORS, "bf16");
    plan(m, FORMAT_ONNX, "fp32");
    plan(m, FORMAT_ONNX, "q4f16");
    plan(m, FORMAT_ONNX, "int8+per_channel");
    model_unref(m);
}
