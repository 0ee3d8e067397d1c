/* SPDX-License-Identifier: Apache-2.0
 * tests/unit_source.c - files below a root: what may be opened, and what a change does. */
#include "tests/unit_dir.h"
#include "formats/source.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

static struct hash128 hash_of(struct root *r, const char *path, bool slurp, int *rc) {
    struct hasher *h = hasher_new();
    char *bytes = NULL;
    size_t n;
    assert_non_null(h);
    *rc = slurp ? source_slurp(r, path, 1 << 20, &bytes, &n, NULL, NULL)
                : source_hash(r, path, 1 << 20, h, NULL);
    if (slurp && *rc == 0)
        hasher_bytes(h, bytes, n);
    free(bytes);
    return hasher_end(h);
}

static struct root *open_root(const char *path) {
    struct root *r;
    assert_ok(root_open(&r, path, err));
    return r;
}

static int open_code(struct root *r, const char *path) {
    struct source *s = NULL;
    struct err err = { 0 };
    int rc = source_open(&s, r, path, &err);
    assert_int_equal(rc < 0, err.code < 0);
    source_close(s);
    return rc;
}

static void nothing_leaves_the_root(void **state) {
    (void)state;
    run("cd %s && mkdir -p in/sub out && echo secret >out/secret && echo data >in/data && "
        "mkfifo in/fifo && cd in && ln -s ../out/secret up && ln -s /etc/passwd abs && "
        "ln -s data link && ln -s ../data sub/back && ln -s loop loop && ln -s /proc/self/fd magic",
        dir);
    char in[80];
    snprintf(in, sizeof in, "%s/in", dir);
    struct root *r = open_root(in);
    assert_int_equal(open_code(r, "data"), 0);
    assert_int_equal(open_code(r, "link"), 0);
    assert_int_equal(open_code(r, "sub/back"), 0);
    assert_int_equal(open_code(r, "up"), -EACCES);
    assert_int_equal(open_code(r, "abs"), -EACCES);
    assert_int_equal(open_code(r, "../out/secret"), -EACCES);
    assert_int_equal(open_code(r, "/etc/passwd"), -EACCES);
    assert_int_equal(open_code(r, "loop"), -ELOOP);
    assert_int_equal(open_code(r, "fifo"), -EINVAL); /* and does not wait for a writer */
    assert_int_equal(open_code(r, "sub"), -EINVAL);
    assert_int_equal(open_code(r, "none"), -ENOENT);
    root_close(r);
}

static void snapshots_reach_their_blobs(void **state) {
    (void)state;
    run("cd %s && mkdir -p models--a--b/blobs models--a--b/snapshots/rev && "
        "echo blob >models--a--b/blobs/1 && cd models--a--b/snapshots/rev && "
        "ln -s ../../blobs/1 config.json && ln -s ../../../x out",
        dir);
    char snap[128];
    snprintf(snap, sizeof snap, "%s/models--a--b/snapshots/rev", dir);
    struct root *r = open_root(snap);
    assert_int_equal(open_code(r, "config.json"), 0);
    assert_int_equal(open_code(r, "out"), -EACCES);
    root_close(r);
}

static void one_file_is_a_root(void **state) {
    (void)state;
    run("echo x >%s/one.gguf", dir);
    char path[96];
    snprintf(path, sizeof path, "%s/one.gguf", dir);
    struct root *r = open_root(path);
    assert_string_equal(root_only(r), "one.gguf");
    assert_int_equal(open_code(r, "one.gguf"), 0);
    root_close(r);
}

static void a_change_is_an_error(void **state) {
    (void)state;
    run("head -c 10000 /dev/zero >%s/f", dir);
    struct root *r = open_root(dir);
    struct source *s;
    char buf[10000];
    assert_ok(source_open(&s, r, "f", err));
    assert_ok(source_pread(s, buf, sizeof buf, 0, err));
    assert_ok(source_check(s, err));
    assert_int_equal(source_pread(s, buf, 2, 9999, NULL), -EIO); /* past the end */
    usleep(20000); /* the clock that stamps files ticks every few milliseconds */
    run("printf x | dd of=%s/f conv=notrunc status=none", dir);
    assert_int_equal(source_check(s, NULL), -ESTALE);
    run("truncate -s 100 %s/f", dir);
    assert_int_equal(source_pread(s, buf, 200, 0, NULL), -EIO);
    source_close(s);
    root_close(r);
}

static void descriptors_are_bounded(void **state) {
    (void)state;
    enum { FILES = 600 };
    struct rlimit few = { 300, 300 };
    struct source *s[FILES];
    run("cd %s && for i in $(seq %d); do echo $i >f$i; done", dir, FILES);
    struct root *r = open_root(dir);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
    for (int i = 0; i < FILES; i++) {
        char name[16];
        snprintf(name, sizeof name, "f%d", i + 1);
        assert_ok(source_open(&s[i], r, name, err));
    }
    for (int i = 0; i < FILES; i++) {
        char want[16], got[16] = "";
        snprintf(want, sizeof want, "%d", i + 1);
        assert_ok(source_pread(s[i], got, strlen(want), 0, err));
        assert_string_equal(got, want);
    }
    for (int i = 0; i < FILES; i++)
        source_close(s[i]);
    root_close(r);
}

static void small_files_are_hashed_in_pieces(void **state) {
    static const int sizes[] = { 0, 5, 1 << 16, 200001, 1 << 20 };
    (void)state;
    struct root *r = open_root(dir);
    int slurped, hashed;
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        run("head -c %d /dev/urandom > %s/f", sizes[i], dir);
        const struct hash128 want = hash_of(r, "f", true, &slurped);
        const struct hash128 got = hash_of(r, "f", false, &hashed);
        assert_int_equal(slurped, 0);
        assert_int_equal(hashed, 0);
        assert_memory_equal(&got, &want, sizeof got);
    }
    run("head -c 1048577 /dev/zero > %s/f", dir);
    hash_of(r, "f", false, &hashed);
    assert_int_equal(hashed, -EFBIG);
    hash_of(r, "none", false, &hashed);
    assert_int_equal(hashed, -ENOENT);
    root_close(r);
}

static void entries_of_an_open_folder(void **state) {
    (void)state;
    run("cd %s && mkdir in && echo x > in/file && ln -s file in/link && ln -s ../../.. in/out && "
        "ln -s none in/gone",
        dir);
    struct root *r = open_root(dir);
    static const char *const names[] = { "file", "link", "out", "gone", "absent" };
    DIR *d;
    assert_int_equal(root_opendir(r, "in", &d), 0);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char path[32];
        struct stat want = { 0 }, got = { 0 };
        snprintf(path, sizeof path, "in/%s", names[i]);
        const int rc = root_stat(r, path, &want);
        assert_int_equal(root_stat_in(r, d, "in", names[i], &got), rc);
        assert_int_equal(rc == 0, i < 2);
        assert_true(rc < 0 || got.st_ino == want.st_ino);
    }
    closedir(d);
    root_close(r);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, make_dir, remove_dir)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(nothing_leaves_the_root),   TEST(snapshots_reach_their_blobs),
        TEST(one_file_is_a_root),        TEST(a_change_is_an_error),
        TEST(descriptors_are_bounded),   TEST(small_files_are_hashed_in_pieces),
        TEST(entries_of_an_open_folder),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
