/* SPDX-License-Identifier: Apache-2.0
 * formats/arch/tensor_ops.c - what the tables' operations do to a tensor, on the way to GGUF and
 * back. */
#include "formats/arch/work.h"
#include "formats/cleanup.h"
#include "formats/source.h"
#include "formats/tokenizer/tokenizer.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

static int bad_shape(struct arch_work *w, const struct tensor *t, const char *why) {
    return err_set(w->err, -EBADMSG, "tensor %.*s: %s", STR_ARG(t->name), why);
}

static int op_same(struct arch_work *w, const struct tensor *t, const struct tensor_rule *rule,
                   const struct name_match *match) {
    struct arena *a = w->form->arena;
    return work_target(w, name_build(a, rule->gguf, match), t->dims, t->n_dims, expr_tensor(a, t));
}

static int op_permute(struct arch_work *w, const struct tensor *t, const struct tensor_rule *rule,
                      const struct name_match *match) {
    struct arena *a = w->form->arena;
    const uint64_t heads = rule->op == OP_PERMUTE_Q ? w->n_head : w->n_head_kv;
    if (t->n_dims < 1 || t->n_dims > 2 || !heads || t->dims[0] % heads || t->dims[0] / heads % 2)
        return bad_shape(w, t, "its rows are not those of config.json's attention heads");
    if (t->elems == 0)
        return op_same(w, t, rule, match);
    /* a bias is a column here, so that its elements are rows */
    const struct expr *e = t->n_dims == 1 ? expr_tensor_as(a, t, 1) : expr_tensor(a, t);
    return work_target(w, name_build(a, rule->gguf, match), t->dims, t->n_dims,
                       expr_swap(a, e, 2, t->dims[0] / heads / 2));
}

static int op_add_one(struct arch_work *w, const struct tensor *t, const struct tensor_rule *rule,
                      const struct name_match *match) {
    if (str_is(match->rest, ".bias"))
        return op_same(w, t, rule, match);
    struct arena *a = w->form->arena;
    const struct expr *e = expr_add(a, expr_tensor(a, t), 1);
    if (t->dtype == DTYPE_F16) /* the sum is made in f16 then; in f32 for all else */
        e = expr_round(a, e, DTYPE_F16);
    return work_target(w, name_build(a, rule->gguf, match), t->dims, t->n_dims, e);
}

/* Element by element: [rows][cols] as [cols][rows]. */
static int op_transpose(struct arch_work *w, const struct tensor *t, const struct tensor_rule *rule,
                        const struct name_match *match) {
    struct arena *a = w->form->arena;
    if (t->n_dims != 2 || t->elems == 0)
        return op_same(w, t, rule, match);
    const uint64_t dims[2] = { t->dims[1], t->dims[0] };
    return work_target(w, name_build(a, rule->gguf, match), dims, 2,
                       expr_transpose(a, expr_tensor(a, t), t->dims[0]));
}

static int op_qkv(struct arch_work *w, const struct tensor *t, const struct tensor_rule *rule,
                  const struct name_match *match) {
    struct arena *a = w->form->arena;
    const uint64_t kv = w->n_head_kv, per_key = kv ? w->n_head / kv : 0;
    if (t->n_dims < 1 || t->n_dims > 2 || !per_key || w->n_head % kv || t->elems == 0 ||
        t->dims[0] % (w->n_head + 2 * kv))
        return bad_shape(w, t, "its rows are not those of config.json's attention heads");
    if (t->n_dims == 2 && t->dims[1] / w->n_head != t->dims[0] / (w->n_head + 2 * kv))
        return bad_shape(w, t, "its heads are not as wide as config.json's");
    const uint64_t dim = t->dims[0] / (w->n_head + 2 * kv), group = (per_key + 2) * dim;
    const struct expr *e = t->n_dims == 1 ? expr_tensor_as(a, t, 1) : expr_tensor(a, t);
    const struct expr *in[3] = {
        expr_rows(a, e, (struct row_map){ 0, 2, { kv, per_key * dim }, { group, 1 } }),
        expr_rows(a, e, (struct row_map){ per_key * dim, 2, { kv, dim }, { group, 1 } }),
        expr_rows(a, e, (struct row_map){ (per_key + 1) * dim, 2, { kv, dim }, { group, 1 } }),
    };
    return work_target(w, name_build(a, rule->gguf, match), t->dims, t->n_dims,
                       expr_stack(a, in, 3));
}

