/* SPDX-License-Identifier: Apache-2.0
 * formats/merge.c - see merge.h. An adapter's pairs are brought into the names and the order of
 * rows of its base, by formats/arch/lora.c, and then laid on the base's tensors one by one. */
#include "formats/merge.h"
#include "formats/arch/lora.h"
#include "formats/container.h"
#include "formats/packed.h"
#include <errno.h>
#include <stdio.h>

struct merge {
    struct model *m;
    const struct model *base;
    struct str adapter;    /* whose pairs are laid on */
    bool gguf_onto_folder; /* the adapter is a GGUF, the base is none */
    struct err *err;
};

unsigned merge_split(const char *source, char buf[PATH_MAX],
                     const char *paths[1 + MERGE_MAX_ADAPTERS]) {
    unsigned n = 1;
    snprintf(buf, PATH_MAX, "%s", source);
    paths[0] = buf;
    for (char *at = buf; n <= MERGE_MAX_ADAPTERS && (at = strstr(at, "//"));) {
        *at = '\0';
        at += 2;
        paths[n++] = at;
    }
    return n;
}

void merge_text(const char *source, char out[PATH_MAX]) {
    char buf[PATH_MAX];
    const char *paths[1 + MERGE_MAX_ADAPTERS];
    const unsigned n = merge_split(source, buf, paths);
    size_t used = 0;
    for (unsigned i = 0; i < n && used < PATH_MAX; i++)
        used += (size_t)snprintf(out + used, PATH_MAX - used, "%s%s", i ? "+" : "",
                                 *paths[i] ? paths[i] : ".");
}

static int no_memory(const struct merge *g) {
    return err_set(g->err, -ENOMEM, "no memory to merge %.*s", STR_ARG(g->adapter));
}

static bool is_gguf(const struct model *m) {
    return m->container->kind == CONTAINER_GGUF;
}

/* --- the tensors of the base --- */

static uint32_t index_of(const struct merge *g, const struct tensor *t) {
    return (uint32_t)(t - g->base->tensors);
}

/* Checkpoints of a model without its head leave the first component of the names away. */
static const struct tensor *find_base(const struct model *base, struct str name) {
    static const char *const first[] = { "transformer", "model" };
    const struct tensor *t = model_find(base, name);
    const char *dot = t ? NULL : memchr(name.p, '.', name.n);
    if (!dot)
        return t;
    const size_t cut = (size_t)(dot + 1 - name.p);
    t = model_find(base, (struct str){ name.p + cut, name.n - cut });
    for (size_t i = 0; i < sizeof first / sizeof *first && !t; i++) {
        char longer[256];
        const int n = snprintf(longer, sizeof longer, "%s.%.*s", first[i], STR_ARG(name));
        if (n > 0 && (size_t)n < sizeof longer)
            t = model_find(base, (struct str){ longer, (size_t)n });
    }
    return t;
}

static bool base_knows(const void *user, struct str name) {
    return find_base(user, name);
}

static const struct {
    const char *head, *embedding;
} tied[] = {
    { "lm_head.weight", "model.embed_tokens.weight" },
    { "lm_head.weight", "transformer.wte.weight" },
    { "lm_head.weight", "wte.weight" },
    { "output.weight", "token_embd.weight" },
};

/* A head that is tied to the embedding becomes one of its own. */
static struct tensor *add_head(struct merge *g, struct str name) {
    for (size_t i = 0; i < sizeof tied / sizeof *tied; i++) {
        const struct tensor *t =
            str_is(name, tied[i].head) ? model_find(g->base, str_from(tied[i].embedding)) : NULL;
        if (!t)
            continue;
        struct tensor *head = &g->m->tensors[g->m->n_tensors++];
        *head = *t;
        head->name = name;
        return head;
    }
    return NULL;
}

static struct tensor *find_target(struct merge *g, struct str name) {
    const struct tensor *t = find_base(g->base, name);
    for (uint32_t i = g->base->n_tensors; !t && i < g->m->n_tensors; i++)
        if (str_eq(g->m->tensors[i].name, name))
            return &g->m->tensors[i]; /* a head that another adapter has made */
    return t ? &g->m->tensors[index_of(g, t)] : add_head(g, name);
}

