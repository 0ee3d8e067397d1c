/* SPDX-License-Identifier: Apache-2.0
 * formats/model_name.h - what the name of a model says: "org/Tiny-Llama-2-7B-chat-v1.0". The rules
 * are those of gguf-py (gguf/metadata.py, gguf/utility.py, llama.cpp 0c1e570), because the parts
 * become general.* pairs. */
#pragma once
#include "formats/arena.h"

/* p is NULL for a part that the name does not have. */
struct name_parts {
    struct str full, org, basename, finetune, version, size_label;
};

/* @params: parameters of the model, against which a size in the name is checked; 0: not known;
 * negative: of the matrices that an adapter changes, which need not be all of the model.
 * False: no memory. */
bool name_split(struct arena *a, struct str id, int64_t params, struct name_parts *out);

/* "tiny-llama 2" -> "Tiny Llama 2". p is NULL for lack of memory. */
struct str name_title(struct arena *a, struct str id);

/* Parameters as counted for the size label: @expert is one expert's share of each expert tensor,
 * @experts how many there are (0: a dense model). */
struct param_count {
    uint64_t total, shared, expert, experts;
    bool adapter; /* @total is that of the matrices that it changes */
};
/* "7.2M", "8x1.1B". */
struct str name_size_label(struct arena *a, const struct param_count *count);
