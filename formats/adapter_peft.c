/* SPDX-License-Identifier: Apache-2.0
 * formats/adapter_peft.c - the parts of an adapter that only PEFT has: names of modules that are
 * wrapped, parameters that are several matrices, magnitudes, and biases. Source: peft/tuners/lora,
 * layer.py (Linear, ParamWrapper) and dora.py (peft 0.21). */
#include "formats/adapter_impl.h"
#include "formats/json.h"
#include <errno.h>

static const struct str WRAPPED = STR(".base_layer");

static int no_memory(const struct pairing *p) {
    return err_set(p->err, -ENOMEM, "no memory for the adapter");
}

struct str adapter_base_name(const struct pairing *p, struct str stem, const char *end) {
    static const struct str prefixes[] = { STR("base_model.model."), STR("base_model.") };
    for (size_t i = 0; i < sizeof prefixes / sizeof *prefixes; i++)
        if (str_starts(stem, prefixes[i])) {
            stem = (struct str){ stem.p + prefixes[i].n, stem.n - prefixes[i].n };
            break;
        }
    const char *wrapped = memmem(stem.p, stem.n, ".base_layer.", WRAPPED.n + 1);
    if (!wrapped)
        return arena_printf(p->arena, "%.*s%s", STR_ARG(stem), end);
    const size_t before = (size_t)(wrapped - stem.p);
    return arena_printf(p->arena, "%.*s%.*s%s", (int)before, stem.p,
                        (int)(stem.n - before - WRAPPED.n), wrapped + WRAPPED.n, end);
}

/* --- parameters of a module, wrapped one in the other --- */

/* In the order in which transformers' modules of experts have them. */
static const char *const parameters[] = { "gate_up_proj", "down_proj" };
enum { N_PARAMETERS = sizeof parameters / sizeof *parameters };

/* Is @name of @module one of "target_parameters"? They are the ends of names. */
static bool is_parameter(const struct pairing *p, struct str module, const char *name) {
    const struct json *list = json_get(p->m->adapter->config, "target_parameters");
    const struct str full = arena_printf(p->arena, ".%.*s.%s", STR_ARG(module), name);
    for (size_t i = 0; full.p && i < json_len(list); i++) {
        struct str want;
        if (!json_str(json_at(list, i), &want))
            continue;
        const struct str dotted = arena_printf(p->arena, ".%.*s", STR_ARG(want));
        if (dotted.p && str_ends(full, dotted))
            return true;
    }
    return false;
}

/* The base's tensor, and what PEFT's patterns are held against, of a pair whose names begin with
 * @stem. The first parameter is the innermost. */
static int find_target(const struct pairing *p, struct str stem, struct str *name,
                       struct str *module, bool *packed) {
    uint32_t depth = 0, n = 0;
    const char *found[N_PARAMETERS];
    for (; str_ends(stem, WRAPPED); depth++)
        stem.n -= WRAPPED.n;
    const struct str own = adapter_base_name(p, stem, "");
    if (!own.p)
        return no_memory(p);
    for (uint32_t i = 0; i < N_PARAMETERS && str_ends(own, STR(".experts")); i++)
        if (is_parameter(p, own, parameters[i]))
            found[n++] = parameters[i];
    if (depth && depth >= n)
        return err_set(p->err, -ENOTSUP,
                       "%.*s: which of its parameters is changed is not told by "
                       "adapter_config.json's \"target_parameters\"",
                       STR_ARG(own));
    const char *parameter = n ? found[n - 1 - depth] : NULL;
    *packed = parameter || is_parameter(p, own, "weight");
    *name = arena_printf(p->arena, "%.*s.%s", STR_ARG(own), parameter ? parameter : "weight");
    *module = *packed ? *name : own;
    return name->p ? 0 : no_memory(p);
}

/* Elements [r * n + e] of each row of @t, for each of the @n matrices e: rows of it below those of
 * the one before. */
static const struct expr *split_columns(const struct pairing *p, const struct tensor *t,
                                        uint64_t n) {
    const uint64_t rows = t->dims[0], cols = t->dims[1];
    const struct row_map map = { 0, 3, { n, rows, cols / n }, { 1, cols, n } };
    /* single elements, put side by side again */
    return expr_transpose(p->arena, expr_rows(p->arena, expr_tensor_as(p->arena, t, 1), map),
                          cols / n);
}

/* --- pairs --- */