static int op_experts(struct arch_work *w, const struct tensor *t, const struct tensor_rule *rule,
                      const struct name_match *match) {
    struct name_match named = *match;
    if (named.rest.n == 0)
        named.rest = STR(".weight");
    return op_same(w, t, rule, &named);
}

static int op_gate_up(struct arch_work *w, const struct tensor *t, const struct tensor_rule *rule,
                      const struct name_match *match) {
    struct arena *a = w->form->arena;
    struct name_match named = *match;
    if (t->n_dims != 3 || t->dims[1] % 2 || t->elems == 0)
        return bad_shape(w, t, "not experts' gate and up in one");
    if (named.rest.n == 0)
        named.rest = STR(".weight");
    const uint64_t dims[3] = { t->dims[0], t->dims[1] / 2, t->dims[2] };
    const char *const names[2] = { rule->gguf, rule->second };
    int rc = 0;
    for (int i = 0; i < 2 && rc == 0; i++) {
        const struct row_map map = {
            (uint64_t)i * dims[1], 2, { dims[0], dims[1] }, { 2 * dims[1], 1 }
        };
        rc = work_target(w, name_build(a, names[i], &named), dims, 3,
                         expr_rows(a, expr_tensor(a, t), map));
    }
    return rc;
}

static int op_experts_turned(struct arch_work *w, const struct tensor *t,
                             const struct tensor_rule *rule, const struct name_match *match) {
    struct arena *a = w->form->arena;
    struct name_match named = *match;
    const uint64_t parts = rule->second ? 2 : 1;
    if (t->n_dims != 3 || t->elems == 0 || t->dims[2] % parts)
        return bad_shape(w, t, "not a stack of experts");
    if (named.rest.n == 0)
        named.rest = STR(".weight");
    const uint64_t experts = t->dims[0], in = t->dims[1], all = t->dims[2], out = all / parts;
    const uint64_t dims[3] = { experts, out, in };
    const char *const names[] = { rule->gguf, rule->second };
    const struct expr *turned = expr_transpose(a, expr_tensor(a, t), in);
    int rc = 0;
    for (uint64_t i = 0; i < parts && rc == 0; i++) {
        const struct row_map part = { i * out, 2, { experts, out }, { all, 1 } };
        rc = work_target(w, name_build(a, names[i], &named), dims, 3, expr_rows(a, turned, part));
    }
    return rc;
}

static int op_vocab(struct arch_work *w, const struct tensor *t, const struct tensor_rule *rule,
                    const struct name_match *match) {
    struct arena *a = w->form->arena;
    uint64_t n;
    if (!w->folder) /* of a GGUF, which has the right number of rows */
        return op_same(w, t, rule, match);
    int rc = tokenizer_count(w, &n);
    if (rc < 0 || t->n_dims != 2 || n >= t->dims[0])
        return rc < 0 ? rc : op_same(w, t, rule, match);
    const uint64_t dims[2] = { n, t->dims[1] };
    return work_target(w, name_build(a, rule->gguf, match), dims, 2,
                       expr_slice(a, expr_tensor(a, t), 0, n));
}

static int op_drop(struct arch_work *w, const struct tensor *t, const struct tensor_rule *rule,
                   const struct name_match *match) {
    (void)w, (void)t, (void)rule, (void)match;
    return 0;
}

/* --- experts --- */

static bool same_rule(const struct tensor_rule *a, const struct tensor_rule *b) {
    return a->op == OP_EXPERT && b->op == OP_EXPERT && strcmp(a->gguf, b->gguf) == 0;
}

