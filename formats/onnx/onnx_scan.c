/* SPDX-License-Identifier: Apache-2.0
 * formats/onnx/onnx_scan.c - protobuf's wire format: a message is a row of fields, each a tag
 * (field number << 3 | wire type) and a value. Numbers of fields: onnx.proto. */
#include "formats/onnx/onnx_scan.h"
#include "formats/onnx/onnx_wire.h"
#include <errno.h>
#include <stdlib.h>

enum {
    WINDOW = 64 << 10, /* bytes read at once */
    MAX_DEPTH = 64,    /* messages in messages: graphs that are attributes nest by three */
    MAX_FIELD = (1 << 29) - 1,
    LENGTH_BYTES = 5, /* room for a length that is not known yet: a varint may be padded */
    MAX_PAYLOADS = 1 << 20,
};

enum kind {
    KIND_OTHER,
    KIND_MODEL,
    KIND_GRAPH,
    KIND_FUNCTION,
    KIND_NODE,
    KIND_ATTRIBUTE,
    KIND_TENSOR
};

/* The messages that lead to graphs and tensors; all others have a bounded depth by themselves. */
static const struct {
    enum kind in;
    uint32_t field;
    enum kind kind;
} children[] = {
    { KIND_MODEL, 7, KIND_GRAPH },      { KIND_MODEL, 25, KIND_FUNCTION },
    { KIND_GRAPH, 1, KIND_NODE },       { KIND_GRAPH, 5, KIND_TENSOR },
    { KIND_FUNCTION, 7, KIND_NODE },    { KIND_FUNCTION, 11, KIND_ATTRIBUTE },
    { KIND_NODE, 5, KIND_ATTRIBUTE },   { KIND_ATTRIBUTE, 5, KIND_TENSOR },
    { KIND_ATTRIBUTE, 6, KIND_GRAPH },  { KIND_ATTRIBUTE, 10, KIND_TENSOR },
    { KIND_ATTRIBUTE, 11, KIND_GRAPH },
};

struct scan {
    struct onnx_scan *out;
    struct source *s;
    struct err *err;
    uint8_t *window;
    uint64_t begin, end; /* of the file: what the window holds */
    uint64_t size;
};

/* A graph on the way to which there is no function, and what has come of it so far. */
struct graph {
    uint32_t number, nodes, initializers;
};

/* A field with its value at [at, end). */
struct field {
    uint32_t number;
    uint32_t wire;
    uint64_t tag, at, end; /* in the file */
};

static int bad(const struct scan *s, uint64_t at, const char *why) {
    return err_set(s->err, -EBADMSG, "not an ONNX model: %s at byte %llu", why,
                   (unsigned long long)at);
}

/* --- bytes --- */

static int read_byte(struct scan *s, uint64_t at, uint64_t end, uint8_t *out) {
    if (at >= end)
        return bad(s, at, "a message ends within a field");
    if (at < s->begin || at >= s->end) {
        const uint64_t n = s->size - at < WINDOW ? s->size - at : WINDOW;
        int rc = source_pread(s->s, s->window, n, at, s->err);
        if (rc < 0)
            return rc;
        s->begin = at;
        s->end = at + n;
    }
    *out = s->window[at - s->begin];
    return 0;
}

static int read_varint(struct scan *s, uint64_t *at, uint64_t end, uint64_t *out) {
    uint8_t b = 128;
    *out = 0;
    for (unsigned shift = 0; b & 128; shift += 7) {
        if (shift == 70)
            return bad(s, *at, "a number of more than ten bytes");
        int rc = read_byte(s, *at, end, &b);
        if (rc < 0)
            return rc;
        *out |= (uint64_t)(b & 127) << shift;
        ++*at;
    }
    return 0;
}

/* [at, end) of the file to the skeleton. */
static int keep(struct scan *s, uint64_t at, uint64_t end) {
    struct buffer *b = &s->out->skeleton;
    const size_t n = b->n;
    if (end - at > ONNX_MAX_SKELETON - n)
        return err_set(s->err, -EFBIG, "its graph has more than %d MiB without the weights",
                       ONNX_MAX_SKELETON >> 20);
    if (at >= s->begin && end <= s->end) {
        buffer_add(b, s->window + (at - s->begin), end - at);
    } else {
        buffer_zeros(b, end - at);
        int rc = b->failed ? 0 : source_pread(s->s, b->p + n, end - at, at, s->err);
        if (rc < 0)
            return rc;
    }
    return b->failed ? err_set(s->err, -ENOMEM, "no memory for the graph") : 0;
}

/* --- fields --- */

static int read_field(struct scan *s, uint64_t at, uint64_t end, struct field *f) {
    uint64_t tag, value;
    *f = (struct field){ .tag = at };
    int rc = read_varint(s, &at, end, &tag);
    if (rc < 0)
        return rc;
    if (tag >> 3 == 0 || tag >> 3 > MAX_FIELD)
        return bad(s, f->tag, "no such field");
    f->number = (uint32_t)(tag >> 3);
    f->wire = (uint32_t)(tag & 7);
    f->at = at;
    switch (f->wire) {
    case ONNX_WIRE_VARINT:
        rc = read_varint(s, &at, end, &value);
        f->end = at;
        return rc;
    case ONNX_WIRE_64:
        value = 8;
        break;
    case ONNX_WIRE_32:
        value = 4;
        break;
    case ONNX_WIRE_BYTES:
        rc = read_varint(s, &at, end, &value);
        if (rc < 0)
            return rc;
        f->at = at;
        break;
    default:
        return bad(s, f->tag, "a wire type that ONNX does not use");
    }
    if (value > end - at)
        return bad(s, f->tag, "a length beyond the end");
    f->end = at + value;
    return 0;
}