static const struct tensor *find_part(const struct pairing *p, struct str stem, const char *end) {
    const struct str name = arena_printf(p->arena, "%.*s%s", STR_ARG(stem), end);
    return name.p ? model_find(p->m, name) : NULL;
}

/* DoRA's length of each row. */
static int take_magnitude(const struct pairing *p, struct str stem, struct lora_pair *pair) {
    static const char *const ends[] = { ".lora_magnitude_vector", ".lora_magnitude_vector.weight",
                                        ".lora_magnitude_vector.default.weight" };
    const struct tensor *t = NULL;
    bool dora = false;
    for (size_t i = 0; i < sizeof ends / sizeof *ends && !t; i++)
        t = find_part(p, stem, ends[i]);
    json_bool(json_get(p->m->adapter->config, "use_dora"), &dora);
    if (!t)
        return dora ? err_set(p->err, -EBADMSG, "%.*s: \"use_dora\", but no lora_magnitude_vector",
                              STR_ARG(stem))
                    : 0;
    if (pair->embedding || pair->experts)
        return err_set(p->err, -ENOTSUP, "%.*s: DoRA of %s is not merged", STR_ARG(stem),
                       pair->embedding ? "embeddings" : "experts");
    if (!dtype_is_float(t->dtype) || t->elems != pair->b->rows)
        return err_set(p->err, -EBADMSG, "tensor %.*s: not a number for each of %llu rows",
                       STR_ARG(t->name), (unsigned long long)pair->b->rows);
    pair->magnitude = expr_tensor_as(p->arena, t, 1);
    return pair->magnitude ? 0 : no_memory(p);
}

/* "lora_bias": a bias for lora_B, which goes into the module's own. */
static int take_bias(struct pairing *p, struct str stem, const struct lora_pair *of) {
    static const float one = 1;
    const struct tensor *t = find_part(p, stem, ".lora_B.bias");
    if (!t)
        return 0;
    if (!dtype_is_float(t->dtype) || t->n_dims != 1 || t->elems != of->b->rows)
        return err_set(p->err, -EBADMSG, "tensor %.*s: not a bias of %llu rows", STR_ARG(t->name),
                       (unsigned long long)of->b->rows);
    struct lora_pair *pair = &p->out->pairs[p->out->n++];
    *pair = (struct lora_pair){ .name = adapter_base_name(p, stem, ".bias"),
                                .a = expr_tensor(p->arena, t),
                                .b = expr_literal(p->arena, &one, 1),
                                .scale = of->scale };
    return pair->name.p && pair->a && pair->b ? 0 : no_memory(p);
}

int adapter_peft_pair(struct pairing *p, const struct tensor *a, const struct tensor *b,
                      struct str stem, bool embedding) {
    const uint64_t rank = a->n_dims ? a->dims[0] : 0;
    struct str module;
    bool packed = false;
    int rc = adapter_check_pair(p, a, b, rank, b->n_dims ? b->dims[b->n_dims - 1] : 0);
    if (rc == 0 && a->n_dims != 2)
        rc = err_set(p->err, -ENOTSUP, "tensor %.*s: adapters of convolutions are not merged",
                     STR_ARG(a->name));
    if (rc < 0)
        return rc;
    struct lora_pair *pair = &p->out->pairs[p->out->n++];
    *pair = (struct lora_pair){ .embedding = embedding };
    rc = find_target(p, stem, &pair->name, &module, &packed);
    if (rc == 0)
        rc = adapter_peft_scale(p, module, rank, packed, pair);
    if (rc < 0)
        return rc;
    pair->a = embedding ? adapter_turned(p, b) : expr_tensor(p->arena, a);
    pair->b = embedding       ? adapter_turned(p, a)
              : pair->experts ? split_columns(p, b, pair->experts)
                              : expr_tensor(p->arena, b);
    if (!pair->a || !pair->b)
        return no_memory(p);
    rc = take_magnitude(p, stem, pair);
    return rc < 0 ? rc : take_bias(p, stem, pair);
}

int adapter_peft_part(struct pairing *p, const struct tensor *t) {
    static const struct str bias = STR(".lora_B.bias");
    const char *magnitude = memmem(t->name.p, t->name.n, ".lora_magnitude_vector", 22);
    const struct str stem = { t->name.p, magnitude                 ? (size_t)(magnitude - t->name.p)
                                         : str_ends(t->name, bias) ? t->name.n - bias.n
                                                                   : 0 };
    return stem.n &&
           (find_part(p, stem, ".lora_A.weight") || find_part(p, stem, ".lora_A.default.weight"));
}
