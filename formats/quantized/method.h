/* SPDX-License-Identifier: Apache-2.0
 * formats/quantized/method.h - the table of methods: how one is recognized, which tensors belong
 * to a weight, and what its numbers are. docs/architectures.md has the list. */
#pragma once
#include "formats/json.h"
#include "formats/packed.h"
#include "formats/quantized/quantized.h"

struct quantization {
    struct model *model;
    const struct json *config; /* "quantization_config" */
    struct json *own;          /* hf_quant_config.json of modelopt; NULL: there is none */
    const struct quant_method *method;
    bool *used; /* by tensor: it has become a part of a weight, or is not wanted */
    struct err *err;
};

/* A weight that is being built. */
struct quant_weight {
    struct str name;             /* of the weight, as in the plain model */
    struct str stem;             /* what all its parts' names begin with */
    const struct tensor *anchor; /* the part by which it was found */
    struct packed *p;
    uint64_t dims[TENSOR_MAX_DIMS];
    uint32_t n_dims;
};

/* Tensors with a certain ending, and what becomes of them. */
struct quant_rule {
    const char *ending; /* NULL ends the list */
    const char *weight; /* stands in its place in the weight's name */
    /* Fill w->p and w->dims from the parts; without w->p->words there is no weight. 0, or a
     * negative errno with a reason. */
    int (*build)(struct quantization *q, struct quant_weight *w);
};

struct quant_method {
    const char *name;   /* "quant_method" */
    const char *format; /* "format"; NULL: any */
    const struct quant_rule *rules;
    const char *unused; /* endings of tensors that are left out, separated by spaces */
    bool appended;      /* weights stand behind all other tensors, not where their numbers were */
};

extern const struct quant_method quant_methods[]; /* the last has no name */

int quant_build_gptq(struct quantization *q, struct quant_weight *w);
int quant_build_awq(struct quantization *q, struct quant_weight *w);
int quant_build_bitnet(struct quantization *q, struct quant_weight *w);
int quant_build_fp8(struct quantization *q, struct quant_weight *w);
/* compressed-tensors: one number a byte; several in a word. */
int quant_build_bytes(struct quantization *q, struct quant_weight *w);
int quant_build_compressed(struct quantization *q, struct quant_weight *w);

/* fp4_blocks.c */
int quant_build_modelopt(struct quantization *q, struct quant_weight *w);
int quant_build_nvfp4(struct quantization *q, struct quant_weight *w);
int quant_build_mxfp4(struct quantization *q, struct quant_weight *w);

/* compressed-tensors: what its only group of layers says of weights. NULL: nothing. */
int quant_weights_config(const struct quantization *q, const struct json **out);

/* The part of the weight whose name is its stem and @ending; it is no tensor of its own then.
 * NULL: there is none. */
const struct tensor *quant_find(struct quantization *q, const struct quant_weight *w,
                                const char *ending);
/* The same; where there is none, an error that says so. */
const struct tensor *quant_need(struct quantization *q, const struct quant_weight *w,
                                const char *ending);

/* A number of the configuration, from @least to @most: 0 or an error. */
int quant_number(const struct quantization *q, const struct json *object, const char *key,
                 int64_t least, int64_t most, int64_t *out);
/* A fault of @t: -EBADMSG with the method's name. */
int quant_bad(const struct quantization *q, const struct tensor *t, const char *why);