/* Where the embedding @name is replaced, the head that was tied to it stays what it was, as PEFT
 * trains it. False: no memory. */
static bool keep_head(struct merge *g, struct str name) {
    for (size_t i = 0; i < sizeof tied / sizeof *tied; i++)
        if (str_is(name, tied[i].embedding) && !find_target(g, str_from(tied[i].head)))
            return false;
    return true;
}

static int not_there(const struct merge *g, struct str name) {
    return err_set(g->err, -EBADMSG, "%.*s changes %.*s, which %.*s does not have",
                   STR_ARG(g->adapter), STR_ARG(name), STR_ARG(g->base->name));
}

/* --- laying on --- */

static enum dtype plain_type(const struct tensor *t) {
    if (t->packed)
        return packed_type(t->packed);
    return dtype_is_quantized(t->dtype) ? DTYPE_F16 : t->dtype;
}

static bool fits(const struct tensor *t, const struct lora_pair *pair) {
    const uint32_t n = t->n_dims;
    const uint64_t rows = n >= 2 ? t->dims[n - 2] * (n == 3 ? t->dims[0] : 1) : 0;
    if (n == 1 && str_ends(pair->name, STR(".bias")))
        return pair->b->rows == 1 && pair->a->cols == t->elems;
    return n == (pair->experts ? 3u : 2u) && rows == pair->b->rows &&
           t->dims[n - 1] == pair->a->cols && (!pair->experts || t->dims[0] == pair->experts);
}

static bool is_embedding(const struct tensor *t) {
    return t->n_dims == 2 &&
           (str_is(t->name, "token_embd.weight") || str_ends(t->name, STR("embed_tokens.weight")));
}

/* A GGUF may have fewer rows of embeddings than the folder it was made of: as many as there are
 * tokens. Those beyond are of no use, and stay as they are. */
static bool fit_vocabulary(struct merge *g, const struct tensor *t, struct lora_pair *pair) {
    struct arena *a = &g->m->arena;
    const uint64_t rows = t->dims[0];
    if (!is_embedding(t) || pair->experts || pair->magnitude)
        return true;
    if (pair->b->rows > rows && is_gguf(g->base)) {
        pair->b = expr_slice(a, pair->b, 0, rows);
        return pair->b;
    }
    if (pair->b->rows >= rows || !g->gguf_onto_folder)
        return true;
    float *zeros = arena_array(a, float, pair->b->cols);
    const struct row_map same = { 0, 1, { rows - pair->b->rows }, { 0 } };
    const struct expr *in[2] = { pair->b,
                                 zeros ? expr_rows(a, expr_literal(a, zeros, pair->b->cols), same)
                                       : NULL };
    pair->b = in[1] ? expr_stack(a, in, 2) : NULL;
    return pair->b;
}

static int lay_pair(struct merge *g, struct lora_pair *pair) {
    struct arena *a = &g->m->arena;
    struct tensor *t = find_target(g, pair->name);
    if (!t)
        return not_there(g, pair->name);
    if (!fit_vocabulary(g, t, pair))
        return no_memory(g);
    if (pair->magnitude && pair->turned)
        return err_set(g->err, -ENOTSUP,
                       "%.*s: DoRA of a matrix that lies the other way round is merged into a GGUF "
                       "only",
                       STR_ARG(t->name));
    if (!fits(t, pair))
        return err_set(
            g->err, -EBADMSG, "%.*s changes %.*s as %llu x %llu, it is %llu x %llu",
            STR_ARG(g->adapter), STR_ARG(t->name), (unsigned long long)pair->b->rows,
            (unsigned long long)pair->a->cols,
            (unsigned long long)(t->n_dims ? t->elems / tensor_row(t->dims, t->n_dims) : 1),
            (unsigned long long)tensor_row(t->dims, t->n_dims));
    const struct merged *before = t->merged;
    struct merged *now = arena_new(a, struct merged);
    struct lora_pair *pairs = arena_array(a, struct lora_pair, before ? before->n + 1 : 1);
    struct tensor *plain = arena_new(a, struct tensor); /* as it was */
    if (!now || !pairs || !plain)
        return no_memory(g);
    *plain = *t;
    *now = before ? *before : (struct merged){ .in = expr_tensor(a, plain), .type = plain_type(t) };
    if (now->n)
        memcpy(pairs, now->pairs, now->n * sizeof *pairs);
    pairs[now->n++] = *pair;
    now->pairs = pairs;
    if (!now->in)
        return no_memory(g);
    t->dtype = DTYPE_F32;
    t->packed = NULL;
    t->strides = NULL;
    t->bytes = t->elems * sizeof(float);
    t->merged = now;
    return 0;
}

