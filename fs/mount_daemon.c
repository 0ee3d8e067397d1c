/* SPDX-License-Identifier: Apache-2.0
 * fs/mount_daemon.c - fork, a pipe back, and systemd's notification. */
#include "fs/mount_daemon.h"
#include "formats/cleanup.h"
#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>

/* A byte says that it is ready; the end of the pipe without one, that the child has failed. */
static enum exit_status wait_for(pid_t child, int fd) {
    char byte;
    ssize_t n;
    int status;
    do
        n = read(fd, &byte, 1);
    while (n < 0 && errno == EINTR);
    if (n == 1)
        return STATUS_OK;
    while (waitpid(child, &status, 0) < 0)
        if (errno != EINTR)
            return STATUS_SYSTEM;
    if (WIFEXITED(status) && WEXITSTATUS(status) != STATUS_OK)
        return (enum exit_status)WEXITSTATUS(status);
    fprintf(stderr, "weightfs: ended before the mount was ready\n");
    return STATUS_SYSTEM;
}

bool daemon_begin(struct daemon *d, bool foreground, enum exit_status *status) {
    int fds[2];
    d->ready_fd = -1;
    if (foreground)
        return true;
    *status = STATUS_SYSTEM;
    if (pipe2(fds, O_CLOEXEC) < 0) {
        perror("weightfs: pipe");
        return false;
    }
    const pid_t child = fork();
    if (child == 0) {
        close(fds[0]);
        d->ready_fd = fds[1];
        setsid();
        return true;
    }
    close(fds[1]);
    if (child < 0)
        perror("weightfs: fork");
    else
        *status = wait_for(child, fds[0]);
    close(fds[0]);
    return false;
}

/* Source: sd_notify(3), "Standalone Implementations". */
static void notify(const char *text) {
    const char *path = getenv("NOTIFY_SOCKET");
    struct sockaddr_un to = { .sun_family = AF_UNIX };
    const size_t n = path ? strlen(path) : 0;
    if (n < 2 || n >= sizeof to.sun_path || (*path != '/' && *path != '@'))
        return;
    memcpy(to.sun_path, path, n);
    if (*path == '@')
        to.sun_path[0] = 0; /* an abstract name */
    auto_close int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd >= 0)
        (void)sendto(fd, text, strlen(text), MSG_NOSIGNAL, (struct sockaddr *)&to,
                     (socklen_t)(offsetof(struct sockaddr_un, sun_path) + n));
}

/* Nobody's terminal and nobody's pipe is held open. */
static void leave_stdio(void) {
    auto_close int fd = open("/dev/null", O_RDWR | O_CLOEXEC);
    for (int i = 0; i < 3 && fd >= 0; i++)
        dup2(fd, i);
}

void daemon_ready(struct daemon *d, enum log_level level) {
    char text[64];
    if (d->ready_fd >= 0) {
        log_open(level, 1);
        leave_stdio();
    }
    snprintf(text, sizeof text, "READY=1\nMAINPID=%ld\n", (long)getpid());
    notify(text);
    if (d->ready_fd >= 0) {
        while (write(d->ready_fd, "", 1) < 0 && errno == EINTR)
            ;
        close(d->ready_fd);
        d->ready_fd = -1;
    }
}

void daemon_stopping(void) {
    notify("STOPPING=1\n");
}
