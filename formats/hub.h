/* SPDX-License-Identifier: Apache-2.0
 * formats/hub.h - folders of a hub cache: models--ORG--NAME/{refs/main,snapshots/REV}. */
#pragma once
#include "formats/source.h"
#include "formats/str.h"
#include <limits.h>

/* The parts of "models--ORG--NAME"; models of the hub itself have no ORG: p is NULL then. False:
 * @entry is no such name. */
bool hub_split(struct str entry, struct str *org, struct str *name);

/* The snapshot of the repository at @repo that refs/main names, or else the newest, if @fits says
 * that it is what is looked for. */
typedef bool hub_fits(const struct root *root, const char *path);
bool hub_snapshot(struct root *root, const char *repo, hub_fits *fits, char out[PATH_MAX]);

/* Of @path the folder above, or, for a snapshot, the one above its repository: where what belongs
 * to it by name lies. Its length; 0: the root, or there is none above. */
size_t hub_parent(const char *path);
