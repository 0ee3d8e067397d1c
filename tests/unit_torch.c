/* SPDX-License-Identifier: Apache-2.0
 * tests/unit_torch.c - files that PyTorch made (data/torch/make.py) are read as PyTorch reads them;
 * hostile ones (data/bad_torch.py) are refused with a certain errno and a reason, soon. argv[1]:
 * the folder data. */
#include "tests/unit_hostile.h"
#include "formats/inflate.h"
#include "formats/pickle.h"
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

static struct root *root;

static int open_model(struct model **m, const char *path, struct err *err) {
    return model_open(m, root, path, err);
}

/* --- what is read --- */

static void check_tensor(const struct model *m, const struct tensor *t, const char *file,
                         const char *name, const char *dtype, const char *shape, const char *crc) {
    char text[128] = "", got[16];
    if (!t || !str_is(t->name, name))
        fail_msg("%s: %.*s where %s should be", file, t ? (int)t->name.n : 0, t ? t->name.p : "",
                 name);
    for (uint32_t i = 0; i < t->n_dims; i++)
        snprintf(text + strlen(text), sizeof text - strlen(text), "%s%llu", i ? "x" : "",
                 (unsigned long long)t->dims[i]);
    assert_string_equal(t->n_dims ? text : "scalar", shape);
    assert_string_equal(dtype_info[t->dtype].name, dtype);
    uint8_t *data = malloc(t->bytes + 1);
    assert_non_null(data);
    assert_ok(source_pread(m->sources[t->src], data, t->bytes, t->off, err));
    snprintf(got, sizeof got, "%08x", crc32_add(0, data, t->bytes));
    if (strcmp(got, crc))
        fail_msg("%s: %s has other bytes", file, name);
    free(data);
}

