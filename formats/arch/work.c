/* SPDX-License-Identifier: Apache-2.0
 * formats/arch/work.c - adding pairs and targets to the form that is being built. */
#include "formats/arch/work.h"
#include "formats/source.h"
#include "quant/codec.h"
#include <errno.h>
#include <math.h>
#include <stdio.h>

int work_no_memory(const struct arch_work *w) {
    return err_set(w->err, -ENOMEM, "no memory for the converted header");
}

/* The full key, in @buf. */
static const char *full_key(const struct arch_work *w, const char *key, char buf[128]) {
    if (*key != '.')
        return key;
    snprintf(buf, 128, "%s%s", w->arch->gguf, key);
    return buf;
}

int work_u32(struct arch_work *w, const char *key, uint64_t value) {
    char buf[128];
    if (value > UINT32_MAX)
        return err_set(w->err, -EBADMSG, "config.json: %s would be %llu", full_key(w, key, buf),
                       (unsigned long long)value);
    return kv_set_u32(&w->form->kvs, w->form->arena, full_key(w, key, buf), (uint32_t)value)
               ? 0
               : work_no_memory(w);
}

int work_f32(struct arch_work *w, const char *key, double value) {
    char buf[128];
    if (isfinite(value) && !isfinite((float)value))
        return err_set(w->err, -EBADMSG, "config.json: %s would be %g", full_key(w, key, buf),
                       value);
    return kv_set_f32(&w->form->kvs, w->form->arena, full_key(w, key, buf), (float)value)
               ? 0
               : work_no_memory(w);
}

int work_bool(struct arch_work *w, const char *key, bool value) {
    char buf[128];
    return kv_set_bool(&w->form->kvs, w->form->arena, full_key(w, key, buf), value)
               ? 0
               : work_no_memory(w);
}

/* As gguf-py's add_string: an empty text is not written. */
int work_str(struct arch_work *w, const char *key, struct str value) {
    char buf[128];
    if (value.n == 0)
        return 0;
    return kv_set_str(&w->form->kvs, w->form->arena, full_key(w, key, buf), value)
               ? 0
               : work_no_memory(w);
}

int work_array(struct arch_work *w, const char *key, enum kv_type type, const void *elems,
               uint64_t n) {
    char buf[128];
    return kv_set_array(&w->form->kvs, w->form->arena, full_key(w, key, buf), type, elems, n)
               ? 0
               : work_no_memory(w);
}

void work_remove(struct arch_work *w, const char *key) {
    char buf[128];
    kv_remove(&w->form->kvs, str_from(full_key(w, key, buf)));
}

bool work_has(struct arch_work *w, const char *key) {
    char buf[128];
    return kv_find(&w->form->kvs, str_from(full_key(w, key, buf)));
}

int work_read_number(struct arch_work *w, const struct tensor *t, float *out) {
    uint64_t bits = 0;
    if (t->elems != 1 || t->bytes > sizeof bits || tensor_is_made(t))
        return err_set(w->err, -EBADMSG, "tensor %.*s: not one number", STR_ARG(t->name));
    int rc = source_pread(w->model->sources[t->src], &bits, t->bytes, t->off, w->err);
    if (rc == 0 && codec_widen(t->dtype, out, &bits, 1) < 0)
        rc = err_set(w->err, -ENOTSUP, "tensor %.*s: numbers of type %s are not converted",
                     STR_ARG(t->name), dtype_info[t->dtype].name);
    return rc;
}

int work_quantization_version(struct arch_work *w) {
    return work_u32(w, "general.quantization_version", 2); /* GGML_QNT_VERSION */
}

/* Tensors that stay in f32 whatever the output type (conversion/base.py, prepare_tensors). */
static const char *const f32_names[] = {
    "ffn_gate_inp",       "ffn_gate_inp_shexp", "position_embd",     "token_types",
    "ssm_conv1d",         "shortconv.conv",     "time_mix_first",    "time_mix_w1",
    "time_mix_w2",        "time_mix_decay_w1",  "time_mix_decay_w2", "time_mix_lerp_fused",
    "ssm_conv1d_q",       "ssm_conv1d_k",       "ssm_conv1d_v",      "indexer.proj",
    "altup_correct_coef", "altup_predict_coef",
};

