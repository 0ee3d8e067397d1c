/* SPDX-License-Identifier: Apache-2.0
 * formats/onnx/onnx_plan.c - the wire format of a model around weights whose bytes are made later:
 * all lengths are known from the dims. */
#include "formats/onnx/onnx_plan.h"
#include "formats/onnx/onnx_wire.h"
#include "formats/checked.h"
#include "formats/cleanup.h"
#include <errno.h>
#include <stdio.h>

enum {
    FIELD_GRAPH = 7,        /* of ModelProto */
    FIELD_INITIALIZER = 5,  /* of GraphProto */
    FIELD_RAW_DATA = 9,     /* of TensorProto */
    INLINE_BYTES = 1 << 10, /* below: in the model file always, as onnx's own tools do */
    LARGE_BYTES = 64 << 10,
    LARGE_ALIGN = 4096, /* a page: what is mapped alone */
    SMALL_ALIGN = 64,
};

/* Where a weight goes, and the fields of its TensorProto before raw_data. */
struct place {
    uint64_t bytes;
    bool external;
    uint64_t off;      /* external: in the data file */
    struct str fields; /* in the layout's arena */
};

struct plan {
    const struct onnx_graph *g;
    struct layout *l;
    const char *location;
    struct place *places;
    bool external;
    uint64_t data_bytes; /* of the data file */
    struct err *err;
};

static int no_memory(const struct plan *p) {
    return err_set(p->err, -ENOMEM, "no memory for the model");
}

/* --- sizes --- */

static int weight_bytes(const struct plan *p, const struct onnx_weight *w, uint64_t *out) {
    uint64_t elems = 1, bits = 0, bytes = 0;
    bool fits = true;
    for (uint32_t i = 0; i < w->n_dims; i++)
        fits = fits && checked_mul(elems, w->dims[i], &elems);
    fits = fits && checked_mul(elems, onnx_type_bits(w->type), &bits) && bits < UINT64_MAX - 7;
    if (fits && w->scaling)
        bytes = scaling_bytes(w->scaling, w->part);
    else
        fits = fits && dtype_bytes(w->to, w->expr->rows * w->expr->cols, &bytes);
    if (!fits || bytes != (bits + 7) / 8)
        return err_set(p->err, -ENOTSUP, "%s: its numbers do not fill its shape", w->name);
    *out = bytes;
    return 0;
}

static uint64_t varint_bytes(uint64_t v) {
    uint64_t n = 1;
    while (v >>= 7)
        n++;
    return n;
}

static uint64_t field_bytes(uint64_t payload) {
    return 1 + varint_bytes(payload) + payload; /* all tags here take one byte */
}

static uint64_t tensor_bytes(const struct place *at) {
    return at->fields.n + (at->external ? 0 : field_bytes(at->bytes));
}

/* --- the fields of a weight --- */

static char *text(const char *s) {
    return (char *)(uintptr_t)s;
}

static int pack_fields(struct plan *p, const struct onnx_weight *w, struct place *at) {
    char off[24], len[24];
    Onnx__StringStringEntryProto entry[3] = { ONNX__STRING_STRING_ENTRY_PROTO__INIT,
                                              ONNX__STRING_STRING_ENTRY_PROTO__INIT,
                                              ONNX__STRING_STRING_ENTRY_PROTO__INIT };
    Onnx__StringStringEntryProto *entries[3] = { &entry[0], &entry[1], &entry[2] };
    int64_t dims[TENSOR_MAX_DIMS];
    Onnx__TensorProto t = ONNX__TENSOR_PROTO__INIT;
    for (uint32_t i = 0; i < w->n_dims; i++)
        dims[i] = (int64_t)w->dims[i];
    t.dims = dims;
    t.n_dims = w->n_dims;
    t.has_data_type = true;
    t.data_type = w->type;
    t.name = text(w->name);
    if (at->external) {
        snprintf(off, sizeof off, "%llu", (unsigned long long)at->off);
        snprintf(len, sizeof len, "%llu", (unsigned long long)at->bytes);
        entry[0].key = text("location");
        entry[0].value = text(p->location);
        entry[1].key = text("offset");
        entry[1].value = off;
        entry[2].key = text("length");
        entry[2].value = len;
        t.external_data = entries;
        t.n_external_data = 3;
        t.has_data_location = true;
        t.data_location = ONNX__TENSOR_PROTO__DATA_LOCATION__EXTERNAL;
    }
    uint8_t *bytes = arena_array(p->l->arena, uint8_t, onnx__tensor_proto__get_packed_size(&t));
    if (!bytes)
        return no_memory(p);
    at->fields = (struct str){ (char *)bytes, onnx__tensor_proto__pack(&t, bytes) };
    return 0;
}

/* The place of what @w shares its bytes with, if it comes before @i. */
static const struct place *find_same(const struct plan *p, const struct onnx_weight *w, size_t i) {
    for (size_t j = 0; w->same && j < i; j++)
        if (p->g->weights[j] == w->same && p->places[j].external)
            return &p->places[j];
    return NULL;
}

