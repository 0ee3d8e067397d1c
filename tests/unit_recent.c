/* SPDX-License-Identifier: Apache-2.0
 * tests/unit_recent.c - answers that hold for a moment, and questions that are asked too early. */
#include "tests/unit.h"
#include "formats/recent.h"
#include <stdio.h>
#include <time.h>

static void put(struct recent *r, enum recent_what what, const char *path, int answer) {
    const struct recent_key key = recent_key(r, what, path);
    recent_put(r, &key, &answer, sizeof answer);
}

static bool has(struct recent *r, enum recent_what what, const char *path, int answer) {
    const struct recent_key key = recent_key(r, what, path);
    int got = -1;
    return recent_get(r, &key, &got, sizeof got) && got == answer;
}

static void test_questions(void **state) {
    struct recent *r = recent_new();
    (void)state;
    put(r, RECENT_KIND, "a", 1);
    put(r, RECENT_KNOWN, "a", 2);
    put(r, RECENT_KIND, "", 3);
    assert_true(has(r, RECENT_KIND, "a", 1));
    assert_true(has(r, RECENT_KNOWN, "a", 2));
    assert_true(has(r, RECENT_KIND, "", 3));
    assert_false(has(r, RECENT_READERS, "a", 1));
    assert_false(has(r, RECENT_KIND, "a/", 1));
    recent_free(r);
}

static void test_time(void **state) {
    struct recent *r = recent_new();
    const struct timespec longer = { 0, (RECENT_MS + 20) * 1000000 };
    (void)state;
    put(r, RECENT_KIND, "a", 1);
    const struct recent_key slow = recent_key(r, RECENT_KIND, "b");
    nanosleep(&longer, NULL);
    assert_false(has(r, RECENT_KIND, "a", 1));
    recent_put(r, &slow, &(int){ 2 }, sizeof(int)); /* what it saw may be as old as its question */
    assert_false(has(r, RECENT_KIND, "b", 2));
    put(r, RECENT_KIND, "b", 3);
    recent_put(r, &slow, &(int){ 2 }, sizeof(int)); /* a newer answer stays */
    assert_true(has(r, RECENT_KIND, "b", 3));
    recent_free(r);
}

static void test_forget(void **state) {
    struct recent *r = recent_new();
    (void)state;
    put(r, RECENT_KIND, "a", 1);
    const struct recent_key before = recent_key(r, RECENT_KIND, "b");
    recent_forget(r);
    recent_put(r, &before, &(int){ 2 }, sizeof(int));
    assert_false(has(r, RECENT_KIND, "a", 1));
    assert_false(has(r, RECENT_KIND, "b", 2));
    recent_free(r);
}

static void test_more_than_there_is_room_for(void **state) {
    struct recent *r = recent_new();
    (void)state;
    int found = 0;
    char path[32];
    for (int i = 0; i < 40000; i++) {
        snprintf(path, sizeof path, "model-%d", i);
        put(r, RECENT_KIND, path, i);
    }
    for (int i = 0; i < 40000; i++) {
        int answer = i;
        snprintf(path, sizeof path, "model-%d", i);
        const struct recent_key key = recent_key(r, RECENT_KIND, path);
        const bool got = recent_get(r, &key, &answer, sizeof answer);
        assert_int_equal(answer, i);
        found += got;
    }
    assert_true(found < 40000);
    recent_free(r);
}

static void test_none(void **state) {
    (void)state;
    put(NULL, RECENT_KIND, "a", 1);
    assert_false(has(NULL, RECENT_KIND, "a", 1));
    recent_forget(NULL);
    recent_free(NULL);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_questions), cmocka_unit_test(test_time),
        cmocka_unit_test(test_forget),    cmocka_unit_test(test_more_than_there_is_room_for),
        cmocka_unit_test(test_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
