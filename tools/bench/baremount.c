/* SPDX-License-Identifier: Apache-2.0
 * tools/bench/baremount.c - the least that a FUSE mount can do: one file, `data`, whose bytes are
 * copied from memory. What a benchmark holds weightfs against; not part of the program. */
#define FUSE_USE_VERSION 314
#include <errno.h>
#include <fuse3/fuse_lowlevel.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* The file repeats this many bytes: more than a CPU caches, less than a machine has. */
enum { MEMORY = 64 << 20, READ_MAX = 1 << 20, FILE_INO = 2 };

struct bare {
    char *memory; /* MEMORY + READ_MAX bytes, so that a read never wraps */
    off_t size;
};

static const double forever = 1e6; /* seconds */

static void fill(fuse_req_t req, fuse_ino_t ino, struct stat *st) {
    const struct bare *b = fuse_req_userdata(req);
    *st = (struct stat){ .st_ino = ino, .st_nlink = 1 };
    st->st_mode = ino == FUSE_ROOT_ID ? S_IFDIR | 0555 : S_IFREG | 0444;
    st->st_size = ino == FUSE_ROOT_ID ? 0 : b->size;
    st->st_blocks = st->st_size / 512;
}

static void op_init(void *user, struct fuse_conn_info *conn) {
    (void)user;
    conn->max_read = READ_MAX;
    conn->max_readahead = READ_MAX;
    conn->max_background = 64;
    conn->congestion_threshold = 48;
}

static void op_lookup(fuse_req_t req, fuse_ino_t parent, const char *name) {
    struct fuse_entry_param e = { .ino = FILE_INO,
                                  .attr_timeout = forever,
                                  .entry_timeout = forever };
    if (parent != FUSE_ROOT_ID || strcmp(name, "data") != 0) {
        fuse_reply_err(req, ENOENT);
        return;
    }
    fill(req, FILE_INO, &e.attr);
    fuse_reply_entry(req, &e);
}

static void op_getattr(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi) {
    struct stat st;
    (void)fi;
    fill(req, ino, &st);
    fuse_reply_attr(req, &st, forever);
}

static void op_open(fuse_req_t req, fuse_ino_t ino, struct fuse_file_info *fi) {
    (void)ino;
    fi->keep_cache = 1;
    fuse_reply_open(req, fi);
}

static void op_read(fuse_req_t req, fuse_ino_t ino, size_t size, off_t off,
                    struct fuse_file_info *fi) {
    const struct bare *b = fuse_req_userdata(req);
    (void)ino;
    (void)fi;
    if (off >= b->size)
        size = 0;
    else if ((off_t)size > b->size - off)
        size = (size_t)(b->size - off);
    fuse_reply_buf(req, b->memory + off % MEMORY, size);
}

static const struct fuse_lowlevel_ops ops = {
    .init = op_init,
    .lookup = op_lookup,
    .getattr = op_getattr,
    .open = op_open,
    .read = op_read,
};

static int serve(struct bare *b, struct fuse_args *args, const char *mnt) {
    struct fuse_session *se = fuse_session_new(args, &ops, sizeof ops, b);
    int rc = 1;
    if (!se)
        return 1;
    if (fuse_set_signal_handlers(se) == 0) {
        if (fuse_session_mount(se, mnt) == 0) {
            struct fuse_loop_config *config = fuse_loop_cfg_create();
            rc = fuse_session_loop_mt(se, config);
            fuse_loop_cfg_destroy(config);
            fuse_session_unmount(se);
        }
        fuse_remove_signal_handlers(se);
    }
    fuse_session_destroy(se);
    return rc != 0;
}

int main(int argc, char **argv) {
    if (argc != 3) {
        fprintf(stderr, "usage: baremount MNT BYTES\n");
        return 1;
    }
    struct bare b = { .memory = malloc(MEMORY + READ_MAX), .size = strtoll(argv[2], NULL, 10) };
    if (!b.memory)
        return 2;
    for (size_t i = 0; i < MEMORY + READ_MAX; i++)
        b.memory[i] = (char)(i * 2654435761u >> 13);
    struct fuse_args args = FUSE_ARGS_INIT(0, NULL);
    fuse_opt_add_arg(&args, argv[0]);
    fuse_opt_add_arg(&args, "-omax_read=1048576,ro,fsname=baremount");
    const int rc = serve(&b, &args, argv[1]);
    fuse_opt_free_args(&args);
    free(b.memory);
    return rc;
}
