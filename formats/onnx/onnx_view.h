/* SPDX-License-Identifier: Apache-2.0
 * formats/onnx/onnx_view.h - what the rest knows of ONNX; built without protobuf-c it refuses. */
#pragma once
#include "formats/extras.h"
#include "formats/form.h"
#include "formats/layout.h"
#include "formats/model.h"
#include "formats/plan.h"

/* The view of @m by @x->spec, whose format is ONNX: the model file, or its data file. */
int onnx_view(struct layout *l, const struct model *m, const struct extras *x, struct err *err);

/* What the model file of a view calls its data file, which lies in the same folder. p NULL: no
 * memory. */
struct str onnx_data_name(struct arena *a, const struct model *m, const struct spec *spec);

/* The folder for onnxruntime-genai (genai_folder.c): the file @x->spec.file, or all that are made,
 * one behind the other; and their names. Of decoders alone (-ENOTSUP). */
int genai_folder_plan(struct layout *l, const struct model *m, const struct extras *x,
                      struct err *err);
int genai_folder_files(struct file_list *out, struct arena *a, const struct model *m,
                       const struct extras *x, struct err *err);

/* @m, an ONNX model, as form_gguf_from_hf makes it of a folder: where config.json lies beside it,
 * and its weights are those of a known architecture. -ENOTSUP, with the reason, for others. */
int onnx_form_gguf(struct form *f, const struct model *m, enum outtype out, struct err *err);

/* Of a model that was read from ONNX: each value that its nodes use, or that it gives, is made, and
 * once. -EBADMSG with the node. */
int onnx_check(const struct model *m, struct err *err);
