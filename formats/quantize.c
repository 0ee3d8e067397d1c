/* SPDX-License-Identifier: Apache-2.0
 * formats/quantize.c - llama_model_quantize_impl of src/llama-quant.cpp (llama.cpp 0c1e570), as far
 * as it decides what the output is: pairs, order, types. */
#include "formats/quantize_impl.h"
#include "formats/tokenizer/regex.h"
#include "quant/codec.h"
#include <errno.h>
#include <stdlib.h>

/* The first of ARCH.KEY, a number or one for each layer; 0: absent. */
static uint64_t hparam(struct arena *arena, const struct kv_list *kvs, struct str arch,
                       const char *key) {
    struct str name = arena_printf(arena, "%.*s.%s", STR_ARG(arch), key);
    struct kv_array a;
    struct str elem;
    int64_t first;
    uint64_t v = 0;
    if (!name.p || kv_get_u64(kvs, name.p, &v))
        return v;
    if (kv_get_array(kvs, name.p, &a) && kv_array_next(&a, &elem) &&
        kv_integer(a.type, elem, &first) && first > 0)
        return (uint64_t)first;
    return 0;
}

/* A projector has no parameters of layers (load_hparams returns early). Two architectures make more
 * layers than they tell: granite-switch.cpp, nanbeige.cpp. */
static int describe(const struct form *f, const struct extras *x, struct recipe_model *m,
                    struct err *err) {
    struct arena *a = f->arena;
    struct str arch = STR("");
    struct kv_list kvs;
    int ret = quantize_seen_pairs(&kvs, f, x->profile, err);
    if (ret < 0)
        return ret;
    kv_get_str(&kvs, "general.architecture", &arch);
    struct str copy = arena_str(a, arch);
    *m = (struct recipe_model){
        .architecture = copy.p ? copy.p : "",
        .has_imatrix = quantize_entries(x) > 0,
        .pure = x->spec.pure,
        .leave_output = x->spec.leave_output,
        .output = x->spec.output,
        .embedding = x->spec.embedding,
    };
    if (str_is(arch, "clip"))
        return 0;
    m->n_layer = hparam(a, &kvs, arch, "block_count");
    m->n_layer_nextn = hparam(a, &kvs, arch, "nextn_predict_layers");
    m->n_expert = hparam(a, &kvs, arch, "expert_count");
    m->n_head = hparam(a, &kvs, arch, "attention.head_count");
    m->n_head_kv = hparam(a, &kvs, arch, "attention.head_count_kv");
    struct str key = arena_printf(a, "%.*s.attention.head_count_kv", STR_ARG(arch));
    if (key.p && !kv_find(&kvs, key))
        m->n_head_kv = m->n_head;
    if (str_is(arch, "graniteswitch")) {
        m->n_layer -= m->n_layer_nextn;
        m->n_layer_nextn = 1;
        m->n_layer++;
    }
    uint64_t loops = str_is(arch, "nanbeige") ? hparam(a, &kvs, arch, "num_loops") : 1;
    if (loops > 1 && loops <= 512 && m->n_layer <= 512)
        m->n_layer = (m->n_layer - m->n_layer_nextn) * loops;
    return 0;
}

/* Names are terminated: the ones of a form are made by arena_str or arena_printf. */
static int by_block_and_name(const void *a, const void *b) {
    const struct target *x = a, *y = b;
    return recipe_compare(x->name.p, y->name.p);
}

static int check_change(const struct target *t, const struct recipe_tensor *r,
                        const struct spec *spec, struct err *err) {
    if (r->to == t->dtype)
        return 0;
    const bool is_float = spec->type->is_float && !dtype_is_quantized(r->to);
    if (dtype_is_quantized(t->dtype) && !is_float && !spec->requantize)
        return err_set(err, -EACCES,
                       "the source is quantized (%s is %s): add +requantize, or mount with -o "
                       "requantize",
                       t->name.p, dtype_info[t->dtype].name);
    bool is_known = dtype_is_quantized(t->dtype) || t->dtype == DTYPE_F32 ||
                    t->dtype == DTYPE_F16 || t->dtype == DTYPE_BF16;
    if (!is_known || !codec_can_decode(t->dtype))
        return err_set(err, -ENOTSUP, "%s: %s cannot be converted", t->name.p,
                       dtype_info[t->dtype].name);
    if (!(t->importance ? codec_can_encode_weighted : codec_can_encode)(r->to))
        return err_set(err, -ENOTSUP, "%s: %s cannot be written yet", t->name.p,
                       dtype_info[r->to].name);
    return 0;
}

/* The numbers of the file @f stands for are those that its type can hold. */
static int change_type(struct form *f, struct target *t, enum dtype to, struct err *err) {
    if (to == t->dtype)
        return 0;
    if (t->dtype == DTYPE_F16 || t->dtype == DTYPE_BF16)
        t->expr = expr_round(f->arena, t->expr, t->dtype);
    t->dtype = to;
    return t->expr ? 0 : err_set(err, -ENOMEM, "no memory for %u tensors", f->n_targets);
}

