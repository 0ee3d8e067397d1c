/* SPDX-License-Identifier: Apache-2.0
 * formats/onnx/onnx_hf.c - an exported model beside its config.json as the Hugging Face folder that
 * it was: its weights by the names of the module, without what the exporter made itself. */
#include "formats/folder.h"
#include "formats/json.h"
#include "formats/onnx/onnx_model.h"
#include "formats/onnx/onnx_view.h"
#include <errno.h>

/* A parameter: floats under the path of a module. Masks, tables and shapes have other names. */
static bool is_parameter(const struct model *m, const struct tensor *t) {
    bool tied = false;
    json_bool(json_get(m->folder->config, "tie_word_embeddings"), &tied);
    if (tied && str_is(t->name, "lm_head.weight"))
        return false; /* the exporter's copy of the embeddings */
    return dtype_is_float(t->dtype) && !memchr(t->name.p, '/', t->name.n) &&
           (str_ends(t->name, STR(".weight")) || str_ends(t->name, STR(".bias")));
}

int onnx_form_gguf(struct form *f, const struct model *m, enum outtype out, struct err *err) {
    if (!m->folder)
        return err_set(err, -ENOTSUP,
                       "a GGUF needs an architecture: no config.json beside the model");
    /* lives as long as the form is made; its tensors as long as the view */
    struct model hf = { .name = m->name,
                        .container = m->container,
                        .sources = m->sources,
                        .n_sources = m->n_sources,
                        .folder = m->folder };
    hf.tensors = arena_array(f->arena, struct tensor, m->n_tensors);
    if (!hf.tensors)
        return err_set(err, -ENOMEM, "no memory for %u tensors", m->n_tensors);
    for (uint32_t i = 0; i < m->n_tensors; i++)
        if (is_parameter(m, &m->tensors[i]))
            hf.tensors[hf.n_tensors++] = m->tensors[i];
    model_sort(&hf, 0); /* as the files of a folder have them */
    int rc = model_index(&hf, err);
    if (rc == 0)
        rc = form_gguf_from_hf(f, &hf, out, err);
    arena_fini(&hf.arena);
    return rc;
}
