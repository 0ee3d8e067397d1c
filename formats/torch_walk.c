/* SPDX-License-Identifier: Apache-2.0
 * formats/torch_walk.c - the tensors in a tree of values: which dict has the weights, what each is
 * called, where its numbers lie. */
#include "formats/torch.h"
#include "formats/checked.h"
#include "formats/strided.h"
#include "formats/cleanup.h"
#include <errno.h>
#include <stdio.h>

enum {
    MAX_DEPTH = 64,      /* of dicts in dicts; TorchScript nests a level a module */
    MAX_STEPS = 4 << 20, /* values looked at: a tree may hold one value at many places */
};

struct walk {
    const struct torch_file *f;
    struct err *err;
    uint32_t first, cap; /* tensors of the model before this file; room */
    uint32_t steps;
    struct torch_scales scales;
    char path[TENSOR_MAX_NAME + 1];
};

/* --- storages --- */

int torch_storage_parse(struct torch_storage *out, const struct pickle *stored, struct err *err) {
    const struct pickle *id = stored && stored->type == PICKLE_STORED ? stored->items[0] : NULL;
    const struct pickle *type = pickle_item(id, 1), *key = pickle_item(id, 2);
    const struct pickle *part = pickle_item(id, 5);
    uint64_t whole;
    if (!pickle_is_text(pickle_item(id, 0), "storage") || !type || type->type != PICKLE_GLOBAL ||
        !key || key->type != PICKLE_TEXT || !pickle_u64(pickle_item(id, 4), &whole))
        return err_set(err, -EBADMSG, "pickle: what is kept outside of it is no storage");
    out->quantized = torch_quantized_dtype(type->text, &out->dtype);
    if (!out->quantized && !torch_storage_dtype(type->text, &out->dtype))
        return err_set(err, -EBADMSG, "pickle: %.*s is no storage", STR_ARG(type->text));
    if (out->dtype == DTYPE_NONE && !str_ends(type->text, STR(".UntypedStorage")))
        return err_set(err, -ENOTSUP, "%.*s cannot be read: save it in another type",
                       STR_ARG(type->text));
    out->key = key->text;
    out->first = 0;
    out->elems = whole;
    if (!part || part->type == PICKLE_NONE)
        return 0;
    if (!pickle_u64(pickle_item(part, 1), &out->first) ||
        !pickle_u64(pickle_item(part, 2), &out->elems) ||
        !checked_range(out->first, out->elems, whole))
        return err_set(err, -EBADMSG, "storage %.*s: a part that lies outside", STR_ARG(out->key));
    return 0;
}

/* --- one tensor --- */

static const char QTENSOR[] = "torch._utils._rebuild_qtensor";

static bool is_plain_tensor(const struct pickle *p) {
    return pickle_is_call(p, "torch._utils._rebuild_tensor") ||
           pickle_is_call(p, "torch._utils._rebuild_tensor_v2") ||
           pickle_is_call(p, "torch._utils._rebuild_tensor_v3");
}

static int refuse(struct walk *w, int code, const char *why) {
    return err_set(w->err, code, "%s: %s", w->path, why);
}

/* Dimensions and strides; *reach: elements from the first to the last that is used. */
static bool read_shape(struct tensor *t, const struct pickle *size, const struct pickle *stride,
                       uint64_t *reach, bool *is_contiguous) {
    uint64_t strides[TENSOR_MAX_DIMS], expected = 1;
    if (!size || !stride || size->type != PICKLE_TUPLE || stride->type != PICKLE_TUPLE ||
        size->n != stride->n || size->n > TENSOR_MAX_DIMS)
        return false;
    t->n_dims = size->n;
    t->elems = 1;
    for (uint32_t i = 0; i < size->n; i++)
        if (!pickle_u64(size->items[i], &t->dims[i]) ||
            !pickle_u64(stride->items[i], &strides[i]) ||
            !checked_mul(t->elems, t->dims[i], &t->elems))
            return false;
    *reach = t->elems != 0;
    *is_contiguous = true;
    for (uint32_t i = t->n_dims; t->elems && i-- > 0;) {
        uint64_t step;
        if (!checked_mul(t->dims[i] - 1, strides[i], &step) || !checked_add(*reach, step, reach))
            return false;
        if (t->dims[i] > 1 && strides[i] != expected)
            *is_contiguous = false;
        expected *= t->dims[i];
    }
    return true;
}

/* torch.Size(...) of old files, or a tuple. */
static const struct pickle *shape_of(const struct pickle *p) {
    return pickle_is_call(p, "torch.Size") ? pickle_arg(p, 0) : p;
}

