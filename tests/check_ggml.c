/* SPDX-License-Identifier: Apache-2.0
 * tests/check_ggml.c - the tested kernels against a real ggml, which is loaded from a path: as many
 * blocks of each type as one has time for. docs/testing.md has the command. */
#include "tests/check.h"
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ROW = 1024, ROWS = 64, ELEMS = ROW * ROWS };

bool check_ggml_only_weighted(enum dtype type) {
    return type == DTYPE_IQ2_XXS || type == DTYPE_IQ2_XS || type == DTYPE_IQ1_S;
}

/* Fills at which ggml may abort, as its searches of these types find nothing; they are between the
 * masks' business. */
static bool may_abort(enum dtype type, enum check_fill fill) {
    switch (type) {
    case DTYPE_IQ1_S:
    case DTYPE_IQ1_M:
    case DTYPE_IQ2_XXS:
    case DTYPE_IQ2_XS:
    case DTYPE_IQ2_S:
    case DTYPE_IQ3_XXS:
    case DTYPE_IQ3_S:
        break;
    default:
        return false;
    }
    switch (fill) {
    case FILL_NORMAL:
    case FILL_UNIFORM:
    case FILL_ZERO:
    case FILL_SIGNED_ZERO:
    case FILL_ONE_HOT:
    case FILL_REPEATED:
    case FILL_OUTLIERS:
    case FILL_MIRRORED:
    case FILL_FEW_LEVELS:
        return false;
    default:
        return true;
    }
}

/* Half of the fills are like weights; the rest is each of the others in turn. */
static enum check_fill pick_fill(enum dtype type, unsigned round) {
    const enum check_fill fill = (enum check_fill)(round / 2 % FILL_NOT_FINITE);
    return round % 2 && !may_abort(type, fill) ? fill : round % 4 ? FILL_NORMAL : FILL_OUTLIERS;
}

struct buffers {
    float src[ELEMS], importance[ROW], decoded[2][ELEMS];
    uint8_t want[ELEMS * 2], got[ELEMS * 2];
};

bool check_ggml_load(struct check_ggml *ggml, const char *path) {
    ggml->library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (ggml->library)
        *(void **)&ggml->quantize = dlsym(ggml->library, "ggml_quantize_chunk");
    if (!ggml->quantize)
        fprintf(stderr, "checkkernel: %s\n", dlerror());
    return ggml->quantize;
}

/* dequantize_row_q4_K: a capital K there. */
check_dequantize_fn *check_ggml_decoder(const struct check_ggml *ggml, enum dtype type) {
    char symbol[64];
    const int n = snprintf(symbol, sizeof symbol, "dequantize_row_%s", dtype_info[type].name);
    if (symbol[n - 2] == '_' && symbol[n - 1] == 'k')
        symbol[n - 1] = 'K';
    check_dequantize_fn *f = NULL;
    *(void **)&f = dlsym(ggml->library, symbol);
    return f;
}

static void one_round(struct check *t, enum dtype type, struct buffers *b, const float *importance,
                      const char *how) {
    const struct dtype_info *info = &dtype_info[type];
    const struct block_kernel k = check_kernel(&t->tested, type);
    const size_t blocks = ELEMS / info->block_elems, bytes = blocks * info->block_bytes;
    t->ggml.quantize(info->gguf_id, b->src, b->want, 0, ROWS, ROW, importance);
    if (importance)
        k.encode_weighted(b->got, b->src, importance, ROWS, ROW);
    else
        k.encode(b->got, b->src, blocks);
    check_bytes(t, info->name, how, b->want, b->got, bytes, info->block_bytes);
    check_ggml_decoder(&t->ggml, type)(b->want, b->decoded[0], ELEMS);
    k.decode(b->decoded[1], b->want, blocks);
    check_unify_nans(b->decoded[0], ELEMS);
    check_unify_nans(b->decoded[1], ELEMS);
    check_bytes(t, info->name, "decode", b->decoded[0], b->decoded[1], sizeof b->src,
                info->block_elems * sizeof(float));
}

static void check_type(struct check *t, enum dtype type, struct buffers *b) {
    const struct block_kernel k = check_kernel(&t->tested, type);
    const unsigned failed = t->failed;
    size_t plain = 0, weighted = 0;
    for (unsigned round = 0; plain + weighted < t->blocks; round++) {
        const enum check_fill fill = pick_fill(type, round);
        check_fill_f32(t, b->src, ELEMS, 32, fill);
        for (size_t i = 0; i < ROW; i++)
            b->importance[i] = (float)(1 + check_random(t) % 4096) / (float)(1 + round % 1024);
        if (k.encode && !check_ggml_only_weighted(type)) {
            one_round(t, type, b, NULL, check_fill_name(fill));
            plain += ELEMS / dtype_info[type].block_elems;
        }
        if (k.encode_weighted) {
            one_round(t, type, b, b->importance, "with importance data");
            weighted += ELEMS / dtype_info[type].block_elems;
        }
    }
    printf("%-8s %10zu blocks, %10zu with importance data, %u comparisons failed\n",
           dtype_info[type].name, plain, weighted, t->failed - failed);
    fflush(stdout);
}

void check_ggml(struct check *t) {
    struct buffers *b = malloc(sizeof *b);
    if (!b)
        abort();
    for (enum dtype type = DTYPE_NONE + 1; type < DTYPE_COUNT; type++) {
        if (dtype_is_quantized(type) && check_wants(t, type) &&
            check_kernel(&t->tested, type).decode && check_ggml_decoder(&t->ggml, type))
            check_type(t, type, b);
    }
    free(b);
}
