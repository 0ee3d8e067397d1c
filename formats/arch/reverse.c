/* SPDX-License-Identifier: Apache-2.0
 * formats/arch/reverse.c - a GGUF in the names, shapes and row order of Hugging Face, by the same
 * tables that make it: each rule is read from right to left. */
#include "formats/arch/reverse.h"
#include "formats/arch/back.h"
#include "formats/arch/work.h"
#include "quant/codec.h"
#include <endian.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

static int no_memory(struct reverse *r) {
    return err_set(r->err, -ENOMEM, "no memory for the converted header");
}

int reverse_target(struct reverse *r, struct str name, const struct tensor *t, const uint64_t *dims,
                   uint32_t n_dims, const struct expr *expr) {
    struct form *f = r->form;
    if (f->n_targets == r->cap) {
        const uint32_t cap = r->cap ? 2 * r->cap : 256;
        struct target *more = arena_array(f->arena, struct target, cap);
        if (!more)
            return no_memory(r);
        if (f->n_targets)
            memcpy(more, f->targets, f->n_targets * sizeof *more);
        f->targets = more;
        r->cap = cap;
    }
    static const struct str bias = STR("e_score_correction.bias"); /* "_bias" there */
    if (name.p && str_ends(name, bias))
        name = arena_printf(f->arena, "%.*s_bias", (int)(name.n - sizeof ".bias" + 1), name.p);
    for (const struct name_edit *e = r->arch->back_edits; e && e->from && name.p; e++)
        name = arch_edit_name(f->arena, name, e);
    if (name.p && r->arch->back_rename)
        name = r->arch->back_rename(r, name);
    if (!name.p || !expr)
        return no_memory(r);
    struct target *out = &f->targets[f->n_targets++];
    *out = (struct target){ .name = name, .dtype = t->dtype, .n_dims = n_dims, .expr = expr };
    memcpy(out->dims, dims, n_dims * sizeof *dims);
    return 0;
}

bool reverse_count(const struct reverse *r, const char *name, uint64_t block, uint64_t *out) {
    char key[128];
    struct kv_array list;
    snprintf(key, sizeof key, "%s.%s", r->arch->gguf, name);
    if (kv_get_u64(&r->model->kvs, key, out))
        return true;
    if (!kv_get_array(&r->model->kvs, key, &list) || block >= list.n ||
        kv_type_bytes(list.type) != 4)
        return false;
    uint32_t v;
    memcpy(&v, list.bytes.p + 4 * block, sizeof v);
    *out = le32toh(v);
    return true;
}

int reverse_need(const struct reverse *r, const char *name, uint64_t block, uint64_t *out) {
    if (reverse_count(r, name, block, out) && *out && *out <= UINT32_MAX)
        return 0;
    return err_set(r->err, -EBADMSG, "%s.%s is missing or out of range", r->arch->gguf, name);
}

const struct tensor *reverse_find(const struct reverse *r, const char *pattern,
                                  const struct name_match *match) {
    const struct str name = name_build(r->form->arena, pattern, match);
    return name.p ? model_find(r->model, name) : NULL;
}

int reverse_bad_shape(const struct reverse *r, const struct tensor *t, const char *why) {
    return err_set(r->err, -EBADMSG, "tensor %.*s: %s", STR_ARG(t->name), why);
}

const struct expr *reverse_rows(struct reverse *r, const struct tensor *t) {
    struct arena *a = r->form->arena;
    if (t->n_dims != 1)
        return expr_tensor(a, t);
    return expr_tensor_as(a, t, 1);
}

int reverse_same(struct reverse *r, const struct tensor *t, const struct tensor_rule *rule,
                 const struct name_match *match) {
    struct arena *a = r->form->arena;
    return reverse_target(r, name_build(a, rule->hf, match), t, t->dims, t->n_dims,
                          expr_tensor(a, t));
}

