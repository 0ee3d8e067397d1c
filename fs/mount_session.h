/* SPDX-License-Identifier: Apache-2.0
 * fs/mount_session.h - a mount from its beginning to its end. */
#pragma once
#include "fs/mount_daemon.h"

/* Mount on @mnt (absolute) and serve until it is unmounted, or SIGTERM, SIGINT or SIGHUP comes. */
enum exit_status mount_run(const struct options *o, const char *mnt, struct daemon *d);
