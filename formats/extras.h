/* SPDX-License-Identifier: Apache-2.0
 * formats/extras.h - what a view is made from besides its model: an importance matrix, a
 * profile, general.* of its own; small files that lie beside the model, in its folder, or
 * (profiles) in SRC. */
#pragma once
#include "formats/authorship.h"
#include "formats/imatrix.h"
#include "formats/profile.h"
#include "formats/spec.h"

struct extras {
    struct spec spec;              /* as asked for, with what its profile says */
    struct imatrix *imatrix;       /* NULL: none was asked for */
    struct profile *profile;       /* NULL: likewise */
    struct authorship *authorship; /* for a GGUF of a folder, where there is such a file; or NULL */
};

/* All that @spec asks for or takes, for the model at @path. -ENODATA when there is no such file,
 * -ENOENT when no profile has that name, -EBADMSG for one that is not well formed. extras_close in
 * any case. */
int extras_open(struct extras *x, struct root *root, const char *path, const struct spec *spec,
                struct err *err);
void extras_close(struct extras *x);

/* The identity of all files that extras_open would look for, those absent too; zeros where there
 * is nothing to look for. *mtime_ns is raised to the newest. */
int extras_identity(struct root *root, const char *path, const struct spec *spec,
                    struct hash128 *out, int64_t *mtime_ns, struct err *err);

/* Is there such a profile for the model at @path? False also when it cannot be told because the
 * file does not exist; a file that is damaged counts as having it, so that the reason is shown. */
bool extras_has_profile(struct root *root, const char *path, const char *profile);
