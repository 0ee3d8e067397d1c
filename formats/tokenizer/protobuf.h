/* SPDX-License-Identifier: Apache-2.0
 * formats/tokenizer/protobuf.h - fields of a protobuf message, one after another, over a cursor:
 * nothing is copied, nothing recurses, and a length is within the message. */
#pragma once
#include "formats/cursor.h"

enum wire { WIRE_VARINT = 0, WIRE_I64 = 1, WIRE_BYTES = 2, WIRE_I32 = 5 };

struct field {
    uint32_t number;
    enum wire wire;
    uint64_t value;   /* VARINT, I64, I32 */
    struct str bytes; /* BYTES */
};

static inline uint64_t cursor_varint(struct cursor *c) {
    uint64_t v = 0;
    if (!c->bad && c->p < c->end && *c->p < 0x80) /* most are small: this is half of all the time */
        return *c->p++;
    for (unsigned shift = 0; shift < 64; shift += 7) {
        const uint8_t b = cursor_u8(c);
        v |= (uint64_t)(b & 0x7f) << shift;
        if (!(b & 0x80))
            return v;
    }
    c->bad = true; /* more than ten bytes */
    return 0;
}

/* False at the end of the message, and where it is bad: test c->bad then. Groups are bad: no
 * message that is read here has them. */
static inline bool field_next(struct cursor *c, struct field *f) {
    if (cursor_left(c) == 0)
        return false;
    const uint64_t key = cursor_varint(c);
    *f = (struct field){ .number = (uint32_t)(key >> 3), .wire = (enum wire)(key & 7) };
    switch ((unsigned)f->wire) {
    case WIRE_VARINT:
        f->value = cursor_varint(c);
        break;
    case WIRE_I64:
        f->value = cursor_u64(c);
        break;
    case WIRE_I32:
        f->value = cursor_u32(c);
        break;
    case WIRE_BYTES:
        f->bytes = cursor_str(c, cursor_varint(c));
        break;
    default:
        c->bad = true;
    }
    if (key >> 3 == 0 || key >> 3 > 0x1fffffff)
        c->bad = true;
    return !c->bad;
}
