/* SPDX-License-Identifier: Apache-2.0
 * fs/checksum.h - the checksums that a view holds of its own bytes. They cost a pass over those
 * bytes, and are then kept as facts in the cache. */
#pragma once
#include "fs/view.h"

/* What the extent @x, of EXTENT_CRC32, says. For workers: it converts. 0, or what reading the
 * bytes returned. */
int checksum_crc32(struct view *v, const struct extent *x, uint32_t *crc, struct err *err);
