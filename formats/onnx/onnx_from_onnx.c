/* SPDX-License-Identifier: Apache-2.0
 * formats/onnx/onnx_from_onnx.c - a graph that was read, to be changed, and the passes for a type.
 */
#include "formats/onnx/onnx_from_onnx.h"
#include "formats/onnx/onnx_blocks.h"
#include "formats/onnx/onnx_model.h"
#include "formats/onnx/onnx_pass.h"
#include <errno.h>

static int no_memory(struct err *err) {
    return err_set(err, -ENOMEM, "no memory for the graph");
}

/* The places of weights in the main graph are left empty; then the rest moves up. */
static void remove_weights(Onnx__GraphProto *g, const struct onnx_model *x) {
    size_t n = 0;
    for (uint32_t i = 0; i < x->n_inits; i++)
        if (x->inits[i].graph)
            continue;
        else if (x->inits[i].in_node)
            g->node[x->inits[i].index] = NULL;
        else
            g->initializer[x->inits[i].index] = NULL;
    for (size_t i = 0; i < g->n_node; i++)
        if (g->node[i])
            g->node[n++] = g->node[i];
    g->n_node = n;
    n = 0;
    for (size_t i = 0; i < g->n_initializer; i++)
        if (g->initializer[i])
            g->initializer[n++] = g->initializer[i];
    g->n_initializer = n;
}

static int add_weights(struct onnx_graph *g, const struct onnx_model *x, struct err *err) {
    for (uint32_t i = 0; i < x->n_inits; i++) {
        const struct tensor *t = x->inits[i].tensor;
        if (x->inits[i].graph)
            continue; /* its numbers are in the graph */
        struct onnx_weight w = { .name = t->name.p,
                                 .type = x->inits[i].type,
                                 .n_dims = t->n_dims,
                                 .expr = expr_tensor(g->arena, t),
                                 .to = t->dtype };
        memcpy(w.dims, t->dims, sizeof w.dims);
        if (!w.expr || !onnx_add_weight(g, &w))
            return no_memory(err);
    }
    return 0;
}

static int load(struct onnx_graph *g, const struct onnx_model *x, struct err *err) {
    int rc = onnx_unpack(&g->model, g->arena, x->skeleton, err);
    if (rc < 0)
        return rc;
    remove_weights(g->model->graph, x);
    g->external = x->external;
    return add_weights(g, x, err);
}

int onnx_from_onnx(struct onnx_graph *g, const struct model *m, const struct extras *x,
                   struct err *err) {
    struct nbits blocks;
    int rc = load(g, m->onnx, err);
    if (rc < 0)
        return rc;
    if (onnx_blocks_of(&x->spec, &blocks)) {
        rc = blocks.half ? onnx_to_fp16(g, x->spec.keep_io_types, err) : 0;
        return rc < 0 ? rc : onnx_to_nbits(g, &blocks, err);
    }
    switch (x->spec.type->file_type) {
    case FILE_AUTO:
        return 0;
    case FILE_F32:
        return onnx_to_fp32(g, err);
    case FILE_INT8:
        return onnx_to_int8(g, x->spec.per_channel, err);
    case FILE_F16:
        return onnx_to_fp16(g, x->spec.keep_io_types, err);
    default:
        return err_set(err, -ENOTSUP, "an ONNX model cannot be made %s yet", x->spec.type->name);
    }
}
