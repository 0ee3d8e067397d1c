/* SPDX-License-Identifier: Apache-2.0
 * formats/onnx/hf_source.h - a model in Hugging Face's names, whatever it is stored as: its
 * config.json and its tensors by name. What a graph is built from. */
#pragma once
#include "formats/arch/hf_config.h"
#include "formats/form.h"

struct hf_source {
    struct arena *arena; /* the view's */
    struct json *own;    /* config.json of a GGUF; NULL: the folder's is used */
    struct hf_config config;
    struct str model_type;
    struct form form;
    struct target **by_name; /* sorted */
    bool *used;              /* of the same order */
    struct err *err;
};

/* -ENOTSUP for a model without a config.json, or with weights that are no numbers. hf_source_close
 * in any case. */
int hf_source_open(struct hf_source *s, struct arena *a, const struct model *m, struct err *err);
void hf_source_close(struct hf_source *s);

/* The tensor of that name, which counts as used then; NULL: there is none. */
const struct target *hf_source_find(struct hf_source *s, const char *name);
/* Are weights stored in blocks of 8 or 4 bits, as Q8_0 or Q4_0? */
bool hf_source_has_blocks(const struct hf_source *s);
bool hf_source_has(const struct hf_source *s, const char *name);

/* -ENOTSUP with its name where a tensor was not used. Those that end in one of @buffers, which
 * are computed anyway, do not count; a NULL ends the list. */
int hf_source_check_used(const struct hf_source *s, const char *const *buffers);
