/* SPDX-License-Identifier: Apache-2.0
 * fs/view_infos.h - what stat said of views, in memory: sizes, and reasons for which there is none.
 */
#pragma once
#include "fs/lru.h"
#include "fs/view.h"

struct lru *infos_new(void); /* NULL: no memory */

/* What is remembered of the view @id; false: nothing, or a failure that should be tried again. */
bool infos_get(struct lru *infos, const struct hash128 *id, struct view_info *out);
void infos_put(struct lru *infos, const struct view_info *v);
