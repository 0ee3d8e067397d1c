/* SPDX-License-Identifier: Apache-2.0
 * formats/onnx/onnx_absent.c - in the place of everything here where protobuf-c was not found. */
#include "formats/container.h"
#include "formats/onnx/onnx_view.h"
#include <errno.h>

static int refuse(struct err *err) {
    return err_set(err, -ENOTSUP, "this weightfs was built without ONNX (protobuf-c)");
}

int onnx_view(struct layout *l, const struct model *m, const struct extras *x, struct err *err) {
    (void)l, (void)m, (void)x;
    return refuse(err);
}

struct str onnx_data_name(struct arena *a, const struct model *m, const struct spec *spec) {
    (void)a, (void)m, (void)spec;
    return (struct str){ NULL, 0 };
}

int genai_folder_plan(struct layout *l, const struct model *m, const struct extras *x,
                      struct err *err) {
    return onnx_view(l, m, x, err);
}

int genai_folder_files(struct file_list *out, struct arena *a, const struct model *m,
                       const struct extras *x, struct err *err) {
    (void)out, (void)a, (void)m, (void)x;
    return refuse(err);
}

int onnx_form_gguf(struct form *f, const struct model *m, enum outtype out, struct err *err) {
    (void)f, (void)m, (void)out;
    return refuse(err);
}

int onnx_check(const struct model *m, struct err *err) {
    (void)m;
    return refuse(err);
}

int onnx_read(struct model *m, struct root *root, const char *path, struct err *err) {
    (void)m, (void)root, (void)path;
    return refuse(err);
}