static int back_permute(struct reverse *r, const struct tensor *t, const struct tensor_rule *rule,
                        const struct name_match *match) {
    struct arena *a = r->form->arena;
    uint64_t heads;
    if ((rule->op == OP_PERMUTE_Q ||
         !reverse_count(r, "attention.head_count_kv", match->block, &heads)) &&
        !reverse_count(r, "attention.head_count", match->block, &heads))
        return err_set(r->err, -EBADMSG, "%s.attention.head_count is missing", r->arch->gguf);
    if (t->n_dims < 1 || t->n_dims > 2 || !heads || t->dims[0] % heads || t->dims[0] / heads % 2)
        return err_set(r->err, -EBADMSG, "tensor %.*s: its rows are not those of %llu heads",
                       STR_ARG(t->name), (unsigned long long)heads);
    if (t->elems == 0)
        return reverse_same(r, t, rule, match);
    if (t->n_dims == 1 && dtype_info[t->dtype].block_elems != 1)
        return err_set(r->err, -ENOTSUP, "tensor %.*s: a bias in blocks of %s", STR_ARG(t->name),
                       dtype_info[t->dtype].name);
    const struct expr *e = t->n_dims == 1 ? expr_tensor_as(a, t, 1) : expr_tensor(a, t);
    return reverse_target(r, name_build(a, rule->hf, match), t, t->dims, t->n_dims,
                          expr_swap(a, e, t->dims[0] / heads / 2, 2));
}

static int back_add_one(struct reverse *r, const struct tensor *t, const struct tensor_rule *rule,
                        const struct name_match *match) {
    if (str_is(match->rest, ".bias"))
        return reverse_same(r, t, rule, match);
    struct arena *a = r->form->arena;
    return reverse_target(r, name_build(a, rule->hf, match), t, t->dims, t->n_dims,
                          expr_add(a, expr_tensor(a, t), -1));
}

static int back_expert(struct reverse *r, const struct tensor *t, const struct tensor_rule *rule,
                       const struct name_match *match) {
    struct arena *a = r->form->arena;
    struct name_match one = *match;
    const struct expr *all = expr_tensor(a, t);
    int rc = 0;
    if (!all)
        return no_memory(r);
    if (t->n_dims < 2 || t->dims[0] == 0 || t->dims[0] > MODEL_MAX_TENSORS || t->elems == 0 ||
        all->rows % t->dims[0])
        return err_set(r->err, -EBADMSG, "tensor %.*s: not a stack of experts", STR_ARG(t->name));
    const uint64_t rows = all->rows / t->dims[0];
    for (uint64_t i = 0; i < t->dims[0] && rc == 0; i++) {
        one.expert = i;
        rc = reverse_target(r, name_build(a, rule->hf, &one), t, t->dims + 1, t->n_dims - 1,
                            expr_slice(a, all, i * rows, rows));
    }
    return rc;
}

int reverse_turn(struct reverse *r, const struct tensor *t, const struct expr **e, uint64_t rows) {
    const struct expr *in = *e;
    *e = expr_transpose(r->form->arena, in, rows);
    if (*e)
        return 0;
    if (in && expr_copies(in) == DTYPE_NONE)
        return err_set(r->err, -ENOTSUP, "tensor %.*s: its other half has another type than %s",
                       STR_ARG(t->name), dtype_info[t->dtype].name);
    if (in && !codec_can_decode(t->dtype))
        return err_set(r->err, -ENOTSUP, "tensor %.*s: there is no decoder for %s",
                       STR_ARG(t->name), dtype_info[t->dtype].name);
    return no_memory(r);
}

static int back_transpose(struct reverse *r, const struct tensor *t, const struct tensor_rule *rule,
                          const struct name_match *match) {
    struct arena *a = r->form->arena;
    if (t->n_dims != 2 || t->elems == 0)
        return reverse_same(r, t, rule, match);
    const uint64_t dims[2] = { t->dims[1], t->dims[0] };
    const struct expr *e = expr_tensor(a, t);
    int rc = reverse_turn(r, t, &e, t->dims[0]);
    return rc < 0 ? rc : reverse_target(r, name_build(a, rule->hf, match), t, dims, 2, e);
}

