/* SPDX-License-Identifier: Apache-2.0
 * formats/quantize.c - llama_model_quantize_impl of src/llama-quant.cpp (llama.cpp 0c1e570), as far
 * as it decides what the output is: pairs, order, types. */
#include "formats/quantize.h"
#include "formats/cursor.h"
#include "quant/codec.h"
#include <errno.h>
#include <stdlib.h>

enum { QUANTIZATION_VERSION = 2 }; /* GGML_QNT_VERSION */

/* The first of ARCH.KEY, a number or one for each layer; 0: absent. */
static uint64_t hparam(const struct form *f, struct str arch, const char *key) {
    struct str name = arena_printf(f->arena, "%.*s.%s", STR_ARG(arch), key);
    struct kv_array a;
    struct str elem;
    int64_t first;
    uint64_t v = 0;
    if (!name.p || kv_get_u64(&f->kvs, name.p, &v))
        return v;
    if (kv_get_array(&f->kvs, name.p, &a) && kv_array_next(&a, &elem) &&
        kv_integer(a.type, elem, &first) && first > 0)
        return (uint64_t)first;
    return 0;
}

/* A projector has no parameters of layers (load_hparams returns early). Two architectures make more
 * layers than they tell: granite-switch.cpp, nanbeige.cpp. */
static void describe(const struct form *f, struct recipe_model *m) {
    struct str arch = STR("");
    kv_get_str(&f->kvs, "general.architecture", &arch);
    struct str copy = arena_str(f->arena, arch);
    *m = (struct recipe_model){ .architecture = copy.p ? copy.p : "" };
    if (str_is(arch, "clip"))
        return;
    m->n_layer = hparam(f, arch, "block_count");
    m->n_layer_nextn = hparam(f, arch, "nextn_predict_layers");
    m->n_expert = hparam(f, arch, "expert_count");
    m->n_head = hparam(f, arch, "attention.head_count");
    m->n_head_kv = hparam(f, arch, "attention.head_count_kv");
    struct str key = arena_printf(f->arena, "%.*s.attention.head_count_kv", STR_ARG(arch));
    if (key.p && !kv_find(&f->kvs, key))
        m->n_head_kv = m->n_head;
    if (str_is(arch, "graniteswitch")) {
        m->n_layer -= m->n_layer_nextn;
        m->n_layer_nextn = 1;
        m->n_layer++;
    }
    uint64_t loops = str_is(arch, "nanbeige") ? hparam(f, arch, "num_loops") : 1;
    if (loops > 1 && loops <= 512 && m->n_layer <= 512)
        m->n_layer = (m->n_layer - m->n_layer_nextn) * loops;
}

/* gguf_set_kv hands strings on as C strings: they end at a NUL. False: no memory. */
static bool cut_strings(struct kv *kv, struct arena *a) {
    if (kv->type == KV_STRING) {
        struct cursor c = cursor_over(kv->value);
        struct str s = cursor_str(&c, cursor_u64(&c));
        if (!s.n || !memchr(s.p, 0, s.n))
            return true;
        struct kv_list one = { 0 };
        bool ok = kv_set_str(&one, a, "", (struct str){ s.p, strlen(s.p) });
        *kv = ok ? (struct kv){ kv->key, kv->type, one.items[0].value } : *kv;
        return ok;
    }
    struct kv_array from;
    if (!kv_array(kv, &from) || from.type != KV_STRING)
        return true;
    struct str *strs = NULL, s;
    uint64_t n = 0;
    bool any = false;
    for (struct kv_array at = from; !any && kv_array_next(&at, &s);)
        any = s.n && memchr(s.p, 0, s.n);
    if (!any)
        return true;
    if (!(strs = arena_array(a, struct str, from.n)))
        return false;
    for (struct kv_array at = from; kv_array_next(&at, &s); n++) {
        const char *nul = s.n ? memchr(s.p, 0, s.n) : NULL;
        strs[n] = (struct str){ s.p, nul ? (size_t)(nul - s.p) : s.n };
    }
    struct kv_list one = { 0 };
    bool ok = kv_set_strs(&one, a, "", strs, n);
    *kv = ok ? (struct kv){ kv->key, kv->type, one.items[0].value } : *kv;
    return ok;
}

static bool is_dropped(struct str key) {
    static const char *const keys[] = { "general.quantization_version", "general.file_type",
                                        "split.no", "split.count", "split.tensors.count" };
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
        if (str_is(key, keys[i]))
            return true;
    return false;
}

