/* SPDX-License-Identifier: Apache-2.0
 * tests/check_range.c - numbers clamped, their extremes and their levels of 8 bits: each set of CPU
 * features against the portable code, which is held against the definitions. */
#include "tests/check.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MAX = 259, CANARY = 0x5a };

static void check_clamp(struct check *t, const float *x, size_t n, const char *how) {
    float want[MAX], got[MAX];
    memcpy(want, x, n * sizeof *x);
    memcpy(got, x, n * sizeof *x);
    t->portable.clamp(want, n, 1e-7f, 1e4f);
    t->tested.clamp(got, n, 1e-7f, 1e4f);
    check_bytes(t, "clamp", how, want, got, n * sizeof *x, sizeof *x);
    for (size_t i = 0; i < n; i++) {
        const float m = fabsf(x[i]);
        const bool kept = m == 0 || !(m < INFINITY) || (m >= 1e-7f && m <= 1e4f);
        const float is = kept ? x[i] : copysignf(m < 1 ? 1e-7f : 1e4f, x[i]);
        if (memcmp(&is, &got[i], sizeof is))
            check_fail(t, "clamp", "not by the definition");
    }
}

static void check_levels(struct check *t, const float *x, size_t n, const char *how) {
    float ends[2][2] = { { 0 } };
    uint8_t want[MAX + 1], got[MAX + 1];
    t->portable.extremes(x, n, &ends[0][0], &ends[0][1]);
    t->tested.extremes(x, n, &ends[1][0], &ends[1][1]);
    check_bytes(t, "extremes", how, ends[0], ends[1], sizeof ends[0], sizeof **ends);
    for (size_t i = 0; i < n; i++)
        if (x[i] < ends[1][0] || x[i] > ends[1][1])
            check_fail(t, "extremes", "not by the definition");
    const float most = fmaxf(-ends[0][0], ends[0][1]);
    const struct levels8 to[2] = { { most > 127 * 0x1p-126f ? most / 127 : 1, 0, -128, 127 },
                                   { most > 255 * 0x1p-126f ? most / 200 : 1, 77, 0, 255 } };
    for (int k = 0; k < 2; k++) {
        want[n] = got[n] = CANARY;
        t->portable.levels8(want, x, n, &to[k]);
        t->tested.levels8(got, x, n, &to[k]);
        check_bytes(t, "levels8", how, want, got, n + 1, 1);
    }
}

/* The same with ends and a scale for each number, against the one for all of a single number. */
static void check_each(struct check *t, const float *x, size_t n, const char *how) {
    const struct levels8 to = { 0, 0, -128, 127 };
    float want[2][MAX] = { { 0 } }, got[2][MAX] = { { 0 } }, scale[MAX];
    uint8_t levels[2][MAX + 1];
    for (size_t i = 0; i < n; i++) {
        want[0][i] = got[0][i] = -fabsf(x[n - 1 - i]);
        want[1][i] = got[1][i] = fabsf(x[n / 2]);
        t->portable.extremes(&x[i], 1, &want[0][i], &want[1][i]);
        const float most = fmaxf(-want[0][i], want[1][i]) / 127;
        scale[i] = most > 0x1p-126f ? most : 1;
        t->portable.levels8(&levels[0][i], &x[i], 1, &(struct levels8){ scale[i], 0, -128, 127 });
    }
    t->tested.extremes_each(x, n, got[0], got[1]);
    check_bytes(t, "extremes_each", how, want, got, sizeof want, sizeof **want);
    levels[0][n] = levels[1][n] = CANARY;
    t->tested.levels8_each(levels[1], x, scale, n, &to);
    check_bytes(t, "levels8_each", how, levels[0], levels[1], n + 1, 1);
}

void check_range(struct check *t) {
    float x[MAX];
    for (enum check_fill fill = 0; fill < FILL_COUNT; fill++)
        for (int round = 0; round < 8; round++) {
            const size_t n = check_random(t) % (MAX + 1);
            check_fill_f32(t, x, MAX, MAX, fill);
            check_clamp(t, x, n, check_fill_name(fill));
            if (fill < FILL_NOT_FINITE)
                check_levels(t, x, n, check_fill_name(fill));
            if (fill < FILL_NOT_FINITE)
                check_each(t, x, n, check_fill_name(fill));
        }
}