/* Queries, keys and values one behind the other: to groups of queries with their key and value. */
static int back_qkv(struct reverse *r, const struct tensor *t, const struct tensor_rule *rule,
                    const struct name_match *match) {
    struct arena *a = r->form->arena;
    uint64_t heads, kv;
    if (!reverse_count(r, "attention.head_count", match->block, &heads))
        return err_set(r->err, -EBADMSG, "%s.attention.head_count is missing", r->arch->gguf);
    if (!reverse_count(r, "attention.head_count_kv", match->block, &kv))
        kv = heads;
    if (t->n_dims < 1 || t->n_dims > 2 || !kv || kv > heads || heads > MODEL_MAX_TENSORS ||
        heads % kv || t->elems == 0 || t->dims[0] % (heads + 2 * kv) ||
        (t->n_dims == 1 && dtype_info[t->dtype].block_elems != 1))
        return err_set(r->err, -EBADMSG, "tensor %.*s: its rows are not those of %llu heads",
                       STR_ARG(t->name), (unsigned long long)heads);
    const uint64_t dim = t->dims[0] / (heads + 2 * kv), per_key = heads / kv;
    const struct expr *e = t->n_dims == 1 ? expr_tensor_as(a, t, 1) : expr_tensor(a, t);
    const struct expr **in = arena_array(a, const struct expr *, 3 * kv);
    for (uint64_t g = 0; in && g < kv; g++) {
        in[3 * g] = expr_slice(a, e, g * per_key * dim, per_key * dim);
        in[3 * g + 1] = expr_slice(a, e, (heads + g) * dim, dim);
        in[3 * g + 2] = expr_slice(a, e, (heads + kv + g) * dim, dim);
    }
    return reverse_target(r, name_build(a, rule->hf, match), t, t->dims, t->n_dims,
                          in ? expr_stack(a, in, (uint32_t)(3 * kv)) : NULL);
}

/* The one dimension that is gone is that of the channels of a convolution by channel. */
static int back_squeeze(struct reverse *r, const struct tensor *t, const struct tensor_rule *rule,
                        const struct name_match *match) {
    struct arena *a = r->form->arena;
    if (t->n_dims != 2)
        return reverse_same(r, t, rule, match);
    const uint64_t dims[3] = { t->dims[0], 1, t->dims[1] };
    return reverse_target(r, name_build(a, rule->hf, match), t, dims, 3, expr_tensor(a, t));
}

static int back_neg_exp(struct reverse *r, const struct tensor *t, const struct tensor_rule *rule,
                        const struct name_match *match) {
    struct arena *a = r->form->arena;
    return reverse_target(r, name_build(a, rule->hf, match), t, t->dims, t->n_dims,
                          expr_log(a, expr_mul(a, expr_tensor(a, t), -1)));
}

/* The name has no ending there. */
static struct name_match without_weight(const struct name_match *match) {
    struct name_match m = *match;
    if (str_is(m.rest, ".weight"))
        m.rest = (struct str){ "", 0 };
    return m;
}

static int back_ending(struct reverse *r, const struct tensor *t, const struct tensor_rule *rule,
                       const struct name_match *match) {
    const struct name_match m = without_weight(match);
    return reverse_same(r, t, rule, &m);
}

/* The other half, with the shape of @t. */
static const struct tensor *find_second(struct reverse *r, const struct tensor *t,
                                        const struct tensor_rule *rule,
                                        const struct name_match *match) {
    const struct tensor *u = reverse_find(r, rule->second, match);
    return u && u->n_dims == t->n_dims && u->n_dims >= 2 && u->n_dims <= 3 && u->elems &&
                   memcmp(u->dims, t->dims, t->n_dims * sizeof *t->dims) == 0
               ? u
               : NULL;
}