/* As many rows of @own as a GGUF's embedding @t has. NULL: no memory. */
static const struct tensor *first_rows(struct arena *a, const struct tensor *own,
                                       const struct tensor *t) {
    struct tensor *cut = arena_new(a, struct tensor);
    struct merged *m = arena_new(a, struct merged);
    const struct expr *in = expr_slice(a, expr_tensor(a, own), 0, t->dims[0]);
    if (!cut || !m || !in)
        return NULL;
    *m = (struct merged){ .in = in, .type = plain_type(own) };
    *cut = *own;
    cut->dtype = DTYPE_F32;
    cut->dims[0] = t->dims[0];
    cut->elems = in->rows * in->cols;
    cut->bytes = cut->elems * sizeof(float);
    cut->merged = m;
    return cut;
}

/* A tensor of the adapter's own in the place of the base's. */
static int lay_whole(struct merge *g, const struct lora_list *list, uint32_t i) {
    const struct tensor *own = list->whole[i];
    struct tensor *t = find_target(g, list->whole_names[i]);
    if (!t)
        return not_there(g, list->whole_names[i]);
    if (!lora_has_pair(list, list->whole_names[i]) && !keep_head(g, t->name))
        return no_memory(g);
    const struct str name = t->name;
    if (is_embedding(t) && is_gguf(g->base) && own->n_dims == 2 && own->dims[0] > t->dims[0] &&
        !(own = first_rows(&g->m->arena, own, t)))
        return no_memory(g);
    if (t->n_dims != own->n_dims || memcmp(t->dims, own->dims, own->n_dims * sizeof *t->dims) != 0)
        return err_set(g->err, -EBADMSG, "%.*s has a %.*s of another shape", STR_ARG(g->adapter),
                       STR_ARG(name));
    *t = *own;
    t->name = name;
    return 0;
}

static int lay_list(struct merge *g, const struct lora_list *list) {
    int rc = 0;
    for (uint32_t i = 0; i < list->n_whole && rc == 0; i++)
        rc = lay_whole(g, list, i);
    for (uint32_t i = 0; i < list->n && rc == 0; i++)
        rc = lay_pair(g, &list->pairs[i]);
    return rc;
}

/* --- adapters --- */

/* Room for the tensors of the base, and for heads that were tied. */
static int take_base(struct merge *g) {
    const struct model *base = g->base;
    struct model *m = g->m;
    m->container = base->container;
    m->kvs = base->kvs;
    m->metadata = base->metadata;
    m->folder = base->folder;
    m->stored = base->stored ? base->stored : base->tensors;
    m->n_stored = base->stored ? base->n_stored : base->n_tensors;
    m->tensors = arena_array(&m->arena, struct tensor, (uint64_t)base->n_tensors + 1);
    if (!m->tensors)
        return no_memory(g);
    memcpy(m->tensors, base->tensors, base->n_tensors * sizeof *m->tensors);
    m->n_tensors = base->n_tensors;
    return 0;
}

static int take_sources(struct merge *g, const struct model *from) {
    int rc = 0;
    for (uint32_t i = 0; i < from->n_sources && rc >= 0; i++)
        rc = model_add_source(g->m, source_ref(from->sources[i]), g->err);
    return rc < 0 ? rc : 0;
}

