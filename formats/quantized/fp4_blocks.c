/* SPDX-License-Identifier: Apache-2.0
 * formats/quantized/fp4_blocks.c - numbers of 4 bits with an exponent, in blocks of one scale:
 * NVFP4 as modelopt and compressed-tensors keep it, MXFP4 as gpt-oss does. GGUF has blocks with the
 * same bits. Sources: _generate_nvfp4_tensors in conversion/base.py, conversion/gpt_oss.py
 * (llama.cpp 0c1e570); transformers' integrations/mxfp4.py. */
#include "formats/quantized/method.h"
#include <endian.h>
#include <errno.h>

static const float fp4_values[16] = { 0,    .5f,  1,  1.5f,  2,  3,  4,  6,
                                      -0.f, -.5f, -1, -1.5f, -2, -3, -4, -6 };
static const struct packing fp4 = { LANES_COLS, 4, 8, NULL, fp4_values };

/* A tensor of one f32; 1 where there is none. */
static int read_number(const struct quantization *q, const struct tensor *t, float *out) {
    uint32_t bits;
    *out = 1;
    if (!t)
        return 0;
    if (t->elems != 1 || t->dtype != DTYPE_F32)
        return quant_bad(q, t, "not a scale of type f32");
    int rc = source_pread(q->model->sources[t->src], &bits, sizeof bits, t->off, q->err);
    bits = le32toh(bits);
    memcpy(out, &bits, sizeof bits);
    return rc;
}

/* @global, @input: endings of the scales of all blocks and of the activations. */
static int build_nvfp4(struct quantization *q, struct quant_weight *w, const struct tensor *words,
                       const struct tensor *scales, const char *global, const char *input) {
    enum { GROUP = 16 };
    struct packed *p = w->p;
    p->words = words;
    p->scales = scales;
    if (words->n_dims != 2 || scales->dtype != DTYPE_F8_E4M3)
        return quant_bad(q, words, "it is no matrix, or its scales are not of type f8_e4m3");
    p->packing = fp4;
    w->n_dims = 2;
    w->dims[0] = p->rows = words->dims[0];
    w->dims[1] = p->cols = 2 * words->dims[1];
    p->group_rows = 1;
    p->group_cols = GROUP;
    p->groups = p->cols / GROUP + (p->cols % GROUP != 0);
    p->blocks = DTYPE_NVFP4;
    int rc = read_number(q, quant_find(q, w, global), &p->factor);
    return rc < 0 ? rc : read_number(q, quant_find(q, w, input), &p->input_scale);
}

static const struct json *entry(const struct json *layers, struct str name) {
    for (struct json_iter it = json_iter(layers); json_next(&it);)
        if (str_eq(it.key, name))
            return it.value;
    return NULL;
}

/* Is FP4 for the weight alone? A layer or what it is part of may say so, else the whole model; the
 * file of its own goes before config.json where that names no layers. */
static bool is_a16(const struct quantization *q, struct str weight) {
    const struct json *layers = json_get(q->config, "quantized_layers"), *found = NULL;
    const struct json *algo = json_get(q->config, "quant_algo");
    const struct json *own = json_get(q->own, "quantization");
    struct str name = { weight.p, weight.n - strlen(".weight") }, text;
    if (json_is_null(algo) || !json_len(layers)) {
        algo = json_get(own, "quant_algo") ? json_get(own, "quant_algo") : algo;
        layers = json_get(own, "quantized_layers") ? json_get(own, "quantized_layers") : layers;
    }
    while (name.n && !(found = entry(layers, name))) {
        const char *dot = memrchr(name.p, '.', name.n);
        name.n = dot ? (size_t)(dot - name.p) : 0;
    }
    if (found)
        algo = json_get(found, "quant_algo");
    return json_str(algo, &text) && str_is(text, "W4A16_NVFP4");
}

/* modelopt: FP4 in bytes where there are scales of blocks, else FP8. */
int quant_build_modelopt(struct quantization *q, struct quant_weight *w) {
    const struct tensor *words = model_find(q->model, w->name), *scales = w->anchor;
    w->p->a16 = str_ends(w->name, STR(".weight")) && is_a16(q, w->name);
    if (words && words->dtype == DTYPE_U8 && scales->n_dims >= 2)
        return build_nvfp4(q, w, words, scales, ".weight_scale_2", ".input_scale");
    return words ? quant_build_fp8(q, w) : 0; /* of what is not quantized, as keys and values */
}

/* compressed-tensors stores the reciprocals of the scales of all. */
int quant_build_nvfp4(struct quantization *q, struct quant_weight *w) {
    const struct tensor *scales = quant_need(q, w, ".weight_scale");
    if (!scales)
        return -EBADMSG;
    int rc = build_nvfp4(q, w, w->anchor, scales, ".weight_global_scale", ".input_global_scale");
    w->p->factor = 1 / w->p->factor;
    w->p->input_scale = 1 / w->p->input_scale;
    return rc;
}

/* A stack of matrices [rows][blocks of 16 bytes], each turned over in the plain model. */
int quant_build_mxfp4(struct quantization *q, struct quant_weight *w) {
    enum { BLOCK = 32 };
    struct packed *p = w->p;
    const struct tensor *t = p->words = w->anchor;
    p->scales = quant_need(q, w, "_scales");
    if (!p->scales)
        return -EBADMSG;
    if (t->n_dims != 4 || t->dims[3] != BLOCK / 2)
        return quant_bad(q, t, "not a stack of matrices in blocks of 16 bytes");
    p->packing = fp4;
    p->packing.lanes = LANES_ROWS;
    p->transposed = true;
    w->n_dims = 3;
    w->dims[0] = t->dims[0];
    w->dims[1] = p->rows = t->dims[2] * BLOCK;
    w->dims[2] = p->cols = t->dims[1];
    p->group_rows = BLOCK;
    p->group_cols = 1;
    p->groups = p->cols;
    p->blocks = DTYPE_MXFP4;
    return 0;
}