/* Of each matrix the rows of the first tensor, then those of the second. */
static int join(struct reverse *r, const struct tensor *t, const struct tensor_rule *rule,
                const struct name_match *match, const struct name_match *named, bool turned) {
    struct arena *a = r->form->arena;
    const struct tensor *u = find_second(r, t, rule, match);
    if (!u)
        return reverse_bad_shape(r, t, "its other half is missing or has another shape");
    const uint64_t n = t->n_dims == 3 ? t->dims[0] : 1;
    const uint64_t rows = t->dims[t->n_dims - 2], cols = t->dims[t->n_dims - 1];
    const struct expr *in[2] = { expr_tensor(a, t), expr_tensor(a, u) };
    const struct row_map map = { 0, 3, { n, 2, rows }, { rows, n * rows, 1 } };
    const struct expr *both = expr_rows(a, expr_stack(a, in, 2), map);
    int rc = turned ? reverse_turn(r, t, &both, 2 * rows) : 0;
    if (rc < 0)
        return rc;
    const uint64_t dims[3] = { n, turned ? cols : 2 * rows, turned ? 2 * rows : cols };
    const uint32_t skip = t->n_dims == 3 ? 0 : 1;
    return reverse_target(r, name_build(a, rule->hf, named), t, dims + skip, t->n_dims, both);
}

static int back_gate_up(struct reverse *r, const struct tensor *t, const struct tensor_rule *rule,
                        const struct name_match *match) {
    const struct name_match named = without_weight(match);
    return join(r, t, rule, match, &named, false);
}

int reverse_halves(struct reverse *r, const struct tensor *t, const struct tensor_rule *rule,
                   const struct name_match *match) {
    return join(r, t, rule, match, match, false);
}

static int back_experts_turned(struct reverse *r, const struct tensor *t,
                               const struct tensor_rule *rule, const struct name_match *match) {
    struct arena *a = r->form->arena;
    const struct name_match named = without_weight(match);
    if (rule->second)
        return join(r, t, rule, match, &named, true);
    if (t->n_dims != 3 || !t->elems)
        return reverse_bad_shape(r, t, "not a stack of experts");
    const uint64_t dims[3] = { t->dims[0], t->dims[2], t->dims[1] };
    const struct expr *e = expr_tensor(a, t);
    int rc = reverse_turn(r, t, &e, t->dims[1]);
    return rc < 0 ? rc : reverse_target(r, name_build(a, rule->hf, &named), t, dims, 3, e);
}

static int back_own(struct reverse *r, const struct tensor *t, const struct tensor_rule *rule,
                    const struct name_match *match) {
    if (r->arch->own_back)
        return r->arch->own_back(r, t, rule, match);
    return err_set(r->err, -ENOTSUP, "tensor %.*s: no way back to Hugging Face's %s",
                   STR_ARG(t->name), r->arch->gguf);
}

static int back_drop(struct reverse *r, const struct tensor *t, const struct tensor_rule *rule,
                     const struct name_match *match) {
    (void)r, (void)t, (void)rule, (void)match;
    return 0;
}

static back_fn *const ops[OP_COUNT] = {
    [OP_SAME] = reverse_same,      [OP_PERMUTE_Q] = back_permute,
    [OP_PERMUTE_K] = back_permute, [OP_EXPERT] = back_expert,
    [OP_EXPERTS] = back_ending,    [OP_GATE_UP] = back_gate_up,
    [OP_HALVES] = reverse_halves,  [OP_EXPERTS_TURNED] = back_experts_turned,
    [OP_ADD_ONE] = back_add_one,   [OP_TRANSPOSE] = back_transpose,
    [OP_QKV] = back_qkv,           [OP_VOCAB] = reverse_same,
    [OP_NEG_EXP] = back_neg_exp,   [OP_UNTIED] = reverse_same,
    [OP_SQUEEZE] = back_squeeze,   [OP_FIRST] = reverse_same,
    [OP_OWN] = back_own,           [OP_ENDING] = back_ending,
    [OP_THIRDS] = back_own,        [OP_FRAMES] = back_own,
    [OP_DROP] = back_drop,         [OP_UNLESS_TIED] = reverse_same,
};

