/* SPDX-License-Identifier: Apache-2.0
 * formats/tokenizer/memo.h - the pairs of a tokenizer, made once: they are most of a header, and
 * most of the work of planning one. Views of a folder share them, and so do folders whose files
 * say the same. */
#pragma once
#include "formats/folder_trace.h"
#include "formats/kv.h"

/* Counted; does not change any more once it is made. */
struct tokenizer_memo {
    _Atomic uint32_t refs;
    struct arena arena;
    struct kv_list kvs;
    struct hash128 key;       /* what was known before a file of the tokenizer was read */
    struct folder_trace seen; /* of which files the pairs were made */
};

struct tokenizer_memo *tokenizer_memo_new(void); /* NULL: no memory */
struct tokenizer_memo *tokenizer_memo_ref(struct tokenizer_memo *m);
void tokenizer_memo_unref(struct tokenizer_memo *m); /* NULL is fine */

/* Memos made lately. Thread-safe; functions take a store of NULL, which has none. */
struct tokenizer_store;
struct tokenizer_store *tokenizer_store_new(void); /* NULL: no memory */
void tokenizer_store_free(struct tokenizer_store *s);

/* A reference to the memo that @f would have; NULL: there is none. Reads the files, but parses
 * nothing. */
struct tokenizer_memo *tokenizer_store_find(struct tokenizer_store *s, const struct hash128 *key,
                                            const struct folder *f);
void tokenizer_store_add(struct tokenizer_store *s, struct tokenizer_memo *m);