static int change_pairs(struct form *f, const struct ftype *type, struct err *err) {
    struct kv_list out = { 0 };
    bool ok = true;
    for (uint32_t i = 0; ok && i < f->kvs.n; i++) {
        struct kv kv = f->kvs.items[i];
        if (!is_dropped(kv.key))
            ok = cut_strings(&kv, f->arena) && kv_append(&out, f->arena, kv);
    }
    if (!ok || !kv_set_u32(&out, f->arena, "general.quantization_version", QUANTIZATION_VERSION) ||
        !kv_set_u32(&out, f->arena, "general.file_type", (uint32_t)type->file_type))
        return err_set(err, -ENOMEM, "no memory for %u pairs", f->kvs.n);
    f->kvs = out;
    return 0;
}

/* Names are terminated: the ones of a form are made by arena_str or arena_printf. */
static int by_block_and_name(const void *a, const void *b) {
    const struct target *x = a, *y = b;
    return recipe_compare(x->name.p, y->name.p);
}

/* As ggml_n_dims: slow dimensions of 1 are not written. */
static void drop_dims(struct target *t) {
    if (t->n_dims == 0) {
        t->dims[0] = 1;
        t->n_dims = 1;
    }
    while (t->n_dims > 1 && t->dims[0] == 1) {
        memmove(t->dims, t->dims + 1, --t->n_dims * sizeof *t->dims);
        t->dims[t->n_dims] = 0;
    }
}

static int check_change(const struct target *t, const struct recipe_tensor *r,
                        const struct spec *spec, struct err *err) {
    if (r->to == t->dtype)
        return 0;
    if (dtype_is_quantized(t->dtype) && !spec->type->is_float && !spec->requantize)
        return err_set(err, -EACCES,
                       "the source is quantized (%s is %s): add +requantize, or mount with -o "
                       "requantize",
                       t->name.p, dtype_info[t->dtype].name);
    bool is_known = dtype_is_quantized(t->dtype) || t->dtype == DTYPE_F32 ||
                    t->dtype == DTYPE_F16 || t->dtype == DTYPE_BF16;
    if (!is_known || !codec_can_decode(t->dtype))
        return err_set(err, -ENOTSUP, "%s: %s cannot be converted", t->name.p,
                       dtype_info[t->dtype].name);
    if (!codec_can_encode(r->to))
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
static int check_imatrix(const struct recipe_tensor *r, uint32_t n, const struct ftype *type,
                         struct err *err) {
    for (uint32_t i = 0; i < n; i++)
        if (r[i].needs_imatrix)
            return err_set(err, -ENOTSUP, "%s: %s needs an importance matrix for %s", type->name,
                           r[i].name, dtype_info[r[i].to].name);
    return 0;
}

static int change_types(struct form *f, struct recipe_tensor *r, const struct spec *spec,
                        struct err *err) {
    struct recipe_model model;
    struct recipe_fault fault = { 0 };
    describe(f, &model);
    for (uint32_t i = 0; i < f->n_targets; i++) {
        struct target *t = &f->targets[i];
        drop_dims(t);
        r[i] = (struct recipe_tensor){ .name = t->name.p, .n_dims = t->n_dims, .dtype = t->dtype };
        memcpy(r[i].dims, t->dims, sizeof r[i].dims);
    }
    if (!recipe_choose(spec->type, &model, r, f->n_targets, &fault))
        return err_set(err, -ENOTSUP, "%s: %s: %s", spec->type->name, r[fault.tensor].name,
                       fault.reason);
    int ret = check_imatrix(r, f->n_targets, spec->type, err);
    for (uint32_t i = 0; ret == 0 && i < f->n_targets; i++) {
        ret = check_change(&f->targets[i], &r[i], spec, err);
        if (ret == 0)
            ret = change_type(f, &f->targets[i], r[i].to, err);
    }
    return ret;
}

int form_quantize(struct form *f, const struct spec *spec, struct err *err) {
    qsort(f->targets, f->n_targets, sizeof *f->targets, by_block_and_name);
    struct recipe_tensor *r = arena_array(f->arena, struct recipe_tensor, f->n_targets);
    if (!r)
        return err_set(err, -ENOMEM, "no memory for %u tensors", f->n_targets);
    int ret = change_types(f, r, spec, err);
    return ret < 0 ? ret : change_pairs(f, spec->type, err);
}
