/* SPDX-License-Identifier: Apache-2.0
 * formats/torch_legacy.c - what torch.save wrote before version 1.6, and still writes on request:
 * five pickles (magic number, version, facts of the machine, the object, the keys of the
 * storages), then the storages, each behind its number of elements. */
#include "formats/checked.h"
#include "formats/cleanup.h"
#include "formats/torch.h"
#include <endian.h>
#include <errno.h>
#include <stdlib.h>

enum {
    PROTOCOL = 1001,
    FIRST_WINDOW = 1 << 20, /* bytes: the pickles of most files */
};

/* Protocol 2, LONG1 of ten bytes: 0x1950a86a20f9469cfc6c, STOP. */
/* The first pickle, behind its protocol and a frame, if it has one: a number of 80 bits. */
static const uint8_t MAGIC[] = { 0x8a, 10,   0x6c, 0xfc, 0x9c, 0x46, 0xf9,
                                 0x20, 0x6a, 0xa8, 0x50, 0x19, '.' };
enum { PROTO = 2, FRAME = 9 };

/* Its length; 0: it is not there. */
static size_t magic_bytes(const uint8_t *head, size_t n) {
    if (n < PROTO + FRAME + sizeof MAGIC || head[0] != 0x80 || head[1] < 2 || head[1] > 5)
        return 0;
    const size_t at = PROTO + (head[PROTO] == 0x95 ? FRAME : 0);
    return memcmp(head + at, MAGIC, sizeof MAGIC) ? 0 : at + sizeof MAGIC;
}

bool torch_is_legacy(const uint8_t *head, size_t n) {
    return magic_bytes(head, n) > 0;
}

/* A tar has a magic word at 257; what the head of a file shows is the name of its first member. */
bool torch_is_tar(const uint8_t *head, size_t n) {
    return n >= 9 && !memcmp(head, "sys_info", 9);
}

struct pickles {
    struct pickle_file version, machine, object, keys;
    uint64_t bytes; /* of all */
};

static int read_pickles(struct pickles *p, struct arena *a, struct str bytes, struct err *err) {
    struct pickle_file *const files[] = { &p->version, &p->machine, &p->object, &p->keys };
    p->bytes = magic_bytes((const uint8_t *)bytes.p, bytes.n);
    for (int i = 0; i < 4; i++) {
        const struct str rest = { bytes.p + p->bytes, bytes.n - p->bytes };
        int rc = pickle_read(files[i], a, rest, torch_allows, err);
        if (rc < 0)
            return rc;
        p->bytes += files[i]->bytes;
    }
    return 0;
}

/* How long the pickles are is not known before: a window that grows while they do not end. */
static int read_window(struct pickles *p, char **text, struct arena *a, struct source *s,
                       struct err *err) {
    const uint64_t size = source_ident(s)->size;
    for (uint64_t window = FIRST_WINDOW;; window *= 4) {
        struct err why = { 0 };
        const uint64_t n = size < window ? size : window;
        free(*text);
        *text = malloc(n);
        if (!*text)
            return err_set(err, -ENOMEM, "no memory for a pickle");
        int rc = source_pread(s, *text, n, 0, err);
        if (rc < 0)
            return rc;
        arena_fini(a);
        rc = read_pickles(p, a, (struct str){ *text, n }, &why);
        if (rc == -ENODATA && n < size && window < PICKLE_MAX_BYTES)
            continue;
        if (rc < 0)
            return err_set(err, rc == -ENODATA ? -EBADMSG : rc, "%s", why.msg);
        return 0;
    }
}

struct places {
    struct torch_storage *items; /* sorted by key */
    uint32_t n;
};

static int by_key(const void *a, const void *b) {
    return str_cmp(((const struct torch_storage *)a)->key, ((const struct torch_storage *)b)->key);
}

