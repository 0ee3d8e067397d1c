/* SPDX-License-Identifier: Apache-2.0
 * tests/hf_convert.c - forms without views: evaluates their expressions tensor by tensor.
 * SRC NAME OUTTYPE... writes the GGUFs of a Hugging Face folder to stdout, one behind the other,
 * which golden_hf.py hashes;
 * SRC FILE.gguf hf writes for each tensor a line with its name and shape, and its values as f32. */
#include "formats/checked.h"
#include "formats/container.h"
#include "formats/form.h"
#include "fs/unpack_elems.h"
#include "quant/codec.h"
#include <endian.h>
#include <stdio.h>
#include <stdlib.h>

static struct err err;
static struct kernels kernels;
static uint64_t at; /* bytes written */

static void fail(void) {
    fprintf(stderr, "%s (%d)\n", err.msg, err.code);
    exit(1);
}

static void put(const void *p, uint64_t n) {
    if (fwrite(p, 1, n, stdout) != n)
        exit(2);
    at += n;
}

static void put_u32(uint32_t v) {
    v = htole32(v);
    put(&v, sizeof v);
}

static void put_u64(uint64_t v) {
    v = htole64(v);
    put(&v, sizeof v);
}

static void put_str(struct str s) {
    put_u64(s.n);
    put(s.p, s.n);
}

static void pad(void) {
    static const char zero[32];
    put(zero, -at & 31);
}

static float *step(float *x, uint64_t n, const struct expr *e) {
    if (expr_step(e, x, n))
        return x;
    void *half = malloc(n * sizeof *x);
    if (codec_encode(&kernels, e->round.to, half, x, n) < 0 ||
        codec_decode(&kernels, e->round.to, x, half, n) < 0)
        exit(2);
    free(half);
    return x;
}

static void evaluate(struct model *m, const struct expr *e, uint64_t elem, uint64_t count,
                     float *out);

/* A run of a transpose, from all of what is turned over: groups of e->cols rows. */
static void turn(struct model *m, const struct expr *e, uint64_t elem, uint64_t count, float *out) {
    const struct expr *in = e->transpose.in;
    float *all = malloc(in->rows * in->cols * sizeof *all + 1);
    evaluate(m, in, 0, in->rows * in->cols, all);
    for (uint64_t i = 0; i < count; i++) {
        const uint64_t row = (elem + i) / e->cols, k = (elem + i) % e->cols;
        const uint64_t group = row / in->cols, column = row % in->cols;
        out[i] = all[(group * e->cols + k) * in->cols + column];
    }
    free(all);
}

/* Bytes [off, off + n) of a tensor that are not made of f32. */
static void read_bytes(struct model *m, const struct tensor *t, uint64_t off, uint64_t n,
                       void *out) {
    struct reader reader = { .model = m, .err = &err };
    if ((t->packed ? unpack_blocks(&reader, t, off, n, out)
                   : source_pread(m->sources[t->src], out, n, t->off + off, &err)) < 0)
        fail();
}

/* @count elements of a tensor from @elem on. */
static void decode(struct model *m, const struct tensor *t, uint64_t elem, uint64_t count,
                   float *out) {
    struct reader reader = { .model = m, .err = &err };
    uint64_t first = 0, bytes = 0;
    if (t->packed && t->dtype == DTYPE_F32) {
        if (unpack_elems(&reader, &kernels, t, elem, count, out) < 0)
            fail();
        unpack_fini(&reader);
        return;
    }
    if (!dtype_bytes(t->dtype, elem, &first) || !dtype_bytes(t->dtype, count, &bytes))
        exit(2);
    void *raw = malloc(bytes);
    read_bytes(m, t, first, bytes, raw);
    if (codec_decode(&kernels, t->dtype, out, raw, count) < 0)
        exit(2);
    free(raw);
}

/* Blocks of a type that the target has too. */
static void move(struct model *m, const struct expr *e, enum dtype type, uint64_t elems,
                 uint8_t *out) {
    for (uint64_t elem = 0; elem < elems;) {
        struct expr_run run;
        uint64_t first = 0, bytes = 0;
        expr_run(e, elem, elems - elem, &run);
        if (!dtype_bytes(type, run.leaf_elem, &first) || !dtype_bytes(type, run.count, &bytes))
            exit(2);
        read_bytes(m, run.leaf->tensor, first, bytes, out);
        out += bytes;
        elem += run.count;
    }
}

