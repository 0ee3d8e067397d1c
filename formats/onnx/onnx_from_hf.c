/* SPDX-License-Identifier: Apache-2.0
 * formats/onnx/onnx_from_hf.c - a graph that runs, from weights and a config.json. */
#include "formats/onnx/onnx_from_hf.h"
#include "formats/onnx/onnx_decoder.h"
#include "formats/onnx/onnx_encoder.h"
#include "formats/onnx/onnx_pass.h"
#include <errno.h>

static int build(struct onnx_graph *g, struct hf_source *src, const struct spec *spec,
                 struct err *err) {
    const enum file_type type = spec->type->file_type;
    if (type == FILE_AUTO)
        return err_set(err, -ENOTSUP, "onnx@auto is for ONNX models");
    if (decoder_find(src->model_type))
        return decoder_build(g, src, spec, err);
    if (str_is(src->model_type, "gpt2"))
        return gpt2_build(g, src, spec, err);
    if (encoder_find(src->model_type))
        return encoder_build(g, src, spec, err);
    return err_set(err, -ENOTSUP, "config.json: no graph is made of the model_type \"%.*s\"",
                   STR_ARG(src->model_type));
}

static int keep_io(struct onnx_graph *g, struct err *err) {
    struct onnx_ends ends;
    if (g->failed)
        return err_set(err, -ENOMEM, "no memory for the graph");
    const int rc = onnx_hide_ends(g, ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT16, &ends, err);
    return rc < 0 ? rc : onnx_show_ends(g, &ends, err);
}

int onnx_from_hf(struct onnx_graph *g, const struct model *m, const struct extras *x,
                 struct err *err) {
    struct hf_source src;
    int rc = hf_source_open(&src, g->arena, m, err);
    if (rc == 0)
        rc = build(g, &src, &x->spec, err);
    if (rc == 0 && x->spec.type->file_type == FILE_INT8 && !x->spec.block &&
        !hf_source_has_blocks(&src))
        rc = onnx_to_int8(g, x->spec.per_channel, err);
    if (rc == 0 && x->spec.keep_io_types)
        rc = keep_io(g, err);
    hf_source_close(&src);
    return rc;
}