static enum kind child_kind(enum kind in, uint32_t field) {
    for (size_t i = 0; i < sizeof children / sizeof *children; i++)
        if (children[i].in == in && children[i].field == field)
            return children[i].kind;
    return KIND_OTHER;
}

/* The fields of a TensorProto that hold its numbers. */
static bool holds_numbers(uint32_t field) {
    return field == 4 || field == 5 || field == 7 || (field >= 9 && field <= 11);
}

/* A tensor of graph @g, in a message of kind @in. */
static int add_payload(struct scan *s, struct graph *g, enum kind in) {
    struct onnx_scan *out = s->out;
    if (out->n == MAX_PAYLOADS)
        return err_set(s->err, -EFBIG, "more than %d tensors", MAX_PAYLOADS);
    if (out->n == out->cap) {
        const uint32_t cap = out->cap ? 2 * out->cap : 64;
        struct onnx_payload *grown = realloc(out->payloads, cap * sizeof *grown);
        if (!grown)
            return err_set(s->err, -ENOMEM, "no memory for the graph");
        out->payloads = grown;
        out->cap = cap;
    }
    const bool in_node = in != KIND_GRAPH;
    out->payloads[out->n++] = (struct onnx_payload){
        .graph = g->number, .in_node = in_node, .index = in_node ? g->nodes - 1 : g->initializers++
    };
    return 0;
}

/* --- messages --- */

/* A message, how deep it lies, and the graph that it is or belongs to; NULL: none that counts. */
struct message {
    enum kind kind;
    uint32_t depth;
    struct graph *graph;
};

static int scan_message(struct scan *s, const struct message *m, uint64_t at, uint64_t end);

/* Numbers that the skeleton may do without, in the main graph. */
static int take_numbers(struct scan *s, const struct field *f) {
    struct onnx_payload *p = &s->out->payloads[s->out->n - 1];
    if (f->end == f->at)
        return 0;
    if (p->field)
        return bad(s, f->tag, "a tensor with its numbers at two places");
    p->field = f->number;
    p->off = f->at;
    p->len = f->end - f->at;
    return p->len > ONNX_KEEP_BYTES && p->graph == 0 ? 0 : keep(s, f->tag, f->end);
}

static int scan_child(struct scan *s, const struct message *m, enum kind kind,
                      const struct field *f) {
    struct message child = { kind, m->depth + 1, m->graph };
    struct graph graph = { .number = s->out->graphs };
    struct buffer *b = &s->out->skeleton;
    int rc = 0;
    if (child.depth > MAX_DEPTH)
        return bad(s, f->tag, "graphs nested too deep");
    if (kind == KIND_GRAPH && (m->kind == KIND_MODEL || m->graph)) {
        if (m->kind == KIND_MODEL && s->out->graphs)
            return bad(s, f->tag, "a second graph");
        child.graph = &graph;
        s->out->graphs++;
    } else if (m->graph && kind == KIND_NODE) {
        m->graph->nodes++;
    } else if (m->graph && kind == KIND_TENSOR) {
        rc = add_payload(s, m->graph, m->kind);
    }
    if (rc < 0)
        return rc;
    onnx_put_tag(b, f->number);
    const size_t length = b->n;
    buffer_zeros(b, LENGTH_BYTES);
    rc = scan_message(s, &child, f->at, f->end);
    if (rc < 0 || b->failed)
        return rc < 0 ? rc : err_set(s->err, -ENOMEM, "no memory for the graph");
    const size_t n = b->n - length - LENGTH_BYTES;
    for (unsigned i = 0; i < LENGTH_BYTES; i++)
        b->p[length + i] = (char)(n >> 7 * i & 127) | (char)(i + 1 < LENGTH_BYTES ? 128 : 0);
    return 0;
}

static int scan_field(struct scan *s, const struct message *m, const struct field *f) {
    if (m->kind == KIND_TENSOR && m->graph && holds_numbers(f->number)) {
        if (f->wire == ONNX_WIRE_BYTES)
            return take_numbers(s, f);
        return bad(s, f->tag, "numbers of a tensor that are not packed");
    }
    const enum kind kind = f->wire == ONNX_WIRE_BYTES ? child_kind(m->kind, f->number) : KIND_OTHER;
    return kind == KIND_OTHER ? keep(s, f->tag, f->end) : scan_child(s, m, kind, f);
}

static int scan_message(struct scan *s, const struct message *m, uint64_t at, uint64_t end) {
    while (at < end) {
        struct field f;
        int rc = read_field(s, at, end, &f);
        if (rc == 0)
            rc = scan_field(s, m, &f);
        if (rc < 0)
            return rc;
        at = f.end;
    }
    return 0;
}

int onnx_scan(struct onnx_scan *out, struct source *source, struct err *err) {
    struct scan s = { .out = out, .s = source, .err = err, .size = source_ident(source)->size };
    const struct message model = { KIND_MODEL, 0, NULL };
    *out = (struct onnx_scan){ .n = 0 };
    s.window = malloc(WINDOW);
    int rc = s.window ? scan_message(&s, &model, 0, s.size)
                      : err_set(err, -ENOMEM, "no memory for the graph");
    if (rc == 0 && !out->graphs)
        rc = bad(&s, s.size, "no graph");
    free(s.window);
    return rc;
}

void onnx_scan_fini(struct onnx_scan *scan) {
    buffer_fini(&scan->skeleton);
    free(scan->payloads);
    *scan = (struct onnx_scan){ .n = 0 };
}
