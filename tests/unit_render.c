/* SPDX-License-Identifier: Apache-2.0
 * tests/unit_render.c - reads of a view against a plain evaluation of its expressions: random
 * ranges, many threads, with a cache, with one that is too small, and without. */
#include "tests/unit_dir.h"
#include "fs/cache.h"
#include "fs/engine.h"
#include "fs/chunk_make.h"
#include "fs/render.h"
#include "quant/codec.h"
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum { ROWS = 768, COLS = 1024, TENSORS = 4, READERS = 8 };
#ifdef __SANITIZE_THREAD__
enum { READS = 50 }; /* they take many times as long */
#else
enum { READS = 150 };
#endif

static uint8_t *want; /* bytes of the view, of every fixture: their sources have the same numbers */
static const enum dtype stored[TENSORS] = { DTYPE_F32, DTYPE_F16, DTYPE_BF16, DTYPE_Q8_0 };

struct fixture {
    struct engine *engine;
    struct view *view;
    struct kernels c; /* portable: what the oracle uses */
    float *values[TENSORS];
};

static uint64_t bytes_of(enum dtype t) {
    uint64_t n = 0;
    assert_true(dtype_bytes(t, (uint64_t)ROWS * COLS, &n));
    return n;
}

/* One file with the same numbers in four types, one after another. */
static void write_source(struct fixture *f) {
    char path[96];
    snprintf(path, sizeof path, "%s/weights", dir);
    FILE *out = fopen(path, "w");
    assert_non_null(out);
    float *x = malloc(sizeof(float) * ROWS * COLS);
    for (int t = 0; t < TENSORS; t++) {
        for (int i = 0; i < ROWS * COLS; i++)
            x[i] = (float)((i * 2654435761u + (unsigned)t * 40503u) >> 8) / (1 << 23) - 1;
        uint8_t *raw = malloc(bytes_of(stored[t]));
        assert_int_equal(codec_encode(&f->c, stored[t], raw, x, ROWS * COLS), 0);
        assert_int_equal(fwrite(raw, 1, bytes_of(stored[t]), out), bytes_of(stored[t]));
        f->values[t] = malloc(sizeof(float) * ROWS * COLS);
        assert_int_equal(codec_decode(&f->c, stored[t], f->values[t], raw, ROWS * COLS), 0);
        free(raw);
    }
    free(x);
    fclose(out);
}

static struct model *make_model(struct engine *e) {
    struct model *m;
    struct source *s;
    assert_ok(model_new(&m, STR("test"), err));
    assert_ok(source_open(&s, e->root, "weights", err));
    assert_ok(model_add_source(m, s, err));
    m->tensors = arena_array(&m->arena, struct tensor, TENSORS);
    m->n_tensors = TENSORS;
    uint64_t off = 0;
    for (uint32_t t = 0; t < TENSORS; t++) {
        m->tensors[t] = (struct tensor){ .name = STR("t"),
                                         .dtype = stored[t],
                                         .n_dims = 2,
                                         .dims = { ROWS, COLS },
                                         .elems = ROWS * COLS,
                                         .off = off,
                                         .bytes = bytes_of(stored[t]) };
        off += m->tensors[t].bytes;
    }
    return m;
}

