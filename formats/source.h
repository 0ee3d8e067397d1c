/* SPDX-License-Identifier: Apache-2.0
 * formats/source.h - where bytes come from: files below one folder that nothing may leave. pread,
 * never mmap: a file that shrinks under us must be an error for one read, not a SIGBUS for the
 * whole mount. */
#pragma once
#include "formats/err.h"
#include "formats/hash.h"
#include <dirent.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

/* What a file was when it was opened; part of every cache key. */
struct ident {
    uint64_t dev, ino, size; /* size in bytes */
    int64_t mtime_ns, ctime_ns;
};
struct ident ident_from_stat(const struct stat *st);
bool ident_eq(const struct ident *a, const struct ident *b);
void hasher_ident(struct hasher *h, const struct ident *id);

/* SRC. Paths are relative to it, without a leading slash; "" is SRC itself. Links are followed
 * while they stay inside; for a snapshot folder of a hub cache "inside" is the repository's folder
 * (models--ORG--NAME), because its files are links to ../../blobs. Thread-safe. */
struct root;
int root_open(struct root **out, const char *path, struct err *err);
void root_close(struct root *r);             /* NULL is fine; every source must be closed before */
const char *root_path(const struct root *r); /* absolute, links resolved */
const char *root_only(const struct root *r); /* SRC is one file: its name; else NULL */

/* As openat2(2) and fstatat(2): a descriptor or 0, else a negative errno. Never blocks on a FIFO,
 * never follows a magic link. root_lstat does not follow a link in the last component. */
int root_openat(const struct root *r, const char *path, int flags);
int root_stat(const struct root *r, const char *path, struct stat *st);
int root_lstat(const struct root *r, const char *path, struct stat *st);
int root_readlink(const struct root *r, const char *path, char *buf, size_t size);
int root_opendir(const struct root *r, const char *path, DIR **out);
/* As root_stat of the entry @name of @dir, which is open as @d: one call, unless it is a link. */
int root_stat_in(const struct root *r, DIR *d, const char *dir, const char *name, struct stat *st);
struct recent *root_recent(const struct root *r); /* formats/recent.h */

/* One regular file. The descriptor comes from a bounded pool and may be closed and opened again
 * between reads: a thousand models do not need a thousand descriptors. Counted, thread-safe. */
struct source;
int source_open(struct source **out, struct root *root, const char *path, struct err *err);
struct source *source_ref(struct source *s);
void source_close(struct source *s); /* drops one reference; NULL is fine */
const struct ident *source_ident(const struct source *s);
const char *source_path(const struct source *s); /* relative to the root; "": in memory */

/* All @n bytes at @off, or an error: -ESTALE when the file is no longer the one that was opened,
 * -EIO when it ends early, else what pread said. */
int source_pread(struct source *s, void *dst, uint64_t n, uint64_t off, struct err *err);

/* 0 while the file is still the one that was opened, else -ESTALE. */
int source_check(struct source *s, struct err *err);

/* Bytes in memory that were made of @of: they change when it does. Takes over @bytes (malloced), on
 * failure too. */
int source_memory(struct source **out, struct source *of, void *bytes, uint64_t n, struct err *err);

/* From now on source_pread asks @read for bytes of the file, whose size and name stay: the headers
 * of a view are a file, its numbers are not. Before the source is shared. */
typedef int source_read_fn(void *user, void *dst, uint64_t n, uint64_t off, struct err *err);
void source_read_from(struct source *s, source_read_fn *read, void *user);

/* A small file as a whole: @*out is malloced and ends in a NUL that @*n does not count.
 * -ENOENT when it is absent, -EFBIG over @limit bytes. */
int source_slurp(struct root *root, const char *path, uint64_t limit, char **out, size_t *n,
                 struct ident *id, struct err *err);

/* As hasher_bytes of what source_slurp gives, without holding it. On an error @h is of no use. */
int source_hash(struct root *root, const char *path, uint64_t limit, struct hasher *h,
                struct err *err);
