/* SPDX-License-Identifier: Apache-2.0
 * tests/unit_strip.c - strips are filled once by whoever is there, given up and taken over, and
 * make room for each other. */
#include "tests/unit.h"
#include "fs/strip.h"
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>

enum { LINES = 16, ROWS = 1000, BLOCK = 7, THREADS = 6, STRIP_BYTES = LINES * ROWS * 4 };

static const int view; /* whose strips these are */
static const struct expr leaf;
static struct strips *pool;
static atomic_int filled, left; /* blocks; how many more are wanted */
static int failure;

static int setup(void **state) {
    (void)state;
    pool = strips_new(3 * STRIP_BYTES);
    filled = failure = 0;
    left = 1 << 20;
    return pool ? 0 : -1;
}

static int teardown(void **state) {
    (void)state;
    strips_free(pool);
    return 0;
}

static struct strip_place place(uint64_t line) {
    return (struct strip_place){ .owner = &view,
                                 .leaf = &leaf,
                                 .line = line,
                                 .lines = LINES,
                                 .rows = ROWS,
                                 .step = ROWS * 4,
                                 .elem_bytes = 4,
                                 .block_rows = BLOCK };
}

static struct strip *make(uint64_t line, bool must) {
    const struct strip_place at = place(line);
    return strip_new(pool, &at, line, 0, must);
}

static int fill(void *user, struct strip *s, uint64_t row, uint64_t rows) {
    (void)user;
    uint32_t *x = (uint32_t *)(void *)s->data;
    for (uint64_t line = 0; line < s->place.lines; line++)
        for (uint64_t r = row; r < row + rows; r++)
            x[line * ROWS + r] += (uint32_t)((s->place.line + line) * ROWS + r);
    return ++filled == 20 ? failure : 0;
}

static bool wanted(const void *user) {
    (void)user;
    return left-- > 0;
}

static const struct strip_filler filler = { fill, wanted, NULL };

static void check(const struct strip *s) {
    const uint32_t *x = (const uint32_t *)(const void *)s->data;
    for (uint64_t i = 0; i < LINES * ROWS; i++)
        assert_int_equal(x[i], s->place.line * ROWS + i);
}

static void *fill_and_check(void *arg) {
    struct strip *s = strip_find(pool, &view, &leaf, 5, 999);
    assert_ptr_equal(s, arg);
    assert_int_equal(strip_fill(pool, s, &filler), 0);
    check(s);
    strip_put(pool, s);
    return NULL;
}

static void many_fill_one(void **state) {
    (void)state;
    pthread_t thread[THREADS];
    struct strip *s = make(0, true);
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&thread[i], NULL, fill_and_check, s), 0);
    for (int i = 0; i < THREADS; i++)
        pthread_join(thread[i], NULL);
    assert_int_equal(filled, (ROWS + BLOCK - 1) / BLOCK);
    strip_put(pool, s);
}

static void one_gives_up_and_another_goes_on(void **state) {
    (void)state;
    left = 10;
    struct strip *s = make(0, true), *same = make(0, true);
    assert_ptr_equal(s, same);
    assert_int_equal(strip_fill(pool, s, &filler), -EINTR);
    assert_int_equal(filled, 11);
    left = 1 << 20;
    assert_int_equal(strip_fill(pool, same, &filler), 0);
    assert_int_equal(filled, (ROWS + BLOCK - 1) / BLOCK);
    check(s);
    strip_put(pool, s);
    strip_put(pool, same);
}

static void failures_end_a_strip(void **state) {
    (void)state;
    failure = -EIO;
    struct strip *s = make(0, true), *same = make(0, true);
    assert_int_equal(strip_fill(pool, s, &filler), -EIO);
    assert_int_equal(strip_fill(pool, same, &filler), -EIO);
    assert_int_equal(filled, 20);
    assert_null(strip_find(pool, &view, &leaf, 0, 0)); /* the next one tries anew */
    strip_put(pool, s);
    strip_put(pool, same);
}

static void strips_make_room(void **state) {
    (void)state;
    struct strip *used[3];
    for (uint64_t i = 0; i < 3; i++)
        assert_non_null(used[i] = make(i * LINES, false));
    assert_null(make(3 * LINES, false)); /* all are in use */
    struct strip *extra = make(3 * LINES, true);
    assert_non_null(extra);
    assert_null(strip_find(pool, &view, &leaf, 3 * LINES, 0)); /* not kept */
    strip_put(pool, extra);
    strip_put(pool, used[1]);
    strip_put(pool, make(3 * LINES, false)); /* in the place of used[1] */
    assert_null(strip_find(pool, &view, &leaf, LINES, 0));
    strip_put(pool, used[0]);
    strip_put(pool, used[2]);
    strips_forget(pool, &view);
    assert_null(strip_find(pool, &view, &leaf, 0, 0));
    assert_null(strip_find(pool, &view, &leaf, 3 * LINES, 0));
}

static void a_strip_of_nobody_is_alone(void **state) {
    (void)state;
    struct strip_place at = place(0);
    at.owner = NULL;
    struct strip *s = strip_new(NULL, &at, 0, 0, true);
    assert_int_equal(strip_fill(NULL, s, &filler), 0);
    check(s);
    strip_put(NULL, s);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(many_fill_one, setup, teardown),
        cmocka_unit_test_setup_teardown(one_gives_up_and_another_goes_on, setup, teardown),
        cmocka_unit_test_setup_teardown(failures_end_a_strip, setup, teardown),
        cmocka_unit_test_setup_teardown(strips_make_room, setup, teardown),
        cmocka_unit_test_setup_teardown(a_strip_of_nobody_is_alone, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