/* The kinds of expert tensors, by their GGUF names, in the order of the table; the one of @rule,
 * or how many there are. */
static uint64_t count_kinds(const struct tensor_rule *rules, const struct tensor_rule *rule) {
    uint64_t n = 0;
    for (const struct tensor_rule *r = rules; r->hf; r++) {
        bool seen = r->op != OP_EXPERT;
        for (const struct tensor_rule *s = rules; s < r && !seen; s++)
            seen = same_rule(s, r);
        if (seen)
            continue;
        if (rule && same_rule(r, rule))
            return n;
        n++;
    }
    return n;
}

static const struct tensor_rule *nth_kind(const struct tensor_rule *rules, uint64_t kind) {
    for (const struct tensor_rule *r = rules; r->hf; r++)
        if (r->op == OP_EXPERT && count_kinds(rules, r) == kind)
            return r;
    return NULL;
}

static int stack_experts(struct arch_work *w, const struct tensor *const *parts,
                         const struct tensor_rule *rule, const struct name_match *match) {
    struct arena *a = w->form->arena;
    const struct expr **in = arena_array(a, const struct expr *, w->n_expert);
    uint64_t dims[TENSOR_MAX_DIMS] = { w->n_expert };
    if (!in)
        return work_no_memory(w);
    for (uint64_t i = 0; i < w->n_expert; i++) {
        if (!parts[i])
            return err_set(w->err, -EBADMSG, "block %llu has no tensor %s of expert %llu",
                           (unsigned long long)match->block, rule->hf, (unsigned long long)i);
        if (parts[i]->n_dims + 1 > TENSOR_MAX_DIMS || parts[i]->n_dims != parts[0]->n_dims ||
            memcmp(parts[i]->dims, parts[0]->dims, parts[0]->n_dims * sizeof *dims) != 0)
            return bad_shape(w, parts[i], "its shape is not that of the other experts");
        in[i] = expr_tensor(a, parts[i]);
    }
    memcpy(dims + 1, parts[0]->dims, parts[0]->n_dims * sizeof *dims);
    return work_target(w, name_build(a, rule->gguf, match), dims, parts[0]->n_dims + 1,
                       expr_stack(a, in, (uint32_t)w->n_expert));
}

/* All tensors of a block's experts come out together, when the last of them is met. */
static int op_expert(struct arch_work *w, const struct tensor *t, const struct tensor_rule *rule,
                     const struct name_match *match) {
    const uint64_t kinds = count_kinds(w->arch->rules, NULL);
    if (!w->blocks)
        return err_set(w->err, -EBADMSG, "tensor %.*s: config.json has no \"%s\"", STR_ARG(t->name),
                       w->arch->experts);
    struct expert_block *block = &w->blocks[match->block];
    if (match->expert >= w->n_expert)
        return err_set(w->err, -EBADMSG, "tensor %.*s: config.json has %llu experts only",
                       STR_ARG(t->name), (unsigned long long)w->n_expert);
    if (!block->parts)
        block->parts = arena_array(w->form->arena, const struct tensor *, kinds * w->n_expert);
    if (!block->parts)
        return work_no_memory(w);
    const uint64_t kind = count_kinds(w->arch->rules, rule);
    const struct tensor **slot = &block->parts[kind * w->n_expert + match->expert];
    block->n += !*slot;
    *slot = t;
    if (block->n < kinds * w->n_expert)
        return 0;
    int rc = 0;
    for (uint64_t k = 0; k < kinds && rc == 0; k++)
        rc = stack_experts(w, block->parts + k * w->n_expert, nth_kind(w->arch->rules, k), match);
    block->n = 0;
    return rc;
}

