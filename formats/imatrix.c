/* SPDX-License-Identifier: Apache-2.0
 * formats/imatrix.c - reading importance matrices as common/imatrix-loader.cpp and
 * tools/quantize/quantize.cpp do (llama.cpp 0c1e570). */
#include "formats/imatrix.h"
#include "formats/checked.h"
#include "formats/container.h"
#include "formats/cursor.h"
#include <errno.h>
#include <limits.h>
#include <math.h>
#include <stdlib.h>

static int by_name(const void *a, const void *b) {
    const struct imatrix_entry *x = a, *y = b;
    return str_cmp(x->name, y->name);
}

static int no_memory(struct err *err) {
    return err_set(err, -ENOMEM, "no memory for the importance matrix");
}

/* --- GGUF: two tensors an entry, NAME.in_sum2 and NAME.counts --- */

static int read_counts(struct imatrix *x, struct importance *w, const struct tensor *t,
                       struct err *err) {
    float *counts = arena_array(&x->arena, float, t->elems);
    if (!counts)
        return no_memory(err);
    int rc = source_pread(x->source, counts, t->bytes, t->off, err);
    for (uint64_t i = 0; i < t->elems; i++) {
        uint32_t bits;
        memcpy(&bits, &counts[i], sizeof bits);
        bits = le32toh(bits);
        memcpy(&counts[i], &bits, sizeof bits);
        /* lround; what it makes of numbers that do not fit is not specified */
        counts[i] = fabsf(counts[i]) < 0x1p62f ? (float)lroundf(counts[i]) : 0;
    }
    w->divisor = counts;
    w->n_divisors = t->elems;
    return rc;
}

/* The entry of the tensor NAME.in_sum2. */
static int add_entry(struct imatrix *x, const struct model *m, const struct tensor *sums,
                     struct err *err) {
    struct imatrix_entry *e = &x->entries[x->n];
    const struct str stem = { sums->name.p, sums->name.n - strlen(".in_sum2") };
    e->name = arena_str(&x->arena, stem);
    struct str key = arena_printf(&x->arena, "%.*s.counts", STR_ARG(stem));
    if (!e->name.p || !key.p)
        return no_memory(err);
    const struct tensor *counts = model_find(m, key);
    if (!counts || sums->dtype != DTYPE_F32 || counts->dtype != DTYPE_F32 || counts->elems == 0 ||
        counts->elems > sums->elems)
        return err_set(err, -EBADMSG, "%.*s: its sums and counts do not go together",
                       STR_ARG(stem));
    x->n++;
    e->importance.source = x->source;
    e->importance.off = sums->off;
    e->importance.values = sums->elems;
    e->importance.group = sums->elems / counts->elems;
    return read_counts(x, &e->importance, counts, err);
}

static int take_metadata(struct imatrix *x, const struct model *m, struct err *err) {
    struct kv_array sets;
    struct str name;
    uint64_t chunks = 0;
    if (!kv_find(&m->kvs, STR("imatrix.datasets")) ||
        !kv_find(&m->kvs, STR("imatrix.chunk_size")) ||
        !kv_get_u64(&m->kvs, "imatrix.chunk_count", &chunks))
        return err_set(err, -EBADMSG, "it lacks the metadata of an importance matrix");
    x->chunks = chunks <= INT32_MAX ? (uint32_t)chunks : 0;
    if (kv_get_array(&m->kvs, "imatrix.datasets", &sets) && sets.type == KV_STRING &&
        kv_array_next(&sets, &name)) {
        x->dataset = arena_str(&x->arena, name);
        if (!x->dataset.p)
            return no_memory(err);
    }
    return 0;
}

static int read_gguf(struct imatrix *x, struct root *root, const char *path, struct err *err) {
    struct model *m = NULL;
    int rc = model_new(&m, str_from(path), err);
    if (rc == 0)
        rc = gguf_read(m, root, path, err);
    if (rc == 0 && m->n_sources != 1)
        rc = err_set(err, -ENOTSUP, "an importance matrix in parts is not read");
    if (rc == 0)
        rc = take_metadata(x, m, err);
    if (rc == 0) {
        source_close(x->source);
        x->source = source_ref(m->sources[0]);
        x->entries = arena_array(&x->arena, struct imatrix_entry, m->n_tensors);
        rc = x->entries ? 0 : no_memory(err);
    }
    uint32_t n_counts = 0;
    for (uint32_t i = 0; rc == 0 && i < m->n_tensors; i++) {
        n_counts += str_ends(m->tensors[i].name, STR(".counts"));
        if (str_ends(m->tensors[i].name, STR(".in_sum2")))
            rc = add_entry(x, m, &m->tensors[i], err);
    }
    if (rc == 0 && n_counts != x->n)
        rc = err_set(err, -EBADMSG, "it has counts without sums");
    model_unref(m);
    return rc;
}

/* --- .dat: i32 entries; each: i32 length, name, i32 calls, i32 values, f32 values[]; then, in
 * newer files, i32 chunks, i32 length, name of the dataset --- */

struct dat {
    struct source *s;
    uint64_t at, size;
    struct err *err;
};

static int dat_i32(struct dat *d, int32_t *out) {
    uint32_t v;
    if (!checked_range(d->at, sizeof v, d->size))
        return err_set(d->err, -EBADMSG, "it is cut short, or no importance matrix");
    int rc = source_pread(d->s, &v, sizeof v, d->at, d->err);
    d->at += sizeof v;
    *out = (int32_t)le32toh(v);
    return rc;
}

