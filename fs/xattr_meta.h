/* SPDX-License-Identifier: Apache-2.0
 * fs/xattr_meta.h - the metadata that a model has in its format, as text: pairs of GGUF,
 * __metadata__ of safetensors, config.json of a folder. */
#pragma once
#include "formats/buffer.h"
#include "formats/model.h"

/* Of @own alone, the pairs of a GGUF that is made of @m; NULL: of @m. 0; -ENODATA: no such key;
 * -E2BIG: longer than an attribute may be. */
int xattr_meta_get(const struct model *m, const struct kv_list *own, const char *key,
                   struct buffer *out);

/* The keys whose value has at most @limit bytes as text, with that number. */
typedef void xattr_meta_emit(void *user, struct str key, size_t bytes);
void xattr_meta_each(const struct model *m, const struct kv_list *own, size_t limit,
                     xattr_meta_emit *emit, void *user);
