/* SPDX-License-Identifier: Apache-2.0
 * tests/unit_imatrix.c - importance matrices: both forms, and the older one cut anywhere.
 * argv[1]: folder with Tiny-Llama-2-SPM-Chat-v1.0.imatrix.gguf. */
#include "tests/unit.h"
#include "formats/imatrix.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char *data_dir;

/* Two entries of one name, of which the last counts; then chunks and the dataset. */
static const unsigned char dat[] = "\3\0\0\0"
                                   "\1\0\0\0a\2\0\0\0\2\0\0\0\0\0\0\x40\0\0\x80\x40"
                                   "\1\0\0\0b\0\0\0\0\1\0\0\0\0\0\xc0\x7f"
                                   "\1\0\0\0a\4\0\0\0\2\0\0\0\0\0\0\x40\0\0\x80\x40"
                                   "\7\0\0\0\2\0\0\0hi";
enum { DAT = sizeof dat - 1, REQUIRED = DAT - 10 };

static void write_file(const char *path, size_t n) {
    int fd = open(path, O_CREAT | O_TRUNC | O_WRONLY, 0600);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, dat, n), n);
    close(fd);
}

static void check_values(const struct imatrix *x) {
    float v[2];
    struct err err = { 0 };
    const struct imatrix_entry *e = imatrix_find(x, STR("a"));
    assert_non_null(e);
    struct importance w = e->importance;
    w.cols = 2;
    w.rows = 1;
    assert_int_equal(importance_read(&w, 0, v, &err), 0);
    assert_true(v[0] == 0.5f && v[1] == 1); /* 2 and 4 over 4 calls */
    assert_int_equal(importance_read(&w, 1, v, &err), -EINVAL);
    w = imatrix_find(x, STR("b"))->importance;
    w.cols = 1;
    w.rows = 1;
    assert_int_equal(importance_read(&w, 0, v, NULL), -EDOM); /* a NaN */
}

static void test_dat(void **state) {
    (void)state;
    char dir[] = "/tmp/imatrix-XXXXXX", path[64];
    struct root *root;
    assert_non_null(mkdtemp(dir));
    snprintf(path, sizeof path, "%s/x.dat", dir);
    assert_ok(root_open(&root, dir, err));
    for (size_t n = 0; n <= DAT; n++) {
        struct imatrix *x = NULL;
        struct err err = { 0 };
        write_file(path, n);
        const int rc = imatrix_open(&x, root, "x.dat", &err);
        assert_int_equal(rc, n < REQUIRED ? -EBADMSG : 0);
        assert_int_equal(err.msg[0] != 0, n < REQUIRED);
        if (rc == 0) {
            assert_int_equal(x->n, 2);
            check_values(x);
            assert_int_equal(x->chunks, n >= REQUIRED + 4 ? 7 : 0);
            assert_int_equal(x->dataset.p != NULL, n == DAT);
        }
        imatrix_close(x);
    }
    root_close(root);
    unlink(path);
    rmdir(dir);
}

static void test_gguf(void **state) {
    (void)state;
    struct root *root;
    struct imatrix *x;
    float v[256];
    assert_ok(root_open(&root, data_dir, err));
    assert_ok(imatrix_open(&x, root, "Tiny-Llama-2-SPM-Chat-v1.0.imatrix.gguf", err));
    assert_true(str_is(x->file, "Tiny-Llama-2-SPM-Chat-v1.0.imatrix.gguf"));
    assert_true(x->n > 0 && x->chunks > 0 && x->dataset.n > 0);
    assert_null(imatrix_find(x, STR("nothing")));
    const struct imatrix_entry *e = imatrix_find(x, STR("blk.0.attn_q.weight"));
    assert_non_null(e);
    assert_int_equal(e->importance.values, 256);
    struct importance w = e->importance;
    w.cols = 256;
    w.rows = 256;
    assert_ok(importance_read(&w, 0, v, err));
    for (int i = 0; i < 256; i++)
        assert_true(v[i] >= 0);
    imatrix_close(x);
    root_close(root);
}

int main(int argc, char **argv) {
    assert_int_equal(argc, 2);
    data_dir = argv[1];
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_dat),
        cmocka_unit_test(test_gguf),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
