/* SPDX-License-Identifier: Apache-2.0
 * fs/mount_daemon.h - going into the background: who called gets an answer when the mount is
 * ready, or when it has failed (fuse_daemonize answers before either). */
#pragma once
#include "fs/options.h"

struct daemon {
    int ready_fd; /* to who waits; -1: nobody does */
};

/* Before any thread is started. True: go on, in the background unless @foreground. False: this is
 * the process that was called, and it leaves with *status. */
bool daemon_begin(struct daemon *d, bool foreground, enum exit_status *status);

/* The mount can be used: lets the caller go, and tells systemd. Messages go to syslog from here
 * on, unless in the foreground. Without this call the caller gets the exit status. */
void daemon_ready(struct daemon *d, enum log_level level);
void daemon_stopping(void); /* tells systemd */
