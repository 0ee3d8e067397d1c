/* SPDX-License-Identifier: Apache-2.0
 * tools/metadata.h - the pairs that a model carries beside its tensors, for `weightfs info`. */
#pragma once
#include "formats/model.h"

void metadata_text(const struct model *m);
void metadata_json(const struct model *m); /* `, "metadata": {...}` */