/* Every kind of extent, every kind of expression. */
static void make_layout(struct view *v) {
    struct arena *a = &v->arena;
    struct layout *l = &v->layout;
    const struct expr *t[TENSORS];
    static const enum dtype to[] = { DTYPE_Q4_0, DTYPE_Q8_0, DTYPE_F16, DTYPE_BF16,
                                     DTYPE_F32,  DTYPE_Q6_K, DTYPE_Q5_1 };
    static const float literal[] = { 1, 2, 3, 4 };
    for (int i = 0; i < TENSORS; i++)
        t[i] = expr_tensor(a, &v->model->tensors[i]);
    l->arena = a;
    assert_ok(layout_literal(l, "a header of odd length.", 23, err));
    assert_ok(layout_zero(l, 9, err));
    for (size_t i = 0; i < sizeof to / sizeof *to; i++) {
        const struct expr *pair[] = { t[i % TENSORS], t[(i + 1) % TENSORS] };
        const struct expr *swapped = expr_swap(a, t[i % TENSORS], 2, 64);
        assert_ok(layout_tensor(l, STR("plain"), t[i % TENSORS], to[i], NULL, err));
        assert_ok(layout_zero(l, i, err));
        assert_ok(layout_tensor(l, STR("swapped"), swapped, to[i], NULL, err));
        assert_ok(layout_tensor(l, STR("stacked"), expr_stack(a, pair, 2), to[i], NULL, err));
        assert_ok(layout_tensor(l, STR("slice"), expr_slice(a, swapped, 5, 7), to[i], NULL, err));
        const struct expr *turned = expr_transpose(a, swapped, 256);
        assert_ok(layout_tensor(l, STR("turned"), turned, to[i], NULL, err));
        assert_ok(layout_tensor(l, STR("turned too"), turned, DTYPE_Q4_0, NULL, err));
        assert_ok(
            layout_tensor(l, STR("turned rows"), expr_slice(a, turned, 5, 700), to[i], NULL, err));
        assert_ok(layout_tensor(l, STR("norm"), expr_round(a, expr_add(a, pair[0], 1), DTYPE_BF16),
                                to[i], NULL, err));
    }
    assert_ok(layout_tensor(l, STR("literal"), expr_literal(a, literal, 4), DTYPE_F16, NULL, err));
    struct hash128 *hashes = model_source_hashes(v->model);
    assert_ok(layout_hash(l, hashes, err));
    free(hashes);
    v->info.size = l->size;
}

/* --- the oracle: element by element, then the whole tensor at once --- */

static float value_at(const struct fixture *f, const struct expr *e, uint64_t elem) {
    struct expr_run run;
    expr_run(e, elem, 1, &run);
    if (run.leaf->op == EXPR_TRANSPOSE) {
        const struct expr *in = run.leaf->transpose.in;
        const uint64_t rows = run.leaf->cols, line = run.leaf_elem / rows;
        const uint64_t row = line / in->cols * rows + run.leaf_elem % rows;
        return value_at(f, in, row * in->cols + line % in->cols); /* no steps above it here */
    }
    float x = run.leaf->op == EXPR_LITERAL
                  ? run.leaf->literal[run.leaf_elem]
                  : f->values[run.leaf->tensor - f->view->model->tensors][run.leaf_elem];
    for (uint32_t s = 0; s < run.n_steps; s++) {
        uint8_t narrow[4];
        if (run.steps[s]->op == EXPR_ADD) {
            x += run.steps[s]->add.addend;
            continue;
        }
        codec_encode(&f->c, run.steps[s]->round.to, narrow, &x, 1);
        codec_decode(&f->c, run.steps[s]->round.to, &x, narrow, 1);
    }
    return x;
}

static void evaluate(const struct fixture *f, const struct conversion *c, uint8_t *out) {
    float *x = malloc(c->elems * sizeof *x);
    for (uint64_t i = 0; i < c->elems; i++)
        x[i] = value_at(f, c->expr, i);
    assert_int_equal(codec_encode(&f->c, c->to, out, x, c->elems), 0);
    free(x);
}

static void make_want(struct fixture *f) {
    const struct layout *l = &f->view->layout;
    want = calloc(1, l->size);
    assert_non_null(want);
    for (uint32_t i = 0; i < l->n; i++) {
        const struct extent *x = &l->extents[i];
        if (x->kind == EXTENT_LITERAL)
            memcpy(want + x->off, x->literal, x->len);
        else if (x->kind == EXTENT_COPY)
            assert_ok(
                source_pread(f->view->model->sources[0], want + x->off, x->len, x->copy.off, err));
        else if (x->kind == EXTENT_CONVERT)
            evaluate(f, x->convert, want + x->off);
    }
}

