/* SPDX-License-Identifier: Apache-2.0
 * tests/check_floats.c - the small floats: all patterns against what their definition says, and
 * all paths against the portable one on every pattern. */
#include "tests/check.h"
#include "kernels/f16.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* A small float's value by its definition; @bias and @man_bits say which. */
static double value_of(uint32_t mag, int bias, int man_bits) {
    const int exp = (int)(mag >> man_bits);
    const uint32_t man = mag & ((1u << man_bits) - 1);
    if (exp == 0)
        return ldexp(man, 1 - bias - man_bits);
    return ldexp(man | 1u << man_bits, exp - bias - man_bits);
}

static void expect(struct check *t, bool ok, const char *what) {
    t->done++;
    if (!ok)
        check_fail(t, what, "not by the definition");
}

static void check_widening(struct check *t) {
    for (uint32_t h = 0; h < 0x7c00; h++)
        expect(t, (double)f32_from_f16((uint16_t)h) == value_of(h, 15, 10), "f16");
    expect(t, f32_bits(f32_from_f16(0x7c00)) == 0x7f800000, "f16 infinity");
    expect(t, f32_bits(f32_from_f16(0xfc01)) == 0xffc02000, "f16 NaN");
    expect(t, f32_bits(f32_from_f16(0x8000)) == 0x80000000, "f16 -0");
    for (uint32_t b = 0; b < 0x7f; b++)
        expect(t, (double)f32_from_f8_e4m3((uint8_t)b) == value_of(b, 7, 3), "f8_e4m3");
    expect(t, isnan(f32_from_f8_e4m3(0x7f)), "f8_e4m3 NaN");
    expect(t, f32_bits(f32_from_f8_e4m3(0xff)) == 0xfff00000, "f8_e4m3 NaN");
    for (uint32_t b = 0; b < 0x7c; b++)
        expect(t, (double)f32_from_f8_e5m2((uint8_t)b) == value_of(b, 15, 2), "f8_e5m2");
    expect(t, f32_bits(f32_from_f8_e5m2(0xfc)) == 0xff800000, "f8_e5m2 infinity");
}

/* Every f16 comes back; the middle of each two goes to the even one, what is beside it nearer. */
static void check_narrowing(struct check *t) {
    for (uint32_t h = 0; h < 0x7c00; h++) {
        const float low = f32_from_f16((uint16_t)h);
        const float high = h == 0x7bff ? 65536 : f32_from_f16((uint16_t)(h + 1));
        const float middle = low + (high - low) / 2;
        expect(t, f16_from_f32(low) == h && f16_from_f32(-low) == (h | 0x8000), "f16");
        expect(t, f16_from_f32(middle) == h + (h & 1), "f16 tie");
        expect(t, f16_from_f32(nextafterf(middle, 0)) == h, "f16 below a tie");
        expect(t, f16_from_f32(nextafterf(middle, 1e9f)) == h + 1, "f16 above a tie");
    }
    expect(t, f16_from_f32(f32_from_bits(0xff800001)) == 0xfe00, "f16 NaN");
    expect(t, f16_from_f32(INFINITY) == 0x7c00, "f16 infinity");
    expect(t, bf16_from_f32(f32_from_bits(0x3f808000)) == 0x3f80, "bf16 tie to even");
    expect(t, bf16_from_f32(f32_from_bits(0x3f818000)) == 0x3f82, "bf16 tie to even");
    expect(t, bf16_from_f32(f32_from_bits(0x00008001)) == 1, "bf16 subnormal");
    expect(t, bf16_from_f32(f32_from_bits(0x7f7fffff)) == 0x7f80, "bf16 overflow");
    expect(t, bf16_from_f32(f32_from_bits(0xff800001)) == 0xffc0, "bf16 NaN");
}

static void check_all_patterns(struct check *t) {
    enum { N = 1 << 16, UNROLLED = 1 << 12 };
    uint16_t *bits = malloc(N * sizeof *bits);
    float *want = malloc(N * sizeof *want), *got = malloc(N * sizeof *got);
    if (!bits || !want || !got)
        abort();
    for (uint32_t i = 0; i < N; i++)
        bits[i] = (uint16_t)i;
    t->portable.f16.decode(want, bits, N);
    t->tested.f16.decode(got, bits, N);
    check_bytes(t, "f16 decode", "all patterns", want, got, N * sizeof *want, 4);
    t->portable.bf16.decode(want, bits, N);
    t->tested.bf16.decode(got, bits, N);
    check_bytes(t, "bf16 decode", "all patterns", want, got, N * sizeof *want, 4);
    for (uint32_t i = 0; i < 256; i++)
        ((uint8_t *)bits)[i] = (uint8_t)i;
    t->portable.f8_e4m3.decode(want, bits, 256);
    t->tested.f8_e4m3.decode(got, bits, 256);
    check_bytes(t, "f8_e4m3 decode", "all patterns", want, got, 1024, 4);
    t->portable.f8_e5m2.decode(want, bits, 256);
    t->tested.f8_e5m2.decode(got, bits, 256);
    check_bytes(t, "f8_e5m2 decode", "all patterns", want, got, 1024, 4);
    free(bits);
    free(want);
    free(got);
}

static void check_all_finite(struct check *t) {
    float x[100] = { 0 };
    static const float odd[] = { INFINITY, -INFINITY, NAN, -NAN };
    expect(t, t->tested.f32_all_finite(x, 100), "all_finite");
    expect(t, t->tested.f32_all_finite(x, 0), "all_finite");
    for (int i = 0; i < 400; i++) {
        x[i % 100] = odd[i / 100];
        expect(t, !t->tested.f32_all_finite(x, 100), "all_finite");
        x[i % 100] = -3.4e38f;
    }
}

/* Odd widths and ranks, strides beyond the width, canaries behind it; against the portable code. */
static void check_product(struct check *t) {
    enum { MAX = 67, RANK = 9, CANARY = 0x7fc12345 };
    float a[RANK * (MAX + 3)], b[RANK], x[MAX + 1], want[MAX + 1];
    for (size_t i = 0; i < sizeof a / sizeof *a; i++)
        a[i] = ldexpf((float)(i * 2654435761u % 4001) - 2000, (int)(i % 23) - 16);
    for (size_t cols = 0; cols <= MAX; cols++)
        for (size_t rank = 0; rank <= RANK; rank++) {
            const uint32_t canary = CANARY;
            for (size_t k = 0; k < RANK; k++)
                b[k] = ldexpf((float)(k * 40503 % 97) - 48, (int)(cols % 30) - 20);
            for (size_t j = 0; j < MAX; j++)
                x[j] = want[j] = (float)j / 3;
            memcpy(x + cols, &canary, sizeof canary);
            memcpy(want + cols, &canary, sizeof canary);
            t->portable.product_add(want, b, a, MAX + 3, rank, 0.7, cols);
            t->tested.product_add(x, b, a, MAX + 3, rank, 0.7, cols);
            expect(t, memcmp(x, want, (cols + 1) * sizeof *x) == 0, "product_add");
            double sum = 0; /* and against the formula, for one column */
            for (size_t k = 0; k < rank; k++)
                sum += (double)b[k] * a[k * (MAX + 3)];
            expect(t, !cols || x[0] == (float)(0 + 0.7 * sum), "product_add's sum");
        }
}

void check_floats(struct check *t) {
    check_product(t);
    check_widening(t);
    check_narrowing(t);
    check_all_patterns(t);
    check_all_finite(t);
}
