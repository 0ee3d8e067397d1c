/* SPDX-License-Identifier: Apache-2.0
 * formats/importance.c - from sums to values, as load_imatrix of tools/quantize/quantize.cpp
 * (llama.cpp 0c1e570). */
#include "formats/importance.h"
#include <endian.h>
#include <errno.h>
#include <math.h>
#include <string.h>

void importance_hash(const struct importance *w, struct hasher *h) {
    hasher_ident(h, source_ident(w->source));
    hasher_u64(h, w->off);
    hasher_u64(h, w->cols);
    hasher_u64(h, w->rows);
    hasher_u64(h, w->group);
    hasher_bytes(h, w->divisor, w->n_divisors * sizeof *w->divisor);
}

/* Sums of which no count tells are left out, as zeros. */
static float value(const struct importance *w, uint64_t i, float sum) {
    const uint64_t at = i / w->group;
    if (at >= w->n_divisors)
        return 0;
    return w->divisor[at] > 0 ? sum / w->divisor[at] : 1;
}

int importance_read(const struct importance *w, uint64_t slice, float *dst, struct err *err) {
    const uint64_t first = slice * w->cols;
    if (first >= w->values || w->cols > w->values - first)
        return err_set(err, -EINVAL, "the importance matrix has no slice %llu",
                       (unsigned long long)slice);
    int rc = source_pread(w->source, dst, w->cols * sizeof *dst, w->off + first * sizeof *dst, err);
    if (rc == 0)
        rc = source_check(w->source, err);
    for (uint64_t i = 0; rc == 0 && i < w->cols; i++) {
        uint32_t bits;
        memcpy(&bits, &dst[i], sizeof bits);
        bits = le32toh(bits);
        memcpy(&dst[i], &bits, sizeof bits);
        dst[i] = value(w, first + i, dst[i]);
        if (!isfinite(dst[i]))
            rc = err_set(err, -EDOM, "%s: holds a NaN or an infinity", source_path(w->source));
    }
    return rc;
}
