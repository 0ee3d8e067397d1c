/* SPDX-License-Identifier: Apache-2.0
 * tests/unit_cache.c - the cache: what goes in comes out, or is found damaged; a limit that holds;
 * what kill -9 and a crash leave behind. */
#include "tests/unit_dir.h"
#include "fs/cache_env.h"
#include "fs/log.h"
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { SMALL_MAP = 32 << 20, LEN = CHUNK_DATA - 17 };

static struct cache *open_cache(uint64_t bytes) {
    struct cache *c;
    assert_ok(cache_open(&c, dir, bytes, err));
    return c;
}

static struct chunk_key key_of(unsigned tensor, uint64_t index) {
    struct chunk_key k = { .index = index };
    memcpy(k.tensor.b, &tensor, sizeof tensor);
    return k;
}

static struct chunk *make_chunk(unsigned tensor, uint64_t index) {
    const struct chunk_key k = key_of(tensor, index);
    struct chunk *c = chunk_new(&k, LEN);
    assert_non_null(c);
    for (uint32_t i = 0; i < LEN; i++)
        chunk_data(c)[i] = (uint8_t)(i * 31 + tensor * 7 + index);
    return c;
}

static void put(struct cache *c, unsigned tensor, uint64_t index) {
    struct chunk *chunk = make_chunk(tensor, index);
    cache_put(c, chunk);
    chunk_unref(chunk);
}

/* Is it there, with the bytes that were put? */
static bool found(struct cache *c, unsigned tensor, uint64_t index) {
    static uint8_t got[LEN];
    const struct chunk_key k = key_of(tensor, index);
    if (!cache_get(c, &k, LEN, 0, LEN, got))
        return false;
    struct chunk *want = make_chunk(tensor, index);
    assert_memory_equal(got, chunk_data(want), LEN);
    chunk_unref(want);
    return true;
}

static uint64_t count(struct cache *c, unsigned tensor) {
    const struct chunk_key k = key_of(tensor, 0);
    return cache_count(c, &k.tensor);
}

static struct cache *reopen(struct cache *c, uint64_t bytes) {
    cache_close(c);
    return open_cache(bytes);
}

static void put_and_get(void **state) {
    (void)state;
    struct cache *c = open_cache(SMALL_MAP);
    for (uint64_t i = 0; i < 10; i++)
        put(c, 1, i);
    put(c, 2, 0);
    c = reopen(c, SMALL_MAP);
    for (uint64_t i = 0; i < 10; i++)
        assert_true(found(c, 1, i));
    assert_false(found(c, 1, 10));
    assert_int_equal(count(c, 1), 10);
    assert_int_equal(count(c, 3), 0);

    uint8_t part[100];
    const struct chunk_key k = key_of(1, 3);
    struct chunk *want = make_chunk(1, 3);
    assert_true(cache_get(c, &k, LEN, 1234, sizeof part, part));
    assert_memory_equal(part, chunk_data(want) + 1234, sizeof part);
    assert_false(cache_get(c, &k, LEN - 1, 0, sizeof part, part)); /* another length is not it */
    chunk_unref(want);
    cache_close(c);
}

static void facts_stay(void **state) {
    (void)state;
    struct cache *c = open_cache(SMALL_MAP);
    const struct hash128 key = key_of(9, 0).tensor;
    uint64_t size = 4711, got = 0;
    assert_int_equal(cache_fact_get(c, &key, &got, sizeof got), -1);
    cache_fact_put(c, &key, &size, sizeof size);
    c = reopen(c, SMALL_MAP);
    assert_int_equal(cache_fact_get(c, &key, &got, sizeof got), sizeof got);
    assert_int_equal(got, size);
    assert_int_equal(cache_fact_get(c, &key, &got, 4), -1); /* no room: not cut */
    cache_close(c);
}

static void limit_holds_and_oldest_go(void **state) {
    (void)state;
    const uint64_t all = 2 * SMALL_MAP / CHUNK_VALUE;
    struct cache *c = open_cache(SMALL_MAP);
    for (uint64_t i = 0; i < all; i++)
        put(c, 1, i);
    c = reopen(c, SMALL_MAP);
    struct cache_stat st;
    cache_stat(c, &st);
    assert_true(st.used_bytes <= st.map_bytes);
    assert_true(st.chunks >= SMALL_MAP / CHUNK_VALUE / 2);
    assert_false(st.failed);
    assert_false(found(c, 1, 0));
    assert_true(found(c, 1, all - 1));
    cache_close(c);

    char data[96];
    struct stat file;
    snprintf(data, sizeof data, "%s/data.mdb", dir);
    assert_int_equal(stat(data, &file), 0);
    assert_true(file.st_size <= SMALL_MAP);
}

