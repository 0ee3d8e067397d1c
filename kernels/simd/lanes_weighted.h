/* SPDX-License-Identifier: Apache-2.0
 * kernels/simd/lanes_weighted.h - encoders with importance data by lanes: blocks of all rows in
 * groups, each with the importance data of its place in the row. */
#pragma once
#include "kernels/simd/lanes.h"
#include "kernels/weighted.h"

enum { GROUP_ELEMS_MAX = VL * SUPER_ELEMS > 2048 ? VL *SUPER_ELEMS : 2048, GROUP_BLOCKS_MAX = 64 };

/* Super-blocks that fill a vector with sub-blocks of so many elements. */
#define SUPERS_OF(sub_elems) (VL * (sub_elems) > SUPER_ELEMS ? VL * (sub_elems) / SUPER_ELEMS : 1)

/* Encodes one group; @importance of its elements, @mean_square of each block's row. */
typedef bool weighted_group_fn(void *dst, const float *src, const float *importance,
                               const float *mean_square);

struct weighted_job {
    size_t block_elems, block_bytes, group; /* group: blocks at once */
    bool by_row;                            /* whether mean_square is looked at */
    weighted_group_fn *encode;
    block_encode_weighted_fn *portable;
};

/* The portable code takes whole rows: those that the group touches. */
INLINE void encode_group_rows(const struct weighted_job *job, char *dst, const float *src,
                              const float *importance, size_t row_elems, size_t first) {
    const size_t per_row = row_elems / job->block_elems, row = first / per_row;
    const size_t rows = (first + job->group - 1) / per_row - row + 1;
    job->portable(dst + row * per_row * job->block_bytes, src + row * row_elems, importance, rows,
                  row_elems);
}

INLINE void encode_weighted_groups(const struct weighted_job *job, void *dst, const float *src,
                                   const float *importance, size_t rows, size_t row_elems) {
    const size_t per_row = row_elems / job->block_elems, blocks = rows * per_row;
    float near[GROUP_ELEMS_MAX], mean_square[GROUP_BLOCKS_MAX], mean = 0;
    size_t mean_row = SIZE_MAX;
    if (blocks < job->group || !LANES(f32_all_finite)(src, rows * row_elems)) {
        job->portable(dst, src, importance, rows, row_elems);
        return;
    }
    for (size_t i = 0; i < blocks; i += job->group) {
        const size_t first = i + job->group <= blocks ? i : blocks - job->group;
        for (size_t k = 0; k < job->group; k++) {
            const size_t row = (first + k) / per_row, at = (first + k) % per_row;
            memcpy(near + k * job->block_elems, importance + at * job->block_elems,
                   job->block_elems * sizeof *near);
            if (job->by_row && row != mean_row) {
                mean = sum_squares(src + row * row_elems, row_elems) / (float)row_elems;
                mean_row = row;
            }
            mean_square[k] = mean;
        }
        if (!job->encode((char *)dst + first * job->block_bytes, src + first * job->block_elems,
                         near, mean_square))
            encode_group_rows(job, dst, src, importance, row_elems, first);
    }
}

/* The sums of squares of @supers super-blocks, which are independent chains. */
INLINE void super_square_sums(float *out, const float *src, int supers) {
    for (int k = 0; k < supers; k++)
        out[k] = 0;
    for (int i = 0; i < SUPER_ELEMS; i++) {
        for (int k = 0; k < supers; k++)
            out[k] += src[SUPER_ELEMS * k + i] * src[SUPER_ELEMS * k + i];
    }
}

/* Their means, times @factor. */
INLINE void super_mean_squares(float *out, const float *src, int supers, float factor) {
    super_square_sums(out, src, supers);
    for (int k = 0; k < supers; k++)
        out[k] = factor * out[k] / SUPER_ELEMS;
}