/* Numbers that would have to be changed when they are read. */
static bool is_lazy(const struct pickle *metadata) {
    static const char *const bits[] = { "conj", "neg" };
    for (int i = 0; i < 2; i++) {
        const struct pickle *bit = pickle_get(metadata, bits[i]);
        if (bit && bit->type == PICKLE_BOOL && bit->truth)
            return true;
    }
    return false;
}

/* Elements that do not lie in order. What is made of folders reads them as if they did. */
static int place_strided(struct walk *w, struct tensor *t, const struct pickle *call) {
    const struct pickle *stride = shape_of(pickle_arg(call, 3));
    struct strided s;
    uint64_t *strides = arena_array(&w->f->m->arena, uint64_t, t->n_dims);
    if (!strides)
        return err_set(w->err, -ENOMEM, "no memory for a tensor");
    for (uint32_t i = 0; i < t->n_dims; i++)
        if (!pickle_u64(pickle_item(stride, i), &strides[i]))
            return refuse(w, -EBADMSG, "impossible shape or strides");
    t->strides = strides;
    if (w->f->plain || !strided_map(t, &s))
        return refuse(w, -ENOTSUP, "its elements do not lie in order; save it after .contiguous()");
    return 0;
}

static int place_tensor(struct walk *w, struct tensor *t, const struct pickle *call,
                        const struct torch_storage *s) {
    uint64_t first, reach, unit, end, size;
    bool is_contiguous;
    const struct dtype_info *d = &dtype_info[t->dtype];
    if (!pickle_u64(pickle_arg(call, 1), &first) ||
        !read_shape(t, shape_of(pickle_arg(call, 2)), shape_of(pickle_arg(call, 3)), &reach,
                    &is_contiguous))
        return refuse(w, -EBADMSG, "impossible shape or strides");
    unit = s->dtype == DTYPE_NONE ? 1 : d->block_bytes; /* of the storage's elements, bytes */
    if (!checked_mul(s->first + s->elems, unit, &size) || size > s->bytes)
        return refuse(w, -EBADMSG, "its storage is shorter than it says");
    if (!checked_add(first, reach, &end) || !checked_mul(end, d->block_bytes, &end) ||
        (reach && end > s->elems * unit))
        return refuse(w, -EBADMSG, "it reaches out of its storage");
    t->bytes = reach * d->block_bytes; /* not above @end */
    t->off = t->bytes ? s->off + s->first * unit + first * d->block_bytes : s->off;
    return is_contiguous ? 0 : place_strided(w, t, call);
}

/* The tensor of a call, which lies in the file. */
static int read_tensor(struct walk *w, const struct pickle *call, struct tensor *out) {
    const bool typed = pickle_is_call(call, "torch._utils._rebuild_tensor_v3");
    const bool quantized = pickle_is_call(call, QTENSOR);
    const struct pickle *type = pickle_arg(call, 6);
    struct torch_storage s = { 0 };
    int rc = torch_storage_parse(&s, pickle_arg(call, 0), w->err);
    if (rc == 0)
        rc = w->f->locate(w->f, &s, w->err);
    if (rc < 0) {
        err_prefix(w->err, w->path);
        return rc;
    }
    struct tensor t = { .dtype = s.dtype, .src = w->f->src };
    if (typed && (!type || type->type != PICKLE_GLOBAL || !torch_dtype(type->text, &t.dtype) ||
                  (s.dtype != DTYPE_NONE && s.dtype != t.dtype)))
        return refuse(w, -EBADMSG, "no type");
    if (t.dtype == DTYPE_NONE || s.quantized != quantized)
        return refuse(w, -ENOTSUP, "it has a type that cannot be read");
    if (!quantized && is_lazy(pickle_arg(call, typed ? 7 : 6)))
        return refuse(w, -ENOTSUP, "it is to be conjugated or negated when it is read");
    *out = t;
    return place_tensor(w, out, call, &s);
}

