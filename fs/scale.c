/* SPDX-License-Identifier: Apache-2.0
 * fs/scale.c - see scale.h. Two threads that want one tensor's scale at once may both look for it:
 * they find the same. */
#include "fs/scale.h"
#include "formats/cleanup.h"
#include "fs/cache.h"
#include "fs/convert.h"
#include "fs/engine.h"
#include <errno.h>
#include <pthread.h>

enum {
    PIECE = 32 << 10,    /* floats at once */
    STRIP = 2 << 20,     /* of a transpose */
    FACT_CHANNELS = 256, /* scales that are kept in the cache */
};

static size_t fact_bytes(const struct scaling *s) {
    return s->channels * sizeof(float) + 1;
}

/* Another thread may have been faster; nobody reads what is not known. */
static void publish(struct scaling *s, const float *scale, uint8_t zero) {
    static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
    pthread_mutex_lock(&lock);
    if (!s->known) {
        memcpy(s->scale, scale, s->channels * sizeof *scale);
        s->zero = zero;
        s->known = true;
    }
    pthread_mutex_unlock(&lock);
}

static bool remembered(struct view *v, struct scaling *s) {
    uint8_t fact[sizeof(float) * FACT_CHANNELS + 1];
    const size_t n = fact_bytes(s);
    float scale[FACT_CHANNELS];
    if (s->channels > FACT_CHANNELS || cache_fact_get(v->engine->cache, &s->key, fact, n) != (int)n)
        return false;
    memcpy(scale, fact, n - 1);
    publish(s, scale, fact[n - 1]);
    return true;
}

static void remember(struct view *v, const struct scaling *s) {
    uint8_t fact[sizeof(float) * FACT_CHANNELS + 1];
    const size_t n = fact_bytes(s);
    if (s->channels > FACT_CHANNELS)
        return;
    memcpy(fact, s->scale, n - 1);
    fact[n - 1] = s->zero;
    cache_fact_put(v->engine->cache, &s->key, fact, n);
}

static uint64_t piece_elems(const struct scaling *s) {
    return convert_by_strips(s->expr) ? STRIP : PIECE;
}

/* The extremes of each channel: low[], then high[]. */
static int find_extremes(struct view *v, const struct conversion *c, float *x, float *low,
                         float *high, struct err *err) {
    const struct scaling *s = c->scaling;
    const struct kernels *kernels = &v->engine->kernels;
    const uint64_t elems = s->expr->rows * s->expr->cols, piece = piece_elems(s);
    for (uint64_t at = 0; at < elems; at += piece) {
        const uint64_t n = elems - at < piece ? elems - at : piece;
        int rc = convert_floats(v->model, kernels, c->name, s->expr, at, n, x, err);
        if (rc < 0)
            return rc;
        if (!kernels->f32_all_finite(x, n))
            return err_set(err, -EDOM, "%.*s: holds a NaN or an infinity", STR_ARG(c->name));
        for (uint64_t i = 0, k, run; i < n; i += run) {
            run = scaling_run(s, at + i, n - i, &k);
            if (scaling_by_column(s))
                kernels->extremes_each(x + i, run, &low[k], &high[k]);
            else
                kernels->extremes(x + i, run, &low[k], &high[k]);
        }
    }
    return 0;
}

static int look(struct view *v, const struct conversion *c, struct err *err) {
    struct scaling *s = c->scaling;
    auto_free float *x = malloc(piece_elems(s) * sizeof *x);
    auto_free float *ends = calloc(2 * s->channels, sizeof *ends);
    if (!x || !ends)
        return err_set(err, -ENOMEM, "%.*s: no memory", STR_ARG(c->name));
    float *low = ends, *high = ends + s->channels;
    uint8_t zero = 0;
    int rc = find_extremes(v, c, x, low, high, err);
    if (rc < 0)
        return rc;
    for (uint64_t k = 0; k < s->channels; k++)
        linear8_scale(s->kind, low[k], high[k], &low[k], &zero);
    publish(s, low, zero);
    remember(v, s);
    return 0;
}

static int make_levels(struct view *v, const struct conversion *c, uint64_t off, uint64_t len,
                       uint8_t *dst, struct err *err) {
    const struct scaling *s = c->scaling;
    const struct kernels *kernels = &v->engine->kernels;
    auto_free float *x = malloc(piece_elems(s) * sizeof *x);
    if (!x)
        return err_set(err, -ENOMEM, "%.*s: no memory", STR_ARG(c->name));
    while (len > 0) {
        const uint64_t n = len < piece_elems(s) ? len : piece_elems(s);
        int rc = convert_floats(v->model, kernels, c->name, s->expr, off, n, x, err);
        if (rc < 0)
            return rc;
        for (uint64_t i = 0, k, run; i < n; i += run) {
            run = scaling_run(s, off + i, n - i, &k);
            linear8_levels(kernels, s->kind, &s->scale[k], scaling_by_column(s), s->zero, x + i,
                           run, dst + i);
        }
        off += n;
        dst += n;
        len -= n;
    }
    return 0;
}

int scale_range(struct view *v, const struct conversion *c, uint64_t off, uint64_t len,
                uint8_t *dst, struct err *err) {
    struct scaling *s = c->scaling;
    const bool fixed = c->part == SCALING_ZERO && s->kind == LINEAR8_SIGNED;
    int rc = fixed || s->known || remembered(v, s) ? 0 : look(v, c, err);
    if (rc < 0)
        return rc;
    switch (c->part) {
    case SCALING_LEVELS:
        return make_levels(v, c, off, len, dst, err);
    case SCALING_SCALE:
        memcpy(dst, (const uint8_t *)s->scale + off, len);
        return 0;
    case SCALING_ZERO:
        memset(dst, s->zero, len);
        return 0;
    }
    return 0;
}
