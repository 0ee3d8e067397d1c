/* SPDX-License-Identifier: Apache-2.0
 * formats/gguf_peek.c - what the first bytes of a GGUF say of it, for those who list many. */
#include "formats/gguf_peek.h"
#include "formats/cleanup.h"
#include "formats/cursor.h"
#include "formats/gguf.h"
#include "formats/kv.h"
#include <fcntl.h>
#include <unistd.h>

enum {
    HEAD = 8 << 10, /* bytes: the pair stands before the tokenizer's */
    GUESSED = 1024  /* LLAMA_FTYPE_GUESSED, a flag */
};

static void skip_value(struct cursor *c, uint32_t type) {
    if (type == KV_STRING) {
        cursor_bytes(c, cursor_u64(c));
    } else if (type == KV_ARRAY) {
        const uint32_t of = cursor_u32(c);
        const uint64_t n = cursor_u64(c);
        if (of < KV_TYPE_COUNT && of != KV_STRING && of != KV_ARRAY && n <= HEAD)
            cursor_bytes(c, n * kv_type_bytes(of));
        for (uint64_t i = 0; of == KV_STRING && i < n && !c->bad; i++)
            cursor_bytes(c, cursor_u64(c));
        c->bad |= of >= KV_TYPE_COUNT || of == KV_ARRAY || (of != KV_STRING && n > HEAD);
    } else if (type < KV_TYPE_COUNT) {
        cursor_bytes(c, kv_type_bytes(type));
    } else {
        c->bad = true;
    }
}

bool gguf_peek_file_type(struct root *root, const char *path, uint32_t *out) {
    char head[HEAD];
    auto_close int fd = root_openat(root, path, O_RDONLY | O_CLOEXEC);
    const ssize_t n = fd < 0 ? -1 : pread(fd, head, sizeof head, 0);
    struct cursor c = cursor_over((struct str){ head, n > 0 ? (size_t)n : 0 });
    const uint32_t magic = cursor_u32(&c), version = cursor_u32(&c);
    cursor_u64(&c);
    const uint64_t pairs = cursor_u64(&c);
    if (magic != GGUF_MAGIC || (version != 2 && version != GGUF_VERSION))
        return false;
    for (uint64_t i = 0; i < pairs && !c.bad; i++) {
        const struct str key = cursor_str(&c, cursor_u64(&c));
        const uint32_t type = cursor_u32(&c);
        if (type == KV_U32 && str_is(key, "general.file_type")) {
            *out = cursor_u32(&c) & ~(uint32_t)GUESSED;
            return !c.bad;
        }
        skip_value(&c, type);
    }
    return false;
}