static int take_adapter(struct merge *g, const struct model *adapter) {
    struct arena *a = &g->m->arena;
    struct model here = *adapter; /* its tensors lie in the sources of the merged model */
    struct lora_list list;
    here.tensors = arena_array(a, struct tensor, adapter->n_tensors + 1ull);
    if (!here.tensors)
        return no_memory(g);
    memcpy(here.tensors, adapter->tensors, adapter->n_tensors * sizeof *here.tensors);
    for (uint32_t i = 0; i < here.n_tensors; i++)
        here.tensors[i].src += g->m->n_sources;
    g->adapter = adapter->name;
    g->gguf_onto_folder = is_gguf(adapter) && !is_gguf(g->base);
    int rc = take_sources(g, adapter);
    if (rc == 0)
        rc = adapter_pairs(&here, a, &list, g->err);
    if (rc == 0 && is_gguf(g->base) && !is_gguf(adapter))
        rc = lora_to_gguf(g->base, a, &list, g->err);
    if (rc == 0 && g->gguf_onto_folder)
        rc = lora_to_hf(g->base, a, &list, g->err);
    if (rc == 0 && !is_gguf(g->base) && !is_gguf(adapter))
        rc = lora_find_names(&list, a, base_knows, g->base, g->err);
    if (rc == 0 && !is_gguf(g->base) && !is_gguf(adapter))
        rc = lora_turn_list(g->base, adapter->adapter, a, &list, g->err);
    return rc < 0 ? rc : lay_list(g, &list);
}

/* A head that was added comes where its name puts it: before "model." and "transformer.". */
static void sort_head(struct merge *g) {
    const uint32_t n = g->base->n_tensors;
    struct tensor *all = g->m->tensors;
    if (g->m->n_tensors == n || is_gguf(g->base))
        return;
    const struct tensor head = all[n];
    memmove(all + 1, all, n * sizeof *all);
    all[0] = head;
}

int merge_models(struct model **out, struct model *const *models, unsigned n, struct err *err) {
    struct merge g = { .base = models[0], .adapter = models[0]->name, .err = err };
    int rc = model_new(&g.m, models[0]->name, err);
    if (rc < 0)
        return rc;
    g.m->parts = arena_array(&g.m->arena, struct model *, n);
    if (!g.m->parts)
        rc = no_memory(&g);
    for (unsigned i = 0; i < n && rc == 0; i++)
        g.m->parts[g.m->n_parts++] = model_ref(models[i]);
    if (rc == 0 && (g.base->adapter || g.base->onnx))
        rc =
            err_set(err, -ENOTSUP, "%.*s is no model to merge an adapter into", STR_ARG(g.adapter));
    if (rc == 0)
        rc = take_base(&g);
    if (rc == 0)
        rc = take_sources(&g, g.base);
    for (unsigned i = 1; i < n && rc == 0; i++)
        rc = take_adapter(&g, models[i]);
    if (rc == 0)
        sort_head(&g);
    if (rc == 0)
        rc = model_index(g.m, err);
    if (rc < 0)
        model_unref(g.m);
    else
        *out = g.m;
    return rc;
}

struct tensor *merged_turn(struct arena *a, const struct tensor *t) {
    const struct merged *m = t->merged;
    struct tensor *turned = arena_new(a, struct tensor);
    struct merged *copy = arena_new(a, struct merged);
    struct lora_pair *pairs = arena_array(a, struct lora_pair, m->n);
    if (!turned || !copy || !pairs)
        return NULL;
    *copy = *m;
    const uint32_t row = t->n_dims - 2;
    copy->in = m->in ? expr_transpose(a, m->in, t->dims[row]) : NULL;
    copy->pairs = pairs;
    for (uint32_t i = 0; i < m->n; i++) {
        pairs[i] = m->pairs[i];
        if (!lora_turn(a, &pairs[i]))
            return NULL;
    }
    *turned = *t;
    turned->dims[row] = t->dims[row + 1];
    turned->dims[row + 1] = t->dims[row];
    turned->merged = copy;
    return copy->in || !m->in ? turned : NULL;
}

void merged_hash(const struct merged *m, struct hasher *h, const struct hash128 *source_hash) {
    hasher_u64(h, m->n);
    expr_hash(m->in, h, source_hash);
    for (uint32_t i = 0; i < m->n; i++) {
        const struct lora_pair *p = &m->pairs[i];
        hasher_bytes(h, &p->scale, sizeof p->scale);
        hasher_u64(h, p->experts);
        hasher_u64(h, p->magnitude ? 1 : 0);
        if (p->magnitude)
            expr_hash(p->magnitude, h, source_hash);
        expr_hash(p->a, h, source_hash);
        expr_hash(p->b, h, source_hash);
    }
}