static struct fixture *open_fixture(const char *cache, uint64_t cache_bytes) {
    struct fixture *f = calloc(1, sizeof *f);
    const struct engine_options o = { .cache_dir = cache,
                                      .cache_bytes = cache_bytes,
                                      .threads = 3 };
    kernels_init(&f->c, 0);
    write_source(f);
    assert_ok(engine_open(&f->engine, dir, &o, err));
    f->view = calloc(1, sizeof *f->view);
    f->view->refs = 1;
    f->view->engine = f->engine;
    f->view->model = make_model(f->engine);
    make_layout(f->view);
    if (!want)
        make_want(f);
    return f;
}

static void close_fixture(struct fixture *f) {
    view_unref(f->view);
    engine_close(f->engine);
    for (int i = 0; i < TENSORS; i++)
        free(f->values[i]);
    free(f);
}

struct reader {
    struct fixture *f;
    unsigned seed;
    unsigned failed;
};

struct reading {
    struct render render;
    sem_t done;
    int rc;
};

static void reading_done(struct render *r, int rc) {
    struct reading *g = (struct reading *)r;
    g->rc = rc;
    sem_post(&g->done);
}

/* As render_read, of a reader who jumps about, and who may go away meanwhile: then -EINTR. */
static int read_and_leave(struct view *v, void *buf, size_t len, uint64_t off, bool leave,
                          struct interest *who) {
    struct reading g = { .render = { .view = v,
                                     .off = off,
                                     .len = len,
                                     .buf = buf,
                                     .done = reading_done,
                                     .here_and_there = true,
                                     .who = who } };
    sem_init(&g.done, 0, 0);
    render_start(&g.render);
    if (leave)
        render_cancel(&g.render);
    while (sem_wait(&g.done) < 0)
        ;
    sem_destroy(&g.done);
    return g.rc;
}

static int read_somehow(struct view *v, void *buf, size_t len, uint64_t off, int i,
                        struct interest *who, struct err *err) {
    if (i % 2)
        return render_read(v, buf, len, off, err);
    const int rc = read_and_leave(v, buf, len, off, i % 6 == 0, who);
    return rc == -EINTR && i % 6 == 0 ? read_and_leave(v, buf, len, off, false, who) : rc;
}

static void *read_randomly(void *arg) {
    struct reader *r = arg;
    struct interest *who = interest_new();
    struct view *v = r->f->view;
    uint8_t *buf = malloc(1 << 20);
    for (int i = 0; i < READS; i++) {
        const uint64_t off = (uint64_t)rand_r(&r->seed) % v->layout.size;
        uint64_t len = (uint64_t)rand_r(&r->seed) % (i % 3 ? 9000 : 1 << 20) + 1;
        if (len > v->layout.size - off)
            len = v->layout.size - off;
        if (i % 16 == 0)
            render_ahead(v, off, 4 << 20, who);
        struct err err = { 0 };
        memset(buf, 0xAA, len);
        if (read_somehow(v, buf, len, off, i, who, &err) < 0 || memcmp(buf, want + off, len) != 0) {
            if (r->failed++ == 0)
                fprintf(stderr, "[%llu, + %llu): %s\n", (unsigned long long)off,
                        (unsigned long long)len, err.code ? err.msg : "other bytes");
        }
    }
    who->ended = true;
    interest_unref(who);
    free(buf);
    return NULL;
}

static void read_all(struct fixture *f) {
    pthread_t t[READERS];
    struct reader r[READERS];
    for (unsigned i = 0; i < READERS; i++) {
        r[i] = (struct reader){ f, i + 1, 0 };
        assert_int_equal(pthread_create(&t[i], NULL, read_randomly, &r[i]), 0);
    }
    for (int i = 0; i < READERS; i++) {
        pthread_join(t[i], NULL);
        assert_int_equal(r[i].failed, 0);
    }
}

static void without_a_cache(void **state) {
    (void)state;
    struct fixture *f = open_fixture("", 0);
    read_all(f);
    close_fixture(f);
}

