/* SPDX-License-Identifier: Apache-2.0
 * formats/quantize_pairs.c - the pairs of a quantized file, in the order in which
 * llama_model_quantize_impl and its caller set them (llama.cpp 0c1e570). Setting a pair there moves
 * it to the end. */
#include "formats/cursor.h"
#include "formats/quantize_impl.h"
#include <errno.h>

enum {
    QUANTIZATION_VERSION = 2,
    /* GGML_QNT_VERSION */ MAX_STR = 127 /* bytes of val_str */,
    GUESSED = 1024 /* LLAMA_FTYPE_GUESSED */
};

/* gguf_set_kv hands strings on as C strings: they end at a NUL. False: no memory. */
static bool cut_strings(struct kv *kv, struct arena *a) {
    if (kv->plain || kv_is_plain(kv))
        return true;
    if (kv->type == KV_STRING) {
        struct cursor c = cursor_over(kv->value);
        struct str s = cursor_str(&c, cursor_u64(&c));
        struct kv_list one = { 0 };
        bool ok = kv_set_str(&one, a, "", (struct str){ s.p, strlen(s.p) });
        kv->value = ok ? one.items[0].value : kv->value;
        return ok;
    }
    struct kv_array from;
    kv_array(kv, &from);
    struct str *strs = arena_array(a, struct str, from.n), s;
    uint64_t n = 0;
    if (!strs)
        return false;
    for (struct kv_array at = from; kv_array_next(&at, &s); n++) {
        const char *nul = s.n ? memchr(s.p, 0, s.n) : NULL;
        strs[n] = (struct str){ s.p, nul ? (size_t)(nul - s.p) : s.n };
    }
    struct kv_list one = { 0 };
    bool ok = kv_set_strs(&one, a, "", strs, n);
    kv->value = ok ? one.items[0].value : kv->value;
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

/* What --override-kv makes of it: integers are u32, whatever the pair was. */
static bool set_override(struct kv_list *l, struct arena *a, const struct profile_override *o) {
    kv_remove(l, str_from(o->key));
    switch (o->kind) {
    case OVERRIDE_INT:
        return kv_set_u32(l, a, o->key, (uint32_t)(o->i < 0 ? -(uint64_t)o->i : (uint64_t)o->i));
    case OVERRIDE_FLOAT:
        return kv_set_f32(l, a, o->key, (float)o->f);
    case OVERRIDE_BOOL:
        return kv_set_bool(l, a, o->key, o->i);
    default:
        return kv_set_str(l, a, o->key, o->s);
    }
}

static bool set_str(struct kv_list *l, struct arena *a, const char *key, struct str s) {
    const size_t n = s.n < MAX_STR ? s.n : MAX_STR;
    kv_remove(l, str_from(key));
    return kv_set_str(l, a, key, (struct str){ s.p, strnlen(s.p, n) });
}

static bool set_u32(struct kv_list *l, struct arena *a, const char *key, uint32_t v) {
    kv_remove(l, str_from(key));
    return kv_set_u32(l, a, key, v);
}

static bool set_imatrix(struct kv_list *l, struct arena *a, const struct extras *x) {
    const struct imatrix *m = x->imatrix;
    const uint32_t entries = quantize_entries(x);
    if (entries == 0)
        return true;
    return set_str(l, a, "quantize.imatrix.file", m->file) &&
           (!m->dataset.p || set_str(l, a, "quantize.imatrix.dataset", m->dataset)) &&
           set_u32(l, a, "quantize.imatrix.entries_count", entries) &&
           (!m->chunks || set_u32(l, a, "quantize.imatrix.chunks_count", m->chunks));
}

static bool set_layers(struct kv_list *l, struct arena *a, int64_t n_layers) {
    struct str arch = STR("");
    if (n_layers < 0)
        return true;
    kv_get_str(l, "general.architecture", &arch);
    const struct str key = arena_printf(a, "%.*s.block_count", STR_ARG(arch));
    return key.p && set_u32(l, a, key.p, (uint32_t)n_layers);
}

/* The loader's guess, LLAMA_FTYPE_GUESSED with it: the first type that as many tensors have as any
 * other ever has. */
static uint32_t guess_file_type(const struct form *f) {
    uint32_t count[DTYPE_COUNT] = { 0 }, most = 0;
    enum dtype type = DTYPE_F32;
    for (uint32_t i = 0; i < f->n_targets; i++)
        if (++count[f->targets[i].dtype] > most) {
            type = f->targets[i].dtype;
            most = count[type];
        }
    const char *name = dtype_info[type].name;
    const struct ftype *row = ftype_find(name, strlen(name));
    return GUESSED | (uint32_t)(type == DTYPE_NVFP4 ? FILE_NVFP4 : row ? row->file_type : FILE_F32);
}

static uint32_t own_file_type(const struct form *f) {
    uint64_t told;
    return kv_get_u64(&f->kvs, "general.file_type", &told) ? (uint32_t)told : guess_file_type(f);
}

int quantize_pairs(struct form *f, const struct extras *x, int64_t n_layers, struct err *err) {
    const enum file_type asked = x->spec.type->file_type;
    const uint32_t file_type = asked == FILE_COPY ? own_file_type(f) : (uint32_t)asked;
    struct kv_list out = { 0 };
    bool ok = true;
    for (uint32_t i = 0; ok && i < f->kvs.n; i++) {
        struct kv kv = f->kvs.items[i];
        if (!is_dropped(kv.key))
            ok = cut_strings(&kv, f->arena) && kv_append(&out, f->arena, kv);
    }
    ok = ok && kv_set_u32(&out, f->arena, "general.quantization_version", QUANTIZATION_VERSION) &&
         kv_set_u32(&out, f->arena, "general.file_type", file_type);
    for (uint32_t i = 0; ok && x->profile && i < x->profile->n_overrides; i++)
        ok = set_override(&out, f->arena, &x->profile->overrides[i]);
    ok = ok && set_imatrix(&out, f->arena, x) && set_layers(&out, f->arena, n_layers);
    if (!ok)
        return err_set(err, -ENOMEM, "no memory for %u pairs", f->kvs.n);
    f->kvs = out;
    return 0;
}

/* The loader takes an override whose kind fits; arrays it reads past them. */
static bool is_seen(const struct kv_list *l, const struct profile_override *o) {
    const struct kv *kv = kv_find(l, str_from(o->key));
    return kv ? o->kind == (kv->type == KV_STRING ? OVERRIDE_STR : OVERRIDE_INT) &&
                    kv->type != KV_ARRAY && kv->type != KV_BOOL && kv->type != KV_F32
              : o->kind == OVERRIDE_INT || o->kind == OVERRIDE_STR;
}

int quantize_seen_pairs(struct kv_list *out, const struct form *f, const struct profile *p,
                        struct err *err) {
    *out = f->kvs;
    if (!p || !p->n_overrides)
        return 0;
    *out = (struct kv_list){ 0 };
    bool ok = true;
    for (uint32_t i = 0; ok && i < f->kvs.n; i++)
        ok = kv_append(out, f->arena, f->kvs.items[i]);
    for (uint32_t i = 0; ok && i < p->n_overrides; i++)
        ok = !is_seen(out, &p->overrides[i]) || set_override(out, f->arena, &p->overrides[i]);
    return ok ? 0 : err_set(err, -ENOMEM, "no memory for %u pairs", f->kvs.n);
}
