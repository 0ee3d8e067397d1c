/* SPDX-License-Identifier: Apache-2.0
 * formats/gguf_scan.h - fetching the header of a GGUF file, whose length only a walk can tell. */
#pragma once
#include "formats/source.h"
#include "formats/str.h"

struct gguf_header {
    struct str bytes; /* from the magic up to the last tensor's record; p is malloced */
    uint32_t n_tensors, n_pairs;
};

/* Every length in the header is checked against the bytes that the file has left, and every count
 * against the smallest record, before it sizes anything. Types and values are not looked at, but
 * for arrays within arrays. */
int gguf_scan(struct gguf_header *out, struct source *s, struct err *err);
