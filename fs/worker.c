/* SPDX-License-Identifier: Apache-2.0
 * fs/worker.c - a queue a class, threads that empty them. */
#include "fs/worker.h"
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>

enum { PAGES_IN_A_ROW = 8 };

struct queue {
    struct job *head, **tail;
    unsigned n;
};

struct workers {
    pthread_mutex_t lock;
    pthread_cond_t work;
    struct queue queue[JOB_CLASSES];
    bool stop;
    unsigned pages; /* taken in a row */
    unsigned n;
    pthread_t thread[];
};

static struct job *take_from(struct queue *q) {
    struct job *j = q->head;
    if (!j)
        return NULL;
    q->head = j->next;
    if (!q->head)
        q->tail = &q->head;
    q->n--;
    return j;
}

static struct job *take_job(struct workers *w) {
    if (w->pages < PAGES_IN_A_ROW || !w->queue[JOB_READ].head) {
        struct job *j = take_from(&w->queue[JOB_PAGE]);
        w->pages += j != NULL;
        if (j)
            return j;
    }
    w->pages = 0;
    for (int c = JOB_READ; c < JOB_CLASSES; c++) {
        struct job *j = take_from(&w->queue[c]);
        if (j)
            return j;
    }
    return NULL;
}

static void *work(void *arg) {
    struct workers *w = arg;
    pthread_mutex_lock(&w->lock);
    for (;;) {
        struct job *j = take_job(w);
        if (j) {
            pthread_mutex_unlock(&w->lock);
            j->run(j);
            pthread_mutex_lock(&w->lock);
        } else if (w->stop) {
            break;
        } else {
            pthread_cond_wait(&w->work, &w->lock);
        }
    }
    pthread_mutex_unlock(&w->lock);
    return NULL;
}

struct workers *workers_new(unsigned threads) {
    struct workers *w = calloc(1, sizeof *w + threads * sizeof *w->thread);
    if (!w)
        return NULL;
    pthread_mutex_init(&w->lock, NULL);
    pthread_cond_init(&w->work, NULL);
    for (int c = 0; c < JOB_CLASSES; c++)
        w->queue[c].tail = &w->queue[c].head;

    sigset_t all, old; /* signals are for the session's threads */
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    while (w->n < threads && pthread_create(&w->thread[w->n], NULL, work, w) == 0)
        w->n++;
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    if (w->n > 0)
        return w;
    workers_free(w);
    return NULL;
}

void workers_free(struct workers *w) {
    if (!w)
        return;
    pthread_mutex_lock(&w->lock);
    w->stop = true;
    pthread_cond_broadcast(&w->work);
    pthread_mutex_unlock(&w->lock);
    for (unsigned i = 0; i < w->n; i++)
        pthread_join(w->thread[i], NULL);
    pthread_cond_destroy(&w->work);
    pthread_mutex_destroy(&w->lock);
    free(w);
}

void workers_push(struct workers *w, enum job_class c, struct job *j) {
    j->next = NULL;
    pthread_mutex_lock(&w->lock);
    struct queue *q = &w->queue[c];
    *q->tail = j;
    q->tail = &j->next;
    q->n++;
    pthread_cond_signal(&w->work);
    pthread_mutex_unlock(&w->lock);
}

unsigned workers_threads(const struct workers *w) {
    return w->n;
}

unsigned workers_queued(struct workers *w, enum job_class c) {
    pthread_mutex_lock(&w->lock);
    const unsigned n = w->queue[c].n;
    pthread_mutex_unlock(&w->lock);
    return n;
}
