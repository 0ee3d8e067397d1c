/* SPDX-License-Identifier: Apache-2.0
 * tools/pump.h - a view read from end to end with several requests under way, in order. */
#pragma once
#include "fs/view.h"
#include <stddef.h>

/* Given each piece in turn; 0, or a negative errno which ends the pumping. */
typedef int pump_sink(void *user, const void *bytes, size_t n, struct err *err);

/* Bytes [off, off + len) of @v, which must be in it. Wants 16 MiB of memory. */
int pump_run(struct view *v, uint64_t off, uint64_t len, pump_sink *sink, void *user,
             struct err *err);
