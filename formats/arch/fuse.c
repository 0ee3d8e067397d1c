/* SPDX-License-Identifier: Apache-2.0
 * formats/arch/fuse.c - tensors of a block that are written as one where that is asked for:
 * queries, keys and values; gate and up of experts. Source: prepare_qkv_fusion and modify_tensors
 * in conversion/base.py (llama.cpp 0c1e570). */
#include "formats/arch/work.h"
#include <errno.h>
#include <stdio.h>

enum { MAX_PARTS = 3 };

struct fusion {
    const char *parts[MAX_PARTS + 1]; /* what follows "blk.#." in the GGUF's names */
    const char *whole;
    const char *biases; /* all of the parts have one or none has, else they stay; NULL: none has */
    const char *archs;  /* separated by spaces: with @only those that have the whole, else those
                         * that have the parts and do not have it */
    bool only;
};

/* The architectures: MODEL_TENSORS in gguf-py's constants.py. */
static const struct fusion qkv = {
    { "attn_q.weight", "attn_k.weight", "attn_v.weight" },
    "attn_qkv.weight",
    "attn_q.bias attn_k.bias attn_v.bias",
    "bailingmoe3 bitnet cohere2moe deepseek2 granite_swa hrm_text hy_v3 kimi-k3 laguna maple "
    "mellum minimax-m3 nanbeige pockettts qwen3tts talkie",
    false,
};
static const struct fusion qkv_bias = {
    { "attn_q.bias", "attn_k.bias", "attn_v.bias" }, "attn_qkv.bias", NULL, "", false,
};
static const struct fusion gate_up = {
    { "ffn_gate_exps.weight", "ffn_up_exps.weight" },
    "ffn_gate_up_exps.weight",
    NULL,
    "cohere2moe deepseek2-ocr gemma4 granite_swa mistral4 qwen35moe qwen3next qwen4exp",
    true,
};

static struct target *find(const struct arch_work *w, uint64_t block, const char *part, size_t n) {
    char name[64];
    const int len =
        snprintf(name, sizeof name, "blk.%llu.%.*s", (unsigned long long)block, (int)n, part);
    for (uint32_t i = 0; i < w->form->n_targets; i++)
        if (str_eq(w->form->targets[i].name, (struct str){ name, (size_t)len }))
            return &w->form->targets[i];
    return NULL;
}

/* How many of @words the block has. */
static uint32_t count(const struct arch_work *w, uint64_t block, const char *words) {
    uint32_t n = 0;
    while (*words) {
        const size_t len = strcspn(words, " ");
        n += find(w, block, words, len) != NULL;
        words += len + strspn(words + len, " ");
    }
    return n;
}

/* @t without the rounding that its type brings, its elements as rows where it is a bias. */
static const struct expr *part_of(struct arch_work *w, const struct target *t) {
    const struct expr *e = t->expr;
    while (w->rounded && e->op == EXPR_ROUND)
        e = e->round.in;
    return t->n_dims == 1 && e->cols != 1 && e->op == EXPR_TENSOR
               ? expr_tensor_as(w->form->arena, e->tensor, 1)
               : e;
}

/* One below the other; of stacks, each matrix of one below its fellow of the other. */
static const struct expr *join(struct arena *a, const struct expr *const *in, uint32_t n,
                               const struct target *first) {
    const struct expr *all = expr_stack(a, in, n);
    if (first->n_dims < 3)
        return all;
    const uint64_t depth = first->dims[0], rows = first->dims[1];
    return expr_rows(a, all,
                     (struct row_map){ 0, 3, { depth, n, rows }, { rows, depth * rows, 1 } });
}

/* The whole in the place of the part that was met last, with that one's type. */
static int fuse_parts(struct arch_work *w, struct target *const *parts, uint32_t n, uint64_t block,
                      const char *whole) {
    struct form *f = w->form;
    const struct expr *in[MAX_PARTS];
    struct target *last = parts[0];
    const uint32_t dims = last->n_dims, joined = dims > 2 ? 1 : 0;
    uint64_t rows = 0;
    for (uint32_t i = 0; i < n; i++) {
        const struct target *t = parts[i];
        const bool same = t->n_dims == dims && (dims < 3 || t->dims[1] == last->dims[1]) &&
                          (dims < 2 || t->dims[dims - 1] == last->dims[dims - 1]);
        if (!same)
            return err_set(w->err, -EBADMSG, "tensor %.*s: its shape does not fit the others'",
                           STR_ARG(t->name));
        in[i] = part_of(w, t);
        rows += t->dims[joined];
        last = parts[i] > last ? parts[i] : last;
    }
    struct target fused = *last;
    const struct expr *e = join(f->arena, in, n, parts[0]);
    fused.name = arena_printf(f->arena, "blk.%llu.%s", (unsigned long long)block, whole);
    fused.dims[joined] = rows;
    fused.expr = w->rounded && e ? expr_round(f->arena, e, fused.dtype) : e;
    if (!fused.expr || !fused.name.p)
        return work_no_memory(w);
    *last = fused;
    for (uint32_t i = 0; i < n; i++)
        if (parts[i] != last)
            parts[i]->expr = NULL; /* is taken out below */
    return 0;
}

static int fuse_block(struct arch_work *w, const struct fusion *how, uint64_t block) {
    struct target *parts[MAX_PARTS] = { 0 };
    uint32_t n = 0;
    for (; how->parts[n]; n++) {
        parts[n] = find(w, block, how->parts[n], strlen(how->parts[n]));
        if (!parts[n] || !parts[n]->expr || dtype_is_quantized(expr_copies(parts[n]->expr)))
            return 0;
    }
    const uint32_t biases = how->biases ? count(w, block, how->biases) : 0;
    if (biases && biases != n)
        return 0;
    int rc = fuse_parts(w, parts, n, block, how->whole);
    return rc < 0 || !biases ? rc : fuse_block(w, &qkv_bias, block);
}

static int fuse(struct arch_work *w, const struct fusion *how) {
    struct form *f = w->form;
    int rc = 0;
    if (arch_has_word(how->archs, str_from(w->arch->gguf)) != how->only)
        return 0;
    for (uint64_t b = 0; b < w->n_layer && rc == 0; b++)
        rc = fuse_block(w, how, b);
    uint32_t n = 0;
    for (uint32_t i = 0; i < f->n_targets; i++)
        if (f->targets[i].expr)
            f->targets[n++] = f->targets[i];
    f->n_targets = n;
    return rc;
}

int arch_fuse(struct arch_work *w) {
    int rc = w->form->how.fuse_qkv ? fuse(w, &qkv) : 0;
    return rc < 0 || !w->form->how.fuse_gate_up_exps ? rc : fuse(w, &gate_up);
}
