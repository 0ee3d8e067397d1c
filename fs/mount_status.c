/* SPDX-License-Identifier: Apache-2.0
 * fs/mount_status.c - the state of a mount as JSON, for `weightfs status`. */
#include "fs/cache.h"
#include "fs/flight.h"
#include "fs/mount_file.h"
#include "fs/view.h"
#include "fs/worker.h"
#include "fs/xattr.h"
#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

static void add_key(struct buffer *b, const char *key) {
    const char last = b->n ? b->p[b->n - 1] : '{';
    buffer_z(b, last == '{' ? "\"" : ", \"");
    buffer_z(b, key);
    buffer_z(b, "\": ");
}

static void add_number(struct buffer *b, const char *key, uint64_t v) {
    add_key(b, key);
    buffer_decimal(b, v);
}

static void add_real(struct buffer *b, const char *key, double v) {
    char text[40];
    add_key(b, key);
    snprintf(text, sizeof text, "%.6g", v);
    buffer_z(b, text);
}

static void add_text(struct buffer *b, const char *key, const char *v) {
    add_key(b, key);
    buffer_json(b, str_from(v));
}

static void add_bool(struct buffer *b, const char *key, bool v) {
    add_key(b, key);
    buffer_z(b, v ? "true" : "false");
}

static void open_object(struct buffer *b, const char *key) {
    add_key(b, key);
    buffer_z(b, "{");
}

static uint64_t rss_anon(void) {
    char line[128];
    uint64_t kib = 0;
    FILE *f = fopen("/proc/self/status", "re");
    while (f && fgets(line, sizeof line, f)) {
        if (sscanf(line, "RssAnon: %" SCNu64, &kib) == 1)
            break;
    }
    if (f)
        fclose(f);
    return kib << 10;
}

static double uptime_s(const struct mount *m) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)(now.tv_sec - m->started.tv_sec) +
           (double)(now.tv_nsec - m->started.tv_nsec) / 1e9;
}

static double ratio(double part, double whole) {
    return whole > 0 ? part / whole : 0;
}

static void add_reads(struct mount *m, struct buffer *b) {
    const struct engine_stats *st = &m->engine->stats;
    open_object(b, "views");
    add_number(b, "open", files_views(m->files));
    add_number(b, "in_memory", views_count(m->engine->views));
    add_number(b, "reads", st->reads);
    add_number(b, "read_bytes", st->read_bytes);
    add_number(b, "errors", st->errors);
    buffer_z(b, "}");
    open_object(b, "files");
    add_number(b, "reads", m->real_reads);
    add_number(b, "read_bytes", m->real_bytes);
    buffer_z(b, "}");
}

static void add_conversions(struct mount *m, struct buffer *b) {
    const struct engine_stats *st = &m->engine->stats;
    const double seconds = (double)st->convert_ns / 1e9;
    open_object(b, "conversions");
    add_number(b, "under_way", st->converting);
    add_number(b, "queued", workers_queued(m->engine->workers, JOB_READ));
    add_number(b, "queued_ahead", workers_queued(m->engine->workers, JOB_AHEAD));
    add_number(b, "threads", workers_threads(m->engine->workers));
    add_number(b, "chunks", st->converted_chunks);
    add_number(b, "converted_bytes", st->converted_bytes);
    add_real(b, "seconds", seconds);
    add_real(b, "bytes_per_second_and_thread", ratio((double)st->converted_bytes, seconds));
    buffer_z(b, "}");
}

static void add_cache(struct mount *m, struct buffer *b) {
    const struct engine_stats *st = &m->engine->stats;
    const uint64_t hits = st->cache_hits, misses = st->cache_misses;
    open_object(b, "cache");
    add_bool(b, "in_use", m->engine->cache);
    add_number(b, "hits", hits);
    add_number(b, "misses", misses);
    add_real(b, "hit_ratio", ratio((double)hits, (double)(hits + misses)));
    if (m->engine->cache) {
        struct cache_stat c = { 0 };
        cache_stat(m->engine->cache, &c);
        add_number(b, "limit_bytes", c.map_bytes);
        add_number(b, "used_bytes", c.used_bytes);
        add_number(b, "chunks", c.chunks);
        add_number(b, "facts", c.facts);
        add_number(b, "evicted", c.evicted);
        add_number(b, "dropped", c.dropped);
        add_number(b, "corrupt", c.corrupt);
        add_bool(b, "failed", c.failed);
        add_bool(b, "disk_low", c.disk_low);
        if (c.failed)
            add_text(b, "error", c.error);
    }
    buffer_z(b, "}");
}

static void add_options(const struct mount *m, struct buffer *b) {
    static const char *const styles[] = { "at", "ext", "hub" };
    static const char *const layouts[] = { "source", "flat", "hub" };
    const struct options *o = m->o;
    open_object(b, "options");
    add_text(b, "names", styles[o->names.style]);
    add_text(b, "layout", layouts[o->names.layout]);
    if (o->names.views)
        add_text(b, "views", o->names.views);
    add_bool(b, "requantize", o->engine.requantize);
    add_bool(b, "allow_other", o->allow_other);
    buffer_z(b, "}");
}

void mount_status(struct mount *m, struct buffer *out) {
    buffer_z(out, "{");
    add_text(out, "version", WEIGHTFS_VERSION);
    add_text(out, "source", root_path(m->engine->root));
    add_number(out, "pid", (uint64_t)getpid());
    add_real(out, "uptime_seconds", uptime_s(m));
    add_reads(m, out);
    add_conversions(m, out);
    add_cache(m, out);
    open_object(out, "memory");
    add_number(out, "rss_anon_bytes", rss_anon());
    add_number(out, "chunks_bytes", flight_bytes(m->engine->flight));
    add_number(out, "inodes", nodes_count(m->nodes));
    buffer_z(out, "}");
    add_options(m, out);
    buffer_z(out, "}");
}
