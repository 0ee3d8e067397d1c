/* SPDX-License-Identifier: Apache-2.0
 * formats/onnx/onnx_scan.h - the first pass over an ONNX file. protobuf-c recurses as deep as a
 * file says and reads it as a whole; this scan bounds the depth, checks every length, and leaves
 * the numbers of weights out, so that what is unpacked then is the graph alone. */
#pragma once
#include "formats/buffer.h"
#include "formats/source.h"

enum {
    ONNX_MAX_SKELETON = 64 << 20, /* bytes of a model without its weights */
    ONNX_KEEP_BYTES = 1 << 10,    /* numbers up to here are in the skeleton too */
};

/* Where the numbers of one tensor of a graph lie: of an initializer, or of an attribute. */
struct onnx_payload {
    uint32_t graph;    /* its number: 0 is the main one, then those in attributes as they come */
    bool in_node;      /* of an attribute of node @index; else of initializer @index */
    uint32_t index;    /* as the file has them */
    uint32_t field;    /* of TensorProto: raw_data, float_data ...; 0: it has no numbers */
    uint64_t off, len; /* in the file */
};

struct onnx_scan {
    struct buffer skeleton; /* a ModelProto; graphs in attributes have all of their numbers */
    struct onnx_payload *payloads;
    uint32_t n, cap;
    uint32_t graphs; /* but those in functions */
};

/* onnx_scan_fini in any case. -EBADMSG for what is no protobuf, -EFBIG for what is too large. */
int onnx_scan(struct onnx_scan *out, struct source *s, struct err *err);
void onnx_scan_fini(struct onnx_scan *scan);
