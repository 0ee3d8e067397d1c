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

int onnx_from_hf(struct onnx_graph *g, const struct model *m, const struct extras *x,
                 struct err *err) {
    struct hf_source src;
    int rc = hf_source_open(&src, g->arena, m, err);
    if (rc == 0)
        rc = build(g, &src, &x->spec, err);
    if (rc == 0 && x->spec.type->file_type == FILE_INT8 && !hf_source_has_blocks(&src))
        rc = onnx_to_int8(g, x->spec.per_channel, err);
    hf_source_close(&src);
    return rc;
}
