/* SPDX-License-Identifier: Apache-2.0
 * tests/unit_hostile.h - folders of files that a reader must refuse: each with a certain errno and
 * a reason, soon. */
#pragma once
#include "tests/unit.h"
#include "formats/container.h"
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

enum { HOSTILE_MS = 50 /* of CPU time for one file */ };

struct hostile {
    const char *name;
    int ret;
};

/* Those named good... are read, those of the table have its errno, the others -EBADMSG. */
static inline int hostile_expected(const char *name, const struct hostile *table, size_t n) {
    const char *plain = strncmp(name, "legacy-", 7) == 0 ? name + 7 : name;
    if (!strncmp(plain, "good", 4))
        return 0;
    for (size_t i = 0; i < n; i++)
        if (!strcmp(name, table[i].name))
            return table[i].ret;
    return -EBADMSG;
}

static inline double hostile_cpu_ms(void) {
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

/* Of each file in @folder that ends with @suffix; their number. */
static inline unsigned hostile_check(struct root *root, const char *folder, const char *suffix,
                                     const struct hostile *table, size_t n) {
    DIR *d;
    unsigned files = 0, wrong = 0;
    assert_int_equal(root_opendir(root, folder, &d), 0);
    for (struct dirent *e; (e = readdir(d));) {
        struct err err = { 0 };
        struct model *m = NULL;
        char path[512];
        if (e->d_name[0] == '.' || !str_ends(str_from(e->d_name), str_from(suffix)))
            continue;
        snprintf(path, sizeof path, "%s%s%s", folder, *folder ? "/" : "", e->d_name);
        const double start = hostile_cpu_ms();
        const int ret = model_open(&m, root, path, &err);
        const int want = hostile_expected(e->d_name, table, n);
        const double took = hostile_cpu_ms() - start;
        if (ret != want || (ret < 0 && (!err.msg[0] || err.code != ret)) ||
            took > HOSTILE_MS * UNIT_SLOWNESS) {
            print_error("%s: %d, not %d: %s (%.0f ms)\n", e->d_name, ret, want, err.msg, took);
            wrong++;
        }
        model_unref(m);
        files++;
    }
    closedir(d);
    assert_int_equal(wrong, 0);
    return files;
}
