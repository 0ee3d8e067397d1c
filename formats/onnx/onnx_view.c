/* SPDX-License-Identifier: Apache-2.0
 * formats/onnx/onnx_view.c - from a source of any kind to a graph, and from that to a file. */
#include "formats/onnx/onnx_view.h"
#include "formats/container.h"
#include "formats/onnx/onnx_from_hf.h"
#include "formats/onnx/onnx_from_onnx.h"
#include "formats/onnx/onnx_plan.h"
#include <errno.h>

/* Fills a graph whose arena is set, from a model of one kind. */
typedef int onnx_build(struct onnx_graph *g, const struct model *m, const struct extras *x,
                       struct err *err);

static onnx_build *const builders[CONTAINER_COUNT] = {
    [CONTAINER_FOLDER] = onnx_from_hf,
    [CONTAINER_GGUF] = onnx_from_hf,
    [CONTAINER_ONNX] = onnx_from_onnx,
};

/* A name that leads to this source from its own folder, whatever else lies there. So a file's own
 * suffix stands in it, if that is not .onnx. */
struct str onnx_data_name(struct arena *a, const struct model *m, const struct spec *spec) {
    char text[SPEC_MAX_TEXT];
    struct str name = m->name;
    spec_text(spec, text, sizeof text);
    if (m->container->kind != CONTAINER_FOLDER && m->container->kind != CONTAINER_ONNX) {
        const char *path = source_path(m->sources[0]), *slash = strrchr(path, '/');
        name = str_from(slash ? slash + 1 : path);
    }
    return arena_printf(a, "%.*s.onnx@%s.data", STR_ARG(name), text);
}

int onnx_view(struct layout *l, const struct model *m, const struct extras *x, struct err *err) {
    struct onnx_graph g = { .arena = l->arena };
    onnx_build *build = builders[m->container->kind];
    if (!build)
        return err_set(err, -ENOTSUP, "no ONNX is made of %s", m->container->name);
    const struct str location = onnx_data_name(l->arena, m, &x->spec);
    int rc = location.p ? build(&g, m, x, err) : err_set(err, -ENOMEM, "no memory for the model");
    return rc < 0
               ? rc
               : onnx_plan(l, &g, location.p, x->spec.data ? ONNX_FILE_DATA : ONNX_FILE_MODEL, err);
}
