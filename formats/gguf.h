/* SPDX-License-Identifier: Apache-2.0
 * formats/gguf.h - what the reader and the writer of GGUF have in common. Source:
 * ggml/include/gguf.h, ggml/src/gguf.cpp (llama.cpp 0c1e570). */
#pragma once
#include "formats/str.h"
#include <stdint.h>

/* File: "GGUF", u32 version, u64 tensors, u64 pairs; pairs: string key, u32 type, value; tensors:
 * string name, u32 n_dims, u64 dims[] (fastest first), u32 type, u64 offset from the data section;
 * padding; the data section, each tensor padded to the alignment. All little-endian; a string is
 * u64 bytes, then these; an array is u32 type, u64 elements, then these. */
enum {
    GGUF_MAGIC = 0x46554747, /* as a little-endian u32 */
    GGUF_VERSION = 3,        /* version 2 differs in nothing that matters here */
    GGUF_ALIGNMENT = 32,     /* bytes, unless general.alignment says otherwise */
    GGUF_MAX_DIMS = 4,
    GGUF_MAX_NAME = 63, /* bytes of a tensor's name */
    GGUF_MAX_PAIRS = 1 << 16,
    GGUF_MAX_HEADER = 256 << 20 /* bytes; the largest tokenizers make 20 MiB */
};

/* "DIR/NAME-00002-of-00003.gguf": 3, and the bytes of "DIR/NAME"; 0 for other names. */
unsigned gguf_split_parts(const char *path, size_t *prefix);
