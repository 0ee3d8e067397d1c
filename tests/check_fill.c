/* SPDX-License-Identifier: Apache-2.0
 * tests/check_fill.c - the fills: what each of them is made to catch stands beside it. */
#include "tests/check.h"
#include "kernels/f16.h"
#include <float.h>
#include <math.h>

/* splitmix64: any seed is a good one. */
uint64_t check_random(struct check *t) {
    uint64_t z = t->random += 0x9e3779b97f4a7c15;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
    z = (z ^ z >> 27) * 0x94d049bb133111eb;
    return z ^ z >> 31;
}

static uint32_t below(struct check *t, uint32_t n) {
    return (uint32_t)(check_random(t) >> 32) % n;
}

/* In [0, 1), and in [-1, 1). */
static float unit(struct check *t) {
    return (float)(check_random(t) >> 40) * 0x1p-24f;
}
static float both(struct check *t) {
    return 2 * unit(t) - 1;
}

static float normal(struct check *t) {
    const double u = ((double)(check_random(t) >> 11) + 1) * 0x1p-53;
    return (float)(sqrt(-2 * log(u)) * cos(6.283185307179586 * unit(t)));
}

static float sign(struct check *t) {
    return below(t, 2) ? 1.0f : -1.0f;
}

static float raw_finite(struct check *t) {
    uint32_t bits;
    do
        bits = (uint32_t)check_random(t);
    while ((bits & 0x7f800000) == 0x7f800000);
    return f32_from_bits(bits);
}

static const struct {
    const char *name;
} fills[FILL_COUNT] = {
    [FILL_NORMAL] = { "normal" },       [FILL_UNIFORM] = { "uniform" },
    [FILL_ZERO] = { "zero" },           [FILL_SIGNED_ZERO] = { "signed zeros" },
    [FILL_SUBNORMAL] = { "subnormal" }, [FILL_TINY] = { "tiny" },
    [FILL_HUGE] = { "huge" },           [FILL_LIMITS] = { "limits" },
    [FILL_TIES] = { "ties" },           [FILL_BELOW_HALF] = { "below a half" },
    [FILL_ONE_HOT] = { "one hot" },     [FILL_CONSTANT] = { "constant" },
    [FILL_REPEATED] = { "repeated" },   [FILL_OUTLIERS] = { "outliers" },
    [FILL_MIRRORED] = { "mirrored" },   [FILL_OFFSET] = { "offset" },
    [FILL_CLOSE] = { "close" },         [FILL_FEW_LEVELS] = { "few levels" },
    [FILL_RAW] = { "raw bits" },        [FILL_INFINITE_INVERSE] = { "infinite inverse" },
    [FILL_MIXED] = { "mixed" },         [FILL_NOT_FINITE] = { "not finite" },
    [FILL_PADDED] = { "padded" },
};

const char *check_fill_name(enum check_fill fill) {
    return fills[fill].name;
}

/* Each run picks its limit: where a sum, a product or an inverse scale overflows. */
static float pick_limit(struct check *t) {
    static const float limits[] = {
        FLT_MAX,       FLT_MAX / 127,  FLT_MAX / 15, FLT_MAX / 31, 0x1p63f,  0x1p64f,  0x1p42f,
        0x1p43f,       FLT_MIN,        FLT_MIN * 8,  FLT_MIN * 16, 0x1p-63f, 0x1p-42f, 65504.0f * 8,
        65504.0f * 16, 65520.0f * 127, 0x1p-24f * 8, 0x1p-14f * 8, 1e-15f,
    };
    return limits[below(t, sizeof limits / sizeof *limits)];
}

/* Exact halves of a power-of-two step, the greatest magnitude set so that the step is exact. */
static void fill_ties(struct check *t, float *x, size_t n) {
    static const int tops[] = { 127, 8, 16, 32, 15, 31, 4 };
    const int top = tops[below(t, 7)];
    const float step = ldexpf(1, (int)below(t, 20) - 10);
    for (size_t i = 0; i < n; i++)
        x[i] = ((float)below(t, (uint32_t)(2 * top)) - (float)top + 0.5f) * step;
    x[below(t, (uint32_t)n)] = (float)top * step * sign(t);
}

