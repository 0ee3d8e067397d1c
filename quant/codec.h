/* SPDX-License-Identifier: Apache-2.0
 * quant/codec.h - f32 from any type and any type from f32; kernels/ is below. */
#pragma once
#include "kernels/kernels.h"
#include "quant/dtype.h"

/* Convert @elems elements, whole blocks of the type, from or to f32; f32 itself is a copy. Blocks
 * lie at any address; floats are aligned. Source and target do not overlap. Pure, thread-safe, and
 * the same bytes whatever @k was filled for. kernels.h says what a NaN or an infinity becomes.
 * Returns 0, or -ENOTSUP if the type has no kernel; @dst is then untouched. */
int codec_decode(const struct kernels *k, enum dtype from, float *dst, const void *src,
                 uint64_t elems);
int codec_encode(const struct kernels *k, enum dtype to, void *dst, const float *src,
                 uint64_t elems);

/* What importance data changes when a type is written: nothing, each block by itself, or all of a
 * row, as the row's mean square enters. */
enum codec_importance { IMPORTANCE_NONE, IMPORTANCE_BLOCK, IMPORTANCE_ROW };
enum codec_importance codec_importance(enum dtype to);

/* With importance data, one finite number for each element of a row, the same for all @rows rows.
 * Types that pay no regard to them (f16, q8_0, ...) are encoded without. Whole rows for types of
 * IMPORTANCE_ROW; for others a row may be any run of blocks. */
int codec_encode_weighted(const struct kernels *k, enum dtype to, void *dst, const float *src,
                          const float *importance, uint64_t rows, uint64_t row_elems);

/* Blocks of @from as those of @to without decoding them, which would lose something: of the same
 * number of elements. False: there is no such way. */
bool codec_repack(enum dtype from, enum dtype to, void *dst, const void *src, uint64_t blocks);
bool codec_can_repack(enum dtype from, enum dtype to);

/* Whether the calls above would return 0. */
bool codec_can_decode(enum dtype from);
bool codec_can_encode(enum dtype to);
bool codec_can_encode_weighted(enum dtype to);

/* @elems whole blocks from one type into floats, or floats into one, by the portable kernels: for
 * the few numbers that stand in a header. */
int codec_widen(enum dtype from, float *dst, const void *src, uint64_t elems);
int codec_narrow(enum dtype to, void *dst, const float *src, uint64_t elems);
