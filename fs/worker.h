/* SPDX-License-Identifier: Apache-2.0
 * fs/worker.h - the threads that convert. */
#pragma once
#include <stdbool.h>

struct workers;

/* Intrusive: it must stay until `run` was called. */
struct job {
    struct job *next;
    void (*run)(struct job *j);
};

/* Someone waits for a page here or there; for a read; or a reader will come along. PAGEs go before
 * READs, but not all the time; AHEAD runs only when none of them is there. */
enum job_class { JOB_PAGE, JOB_READ, JOB_AHEAD, JOB_CLASSES };

struct workers *workers_new(unsigned threads); /* NULL: no memory or no threads */
void workers_free(struct workers *w);          /* runs what is queued, then joins */
void workers_push(struct workers *w, enum job_class c, struct job *j);
unsigned workers_threads(const struct workers *w);
unsigned workers_queued(struct workers *w, enum job_class c);