/* Does a tensor, changed or not, need what there is not? Upstream looks before it does anything. */
static int check_imatrix(const struct quantized *q, uint32_t n, const struct ftype *type,
                         struct err *err) {
    for (uint32_t i = 0; i < n; i++)
        if (q[i].tensor.needs_imatrix)
            return err_set(err, -ENOTSUP,
                           "%s needs an importance matrix (%s is to be %s): add +imatrix",
                           type->name, q[i].tensor.name, dtype_info[q[i].tensor.to].name);
    return 0;
}

/* What the profile's patterns say of a name; the first that matches decides. */
static int find_wish(enum dtype *out, const struct profile *p, struct str name, struct err *err) {
    *out = DTYPE_NONE;
    for (uint32_t i = 0; p && i < p->n_patterns; i++) {
        size_t start = 0, end;
        const int found = regex_find(p->patterns[i].regex, name, &start, &end, err);
        if (found)
            *out = p->patterns[i].type;
        if (found)
            return found < 0 ? found : 0;
    }
    return 0;
}

/* recipe_choose wants an array of its own tensors. */
static int choose_types(struct quantized *q, uint32_t n, const struct ftype *type,
                        const struct recipe_model *model, struct arena *a, struct err *err) {
    struct recipe_tensor *r = arena_array(a, struct recipe_tensor, n);
    struct recipe_fault fault = { 0 };
    if (!r)
        return err_set(err, -ENOMEM, "no memory for %u tensors", n);
    for (uint32_t i = 0; i < n; i++)
        r[i] = q[i].tensor;
    if (!recipe_choose(type, model, r, n, &fault))
        return err_set(err, -ENOTSUP, "%s: %s: %s", type->name, r[fault.tensor].name, fault.reason);
    for (uint32_t i = 0; i < n; i++)
        q[i].tensor = r[i];
    return 0;
}

static int change_target(struct form *f, struct target *t, const struct quantized *q,
                         const struct extras *x, struct err *err) {
    const enum dtype to = q->tensor.to;
    t->strict = codec_can_decode(t->dtype);
    if (to == t->dtype)
        return 0;
    int ret = quantize_importance(f, t, q, x, err);
    if (ret == 0)
        ret = check_change(t, &q->tensor, &x->spec, err);
    return ret < 0 ? ret : change_type(f, t, to, err);
}

static int change_types(struct form *f, const struct str *origins, const struct extras *x,
                        struct err *err) {
    struct recipe_model model;
    struct quantized *q = arena_array(f->arena, struct quantized, f->n_targets);
    int ret = q ? describe(f, x, &model, err)
                : err_set(err, -ENOMEM, "no memory for %u tensors", f->n_targets);
    for (uint32_t i = 0; ret == 0 && i < f->n_targets; i++) {
        struct target *t = &f->targets[i];
        struct recipe_tensor *r = &q[i].tensor;
        q[i].origin = origins[i];
        *r = (struct recipe_tensor){ .name = t->name.p, .n_dims = t->n_dims, .dtype = t->dtype };
        memcpy(r->dims, t->dims, sizeof r->dims);
        ret = find_wish(&r->wish, x->profile, t->name, err);
    }
    if (ret == 0)
        ret = choose_types(q, f->n_targets, x->spec.type, &model, f->arena, err);
    if (ret == 0 && !model.has_imatrix)
        ret = check_imatrix(q, f->n_targets, x->spec.type, err);
    for (uint32_t i = 0; ret == 0 && i < f->n_targets; i++)
        ret = change_target(f, &f->targets[i], &q[i], x, err);
    return ret;
}

/* Upstream looks at the numbers of what it copies, too. */
static void keep_types(struct form *f) {
    for (uint32_t i = 0; i < f->n_targets; i++)
        f->targets[i].strict = codec_can_decode(f->targets[i].dtype);
}

int form_quantize(struct form *f, const struct extras *x, struct err *err) {
    int64_t n_layers = -1;
    qsort(f->targets, f->n_targets, sizeof *f->targets, by_block_and_name);
    struct str *origins = arena_array(f->arena, struct str, f->n_targets);
    if (!origins)
        return err_set(err, -ENOMEM, "no memory for %u tensors", f->n_targets);
    for (uint32_t i = 0; i < f->n_targets; i++)
        origins[i] = f->targets[i].name;
    int ret = 0;
    if (x->profile && x->profile->n_prune)
        ret = quantize_prune(f, origins, x->profile, &n_layers, err);
    form_drop_dims(f);
    if (x->spec.type->file_type == FILE_COPY)
        keep_types(f);
    else if (ret == 0)
        ret = change_types(f, origins, x, err);
    return ret < 0 ? ret : quantize_pairs(f, x, n_layers, err);
}
