/* SPDX-License-Identifier: Apache-2.0
 * quant/recipe_names.h - what the name of a tensor says about its role. */
#pragma once
#include "quant/recipe.h"

enum role {
    ROLE_OTHER,
    ROLE_OUTPUT,
    ROLE_EMBEDDING,
    ROLE_V, /* attn_v, attn_qkv and attn_kv_b: upstream counts them together */
    ROLE_K,
    ROLE_Q,
    ROLE_ATTN_OUTPUT,
    ROLE_UP,
    ROLE_GATE,
    ROLE_DOWN
};

enum role recipe_role(const char *name);

/* Is the tensor of a kind that is quantized at all? Small ones, norms and the like are not. */
bool recipe_allows(const char *architecture, const struct recipe_tensor *t);

/* N of "blk.N.", -1 for other names. As sscanf("blk.%d."): the dot after N may be missing. */
int recipe_block(const char *name);

/* Where only the type and the name decide that importance data is needed. */
bool recipe_needs_imatrix(const struct ftype *type, const char *name, enum dtype to);