/* One float below and above each half: 0.49999997 + 0.5 rounds to 1. */
static void fill_below_half(struct check *t, float *x, size_t n) {
    const float step = ldexpf(1, (int)below(t, 20) - 10);
    for (size_t i = 0; i < n; i++) {
        const float half = (float)below(t, 4) + 0.5f;
        x[i] = nextafterf(half, below(t, 2) ? 0 : 9) * step * sign(t);
    }
    x[below(t, (uint32_t)n)] = 127 * step;
}

/* A few units in the last place apart: ranges vanish, and inverse scales leave every bound. */
static void fill_close(struct check *t, float *x, size_t n) {
    const uint32_t base = f32_bits(sign(t) * ldexpf(1 + unit(t), (int)below(t, 60) - 30));
    const uint32_t spread = 1 + below(t, 6);
    for (size_t i = 0; i < n; i++)
        x[i] = f32_from_bits(base + below(t, spread));
}

static void fill_run(struct check *t, float *x, size_t n, enum check_fill fill) {
    const float a = raw_finite(t), scale = ldexpf(1, (int)below(t, 30) - 20), limit = pick_limit(t);
    const uint32_t hot = below(t, (uint32_t)n), levels = 1 + below(t, 6);
    float prior = normal(t);
    switch (fill) {
    case FILL_TIES:
        fill_ties(t, x, n);
        return;
    case FILL_BELOW_HALF:
        fill_below_half(t, x, n);
        return;
    case FILL_CLOSE:
        fill_close(t, x, n);
        return;
    default:
        break;
    }
    for (size_t i = 0; i < n; i++) {
        const float z = normal(t);
        x[i] = fill == FILL_NORMAL        ? z * 0.02f
               : fill == FILL_UNIFORM     ? both(t) * scale
               : fill == FILL_ZERO        ? 0
               : fill == FILL_SIGNED_ZERO ? (below(t, 40) ? 0 * sign(t) : z)
               : fill == FILL_SUBNORMAL   ? both(t) * FLT_MIN
               : fill == FILL_TINY        ? both(t) * ldexpf(1, -126 + (int)below(t, 40))
               : fill == FILL_HUGE        ? both(t) * FLT_MAX
               : fill == FILL_LIMITS      ? (below(t, 4) ? both(t) : sign(t)) * limit
               : fill == FILL_ONE_HOT     ? (i == hot ? z : 0)
               : fill == FILL_CONSTANT    ? a
               : fill == FILL_REPEATED    ? (prior = below(t, 4) ? prior : z)
               : fill == FILL_OUTLIERS    ? (below(t, 50) ? z * 0.02f : z * 50)
               : fill == FILL_MIRRORED    ? sign(t) * scale * (float)below(t, 3)
               : fill == FILL_OFFSET      ? (a < 0 ? -3 : 3) + z * scale
               : fill == FILL_FEW_LEVELS  ? (float)below(t, levels) * scale - (a < 0 ? 0 : scale)
               : fill == FILL_INFINITE_INVERSE ? both(t) * FLT_MIN * ldexpf(1, (int)hot % 9 - 4)
                                               : raw_finite(t);
    }
}

void check_fill_f32(struct check *t, float *dst, size_t n, size_t run, enum check_fill fill) {
    for (size_t i = 0; i < n; i += run) {
        const size_t len = n - i < run ? n - i : run;
        /* Mostly usual runs, so that unusual ones meet usual neighbours in the other lanes. */
        const enum check_fill one = fill < FILL_MIXED ? fill
                                    : below(t, 2)     ? FILL_NORMAL
                                                      : (enum check_fill)below(t, FILL_MIXED);
        fill_run(t, dst + i, len, one);
        if (fill >= FILL_NOT_FINITE && !below(t, 12)) {
            static const uint32_t odd[] = { 0x7f800000, 0xff800000, 0x7fc00000,
                                            0xffc12345, 0x7f800001, 0xffbfffff };
            dst[i + below(t, (uint32_t)len)] = f32_from_bits(odd[below(t, 6)]);
        }
        if (fill == FILL_PADDED && !below(t, 6))
            for (size_t k = below(t, (uint32_t)len); k < len; k++)
                dst[i + k] = f32_from_bits(KERNEL_PADDING);
    }
}
