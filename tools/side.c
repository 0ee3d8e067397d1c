/* SPDX-License-Identifier: Apache-2.0
 * tools/side.c - see side.h. */
#include "tools/side.h"
#include "formats/container.h"
#include "fs/convert.h"
#include "quant/codec.h"
#include <errno.h>

static int open_view(struct side *s, const struct spec *spec, struct err *err) {
    int rc = place_view(&s->view, &s->place, spec, err);
    if (rc == 0)
        rc = view_model_open(&s->headers, s->view, err);
    if (rc == 0)
        s->model = s->headers.model;
    return rc;
}

int side_open(struct side *s, const char *path, const struct engine_options *o, struct err *err) {
    *s = (struct side){ .view = NULL };
    int rc = place_open(&s->place, path, o, err);
    if (rc < 0)
        return rc;
    const struct spec spec = place_weights(&s->place);
    return s->place.is_view ? open_view(s, &spec, err) : place_model(&s->model, &s->place, err);
}

int side_as_gguf(struct side *s, struct err *err) {
    struct spec spec;
    if (s->view || s->model->container->kind != CONTAINER_FOLDER)
        return 0;
    int rc = spec_parse(&spec, FORMAT_GGUF, STR("auto"), err);
    if (rc < 0)
        return rc;
    model_unref(s->model);
    s->model = NULL;
    return open_view(s, &spec, err);
}

void side_close(struct side *s) {
    if (s->view)
        view_model_close(&s->headers);
    else
        model_unref(s->model);
    view_unref(s->view);
    place_close(&s->place);
}

/* Numbers that are made when they are read, or lie apart. */
static int read_made(const struct side *s, const struct tensor *t, uint64_t first, uint64_t n,
                     float *dst, struct err *err) {
    struct arena a = { 0 };
    const struct expr *e = expr_tensor(&a, t);
    const int rc =
        e ? convert_floats(s->model, &s->place.engine->kernels, t->name, e, first, n, dst, err)
          : err_set(err, -ENOMEM, "no memory");
    arena_fini(&a);
    return rc;
}

int side_read(const struct side *s, const struct tensor *t, uint64_t first, uint64_t n, void *raw,
              float *dst, struct err *err) {
    if (tensor_is_made(t) || t->strides)
        return read_made(s, t, first, n, dst, err);
    const struct dtype_info *d = &dtype_info[t->dtype];
    const uint64_t off = t->off + first / d->block_elems * d->block_bytes;
    const uint64_t len = n / d->block_elems * d->block_bytes;
    int rc = source_pread(s->model->sources[t->src], raw, len, off, err);
    if (rc == 0 && codec_decode(&s->place.engine->kernels, t->dtype, dst, raw, n) < 0)
        rc = err_set(err, -ENOTSUP, "%.*s: %s cannot be read", STR_ARG(t->name), d->name);
    return rc;
}