static int unpack_tensor(struct walk *w, const struct pickle *call, struct tensor *t) {
    const struct pickle *params = pickle_arg(call, 4), *scheme = pickle_item(params, 0);
    const struct pickle *scale = pickle_item(params, 1), *zero = pickle_item(params, 2);
    struct torch_qparams q = { .per_channel = false };
    const struct str name =
        scheme && scheme->type == PICKLE_GLOBAL ? scheme->text : (struct str){ 0 };
    if (str_is(name, "torch.per_tensor_affine") && scale && scale->type == PICKLE_FLOAT && zero &&
        zero->type == PICKLE_INT && zero->integer >= INT32_MIN && zero->integer <= INT32_MAX) {
        q.scale = scale->real;
        q.zero = zero->integer;
        return torch_unpack(w->f, &w->scales, t, &q, w->err);
    }
    q.per_channel = true;
    if ((!str_is(name, "torch.per_channel_affine") &&
         !str_is(name, "torch.per_channel_affine_float_qparams")) ||
        !is_plain_tensor(scale) || !is_plain_tensor(zero) ||
        !pickle_u64(pickle_item(params, 3), &q.axis))
        return refuse(w, -ENOTSUP,
                      "quantized in a way that cannot be read: save it after .dequantize()");
    int rc = read_tensor(w, scale, &q.scales);
    if (rc == 0)
        rc = read_tensor(w, zero, &q.zeros);
    return rc < 0 ? rc : torch_unpack(w->f, &w->scales, t, &q, w->err);
}

static int add_tensor(struct walk *w, const struct pickle *call) {
    struct model *m = w->f->m;
    struct tensor t;
    int rc = read_tensor(w, call, &t);
    t.name = str_from(w->path);
    if (rc == 0 && pickle_is_call(call, QTENSOR))
        rc = unpack_tensor(w, call, &t);
    if (rc < 0)
        return rc;
    if (m->n_tensors == MODEL_MAX_TENSORS)
        return err_set(w->err, -EFBIG, "too many tensors");
    if (m->n_tensors == w->cap) {
        w->cap = w->cap < 32 ? 64 : 2 * w->cap;
        struct tensor *grown = arena_array(&m->arena, struct tensor, w->cap);
        if (!grown)
            return err_set(w->err, -ENOMEM, "no memory for %u tensors", w->cap);
        if (m->n_tensors)
            memcpy(grown, m->tensors, m->n_tensors * sizeof *grown);
        m->tensors = grown;
    }
    t.name = arena_str(&m->arena, str_from(*w->path ? w->path : "tensor"));
    m->tensors[m->n_tensors++] = t;
    return t.name.p ? 0 : err_set(w->err, -ENOMEM, "no memory for a name");
}

/* What a call yields when it is a tensor: the innermost one that says where the numbers are. NULL:
 * something else. */
static const struct pickle *find_tensor(const struct pickle *p) {
    static const struct {
        const char *global;
        uint32_t arg;
    } wrappers[] = {
        { "torch._utils._rebuild_parameter", 0 },
        { "torch._utils._rebuild_parameter_with_state", 0 },
        { "torch._utils._rebuild_device_tensor_from_cpu_tensor", 0 },
        { "torch.nn.parameter.Parameter", 0 },
    };
    for (int depth = 0; depth < 8; depth++) {
        const struct pickle *inner = NULL;
        for (size_t i = 0; !inner && i < sizeof wrappers / sizeof *wrappers; i++)
            if (pickle_is_call(p, wrappers[i].global))
                inner = pickle_arg(p, wrappers[i].arg);
        if (!inner)
            break;
        p = inner;
    }
    return p && p->type == PICKLE_CALL &&
                   str_starts(p->call.callee->text, STR("torch._utils._rebuild_"))
               ? p
               : NULL;
}

/* Tensors of another kind. */
static int refuse_kind(struct walk *w, const struct pickle *t) {
    static const struct {
        const char *global, *why;
    } kinds[] = {
        { "torch._utils._rebuild_sparse_tensor", "it is sparse: save it after .to_dense()" },
        { "torch._utils._rebuild_meta_tensor_no_storage",
          "it is of the device meta, which keeps no numbers" },
    };
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (pickle_is_call(t, kinds[i].global))
            return refuse(w, -ENOTSUP, kinds[i].why);
    return err_set(w->err, -ENOTSUP, "%s: tensors of %.*s cannot be read", w->path,
                   STR_ARG(t->call.callee->text));
}

/* --- the tree --- */

static int walk(struct walk *w, const struct pickle *p, size_t len, uint32_t depth);

/* A component behind path[0, len); false for keys that name no tensor. */
static bool add_name(struct walk *w, size_t *len, const struct pickle *key, uint32_t index) {
    char number[24];
    struct str s = { number, 0 };
    if (key && key->type == PICKLE_TEXT)
        s = key->text;
    else if (!key || key->type == PICKLE_INT)
        s.n = (size_t)snprintf(number, sizeof number, "%lld",
                               key ? (long long)key->integer : (long long)index);
    else
        return false;
    const size_t dot = *len > 0;
    if (memchr(s.p, 0, s.n) || s.n + dot > sizeof w->path - 1 - *len)
        return false;
    if (dot)
        w->path[*len] = '.';
    memcpy(w->path + *len + dot, s.p, s.n);
    *len += dot + s.n;
    w->path[*len] = 0;
    return true;
}

