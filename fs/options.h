/* SPDX-License-Identifier: Apache-2.0
 * fs/options.h - the command line of a mount, as mount(8) and people write it. */
#pragma once
#include "fs/engine.h"
#include "fs/names.h"
#include <stdbool.h>
#include <sys/types.h>

/* As mount(8) documents them. */
enum exit_status { STATUS_OK = 0, STATUS_USAGE = 1, STATUS_SYSTEM = 2, STATUS_MOUNT = 32 };

struct options {
    char *src, *mnt; /* as given */
    char *cache;     /* absolute; NULL: the default place; "": none */
    struct engine_options engine;
    struct names_options names;
    bool allow_other, allow_root, auto_unmount, noexec;
    bool foreground, debug;
    bool set_uid, set_gid;
    uid_t uid; /* of everything, when set_uid; likewise gid */
    gid_t gid;
    mode_t umask; /* permission bits that nothing has */
    enum log_level log;
    char *owned[64]; /* values that must be freed */
    unsigned n_owned;
};

/* True: go on. False: leave with *status; what there is to say has been said. options_fini is
 * needed in both cases. */
bool options_parse(struct options *o, int argc, char **argv, enum exit_status *status);
void options_fini(struct options *o);