static int place_external(struct plan *p, const struct onnx_weight *w, size_t i) {
    struct place *at = &p->places[i];
    const struct place *same = find_same(p, w, i);
    at->external = true;
    if (same && same->bytes == at->bytes) {
        at->off = same->off;
        return 0;
    }
    if (!checked_align(p->data_bytes, at->bytes < LARGE_BYTES ? SMALL_ALIGN : LARGE_ALIGN,
                       &at->off) ||
        !checked_add(at->off, at->bytes, &p->data_bytes) || p->data_bytes > INT64_MAX)
        return err_set(p->err, -EFBIG, "the data file would be larger than a file can be");
    return 0;
}

static int place_all(struct plan *p, bool external) {
    p->external = external;
    p->data_bytes = 0;
    for (size_t i = 0; i < p->g->n_weights; i++) {
        const struct onnx_weight *w = p->g->weights[i];
        struct place *at = &p->places[i];
        *at = (struct place){ 0 };
        int rc = weight_bytes(p, w, &at->bytes);
        if (rc == 0 && external && (at->bytes >= INLINE_BYTES || w->scaling))
            rc = place_external(p, w, i);
        if (rc == 0)
            rc = pack_fields(p, w, at);
        if (rc < 0)
            return rc;
    }
    return 0;
}

/* --- the model file --- */

static void add_tag(struct buffer *b, uint32_t field, uint64_t length) {
    onnx_put_tag(b, field);
    onnx_put_varint(b, length);
}

static bool add_message(struct buffer *b, const ProtobufCMessage *m) {
    const size_t n = protobuf_c_message_get_packed_size(m);
    auto_free uint8_t *bytes = malloc(n ? n : 1);
    if (bytes)
        buffer_add(b, bytes, protobuf_c_message_pack(m, bytes));
    return bytes;
}

static int flush(struct plan *p, struct buffer *b) {
    const struct str s =
        b->failed ? (struct str){ NULL, 0 } : arena_str(p->l->arena, (struct str){ b->p, b->n });
    b->n = 0;
    return s.p ? layout_literal(p->l, s.p, s.n, p->err) : no_memory(p);
}

/* Bytes of the graph message, with all initializers. */
static uint64_t graph_bytes(const struct plan *p) {
    uint64_t n = onnx__graph_proto__get_packed_size(p->g->model->graph);
    for (size_t i = 0; i < p->g->n_weights; i++)
        n += field_bytes(tensor_bytes(&p->places[i]));
    return n;
}

static int lay_numbers(struct plan *p, const struct onnx_weight *w) {
    const struct str name = str_from(w->name);
    return w->scaling ? layout_scaled(p->l, name, w->scaling, w->part, p->err)
                      : layout_tensor(p->l, name, w->expr, w->to, NULL, p->err);
}

static int lay_weight(struct plan *p, size_t i, struct buffer *b) {
    const struct onnx_weight *w = p->g->weights[i];
    const struct place *at = &p->places[i];
    add_tag(b, FIELD_INITIALIZER, tensor_bytes(at));
    buffer_add(b, at->fields.p, at->fields.n);
    if (at->external)
        return 0;
    add_tag(b, FIELD_RAW_DATA, at->bytes);
    int rc = flush(p, b);
    return rc < 0 ? rc : lay_numbers(p, w);
}

/* Protobuf does not mind the order of fields: the graph comes last, in it the weights. */
static int lay_model(struct plan *p) {
    struct buffer b = { 0 };
    Onnx__ModelProto rest = *p->g->model;
    rest.graph = NULL;
    bool ok = add_message(&b, &rest.base);
    add_tag(&b, FIELD_GRAPH, graph_bytes(p));
    ok = ok && add_message(&b, &p->g->model->graph->base);
    int rc = ok ? 0 : no_memory(p);
    for (size_t i = 0; rc == 0 && i < p->g->n_weights; i++)
        rc = lay_weight(p, i, &b);
    if (rc == 0)
        rc = flush(p, &b);
    buffer_fini(&b);
    return rc;
}

/* Behind what is in the layout already. */
static int lay_data(struct plan *p) {
    const uint64_t begin = p->l->size;
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < p->g->n_weights; i++) {
        const struct onnx_weight *w = p->g->weights[i];
        const struct place *at = &p->places[i];
        if (!at->external || begin + at->off < p->l->size) /* shared with one before */
            continue;
        rc = layout_zero(p->l, begin + at->off - p->l->size, p->err);
        if (rc == 0)
            rc = lay_numbers(p, w);
    }
    return rc;
}

int onnx_plan(struct layout *l, const struct onnx_graph *g, const char *location,
              enum onnx_file which, struct err *err) {
    struct plan p = { .g = g, .l = l, .location = location, .err = err };
    if (g->failed)
        return no_memory(&p);
    p.places = calloc(g->n_weights ? g->n_weights : 1, sizeof *p.places);
    int rc = p.places ? place_all(&p, g->external) : no_memory(&p);
    if (rc == 0 && !p.external && graph_bytes(&p) > INT32_MAX - (1 << 20))
        rc = place_all(&p, true);
    if (rc == 0 && which == ONNX_FILE_MODEL)
        rc = lay_model(&p);
    else if (rc == 0)
        rc = p.external ? lay_data(&p)
                        : err_set(err, -ENOTSUP, "the weights lie in the model file itself");
    free(p.places);
    return rc;
}
