/* SPDX-License-Identifier: Apache-2.0
 * tests/unit_dir.h - a folder that a test has for itself, made and removed around it. */
#pragma once
#include "tests/unit.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static char dir[64]; /* its path */

static inline void run(const char *fmt, ...) {
    char command[1024];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(command, sizeof command, fmt, ap);
    va_end(ap);
    assert_int_equal(system(command), 0);
}

/* For cmocka_unit_test_setup_teardown. */
static inline int make_dir(void **state) {
    (void)state;
    snprintf(dir, sizeof dir, "/tmp/weightfs-unit.XXXXXX");
    return mkdtemp(dir) ? 0 : -1;
}

static inline int remove_dir(void **state) {
    (void)state;
    run("rm -rf %s", dir);
    return 0;
}

static inline void write_file(const char *name, const void *bytes, size_t n) {
    char path[256];
    snprintf(path, sizeof path, "%s/%s", dir, name);
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    assert_int_equal(fwrite(bytes, 1, n, f), n);
    assert_int_equal(fclose(f), 0);
}