static bool stays_f32(const struct arch_work *w, struct str name, uint32_t n_dims) {
    struct name_match m;
    if (n_dims <= 1 || str_ends(name, STR("_norm.weight")))
        return true;
    if (w->arch->all_narrow)
        return false;
    if (!(str_ends(name, STR(".weight")) || str_ends(name, STR(".lora_a")) ||
          str_ends(name, STR(".lora_b"))))
        return true;
    for (size_t i = 0; i < sizeof f32_names / sizeof *f32_names; i++) {
        char block[64];
        snprintf(block, sizeof block, "blk.#.%s", f32_names[i]);
        if (name_matches(f32_names[i], name, &m) || name_matches(block, name, &m))
            return true;
    }
    return false;
}

static bool is_forced(const struct arch_work *w, struct str name, enum dtype *out) {
    for (const struct forced_type *t = w->arch->types; t && t->part; t++) {
        if (!memmem(name.p, name.n, t->part, strlen(t->part)))
            continue;
        const bool f16 =
            t->type == FORCE_F16_ALWAYS || (t->type == FORCE_F16 && w->out == OUTTYPE_F16);
        *out = f16 ? DTYPE_F16 : DTYPE_F32;
        return true;
    }
    return false;
}

/* Weights that were stored in fp8, where those are wanted as q8_0. */
static bool keeps_bits(const struct arch_work *w, const struct expr *e) {
    while (e && e->op != EXPR_TENSOR && e->op != EXPR_LITERAL)
        e = e->op == EXPR_STACK ? e->stack.in[0] : e->op == EXPR_ROWS ? e->gather.in : NULL;
    return w->form->how.fp8_as_q8 && e && e->op == EXPR_TENSOR && e->tensor->packed &&
           e->tensor->packed->fp8;
}

static enum dtype q8_0_or_f16(uint64_t cols) {
    return cols % dtype_info[DTYPE_Q8_0].block_elems ? DTYPE_F16 : DTYPE_Q8_0;
}

static enum dtype choose_dtype(const struct arch_work *w, struct str name, const uint64_t *dims,
                               uint32_t n_dims, const struct expr *e) {
    enum dtype dtype;
    if (n_dims > 1 && is_forced(w, name, &dtype))
        return dtype;
    if (n_dims > 1 && !str_ends(name, STR("_norm.weight")) && keeps_bits(w, e))
        return q8_0_or_f16(dims[n_dims - 1]);
    if (stays_f32(w, name, n_dims))
        return DTYPE_F32;
    switch (w->out) {
    case OUTTYPE_F32:
        return DTYPE_F32;
    case OUTTYPE_BF16:
        return DTYPE_BF16;
    case OUTTYPE_Q8_0:
        return q8_0_or_f16(dims[n_dims - 1]);
    default:
        return DTYPE_F16;
    }
}

/* Room for one more; the array at most doubles, so the arena holds as much again in old ones. */
static struct target *new_target(struct arch_work *w) {
    struct form *f = w->form;
    if (f->n_targets == w->cap) {
        const uint32_t cap = w->cap ? 2 * w->cap : 256;
        struct target *more = arena_array(f->arena, struct target, cap);
        if (!more)
            return NULL;
        if (f->n_targets)
            memcpy(more, f->targets, f->n_targets * sizeof *more);
        f->targets = more;
        w->cap = cap;
    }
    return &f->targets[f->n_targets++];
}

int work_target(struct arch_work *w, struct str name, const uint64_t *dims, uint32_t n_dims,
                const struct expr *expr) {
    const enum dtype moved = expr ? expr_copies(expr) : DTYPE_NONE;
    const enum dtype dtype =
        dtype_is_quantized(moved) ? moved : choose_dtype(w, name, dims, n_dims, expr);
    if (w->rounded && (dtype == DTYPE_F16 || dtype == DTYPE_BF16))
        expr = expr_round(w->form->arena, expr, dtype);
    struct target *t = new_target(w);
    if (!t || !expr || !name.p)
        return work_no_memory(w);
    *t = (struct target){ .name = name, .dtype = dtype, .n_dims = n_dims, .expr = expr };
    memcpy(t->dims, dims, n_dims * sizeof *dims);
    return 0;
}
