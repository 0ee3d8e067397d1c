/* SPDX-License-Identifier: Apache-2.0
 * fs/scale.h - conversions that need the extremes of a whole tensor. */
#pragma once
#include "formats/layout.h"
#include "fs/view.h"

/* As convert_range, of a conversion that has a scaling. The first costs a pass over the tensor. */
int scale_range(struct view *v, const struct conversion *c, uint64_t off, uint64_t len,
                uint8_t *dst, struct err *err);