static void with_a_cache(void **state) {
    (void)state;
    char cache[96];
    snprintf(cache, sizeof cache, "%s/cache", dir);
    struct fixture *f = open_fixture(cache, 256 << 20);
    uint8_t *buf = malloc(f->view->layout.size);
    assert_ok(render_read(f->view, buf, f->view->layout.size, 0, err));
    assert_memory_equal(buf, want, f->view->layout.size);
    read_all(f);
    close_fixture(f);

    f = open_fixture(cache, 256 << 20); /* the source was written again: another identity */
    assert_int_equal(view_cached(f->view), 0);
    assert_ok(render_read(f->view, buf, f->view->layout.size, 0, err));
    const uint64_t made = f->engine->stats.converted_chunks;
    assert_true(made > 0);
    while (view_cached(f->view) < f->view->layout.convert)
        usleep(1000);
    read_all(f);
    assert_int_equal(f->engine->stats.converted_chunks, made); /* nothing is made twice */
    free(buf);
    close_fixture(f);
}

static void with_a_cache_that_is_too_small(void **state) {
    (void)state;
    char cache[96];
    snprintf(cache, sizeof cache, "%s/small", dir);
    struct fixture *f = open_fixture(cache, 16 << 20);
    read_all(f);
    struct cache_stat st;
    cache_stat(f->engine->cache, &st);
    assert_true(st.used_bytes <= st.map_bytes);
    close_fixture(f);
}

/* What a reader will want next, of a matrix that was turned over for him. */
static void what_lies_beside_is_made_too(void **state) {
    (void)state;
    struct fixture *f = open_fixture("", 0);
    const struct layout *l = &f->view->layout;
    struct interest *who = interest_new();
    uint32_t i = 0;
    while (l->extents[i].kind != EXTENT_CONVERT || l->extents[i].convert->to != DTYPE_F32 ||
           !l->extents[i].convert->beside)
        i++;
    const struct extent *x = &l->extents[i];
    const struct conversion *beside = x->convert->beside;
    while (l->extents[i].kind != EXTENT_CONVERT || l->extents[i].convert != beside)
        i++;
    for (uint64_t at = x->off; at < x->off + x->len; usleep(1000))
        at = render_ahead(f->view, at, x->off + x->len - at, who);
    for (uint64_t j = 0; j < chunk_count(beside); j++) {
        const struct chunk_key key = { beside->key, j };
        struct chunk *c = NULL;
        for (int tries = 0; tries < 10000 && !(c = flight_peek(f->engine->flight, &key)); tries++)
            usleep(1000);
        assert_non_null(c);
        assert_memory_equal(chunk_data(c), want + l->extents[i].off + j * chunk_stride(beside),
                            c->len);
        chunk_unref(c);
    }
    interest_unref(who);
    close_fixture(f);
}

static void a_source_that_changes(void **state) {
    (void)state;
    struct fixture *f = open_fixture("", 0);
    char path[96];
    uint8_t buf[4096];
    usleep(20000);
    snprintf(path, sizeof path, "%s/weights", dir);
    int fd = open(path, O_WRONLY);
    assert_int_equal(pwrite(fd, "x", 1, 100), 1);
    close(fd);
    for (uint32_t i = 0; i < f->view->layout.n; i++) {
        const struct extent *x = &f->view->layout.extents[i];
        if (x->kind == EXTENT_COPY ||
            (x->kind == EXTENT_CONVERT && x->convert->expr->op != EXPR_LITERAL)) {
            const size_t len = x->len < sizeof buf ? x->len : sizeof buf;
            assert_int_equal(render_read(f->view, buf, len, x->off, NULL), -ESTALE);
        }
    }
    close_fixture(f);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, make_dir, remove_dir)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(without_a_cache),
        TEST(with_a_cache),
        TEST(with_a_cache_that_is_too_small),
        TEST(what_lies_beside_is_made_too),
        TEST(a_source_that_changes),
    };
    const int failed = cmocka_run_group_tests(tests, NULL, NULL);
    free(want);
    return failed;
}
