/* SPDX-License-Identifier: Apache-2.0
 * fs/name_parse.h - the spellings of a view's name. */
#pragma once
#include "fs/names.h"

struct parsed_name {
    struct str stem; /* NAME, within the text */
    struct spec spec;
};

/* The name as a view in the form @style, or as a part of a split one; false if it is none. */
bool name_parse(const char *name, enum names_style style, struct parsed_name *out);

/* Read "NAME.mmproj" as the projector of NAME. False: it is no such name, or a projector has no
 * such view. */
bool name_projector(struct parsed_name *p);

/* The name of a view; false if it is too long. GGUF alone has the hub's form: others are then
 * spelled with '@'. */
bool name_format(struct str stem, const struct spec *spec, enum names_style style, char *buf,
                 size_t size);