/* Flip one byte in the middle of each 256 KiB of the file but the first. */
static void damage(void) {
    char data[96];
    struct stat st;
    snprintf(data, sizeof data, "%s/data.mdb", dir);
    int fd = open(data, O_RDWR);
    assert_true(fd >= 0);
    assert_int_equal(fstat(fd, &st), 0);
    for (off_t at = (64 << 12) + (1 << 17); at < st.st_size; at += 64 << 12) {
        uint8_t b;
        assert_int_equal(pread(fd, &b, 1, at), 1);
        b ^= 0x40;
        assert_int_equal(pwrite(fd, &b, 1, at), 1);
    }
    close(fd);
}

static void damage_is_noticed(void **state) {
    (void)state;
    struct cache *c = open_cache(SMALL_MAP);
    for (uint64_t i = 0; i < 20; i++)
        put(c, 1, i);
    cache_close(c);
    damage();
    c = open_cache(SMALL_MAP);
    unsigned good = 0;
    for (uint64_t i = 0; i < 20; i++)
        good += found(c, 1, i); /* asserts that what is given is right */
    struct cache_stat st;
    cache_stat(c, &st);
    assert_true(good < 20);
    assert_int_equal(st.corrupt, 20 - good);
    assert_int_equal(cache_verify(c, NULL, NULL), 20 - good);
    assert_int_equal(cache_verify(c, NULL, NULL), 0);
    assert_int_equal(count(c, 1), good);
    put(c, 1, 5); /* made again, it is good again */
    c = reopen(c, SMALL_MAP);
    assert_true(found(c, 1, 5));
    cache_close(c);
}

static void use_then_die(void) {
    struct cache *c;
    if (cache_open(&c, dir, SMALL_MAP, NULL) < 0)
        _exit(1);
    for (uint64_t i = 0; i < 5; i++)
        put(c, 1, i);
    while (count(c, 1) < 5)
        usleep(1000);
    kill(getpid(), SIGKILL);
}

static void killed_process_leaves_it_whole(void **state) {
    (void)state;
    pid_t pid = fork();
    if (pid == 0)
        use_then_die();
    int status;
    waitpid(pid, &status, 0);
    assert_true(WIFSIGNALED(status));
    struct cache *c = open_cache(SMALL_MAP);
    assert_true(found(c, 1, 4));
    cache_close(c);
}

static void mark(const char *boot) {
    char path[96];
    snprintf(path, sizeof path, "%s/in-use.1.0", dir);
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    fputs(boot, f);
    fclose(f);
}

static void crashed_machine_empties_it(void **state) {
    (void)state;
    struct cache *c = open_cache(SMALL_MAP);
    put(c, 1, 0);
    cache_close(c);
    mark("00000000-0000-0000-0000-000000000000");
    c = open_cache(SMALL_MAP);
    assert_false(found(c, 1, 0));
    cache_close(c);
}

static void cut_file_is_not_a_crash(void **state) {
    (void)state;
    struct cache *c = open_cache(SMALL_MAP);
    for (uint64_t i = 0; i < 20; i++)
        put(c, 1, i);
    cache_close(c);
    char data[96];
    snprintf(data, sizeof data, "%s/data.mdb", dir);
    assert_int_equal(truncate(data, 1 << 20), 0);
    c = open_cache(SMALL_MAP);
    assert_false(found(c, 1, 0));
    put(c, 1, 0);
    c = reopen(c, SMALL_MAP);
    assert_true(found(c, 1, 0));
    cache_close(c);
}

/* The second process: this program with the cache's folder as its argument. */
static int be_second(void) {
    struct cache *c;
    if (cache_open(&c, dir, SMALL_MAP, NULL) < 0 || !found(c, 1, 0))
        return 1;
    put(c, 2, 0);
    cache_close(c);
    return 0;
}

static void two_may_share_it(void **state) {
    (void)state;
    struct cache *c = open_cache(SMALL_MAP);
    put(c, 1, 0);
    while (count(c, 1) < 1)
        usleep(1000);
    pid_t pid = fork();
    if (pid == 0) {
        execl("/proc/self/exe", "unit_cache", dir, NULL);
        _exit(127);
    }
    int status;
    waitpid(pid, &status, 0);
    assert_int_equal(WEXITSTATUS(status), 0);
    assert_true(found(c, 2, 0));
    cache_close(c);
}

