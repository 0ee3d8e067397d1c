/* SPDX-License-Identifier: Apache-2.0
 * tools/progress.c - one line of a terminal, drawn again and again. */
#include "tools/progress.h"
#include "tools/text.h"
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

enum { BAR = 24 };

static int64_t now_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000000000ll + t.tv_nsec;
}

void progress_init(struct progress *p, const char *what, uint64_t all, bool quiet) {
    *p = (struct progress){ .all = all, .start_ns = now_ns() };
    if (!quiet && isatty(STDERR_FILENO))
        p->what = what;
}

/* Columns left for the name beside the @used ones. */
static int name_width(int used) {
    struct winsize w;
    const int columns = ioctl(STDERR_FILENO, TIOCGWINSZ, &w) == 0 && w.ws_col ? w.ws_col : 80;
    return columns - 1 > used ? columns - 1 - used : 0;
}

void progress_step(struct progress *p, uint64_t done) {
    const int64_t now = now_ns();
    if (!p->what || now - p->shown_ns < 100000000)
        return;
    p->shown_ns = now;
    const double seconds = (double)(now - p->start_ns) / 1e9;
    const double part = p->all ? (double)done / (double)p->all : 1;
    const double rate = seconds > 0 ? (double)done / seconds : 0;
    char bar[BAR + 1], text[128], a[TEXT_SIZE], b[TEXT_SIZE], left[TEXT_SIZE] = "";
    for (int i = 0; i < BAR; i++)
        bar[i] = i < (int)(part * BAR) ? '#' : '-';
    bar[BAR] = 0;
    if (seconds > 1 && rate > 0) {
        const unsigned s = (unsigned)((double)(p->all - done) / rate + 0.5);
        snprintf(left, sizeof left, "%u:%02u left", s / 60, s % 60);
    }
    const int n = snprintf(text, sizeof text, " [%s] %3.0f%%  %s  %s/s  %s", bar, part * 100,
                           text_bytes(done, a), text_bytes((uint64_t)rate, b), left);
    fprintf(stderr, "\r\033[K%.*s%s", name_width(n), p->what, text);
    fflush(stderr);
}

void progress_fini(struct progress *p, uint64_t done) {
    if (!p->what)
        return;
    const double seconds = (double)(now_ns() - p->start_ns) / 1e9;
    char a[TEXT_SIZE], b[TEXT_SIZE];
    fprintf(stderr, "\r\033[K%s: %s in %.1f s, %s/s\n", p->what, text_bytes(done, a), seconds,
            text_bytes((uint64_t)((double)done / (seconds > 1e-9 ? seconds : 1e-9)), b));
    p->what = NULL;
}
