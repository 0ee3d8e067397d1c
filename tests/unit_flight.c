/* SPDX-License-Identifier: Apache-2.0
 * tests/unit_flight.c - one conversion for many readers of a chunk, from many threads at once. */
#include "tests/unit.h"
#include "fs/flight.h"
#include "fs/worker.h"
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

enum { KEYS = 64, READERS = 8, ROUNDS = 200 };

static struct flight *flight;
static atomic_uint made[KEYS], woken, failed;

static struct chunk_key key_of(unsigned i) {
    struct chunk_key k = { .index = i };
    k.tensor.b[0] = (uint8_t)(i % 3);
    return k;
}

struct reader {
    struct waiter w;
    pthread_mutex_t lock;
    pthread_cond_t cond;
    bool done;
};

static void wake(struct waiter *w) {
    struct reader *r = (struct reader *)w;
    pthread_mutex_lock(&r->lock);
    r->done = true;
    pthread_cond_signal(&r->cond);
    pthread_mutex_unlock(&r->lock);
    woken++;
}

static struct chunk *wait_for(struct reader *r) {
    pthread_mutex_lock(&r->lock);
    while (!r->done)
        pthread_cond_wait(&r->cond, &r->lock);
    r->done = false;
    pthread_mutex_unlock(&r->lock);
    return r->w.chunk;
}

static struct chunk *fetch(struct reader *r, unsigned i) {
    const struct chunk_key key = key_of(i);
    struct chunk *c = NULL;
    r->w = (struct waiter){ .wake = wake };
    switch (flight_join(flight, &key, &r->w, &c)) {
    case FLIGHT_READY:
        return c;
    case FLIGHT_WAIT:
        return wait_for(r);
    case FLIGHT_NO_MEMORY:
        return NULL;
    case FLIGHT_MINE:
        made[i]++;
        usleep(100);
        if (i == KEYS - 1) {
            flight_land(flight, &key, NULL, -EIO, "");
            return wait_for(r);
        }
        c = chunk_new(&key, 4);
        *(uint32_t *)(void *)chunk_data(c) = i;
        flight_land(flight, &key, c, 0, NULL);
        chunk_unref(wait_for(r)); /* who makes it is woken too */
        return c;
    }
    return NULL;
}

static void *read_many(void *arg) {
    unsigned seed = (unsigned)(uintptr_t)arg;
    struct reader r = { .lock = PTHREAD_MUTEX_INITIALIZER, .cond = PTHREAD_COND_INITIALIZER };
    for (int n = 0; n < ROUNDS; n++) {
        const unsigned i = (unsigned)rand_r(&seed) % KEYS;
        struct chunk *c = fetch(&r, i);
        if (c && *(uint32_t *)(void *)chunk_data(c) != i)
            failed++;
        if (!c && i != KEYS - 1)
            failed++;
        chunk_unref(c);
    }
    return NULL;
}

static void read_together(uint64_t keep) {
    pthread_t t[READERS];
    for (unsigned i = 0; i < KEYS; i++)
        made[i] = 0;
    failed = 0;
    flight = flight_new(keep);
    for (uintptr_t i = 0; i < READERS; i++)
        assert_int_equal(pthread_create(&t[i], NULL, read_many, (void *)(i + 1)), 0);
    for (int i = 0; i < READERS; i++)
        pthread_join(t[i], NULL);
    assert_int_equal(failed, 0);
}

static void each_is_made_once(void **state) {
    (void)state;
    read_together(KEYS * sizeof(struct chunk));
    for (unsigned i = 0; i < KEYS - 1; i++)
        assert_true(made[i] <= 1);
    assert_true(made[KEYS - 1] > 1); /* a failure is not kept */
    flight_free(flight);
}

static void what_is_kept_has_a_limit(void **state) {
    (void)state;
    read_together(4 * sizeof(struct chunk));
    assert_true(flight_bytes(flight) <= 4 * sizeof(struct chunk));
    const struct chunk_key absent = key_of(KEYS + 1);
    assert_null(flight_peek(flight, &absent));
    flight_free(flight);
}

struct count_job {
    struct job job;
    atomic_uint *ran;
};

static void count(struct job *j) {
    (*((struct count_job *)j)->ran)++;
}

static void workers_run_all(void **state) {
    (void)state;
    enum { JOBS = 1000 };
    atomic_uint ran = 0;
    struct count_job *jobs = calloc(JOBS, sizeof *jobs);
    struct workers *w = workers_new(3);
    assert_non_null(w);
    assert_int_equal(workers_threads(w), 3);
    for (int i = 0; i < JOBS; i++) {
        jobs[i] = (struct count_job){ { .run = count }, &ran };
        workers_push(w, i % 2 ? JOB_READ : JOB_AHEAD, &jobs[i].job);
    }
    workers_free(w);
    assert_int_equal(ran, JOBS);
    free(jobs);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_is_made_once),
        cmocka_unit_test(what_is_kept_has_a_limit),
        cmocka_unit_test(workers_run_all),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
