/* SPDX-License-Identifier: Apache-2.0
 * formats/onnx/onnx_wire.h - the least of protobuf's wire format that is written by hand. */
#pragma once
#include "formats/buffer.h"

enum { ONNX_WIRE_VARINT = 0, ONNX_WIRE_64 = 1, ONNX_WIRE_BYTES = 2, ONNX_WIRE_32 = 5 };

static inline void onnx_put_varint(struct buffer *b, uint64_t v) {
    for (; v > 127; v >>= 7)
        buffer_add(b, &(uint8_t){ (uint8_t)(v & 127) | 128 }, 1);
    buffer_add(b, &(uint8_t){ (uint8_t)v }, 1);
}

/* The tag of a field of bytes, or of a message. */
static inline void onnx_put_tag(struct buffer *b, uint32_t field) {
    onnx_put_varint(b, (uint64_t)field << 3 | ONNX_WIRE_BYTES);
}
