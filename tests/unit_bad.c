/* SPDX-License-Identifier: Apache-2.0
 * tests/unit_bad.c - hostile and damaged files (data/bad.py made them): each is refused with a
 * certain errno and a reason, soon and without much memory. argv[1]: their folder. */
#include "tests/unit.h"
#include "formats/container.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static const char *bad_dir;

/* Files that are refused otherwise than with -EBADMSG. */
static const struct {
    const char *name;
    int ret;
} others[] = {
    { "byteswapped.gguf", -ENOTSUP },
    { "v1.gguf", -ENOTSUP },
    { "v4.gguf", -ENOTSUP },
    { "type-removed.gguf", -ENOTSUP },
    { "arr-2e61.gguf", -EBADMSG },
    { "split-missing-00001-of-00002.gguf", -ENOENT },
    { "depth-1e5.safetensors", -EBADMSG },
};

static int expected(const char *name) {
    if (!strncmp(name, "good", 4))
        return 0;
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        if (!strcmp(name, others[i].name))
            return others[i].ret;
    return -EBADMSG;
}

static double cpu_ms(void) {
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

/* Opens it, and gives back what model_open returned. */
static int try_open(const char *dir, const char *name, struct err *err) {
    struct root *root = NULL;
    struct model *m = NULL;
    assert_int_equal(root_open(&root, dir, NULL), 0);
    double start = cpu_ms();
    int ret = model_open(&m, root, name, err);
    double took = cpu_ms() - start;
    if (took > 50 * UNIT_SLOWNESS)
        fail_msg("%s: %.0f ms", name, took);
    assert_true((ret == 0) == (m != NULL));
    model_unref(m);
    root_close(root);
    return ret;
}

static void test_files(void **state) {
    (void)state;
    DIR *d = opendir(bad_dir);
    assert_non_null(d);
    unsigned n = 0;
    for (struct dirent *e; (e = readdir(d));) {
        struct err err = { 0 };
        if (e->d_name[0] == '.')
            continue;
        int want = expected(e->d_name), ret = try_open(bad_dir, e->d_name, &err);
        if (ret != want)
            fail_msg("%s: %d, not %d: %s", e->d_name, ret, want, err.msg);
        if (ret < 0 && (!err.msg[0] || err.code != ret))
            fail_msg("%s: no reason", e->d_name);
        n++;
    }
    closedir(d);
    assert_true(n > 90);
}

static void copy_file(const char *to, const char *name) {
    char cmd[512];
    snprintf(cmd, sizeof cmd, "cp '%s/%s' '%s/%s'", bad_dir, name, to, name);
    assert_int_equal(system(cmd), 0);
}

/* Every file that is cut short is refused, wherever the cut. */
static void check_truncated(const char *name) {
    char dir[] = "/tmp/weightfs-bad.XXXXXX", path[128];
    struct stat st;
    assert_non_null(mkdtemp(dir));
    copy_file(dir, name);
    snprintf(path, sizeof path, "%s/%s", dir, name);
    assert_int_equal(stat(path, &st), 0);
    for (off_t size = st.st_size - 40; size >= 0; size--) {
        struct err err = { 0 };
        assert_int_equal(truncate(path, size), 0);
        int ret = try_open(dir, name, &err);
        if (ret != -EBADMSG)
            fail_msg("%s cut to %ld bytes: %d %s", name, (long)size, ret, err.msg);
    }
    unlink(path);
    rmdir(dir);
}

static void test_truncated(void **state) {
    (void)state;
    check_truncated("good.gguf");
    check_truncated("good-pairs-of-all-types.gguf");
    check_truncated("good.safetensors");
}

/* A file of @size bytes, all hole but for what @head says. */
static int open_sparse(const char *name, const void *head, size_t n, off_t size, struct err *err) {
    char dir[] = "/tmp/weightfs-bad.XXXXXX", path[128];
    assert_non_null(mkdtemp(dir));
    snprintf(path, sizeof path, "%s/%s", dir, name);
    int fd = open(path, O_CREAT | O_WRONLY, 0600);
    assert_true(fd >= 0 && write(fd, head, n) == (ssize_t)n);
    bool made = ftruncate(fd, size) == 0;
    close(fd);
    int ret = made ? try_open(dir, name, err) : -EBADMSG; /* not every file system can */
    unlink(path);
    rmdir(dir);
    return ret;
}

static void test_sparse(void **state) {
    (void)state;
    static const uint8_t pairs[24] = "GGUF\3\0\0\0\0\0\0\0\0\0\0\0\1\0\0\0";
    static const uint8_t tensors[24] = "GGUF\3\0\0\0\0\0\x10\0\0\0\0\0\0\0\0";
    static const uint8_t strs[53] = "GGUF\3\0\0\0\0\0\0\0\0\0\0\0\1\0\0\0\0\0\0\0"
                                    "\1\0\0\0\0\0\0\0k\x09\0\0\0\x08\0\0\0\0\0\0\0\1";
    struct err err = { 0 };
    off_t huge = (off_t)1 << 42;
    assert_int_equal(open_sparse("a.gguf", pairs, sizeof pairs, huge, &err), -EBADMSG);
    assert_int_equal(open_sparse("b.gguf", tensors, sizeof tensors, huge, NULL), -EBADMSG);
    assert_int_equal(open_sparse("c.gguf", strs, sizeof strs, huge, NULL), -EFBIG);
    assert_int_equal(open_sparse("d.gguf", "", 0, huge, NULL), -EBADMSG);
    assert_int_equal(open_sparse("e.safetensors", "\xff\xff\xff\5\0\0\0\0{", 9, huge, NULL),
                     -EBADMSG);
}

/* A million tensors are more than a header of 100 MB can tell within bounds. */
static void test_million(void **state) {
    (void)state;
    char dir[] = "/tmp/weightfs-bad.XXXXXX", path[128];
    assert_non_null(mkdtemp(dir));
    snprintf(path, sizeof path, "%s/million.safetensors", dir);
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    uint64_t n = 0;
    fwrite(&n, sizeof n, 1, f);
    for (unsigned i = 0; i < 1000000; i++)
        n +=
            (uint64_t)fprintf(f, "%c\"%u\":{\"dtype\":\"U8\",\"shape\":[0],\"data_offsets\":[0,0]}",
                              i ? ',' : '{', i);
    n += (uint64_t)fprintf(f, "}");
    rewind(f);
    fwrite(&n, sizeof n, 1, f);
    fclose(f);
    struct root *root;
    struct model *m;
    assert_ok(root_open(&root, dir, err));
    assert_int_equal(model_open(&m, root, "million.safetensors", NULL), -EFBIG);
    root_close(root);
    unlink(path);
    rmdir(dir);
}

int main(int argc, char **argv) {
    assert_int_equal(argc, 2);
    bad_dir = argv[1];
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_files),
        cmocka_unit_test(test_truncated),
        cmocka_unit_test(test_sparse),
        cmocka_unit_test(test_million),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
