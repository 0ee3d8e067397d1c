/* SPDX-License-Identifier: Apache-2.0
 * fs/catalog.h - all models of SRC, for the layouts that gather them. Bounded: CATALOG_MAX_DEPTH
 * folders deep, CATALOG_MAX models; what lies beyond is logged once and left out. */
#pragma once
#include "fs/models.h"

enum { CATALOG_MAX_DEPTH = 16, CATALOG_MAX = 10000 };

struct catalog {
    struct found_model *models; /* in the order of paths; org is never empty */
    uint32_t n, cap;
};

/* Walk SRC. 0 or a negative errno; catalog_fini in any case. */
int catalog_scan(struct catalog *c, struct root *root);
void catalog_fini(struct catalog *c);