/* A length and that many bytes; they end at a NUL, as upstream's do. */
static int dat_name(struct dat *d, struct arena *a, struct str *out) {
    char buf[PATH_MAX];
    int32_t n = 0;
    int rc = dat_i32(d, &n);
    if (rc < 0)
        return rc;
    if (n < 0 || n > PATH_MAX || !checked_range(d->at, (uint64_t)n, d->size))
        return err_set(d->err, -EBADMSG, "it is cut short, or no importance matrix");
    rc = source_pread(d->s, buf, (uint64_t)n, d->at, d->err);
    d->at += (uint64_t)n;
    *out = rc == 0 ? arena_str(a, (struct str){ buf, strnlen(buf, (size_t)n) }) : (struct str){ 0 };
    return rc < 0 || out->p ? rc : no_memory(d->err);
}

static int dat_entry(struct imatrix *x, struct dat *d) {
    struct imatrix_entry *e = &x->entries[x->n];
    struct importance *w = &e->importance;
    float *divisor = arena_array(&x->arena, float, 1);
    int32_t calls = 0, values = 0;
    uint64_t bytes;
    if (!divisor)
        return no_memory(d->err);
    int rc = dat_name(d, &x->arena, &e->name);
    if (rc == 0)
        rc = dat_i32(d, &calls);
    if (rc == 0)
        rc = dat_i32(d, &values);
    if (rc < 0)
        return rc;
    if (values < 1 || !checked_mul((uint64_t)values, sizeof(float), &bytes) ||
        !checked_range(d->at, bytes, d->size))
        return err_set(d->err, -EBADMSG, "%.*s: it is cut short", STR_ARG(e->name));
    *divisor = calls > 0 ? (float)calls : 1;
    *w = (struct importance){ .source = x->source,
                              .off = d->at,
                              .values = (uint64_t)values,
                              .divisor = divisor,
                              .n_divisors = 1,
                              .group = (uint64_t)values };
    d->at += bytes;
    x->n++;
    return 0;
}

/* Of entries with the same name the last one counts. */
static void drop_doubles(struct imatrix *x) {
    uint32_t n = 0;
    for (uint32_t i = 0; i < x->n; i++) {
        struct imatrix_entry *e = &x->entries[i], *last = n ? &x->entries[n - 1] : NULL;
        if (!last || !str_eq(last->name, e->name))
            x->entries[n++] = *e;
        else if (e->importance.off > last->importance.off)
            *last = *e;
    }
    x->n = n;
}

static int read_dat(struct imatrix *x, struct err *err) {
    struct dat d = { .s = x->source, .size = source_ident(x->source)->size, .err = err };
    int32_t n = 0, chunks = 0;
    int rc = dat_i32(&d, &n);
    if (rc < 0)
        return rc;
    if (n < 1 || n > IMATRIX_MAX_ENTRIES || (uint64_t)n > d.size / 16)
        return err_set(err, -EBADMSG, "it is no importance matrix");
    x->entries = arena_array(&x->arena, struct imatrix_entry, (uint64_t)n);
    if (!x->entries)
        return no_memory(err);
    while (rc == 0 && n-- > 0)
        rc = dat_entry(x, &d);
    if (rc < 0)
        return rc;
    /* what follows may be missing */
    d.err = NULL;
    if (dat_i32(&d, &chunks) == 0) {
        x->chunks = chunks > 0 ? (uint32_t)chunks : 0;
        if (dat_name(&d, &x->arena, &x->dataset) < 0 || x->dataset.n == 0)
            x->dataset = (struct str){ 0 };
    }
    return 0;
}

/* --- both --- */

static int read_any(struct imatrix *x, struct root *root, const char *path, struct err *err) {
    char magic[4] = "";
    const char *slash = strrchr(path, '/');
    x->file = arena_str(&x->arena, str_from(slash ? slash + 1 : path));
    if (!x->file.p)
        return no_memory(err);
    int rc = source_open(&x->source, root, path, err);
    if (rc == 0 && source_ident(x->source)->size >= sizeof magic)
        rc = source_pread(x->source, magic, sizeof magic, 0, err);
    if (rc < 0)
        return rc;
    rc = memcmp(magic, "GGUF", sizeof magic) ? read_dat(x, err) : read_gguf(x, root, path, err);
    if (rc == 0 && x->n == 0)
        rc = err_set(err, -EBADMSG, "it has no entries");
    return rc;
}

int imatrix_open(struct imatrix **out, struct root *root, const char *path, struct err *err) {
    struct imatrix *x = calloc(1, sizeof *x);
    if (!x)
        return no_memory(err);
    int rc = read_any(x, root, path, err);
    if (rc < 0) {
        err_prefix(err, path);
        imatrix_close(x);
        return rc;
    }
    qsort(x->entries, x->n, sizeof *x->entries, by_name);
    drop_doubles(x);
    *out = x;
    return 0;
}

void imatrix_close(struct imatrix *x) {
    if (!x)
        return;
    source_close(x->source);
    arena_fini(&x->arena);
    free(x);
}

const struct imatrix_entry *imatrix_find(const struct imatrix *x, struct str name) {
    const struct imatrix_entry key = { .name = name };
    return x->n ? bsearch(&key, x->entries, x->n, sizeof key, by_name) : NULL;
}