int op_end_experts(struct arch_work *w) {
    const uint64_t kinds = count_kinds(w->arch->rules, NULL);
    int rc = 0;
    for (uint64_t i = 0; w->blocks && i < w->n_layer * kinds && rc == 0; i++) {
        struct expert_block *block = &w->blocks[i / kinds];
        const struct name_match match = { .block = i / kinds, .rest = STR(".weight") };
        const struct tensor **parts = block->n ? block->parts + i % kinds * w->n_expert : NULL;
        bool any = false;
        for (uint64_t e = 0; parts && e < w->n_expert; e++)
            any = any || parts[e];
        if (any)
            rc = stack_experts(w, parts, nth_kind(w->arch->rules, i % kinds), &match);
    }
    return rc;
}

const struct expr *op_decay(struct arena *a, const struct expr *e, enum dtype stored) {
    e = expr_exp(a, e);
    return expr_mul(a, stored == DTYPE_F16 ? expr_round(a, e, DTYPE_F16) : e, -1);
}

static int op_neg_exp(struct arch_work *w, const struct tensor *t, const struct tensor_rule *rule,
                      const struct name_match *match) {
    struct arena *a = w->form->arena;
    return work_target(w, name_build(a, rule->gguf, match), t->dims, t->n_dims,
                       op_decay(a, expr_tensor(a, t), t->dtype));
}

/* 1: the bytes of both are the same. Reads no more than up to the first difference. */
static int same_bytes(struct arch_work *w, const struct tensor *a, const struct tensor *b) {
    enum { STEP = 1 << 16 };
    if (tensor_is_made(a) || tensor_is_made(b) || !a->bytes || a->dtype != b->dtype ||
        a->bytes != b->bytes || a->n_dims != b->n_dims ||
        memcmp(a->dims, b->dims, a->n_dims * sizeof *a->dims) != 0)
        return 0;
    auto_free uint8_t *buf = malloc(2 * STEP);
    int rc = buf ? 0 : work_no_memory(w);
    for (uint64_t at = 0; rc == 0 && at < a->bytes; at += STEP) {
        const uint64_t n = a->bytes - at < STEP ? a->bytes - at : STEP;
        rc = source_pread(w->model->sources[a->src], buf, n, a->off + at, w->err);
        if (rc == 0)
            rc = source_pread(w->model->sources[b->src], buf + STEP, n, b->off + at, w->err);
        if (rc == 0 && memcmp(buf, buf + STEP, n) != 0)
            return 0;
    }
    return rc < 0 ? rc : 1;
}

static int op_untied(struct arch_work *w, const struct tensor *t, const struct tensor_rule *rule,
                     const struct name_match *match) {
    for (uint32_t i = 0; i < w->form->n_targets; i++) {
        const struct target *target = &w->form->targets[i];
        const struct expr *e = target->expr;
        while (e->op == EXPR_ROUND)
            e = e->round.in;
        if (!str_is(target->name, "token_embd.weight") || e->op != EXPR_TENSOR)
            continue;
        int rc = same_bytes(w, e->tensor, t);
        if (rc)
            return rc < 0 ? rc : 0;
    }
    return op_same(w, t, rule, match);
}

static int op_unless_tied(struct arch_work *w, const struct tensor *t,
                          const struct tensor_rule *rule, const struct name_match *match) {
    return hf_config_bool(&w->config, "tie_word_embeddings", false) ? 0
                                                                    : op_same(w, t, rule, match);
}

static int op_squeeze(struct arch_work *w, const struct tensor *t, const struct tensor_rule *rule,
                      const struct name_match *match) {
    struct arena *a = w->form->arena;
    uint64_t dims[TENSOR_MAX_DIMS];
    uint32_t n = 0;
    for (uint32_t i = 0; i < t->n_dims; i++)
        if (t->dims[i] != 1)
            dims[n++] = t->dims[i];
    const uint64_t cols = tensor_row(dims, n);
    return work_target(w, name_build(a, rule->gguf, match), dims, n,
                       cols ? expr_tensor_as(a, t, cols) : expr_tensor(a, t));
}

