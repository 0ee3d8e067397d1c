/* SPDX-License-Identifier: Apache-2.0
 * formats/plan.h - from a model and a spec to the layout of a view: the one place where form,
 * recipe and container meet. */
#pragma once
#include "formats/extras.h"
#include "formats/form.h"
#include "formats/layout.h"

/* The view of @m by @x->spec. @l->arena must be set; all else is filled. Reads no weights. The
 * layout refers to @m and @x, which must outlive it. -ENOTSUP for a combination that cannot be
 * made, with the reason. Of a folder: its file @x->spec.file, -ENOENT where there is none; without
 * one all that are not passed, one behind the other. */
int plan_view(struct layout *l, const struct model *m, const struct extras *x, struct err *err);

/* A file of a view that is a folder. */
struct file_entry {
    struct str name; /* terminated */
    bool passed;     /* that of the source's folder, unchanged; else plan_view makes it */
};

struct file_list {
    struct file_entry *items; /* sorted by name */
    uint32_t n;
};

/* The files of the view of @m by @x->spec, which is a folder; names and list are in @a. */
int plan_files(struct file_list *out, struct arena *a, const struct model *m,
               const struct extras *x, struct err *err);

/* @m in the names and types of Hugging Face, for a container that has floats only. */
int form_safetensors(struct form *f, const struct model *m, const struct spec *spec,
                     struct err *err);

/* Of a whole GGUF the part that @spec (whose split is set) asks for; -ENOTSUP, saying how many there
 * are, when it asks for another number of them. */
int form_take_part(struct form *f, const struct spec *spec, struct err *err);

/* The writers behind it. Each target's dtype is final by then. */
int gguf_plan(struct layout *l, const struct form *f, struct err *err);
int safetensors_plan(struct layout *l, const struct form *f, struct err *err);
/* @crc: true checksums of the tensors, which cost a pass over them when they are read. */
int torch_plan(struct layout *l, const struct form *f, bool crc, struct err *err);
/* formats/hf_folder.c: the file @x->spec.file, or all that are made, one behind the other. */
int hf_folder_plan(struct layout *l, const struct model *m, const struct extras *x,
                   struct err *err);
int hf_folder_files(struct file_list *out, struct arena *a, const struct model *m,
                    const struct extras *x, struct err *err);