static int walk_items(struct walk *w, const struct pickle *p, size_t len, uint32_t depth) {
    const bool is_dict = p->type == PICKLE_DICT;
    int rc = 0;
    for (uint32_t i = 0; i < p->n && rc == 0; i += 1 + is_dict) {
        const struct pickle *value = p->items[i + is_dict];
        size_t end = len;
        if (value->type < PICKLE_LIST) /* a number or a text */
            continue;
        if (add_name(w, &end, is_dict ? p->items[i] : NULL, i))
            rc = walk(w, value, end, depth + 1);
        w->path[len] = 0;
    }
    return rc;
}

static int walk(struct walk *w, const struct pickle *p, size_t len, uint32_t depth) {
    if (depth > MAX_DEPTH || ++w->steps > MAX_STEPS)
        return err_set(w->err, -EBADMSG, "pickle: nested too deeply, or without end");
    const struct pickle *t = find_tensor(p);
    if (t && (is_plain_tensor(t) || pickle_is_call(t, QTENSOR)))
        return add_tensor(w, t);
    if (t)
        return refuse_kind(w, t);
    switch (p->type) {
    case PICKLE_DICT:
    case PICKLE_LIST:
    case PICKLE_TUPLE:
        return walk_items(w, p, len, depth);
    case PICKLE_CALL:
        if (pickle_is_call(p, "torch._tensor._rebuild_from_type_v2")) {
            const struct pickle inner = { .type = PICKLE_CALL,
                                          .call = { (struct pickle *)pickle_arg(p, 0),
                                                    (struct pickle *)pickle_arg(p, 2) } };
            return inner.call.callee && inner.call.callee->type == PICKLE_GLOBAL
                       ? walk(w, &inner, len, depth + 1)
                       : refuse(w, -EBADMSG, "no tensor");
        }
        if (str_starts(p->call.callee->text, STR("torch.jit._pickle.")) && pickle_arg(p, 0))
            return walk(w, pickle_arg(p, 0), len, depth + 1); /* a list or dict with its type */
        return p->state ? walk(w, p->state, len, depth + 1) : 0;
    default:
        return 0;
    }
}

/* The dict of the weights within what people save around it. */
static const struct pickle *find_weights(const struct pickle *p) {
    for (int depth = 0; depth < 4; depth++) {
        const struct pickle *inner = NULL;
        for (uint32_t i = 0; p->type == PICKLE_DICT && i < p->n; i += 2)
            if (find_tensor(p->items[i + 1]))
                return p;
        for (uint32_t i = 0; !inner && torch_usual_key(i); i++) {
            inner = pickle_get(p, torch_usual_key(i));
            if (inner && inner->type != PICKLE_DICT)
                inner = NULL;
        }
        if (!inner)
            break;
        p = inner;
    }
    return p;
}

static void strip_prefix(struct model *m, uint32_t first, struct str prefix) {
    for (uint32_t i = first; i < m->n_tensors; i++)
        if (!str_starts(m->tensors[i].name, prefix) || m->tensors[i].name.n == prefix.n)
            return;
    for (uint32_t i = first; i < m->n_tensors; i++) {
        m->tensors[i].name.p += prefix.n;
        m->tensors[i].name.n -= prefix.n;
    }
}

int torch_walk(const struct torch_file *f, struct err *err) {
    auto_free struct walk *w = calloc(1, sizeof *w);
    if (!w)
        return err_set(err, -ENOMEM, "no memory for a model");
    w->f = f;
    w->err = err;
    w->first = w->cap = f->m->n_tensors;
    int rc = walk(w, f->plain ? f->root : find_weights(f->root), 0, 0);
    if (rc == 0)
        rc = torch_scales_end(f, &w->scales, w->first, err);
    free(w->scales.values);
    if (rc < 0)
        return rc;
    if (f->m->n_tensors == w->first)
        return err_set(err, -EBADMSG, "there is no tensor in it");
    for (uint32_t i = 0; !f->plain && torch_usual_prefix(i); i++)
        strip_prefix(f->m, w->first, str_from(torch_usual_prefix(i)));
    return 0;
}