static int locate(const struct torch_file *f, struct torch_storage *s, struct err *err) {
    const struct places *p = f->user;
    const struct torch_storage *found = bsearch(s, p->items, p->n, sizeof *p->items, by_key);
    if (!found || !found->off || found->dtype != s->dtype)
        return err_set(err, -EBADMSG, "storage %.*s is not in the file",
                       (int)(s->key.n < 80 ? s->key.n : 80), s->key.p);
    s->off = found->off;
    s->bytes = found->bytes;
    return 0;
}

/* One of each storage that the object uses. */
static int list_storages(struct places *p, const struct pickle_file *object, struct arena *a,
                         struct err *err) {
    p->items = arena_array(a, struct torch_storage, object->n_stored + 1);
    if (!p->items)
        return err_set(err, -ENOMEM, "no memory for %u storages", object->n_stored);
    for (uint32_t i = 0; i < object->n_stored; i++) {
        int rc = torch_storage_parse(&p->items[i], object->stored[i], err);
        if (rc < 0)
            return rc;
    }
    qsort(p->items, object->n_stored, sizeof *p->items, by_key);
    for (uint32_t i = 0; i < object->n_stored; i++)
        if (!p->n || !str_eq(p->items[p->n - 1].key, p->items[i].key))
            p->items[p->n++] = p->items[i];
    return 0;
}

/* Walk over the storages in the order of their keys. */
static int place_storages(struct places *p, const struct pickles *pickles, struct source *s,
                          struct err *err) {
    const struct pickle *keys = pickles->keys.root;
    const uint64_t size = source_ident(s)->size;
    uint64_t at = pickles->bytes, elems, bytes;
    if (keys->type != PICKLE_LIST || keys->n != p->n)
        return err_set(err, -EBADMSG, "the list of its storages is not that of its tensors");
    for (uint32_t i = 0; i < keys->n; i++) {
        const struct torch_storage want = { .key = keys->items[i]->text };
        struct torch_storage *place = NULL;
        if (keys->items[i]->type == PICKLE_TEXT)
            place = bsearch(&want, p->items, p->n, sizeof *p->items, by_key);
        if (!place || place->off)
            return err_set(err, -EBADMSG, "a storage that no tensor has, or that is there twice");
        int rc = checked_range(at, sizeof elems, size)
                     ? source_pread(s, &elems, sizeof elems, at, err)
                     : -EBADMSG;
        if (rc < 0)
            return err_set(err, rc, "the file ends before its storages do");
        const uint32_t unit = place->dtype ? dtype_info[place->dtype].block_bytes : 1;
        if (!checked_mul(le64toh(elems), unit, &bytes) ||
            !checked_range(at + sizeof elems, bytes, size))
            return err_set(err, -EBADMSG, "storage %.*s is longer than the file",
                           STR_ARG(place->key));
        place->off = at + sizeof elems;
        place->bytes = bytes;
        at = place->off + bytes;
    }
    return at == size ? 0
                      : err_set(err, -EBADMSG, "%llu bytes after the last storage",
                                (unsigned long long)(size - at));
}

int torch_legacy_read(struct torch_file *f, struct source *s, struct err *err) {
    struct arena a = { .limit = PICKLE_MAX_MEMORY };
    struct pickles p = { 0 };
    struct places places = { 0 };
    auto_free char *text = NULL;
    uint64_t version;
    int rc = read_window(&p, &text, &a, s, err);
    if (rc == 0 && (!pickle_u64(p.version.root, &version) || version != PROTOCOL))
        rc = err_set(err, -EBADMSG, "the version of its format is not %d", PROTOCOL);
    const struct pickle *little = rc ? NULL : pickle_get(p.machine.root, "little_endian");
    if (rc == 0 && little && little->type == PICKLE_BOOL && !little->truth)
        rc = err_set(err, -ENOTSUP, "its byte order is not little-endian");
    if (rc == 0)
        rc = list_storages(&places, &p.object, &a, err);
    if (rc == 0)
        rc = place_storages(&places, &p, s, err);
    if (rc == 0) {
        f->root = p.object.root;
        f->locate = locate;
        f->user = &places;
        rc = torch_walk(f, err);
    }
    arena_fini(&a);
    return rc;
}