/* @count elements of @e from @elem on, as f32. */
static void evaluate(struct model *m, const struct expr *e, uint64_t elem, uint64_t count,
                     float *out) {
    while (count) {
        struct expr_run run;
        expr_run(e, elem, count, &run);
        if (run.leaf->op == EXPR_LITERAL)
            memcpy(out, run.leaf->literal + run.leaf_elem, run.count * sizeof *out);
        else if (run.leaf->op == EXPR_TRANSPOSE)
            turn(m, run.leaf, run.leaf_elem, run.count, out);
        else
            decode(m, run.leaf->tensor, run.leaf_elem, run.count, out);
        for (uint32_t i = 0; i < run.n_steps; i++)
            step(out, run.count, run.steps[i]);
        out += run.count;
        elem += run.count;
        count -= run.count;
    }
}

static void put_tensor(struct model *m, const struct target *t) {
    const uint64_t elems = t->expr->rows * t->expr->cols;
    uint64_t bytes;
    if (!dtype_bytes(t->dtype, elems, &bytes))
        exit(2);
    float *values = malloc(elems * sizeof *values + 1);
    void *out = malloc(bytes + 1);
    if (dtype_is_quantized(t->dtype) && expr_copies(t->expr) == t->dtype) {
        move(m, t->expr, t->dtype, elems, out);
    } else {
        evaluate(m, t->expr, 0, elems, values);
        if (codec_encode(&kernels, t->dtype, out, values, elems) < 0)
            exit(2);
    }
    put(out, bytes);
    pad();
    free(values);
    free(out);
}

static void put_header(const struct form *f) {
    put("GGUF", 4);
    put_u32(3);
    put_u64(f->n_targets);
    put_u64(f->kvs.n);
    for (uint32_t i = 0; i < f->kvs.n; i++) {
        put_str(f->kvs.items[i].key);
        put_u32((uint32_t)f->kvs.items[i].type);
        put(f->kvs.items[i].value.p, f->kvs.items[i].value.n);
    }
    uint64_t off = 0;
    for (uint32_t i = 0; i < f->n_targets; i++) {
        const struct target *t = &f->targets[i];
        uint64_t bytes;
        put_str(t->name);
        put_u32(t->n_dims);
        for (uint32_t d = t->n_dims; d-- > 0;)
            put_u64(t->dims[d]);
        put_u32((uint32_t)dtype_info[t->dtype].gguf_id);
        put_u64(off);
        if (!dtype_bytes(t->dtype, t->expr->rows * t->expr->cols, &bytes) ||
            !checked_align(off + bytes, 32, &off))
            exit(2);
    }
    pad();
}

static void put_gguf(struct model *m, const char *type) {
    static const char *const types[] = { "auto", "f32", "f16", "bf16", "q8_0" };
    struct arena a = { 0 };
    struct form f = { .arena = &a };
    int out = 0;
    while (out < 4 && strcmp(types[out], type) != 0)
        out++;
    if (form_gguf_from_hf(&f, m, (enum outtype)out, &err) < 0)
        fail();
    at = 0;
    put_header(&f);
    for (uint32_t i = 0; i < f.n_targets; i++)
        put_tensor(m, &f.targets[i]);
    arena_fini(&a);
}

static void put_ggufs(struct root *root, const char *name, char **types) {
    struct model *m;
    if (model_new(&m, str_from(name), &err) < 0 || folder_read(m, root, name, &err) < 0)
        fail();
    while (*types)
        put_gguf(m, *types++);
    model_unref(m);
}

static void put_hf(struct root *root, const char *name) {
    struct arena a = { 0 };
    struct form f = { .arena = &a };
    struct model *m;
    if (model_new(&m, str_from(name), &err) < 0 || gguf_read(m, root, name, &err) < 0 ||
        form_hf_from_gguf(&f, m, &err) < 0)
        fail();
    for (uint32_t i = 0; i < f.n_targets; i++) {
        struct target *t = &f.targets[i];
        printf("%.*s", STR_ARG(t->name));
        for (uint32_t d = 0; d < t->n_dims; d++)
            printf(" %llu", (unsigned long long)t->dims[d]);
        printf("\n");
        const uint64_t elems = t->expr->rows * t->expr->cols;
        float *values = malloc(elems * sizeof *values + 1);
        evaluate(m, t->expr, 0, elems, values);
        put(values, elems * sizeof *values);
        free(values);
    }
    arena_fini(&a);
    model_unref(m);
}

int main(int argc, char **argv) {
    struct root *root;
    if (argc < 4)
        return 2;
    kernels_init(&kernels, 0);
    if (root_open(&root, argv[1], &err) < 0)
        fail();
    if (strcmp(argv[3], "hf") == 0)
        put_hf(root, argv[2]);
    else
        put_ggufs(root, argv[2], argv + 3);
    root_close(root);
    return fflush(stdout) ? 2 : 0;
}
