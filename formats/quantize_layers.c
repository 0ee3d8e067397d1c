/* SPDX-License-Identifier: Apache-2.0
 * formats/quantize_layers.c - taking layers out: remap_layer of src/llama-quant.cpp
 * (llama.cpp 0c1e570), --prune-layers. */
#include "formats/quantize_impl.h"
#include <ctype.h>
#include <errno.h>

enum { PRUNED = -1, NOT_MET = -2 };

struct remap {
    const struct profile *p;
    int32_t *to; /* of each layer: its new number, PRUNED or NOT_MET */
    int32_t next;
};

/* The first "blk.N." anywhere in the name: where N is, and how long. */
static const char *find_number(const char *name, size_t *n) {
    for (const char *p = name; (p = strstr(p, "blk.")); p++) {
        const char *digits = p + strlen("blk.");
        for (*n = 0; isdigit((unsigned char)digits[*n]);)
            ++*n;
        if (*n && digits[*n] == '.')
            return digits;
    }
    return NULL;
}

static bool is_pruned(const struct profile *p, uint32_t layer) {
    for (uint32_t i = 0; i < p->n_prune; i++)
        if (p->prune[i] == layer)
            return true;
    return false;
}

static int32_t map_layer(struct remap *r, uint32_t layer) {
    if (r->to[layer] != NOT_MET)
        return r->to[layer];
    if (is_pruned(r->p, layer))
        return r->to[layer] = PRUNED;
    if (layer < r->p->prune[0]) {
        r->next = (int32_t)layer + 1;
        return r->to[layer] = (int32_t)layer;
    }
    return r->to[layer] = r->next++;
}

/* *name: empty when the tensor goes. */
static int map_name(struct remap *r, struct arena *a, struct str *name, struct err *err) {
    size_t n;
    const char *digits = find_number(name->p, &n);
    if (!digits)
        return 0;
    uint32_t layer = 0;
    for (size_t i = 0; i < n && layer <= PROFILE_MAX_LAYER; i++)
        layer = layer * 10 + (uint32_t)(digits[i] - '0');
    if (layer > PROFILE_MAX_LAYER)
        return err_set(err, -ENOTSUP, "%s: more layers than can be pruned", name->p);
    const int32_t to = map_layer(r, layer);
    if (to == PRUNED)
        *name = (struct str){ 0 };
    else
        *name = arena_printf(a, "%.*s%d%s", (int)(digits - name->p), name->p, (int)to, digits + n);
    return to == PRUNED || name->p ? 0 : err_set(err, -ENOMEM, "no memory for names");
}

int quantize_prune(struct form *f, struct str *origins, const struct profile *p, int64_t *n_layers,
                   struct err *err) {
    struct remap r = { .p = p, .to = arena_array(f->arena, int32_t, PROFILE_MAX_LAYER + 1) };
    uint32_t kept = 0;
    if (!r.to)
        return err_set(err, -ENOMEM, "no memory for layers");
    for (uint32_t i = 0; i <= PROFILE_MAX_LAYER; i++)
        r.to[i] = NOT_MET;
    for (uint32_t i = 0; i < f->n_targets; i++) {
        struct target t = f->targets[i];
        const int rc = map_name(&r, f->arena, &t.name, err);
        if (rc < 0)
            return rc;
        if (!t.name.p)
            continue;
        origins[kept] = origins[i];
        f->targets[kept++] = t;
    }
    f->n_targets = kept;
    *n_layers = r.next;
    return 0;
}