/* Fill the disk at @dir but for @left bytes. */
static void fill_disk(off_t left) {
    char path[96];
    static char junk[1 << 16];
    snprintf(path, sizeof path, "%s/junk", dir);
    int fd = open(path, O_CREAT | O_RDWR, 0600);
    while (write(fd, junk, sizeof junk) > 0)
        ;
    while (write(fd, junk, 512) > 0)
        ;
    const off_t all = lseek(fd, 0, SEEK_END);
    if (ftruncate(fd, all > left ? all - left : 0) < 0)
        _exit(4);
    close(fd);
}

static off_t file_size(void) {
    char data[96];
    struct stat st;
    snprintf(data, sizeof data, "%s/data.mdb", dir);
    return stat(data, &st) == 0 ? st.st_size : -1;
}

static bool says_that_the_disk_is_low(struct cache *c) {
    struct cache_stat st = { 0 };
    for (int ms = 0; ms < 10000 && !st.disk_low; ms++) {
        usleep(1000); /* the writer has it in hand */
        cache_stat(c, &st);
    }
    return st.disk_low;
}

static unsigned count_found(struct cache *c, unsigned tensor, uint64_t all) {
    unsigned n = 0;
    for (uint64_t i = 0; i < all; i++)
        n += found(c, tensor, i); /* asserts the bytes of what is found */
    return n;
}

/* In a file system of its own, 32 MiB large, of which at last @left bytes are free: what is there
 * stays but for what is replaced, and the file does not grow. */
static int on_a_full_disk(off_t left) {
    if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0 ||
        mount("none", dir, "tmpfs", 0, "size=32m") < 0)
        return 77;
    struct cache *c;
    MDB_txn *txn;
    if (cache_open(&c, dir, 256 << 20, NULL) < 0)
        return 1;
    for (uint64_t i = 0; i < 64; i++)
        put(c, 1, i);
    while (count(c, 1) < 64)
        usleep(1000);
    fill_disk(left);
    const off_t size = file_size();
    if (cache_begin(c, 0, &txn)) /* the writer waits, so that a whole batch comes together */
        return 5;
    for (uint64_t i = 0; i < QUEUE_MAX; i++)
        put(c, 2, i);
    cache_end(c, txn);
    if (!says_that_the_disk_is_low(c))
        return 6;
    cache_close(c);
    if (cache_open(&c, dir, 256 << 20, NULL) < 0)
        return 2;
    const unsigned old = count_found(c, 1, 64), new = count_found(c, 2, QUEUE_MAX);
    cache_close(c);
    printf("%u of 64 left, %u added, grown by %ld\n", old, new, (long)(file_size() - size));
    return old < 64 / 4 || old + new < 64 * 3 / 4 || file_size() - size > 1 << 18 ? 3 : 0;
}

static void run_on_a_full_disk(const char *left) {
    pid_t pid = fork();
    if (pid == 0) {
        execl("/proc/self/exe", "unit_cache", dir, left, NULL);
        _exit(127);
    }
    int status;
    waitpid(pid, &status, 0);
    assert_true(WIFEXITED(status));
    if (WEXITSTATUS(status) == 77)
        skip(); /* no right to mount a file system */
    assert_int_equal(WEXITSTATUS(status), 0);
}

static void full_disk_spoils_nothing(void **state) {
    (void)state;
    run_on_a_full_disk("0");
}

static void low_disk_is_left_alone(void **state) {
    (void)state;
    run_on_a_full_disk("1000000"); /* 3 % */
}

static void clear_removes_all(void **state) {
    (void)state;
    struct cache *c = open_cache(SMALL_MAP);
    put(c, 1, 0);
    c = reopen(c, SMALL_MAP);
    assert_ok(cache_clear(c, err));
    assert_false(found(c, 1, 0));
    put(c, 1, 1);
    c = reopen(c, SMALL_MAP);
    assert_true(found(c, 1, 1));
    cache_close(c);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, make_dir, remove_dir)

int main(int argc, char **argv) {
    log_open(LOG_LEVEL_ERROR, 0);
    if (argc > 1) {
        snprintf(dir, sizeof dir, "%s", argv[1]);
        return argc > 2 ? on_a_full_disk(atol(argv[2])) : be_second();
    }
    const struct CMUnitTest tests[] = {
        TEST(put_and_get),
        TEST(facts_stay),
        TEST(limit_holds_and_oldest_go),
        TEST(damage_is_noticed),
        TEST(killed_process_leaves_it_whole),
        TEST(crashed_machine_empties_it),
        TEST(cut_file_is_not_a_crash),
        TEST(two_may_share_it),
        TEST(full_disk_spoils_nothing),
        TEST(low_disk_is_left_alone),
        TEST(clear_removes_all),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