/* Each line of expected.txt: file, name, type, shape, CRC-32 of the bytes; in the file's order. */
static void test_read(void **state) {
    (void)state;
    char *text, *rest = NULL, *fields[5], open[256] = "";
    struct model *m = NULL;
    uint32_t next = 0, files = 0;
    size_t n;
    assert_ok(source_slurp(root, "torch/expected.txt", 1 << 20, &text, &n, NULL, err));
    for (char *line = strtok_r(text, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
        char *field = NULL, path[512];
        for (int i = 0; i < 5; i++)
            assert_non_null(fields[i] = strtok_r(i ? NULL : line, "\t", &field));
        if (!strcmp(fields[0], "strided.pt"))
            continue;
        if (strcmp(open, fields[0])) {
            assert_true(!m || next == m->n_tensors);
            model_unref(m);
            snprintf(open, sizeof open, "%s", fields[0]);
            snprintf(path, sizeof path, "torch/%s", open);
            assert_ok(open_model(&m, path, err));
            next = 0;
            files++;
        }
        const struct tensor *t = next < m->n_tensors ? &m->tensors[next++] : NULL;
        check_tensor(m, t, open, fields[1], fields[2], fields[3], fields[4]);
    }
    model_unref(m);
    free(text);
    assert_int_equal(files, 8);
}

/* --- what is refused --- */

/* Files that are refused otherwise than with -EBADMSG. */
static const struct hostile others[] = {
    { "big-endian.pt", -ENOTSUP },
    { "deflate-bomb.pt", -EFBIG },
    { "deflated-storage.pt", -ENOTSUP },
    { "encrypted-flag.pt", -ENOTSUP },
    { "method-14.pt", -ENOTSUP },
    { "no-pickle.pt", -ENOTSUP },
    { "legacy-big-endian.pth", -ENOTSUP },
    { "legacy-os-system.pth", -EACCES },
    { "legacy-tar.pt", -ENOTSUP },
    { "pickle-os-system-reduce.pt", -EACCES },
    { "pickle-posix-system-reduce.pt", -EACCES },
    { "pickle-builtins-eval.pt", -EACCES },
    { "pickle-getattr-reduce.pt", -EACCES },
    { "pickle-stack-global.pt", -EACCES },
    { "pickle-inst.pt", -ENOTSUP },
    { "pickle-obj.pt", -ENOTSUP },
    { "pickle-persid-text.pt", -ENOTSUP },
    { "pickle-ext1.pt", -ENOTSUP },
    { "pickle-long4-negative.pt", -ENOTSUP },
    { "pickle-frame.pt", -EBADMSG },
    { "pickle-sparse.pt", -ENOTSUP },
    { "pickle-storage-quantized.pt", -ENOTSUP },
    { "pickle-qtensor.pt", -ENOTSUP },
    { "pickle-qtensor-storage.pt", -ENOTSUP },
    { "pickle-storage-untyped.pt", -ENOTSUP },
};

static void test_bad(void **state) {
    (void)state;
    assert_true(hostile_check(root, "bad_torch", "", others, sizeof others / sizeof *others) > 100);
}

/* The reason names what a file wants to have called. */
static void test_named(void **state) {
    (void)state;
    struct err err = { 0 };
    struct model *m;
    assert_int_equal(open_model(&m, "bad_torch/pickle-os-system-reduce.pt", &err), -EACCES);
    assert_non_null(strstr(err.msg, "os.system"));
    err = (struct err){ 0 };
    assert_int_equal(open_model(&m, "bad_torch/pickle-sparse.pt", &err), -ENOTSUP);
    assert_non_null(strstr(err.msg, "sparse: save it after .to_dense()"));
}

/* --- every file that is cut short is refused, wherever the cut --- */

static void check_truncated(const char *name) {
    char dir[] = "/tmp/weightfs-torch.XXXXXX", path[128];
    struct root *there;
    char *text;
    size_t n;
    assert_non_null(mkdtemp(dir));
    assert_ok(root_open(&there, dir, err));
    assert_ok(source_slurp(root, name, 1 << 20, &text, &n, NULL, err));
    snprintf(path, sizeof path, "%s/a.pt", dir);
    FILE *f = fopen(path, "w");
    assert_true(f && fwrite(text, 1, n, f) == n && fclose(f) == 0);
    while (n-- > 0) {
        struct err err = { 0 };
        struct model *m;
        assert_int_equal(truncate(path, (off_t)n), 0);
        const int ret = model_open(&m, there, "a.pt", &err);
        if (ret != -EBADMSG || !err.msg[0])
            fail_msg("%s cut to %zu bytes: %d %s", name, n, ret, err.msg);
    }
    free(text);
    root_close(there);
    unlink(path);
    rmdir(dir);
}

static void test_truncated(void **state) {
    (void)state;
    check_truncated("bad_torch/good.pt");
    check_truncated("bad_torch/legacy-good.pth");
    check_truncated("torch/script.pt");
}

/* Whatever byte of a pickle changes: an answer, and no more. */
static bool allow_all(struct str module, struct str name) {
    (void)module;
    (void)name;
    return true;
}

static void test_flipped(void **state) {
    (void)state;
    char *text;
    size_t n;
    assert_ok(source_slurp(root, "torch/legacy.bin", 1 << 20, &text, &n, NULL, err));
    for (size_t i = 15; i < n; i++)
        for (int bit = 0; bit < 8; bit++) {
            struct arena a = { .limit = PICKLE_MAX_MEMORY };
            struct pickle_file p;
            text[i] ^= (char)(1 << bit);
            for (size_t at = 15; at < n && at <= i;) {
                if (pickle_read(&p, &a, (struct str){ text + at, n - at }, allow_all, NULL) < 0)
                    break;
                at += p.bytes;
            }
            arena_fini(&a);
            text[i] ^= (char)(1 << bit);
        }
    free(text);
}

int main(int argc, char **argv) {
    assert_int_equal(argc, 2);
    assert_int_equal(root_open(&root, argv[1], NULL), 0);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_read),    cmocka_unit_test(test_bad),
        cmocka_unit_test(test_named),   cmocka_unit_test(test_truncated),
        cmocka_unit_test(test_flipped),
    };
    const int failed = cmocka_run_group_tests(tests, NULL, NULL);
    root_close(root);
    return failed;
}
