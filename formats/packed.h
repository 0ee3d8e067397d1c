/* SPDX-License-Identifier: Apache-2.0
 * formats/packed.h - a tensor that is not stored as it is: a weight of a quantized checkpoint,
 * whose numbers follow from several stored tensors. For all that stands above, it is a tensor of
 * type f32 which is read like any other; fs/unpack_elems.c makes its elements.
 *
 * Number (r, c) of a matrix is (word(r, c) - zero(r, c)) * scale(r, c), in f32; the product of
 * scales in f64 is one in f64, without factor or divide. */
#pragma once
#include "formats/arena.h"
#include "formats/err.h"
#include "formats/hash.h"
#include "formats/tensor.h"
#include "quant/unpack.h"

enum { PACKED_MAX_GROUPS = 1 << 20 };

struct packed {
    const char *method;         /* for messages */
    const struct tensor *words; /* integers of packing.word_bits, or i32 or small floats, one a
                                 * word */
    const struct tensor *scales;
    const struct tensor *zeros; /* NULL: @zero everywhere; packed_zeros has how they lie. Of i64
                                 * or f32: one for each scale, as that lies; not @transposed */
    const struct tensor *index; /* the group of each column, i32; NULL: they come in order */
    struct packing packing;
    float zero;                      /* is added to each of @zeros */
    int32_t base;                    /* of words in i32: subtracted from them, as i32 wraps */
    bool zeros_across;               /* neighbours in a row share a word; else in a column */
    float factor;                    /* of every scale */
    bool divide;                     /* by the scale */
    bool transposed;                 /* words, scales and zeros are stored with columns as rows */
    uint64_t rows, cols;             /* of the matrix, or of each in a stack */
    uint64_t group_rows, group_cols; /* numbers that have one scale and one zero */
    uint64_t groups;                 /* in a row: of @index, else cols / group_cols rounded up */
    bool one_scale;                  /* for all matrices of a stack */
    enum dtype blocks; /* a type of GGUF that holds the same bits, but for @factor: NVFP4, MXFP4 */
    float input_scale; /* of the activations; 1: none */
    bool a16;          /* with @blocks: its products want activations of 16 bits */
    bool fp8;          /* a weight that the converter counts as one of fp8 */
    enum dtype type;   /* of the plain weight; NONE: by its scales */
};

/* Do the parts have the shapes and types that follow? Fills @t: f32, its dims (@n_dims of them, the
 * last two are rows and cols), and @p. Messages name method and tensor. */
int packed_tensor(struct tensor *t, const struct packed *p, const uint64_t *dims, uint32_t n_dims,
                  struct err *err);

/* @t, which has packed->blocks, in that type: with the dims in which its words are stored. Its
 * bytes are made by fs/unpack_blocks.c. NULL: no memory, or rows that are no whole blocks. */
const struct tensor *packed_blocks(struct arena *a, const struct tensor *t);

/* Bytes of the file that @t's numbers take, in parts that are no tensors of their own. */
uint64_t tensor_stored(const struct tensor *t);

/* The type in which it is stored: that of @t, or of its parts: "int4/32", 4 bits with a scale for
 * each 32 numbers of a row. May be @buf. */
enum { STORED_TYPE_SIZE = 32 };
const char *tensor_stored_type(const struct tensor *t, char buf[STORED_TYPE_SIZE]);

/* The type that the plain model would have: p->type, else that of the scales, bf16 where they are
 * wider or narrower. */
enum dtype packed_type(const struct packed *p);

/* How zeros are packed: in as many bits as the weights. */
static inline struct packing packed_zeros(const struct packed *p) {
    struct packing g = p->packing;
    g.lanes = p->zeros_across ? LANES_COLS : LANES_ROWS;
    g.values = NULL;
    return g;
}

/* Are zeros numbers of their own, not in words? */
static inline bool packed_zeros_plain(const struct packed *p) {
    return p->zeros && (p->zeros->dtype == DTYPE_I64 || p->zeros->dtype == DTYPE_F32);
}

/* Rows of scales in a matrix. */
static inline uint64_t packed_scale_rows(const struct packed *p) {
    return p->rows / p->group_rows + (p->rows % p->group_rows != 0);
}

/* Add what the numbers depend on to a key; as expr_hash. */
void packed_hash(const struct packed *p, struct hasher *h, const struct hash128 *source_hash);