static int op_first(struct arch_work *w, const struct tensor *t, const struct tensor_rule *rule,
                    const struct name_match *match) {
    const struct str name = name_build(w->form->arena, rule->gguf, match);
    for (uint32_t i = 0; name.p && i < w->form->n_targets; i++)
        if (str_eq(w->form->targets[i].name, name))
            return 0;
    return op_same(w, t, rule, match);
}

/* The pattern with @letter for its '?'. */
static struct str build_letter(struct arena *a, const char *pattern, char letter,
                               const struct name_match *match) {
    char buf[128];
    snprintf(buf, sizeof buf, "%s", pattern);
    char *mark = strchr(buf, '?');
    if (mark)
        *mark = letter;
    return name_build(a, buf, match);
}

static int op_thirds(struct arch_work *w, const struct tensor *t, const struct tensor_rule *rule,
                     const struct name_match *match) {
    struct arena *a = w->form->arena;
    if (t->n_dims < 1 || t->n_dims > 2 || t->dims[0] % 3 || t->elems == 0)
        return bad_shape(w, t, "not queries, keys and values in one");
    const uint64_t dims[2] = { t->dims[0] / 3, t->dims[1] };
    const struct expr *e = t->n_dims == 1 ? expr_tensor_as(a, t, 1) : expr_tensor(a, t);
    int rc = 0;
    for (uint64_t i = 0; i < 3 && rc == 0; i++)
        rc = work_target(w, build_letter(a, rule->gguf, "qkv"[i], match), dims, t->n_dims,
                         expr_slice(a, e, i * dims[0], dims[0]));
    return rc;
}

static int op_frames(struct arch_work *w, const struct tensor *t, const struct tensor_rule *rule,
                     const struct name_match *match) {
    struct arena *a = w->form->arena;
    if (str_is(match->rest, ".bias"))
        return op_same(w, t, rule, match);
    if (t->n_dims != 5 || t->dims[2] != 2 || t->elems == 0)
        return bad_shape(w, t, "not a convolution over two frames");
    const uint64_t dims[4] = { t->dims[0], t->dims[1], t->dims[3], t->dims[4] };
    const uint64_t images = dims[0] * dims[1];
    int rc = 0;
    for (uint64_t i = 0; i < 2 && rc == 0; i++) {
        struct name_match named = *match;
        named.rest = i ? STR(".weight.1") : STR(".weight");
        const struct row_map map = { i * dims[2], 2, { images, dims[2] }, { 2 * dims[2], 1 } };
        rc = work_target(w, name_build(a, rule->gguf, &named), dims, 4,
                         expr_rows(a, expr_tensor(a, t), map));
    }
    return rc;
}

static int op_own(struct arch_work *w, const struct tensor *t, const struct tensor_rule *rule,
                  const struct name_match *match) {
    return w->arch->own(w, t, rule, match);
}

static op_fn *const ops[OP_COUNT] = {
    [OP_SAME] = op_same,         [OP_PERMUTE_Q] = op_permute,
    [OP_PERMUTE_K] = op_permute, [OP_EXPERT] = op_expert,
    [OP_EXPERTS] = op_experts,   [OP_GATE_UP] = op_gate_up,
    [OP_ADD_ONE] = op_add_one,   [OP_TRANSPOSE] = op_transpose,
    [OP_QKV] = op_qkv,           [OP_VOCAB] = op_vocab,
    [OP_NEG_EXP] = op_neg_exp,   [OP_UNTIED] = op_untied,
    [OP_SQUEEZE] = op_squeeze,   [OP_FIRST] = op_first,
    [OP_OWN] = op_own,           [OP_ENDING] = op_experts,
    [OP_THIRDS] = op_thirds,     [OP_FRAMES] = op_frames,
    [OP_DROP] = op_drop,         [OP_EXPERTS_TURNED] = op_experts_turned,
    [OP_HALVES] = op_gate_up,    [OP_UNLESS_TIED] = op_unless_tied,
};

int op_to_gguf(struct arch_work *w, const struct tensor *t, const struct tensor_rule *rule,
               const struct name_match *match) {
    return ops[rule->op](w, t, rule, match);
}