/* What the converter computes from config.json, so that Hugging Face computes it too. */
static bool is_computed(struct str name) {
    return str_is(name, "rope_freqs.weight") || str_is(name, "rope_factors_long.weight") ||
           str_is(name, "rope_factors_short.weight");
}

static bool takes_second(enum tensor_op op) {
    return op == OP_GATE_UP || op == OP_HALVES || op == OP_EXPERTS_TURNED || op == OP_OWN;
}

/* Of a block that predicts further tokens, which the class that comes back has not. */
static bool is_beyond(const struct reverse *r, struct str name) {
    struct name_match match;
    uint64_t first;
    return !r->arch->mtp && !r->arch->count_mtp && reverse_first_mtp(r, &first) &&
           name_matches("blk.#.~", name, &match) && match.block >= first;
}

static int add_tensor(struct reverse *r, const struct tensor *t) {
    struct name_match match;
    if (is_computed(t->name) || is_beyond(r, t->name))
        return 0;
    for (const struct tensor_rule *rule = r->arch->rules; rule->hf; rule++)
        if (rule->gguf && name_matches(rule->gguf, t->name, &match) &&
            !(rule->op == OP_SAME && rule->second && !reverse_find(r, rule->second, &match)))
            return ops[rule->op](r, t, rule, &match);
    for (const struct tensor_rule *rule = r->arch->rules; rule->hf; rule++)
        if (rule->second && takes_second(rule->op) && name_matches(rule->second, t->name, &match))
            return reverse_find(r, rule->gguf, &match)
                       ? 0 /* with the first */
                       : reverse_bad_shape(r, t, "its other half is missing");
    return err_set(r->err, -ENOTSUP, "tensor %.*s has no name in Hugging Face's %s",
                   STR_ARG(t->name), r->arch->gguf);
}

static const struct arch_back *find_how(const struct model *m, const struct arch *arch) {
    const struct back w = { .m = m, .arch = arch };
    for (const struct arch_back *how = arch->back; how && how->class_name; how++)
        if (!how->when || how->when(&w))
            return how;
    return NULL;
}

const struct arch *arch_by_gguf(const struct model *m, const struct arch_back **how) {
    const struct arch *found = NULL;
    struct str name = { "", 0 };
    kv_get_str(&m->kvs, "general.architecture", &name);
    if (how)
        *how = NULL;
    for (const struct family *const *f = families; *f; f++)
        for (const struct arch *a = (*f)->archs; a->gguf; a++) {
            if (!str_is(name, a->gguf))
                continue;
            const struct arch_back *own = find_how(m, a);
            if (own && how)
                *how = own;
            if (own)
                return a;
            found = found ? found : a;
        }
    return found;
}

static int by_name(const void *a, const void *b) {
    return str_cmp(((const struct target *)a)->name, ((const struct target *)b)->name);
}

int form_hf_from_gguf(struct form *f, const struct model *m, struct err *err) {
    struct reverse r = { .form = f, .model = m, .err = err };
    struct str name;
    if (!kv_get_str(&m->kvs, "general.architecture", &name))
        return err_set(err, -EBADMSG, "general.architecture is missing");
    r.arch = arch_by_gguf(m, NULL);
    if (!r.arch)
        return err_set(err, -ENOTSUP, "architecture \"%.*s\" is not known", STR_ARG(name));
    int rc = 0;
    for (uint32_t i = 0; i < m->n_tensors && rc == 0; i++)
        rc = add_tensor(&r, &m->tensors[i]);
    if (rc == 0 && r.arch->extra_back)
        rc = r.arch->extra_back(&r);
    if (rc < 0)
        return rc;
    if (f->n_targets)
        qsort(f->targets, f->n_targets, sizeof *f->targets, by_name);
    f->metadata = STR("{\"format\":\"pt\"}");
    return 0;
}
