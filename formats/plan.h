/* SPDX-License-Identifier: Apache-2.0
 * formats/plan.h - from a model and a spec to the layout of a view: the one place where form,
 * recipe and container meet. */
#pragma once
#include "formats/extras.h"
#include "formats/form.h"
#include "formats/layout.h"

/* The view of @m by @x->spec. @l->arena must be set; all else is filled. Reads no weights. The
 * layout refers to @m and @x, which must outlive it. -ENOTSUP for a combination that cannot be
 * made, with the reason. */
int plan_view(struct layout *l, const struct model *m, const struct extras *x, struct err *err);

/* Of a whole GGUF the part that @spec (whose split is set) asks for; -ENOTSUP, saying how many there
 * are, when it asks for another number of them. */
int form_take_part(struct form *f, const struct spec *spec, struct err *err);

/* The writers behind it. Each target's dtype is final by then. */
int gguf_plan(struct layout *l, const struct form *f, struct err *err);
int safetensors_plan(struct layout *l, const struct form *f, struct err *err);
/* @crc: true checksums of the tensors, which cost a pass over them when they are read. */
int torch_plan(struct layout *l, const struct form *f, bool crc, struct err *err);
