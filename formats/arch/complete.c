/* SPDX-License-Identifier: Apache-2.0
 * formats/arch/complete.c - is a tensor missing, or there twice? Blocks of one kind have the same
 * tensors: one that has less than another is incomplete, and so is attention with less than that of
 * another block.
 * What only some blocks of an architecture have is in its row (arch.some). llama.cpp refuses to
 * load such a file; the converter writes it. */
#include "formats/arch/work.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

/* Sets of blocks beyond these are not compared with: sound models have less than ten. */
enum { MAX_NAMES = 256, SET_WORDS = MAX_NAMES / 64, MAX_SETS = 64 };

struct name_set {
    uint64_t bits[SET_WORDS];
    uint64_t block; /* the first that has it */
};

/* One sequence of blocks: "blk.", or "enc.blk." and "dec.blk.". */
struct blocks {
    struct str prefix;
    struct str names[MAX_NAMES]; /* behind the block's number, in the order they are met */
    uint32_t n_names;
    struct name_set *of; /* by block */
    uint64_t n, last;    /* that has a tensor */
};

/* Tensors of a block that come together, whatever the others have: where one is, so is the other.
 */
static const struct {
    struct str one, other;
} together[] = {
    { STR("ffn_up.weight"), STR("ffn_down.weight") },
    { STR("ffn_down.weight"), STR("ffn_up.weight") },
    { STR("ffn_up_exps.weight"), STR("ffn_down_exps.weight") },
    { STR("ffn_down_exps.weight"), STR("ffn_gate_inp.weight") },
    { STR("ffn_up_shexp.weight"), STR("ffn_down_shexp.weight") },
    { STR("ffn_down_shexp.weight"), STR("ffn_up_shexp.weight") },
    { STR("attn_q.weight"), STR("attn_output.weight") },
    { STR("attn_k.weight"), STR("attn_q.weight") },
};

static const struct str prefixes[] = { STR("blk."), STR("enc.blk."), STR("dec.blk.") };

/* "ffn_up.weight" of "blk.12.ffn_up.weight"; p is NULL for another name, and for scales, of which
 * those that are 1 are not written. */
static struct str split_name(struct str name, struct str prefix, uint64_t *block) {
    const struct str none = { NULL, 0 };
    struct str rest = { name.p + prefix.n, name.n - prefix.n };
    if (!str_starts(name, prefix) ||
        !(str_ends(name, STR(".weight")) || str_ends(name, STR(".bias"))))
        return none;
    *block = 0;
    for (; rest.n && rest.p[0] >= '0' && rest.p[0] <= '9'; rest.p++, rest.n--)
        *block =
            10 * *block + (uint64_t)(rest.p[0] - '0'); /* our own names: it does not overflow */
    return rest.n > 1 && rest.p[0] == '.' ? (struct str){ rest.p + 1, rest.n - 1 } : none;
}

/* Is "ffn_up.weight" one of @some ("attn_v", or "indexer." for all that begin so)? */
static bool is_optional(const char *some, struct str name) {
    for (const char *s = some; s && *s; s += strspn(s, " ")) {
        const struct str word = { s, strcspn(s, " ") };
        const bool open = word.p[word.n - 1] == '.';
        if (str_starts(name, word) && (open || (name.n > word.n && name.p[word.n] == '.')))
            return true;
        s += word.n;
    }
    return false;
}

/* b->n_names: no block has it. */
static uint32_t known_name(const struct blocks *b, struct str name) {
    uint32_t i = 0;
    while (i < b->n_names && !str_eq(b->names[i], name))
        i++;
    return i;
}

/* MAX_NAMES: it does not count. */
static uint32_t add_name(struct blocks *b, struct str name) {
    const uint32_t i = known_name(b, name);
    if (i == b->n_names && i < MAX_NAMES)
        b->names[b->n_names++] = name;
    return i;
}

static bool has_name(const struct name_set *s, uint32_t bit) {
    return s->bits[bit / 64] >> bit % 64 & 1;
}

static void gather(struct blocks *b, const struct form *f, const char *some) {
    for (uint32_t i = 0; i < f->n_targets; i++) {
        uint64_t block;
        const struct str name = split_name(f->targets[i].name, b->prefix, &block);
        if (!name.p || block >= b->n || is_optional(some, name))
            continue;
        const uint32_t bit = add_name(b, name);
        if (bit < MAX_NAMES)
            b->of[block].bits[bit / 64] |= 1ull << bit % 64;
        if (b->last < block)
            b->last = block;
    }
}

/* Names that are looked at apart, because blocks with different feed-forward parts have the same of
 * these; in a group a block may have none at all. */
enum group { GROUP_ALL, GROUP_ATTENTION, GROUP_NORMS, GROUP_COUNT };

static bool in_group(enum group g, struct str name) {
    const bool norm = str_starts(name, STR("attn_norm.")) || str_starts(name, STR("ffn_norm."));
    return g == GROUP_ALL || (g == GROUP_NORMS ? norm : !norm && str_starts(name, STR("attn_")));
}

static void group_mask(struct name_set *mask, const struct blocks *b, enum group g) {
    *mask = (struct name_set){ 0 };
    for (uint32_t i = 0; i < b->n_names; i++)
        if (in_group(g, b->names[i]))
            mask->bits[i / 64] |= 1ull << i % 64;
}

/* Of the names in @mask one that @more has beside all of @less; MAX_NAMES: there is none, or @less
 * has others. */
static uint32_t surplus(const struct name_set *more, const struct name_set *less,
                        const struct name_set *mask, bool *empty) {
    uint32_t found = MAX_NAMES;
    *empty = true;
    for (uint32_t i = 0; i < SET_WORDS; i++) {
        const uint64_t m = more->bits[i] & mask->bits[i], l = less->bits[i] & mask->bits[i];
        const uint64_t extra = m & ~l;
        if (l & ~m)
            return MAX_NAMES;
        *empty = *empty && !l;
        if (extra && found == MAX_NAMES)
            found = 64 * i + (uint32_t)__builtin_ctzll(extra);
    }
    return found;
}

static const struct tensor *first_tensor(const struct form *f, struct str name) {
    for (uint32_t i = 0; i < f->n_targets; i++) {
        struct expr_run run;
        const struct target *t = &f->targets[i];
        if (!str_eq(t->name, name) || !t->expr->rows || !t->expr->cols)
            continue;
        expr_run(t->expr, 0, 1, &run);
        return run.leaf->op == EXPR_TENSOR ? run.leaf->tensor : NULL;
    }
    return NULL;
}

/* Block @less lacks what @more has. */
static int incomplete(struct arch_work *w, const struct blocks *b, uint64_t less,
                      const struct name_set *more, uint32_t name) {
    const struct str there = arena_printf(w->form->arena, "%.*s%llu.%.*s", STR_ARG(b->prefix),
                                          (unsigned long long)more->block, STR_ARG(b->names[name]));
    const struct tensor *t = there.p ? first_tensor(w->form, there) : NULL;
    return err_set(w->err, -EBADMSG,
                   "a tensor of block %llu is missing: there is none for its %.*s, as %.*s is for "
                   "that of block %llu",
                   (unsigned long long)less, STR_ARG(b->names[name]), STR_ARG(t ? t->name : there),
                   (unsigned long long)more->block);
}

/* Blocks that are the only one of their kind. */
static int check_together(struct arch_work *w, const struct blocks *b) {
    for (size_t i = 0; i < sizeof together / sizeof *together; i++) {
        const uint32_t one = known_name(b, together[i].one);
        const uint32_t other = known_name(b, together[i].other);
        for (uint64_t k = 0; one < b->n_names && k < b->n; k++)
            if (has_name(&b->of[k], one) && !(other < b->n_names && has_name(&b->of[k], other)) &&
                !is_optional(w->arch->some, together[i].other))
                return err_set(w->err, -EBADMSG,
                               "a tensor of block %llu is missing: it has a %.*s, and no %.*s",
                               (unsigned long long)k, STR_ARG(together[i].one),
                               STR_ARG(together[i].other));
    }
    return 0;
}

/* The sets that there are, each once. */
static uint32_t distinct(const struct blocks *b, struct name_set sets[MAX_SETS]) {
    uint32_t n_sets = 0;
    for (uint64_t i = 0; i < b->n; i++) {
        uint32_t k = 0;
        while (k < n_sets && memcmp(sets[k].bits, b->of[i].bits, sizeof sets[k].bits) != 0)
            k++;
        if (k < n_sets || k == MAX_SETS)
            continue;
        sets[k] = b->of[i];
        sets[k].block = i;
        n_sets++;
    }
    return n_sets;
}

static int compare_blocks(struct arch_work *w, const struct blocks *b) {
    struct name_set sets[MAX_SETS], mask;
    const uint32_t n = distinct(b, sets);
    for (int g = 0; g < GROUP_COUNT; g++) {
        group_mask(&mask, b, (enum group)g);
        for (uint32_t i = 0; i < n * n; i++) {
            const struct name_set *less = &sets[i / n], *more = &sets[i % n];
            bool empty;
            const uint32_t name = surplus(more, less, &mask, &empty);
            if (name < MAX_NAMES && (g == GROUP_ALL || !empty))
                return incomplete(w, b, less->block, more, name);
        }
    }
    return 0;
}

static int check_blocks(struct arch_work *w, struct str prefix, uint64_t n) {
    struct blocks b = { .prefix = prefix, .n = n };
    b.of = calloc(n ? n : 1, sizeof *b.of);
    if (!b.of)
        return work_no_memory(w);
    gather(&b, w->form, w->arch->some);
    /* encoder and decoder need not have as many blocks */
    if ((!str_is(prefix, "blk.") || is_optional(w->arch->some, STR("blk."))) && b.last + 1 < n)
        b.n = b.last + 1;
    int rc = b.n_names ? compare_blocks(w, &b) : 0;
    if (rc == 0)
        rc = check_together(w, &b);
    free(b.of);
    return rc;
}

static bool has_target(const struct form *f, const char *name) {
    for (uint32_t i = 0; i < f->n_targets; i++) {
        const struct str t = f->targets[i].name;
        if (str_ends(t, STR(".weight")) && str_is((struct str){ t.p, t.n - 7 }, name))
            return true;
    }
    return false;
}

/* What no text model does without, if the row knows a tensor of that name. */
static int check_ends(struct arch_work *w) {
    static const char *const names[] = { "token_embd", "output_norm" };
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        const struct tensor_rule *r = w->arch->rules;
        while (r->hf && (!r->gguf || strcmp(r->gguf, names[i]) != 0))
            r++;
        if (r->hf && !has_target(w->form, names[i]) &&
            !is_optional(w->arch->some, arena_printf(w->form->arena, "%s.weight", names[i])))
            return err_set(w->err, -EBADMSG, "the folder has no tensor %s.weight", r->hf);
    }
    return 0;
}

static bool has_blocks(const struct form *f) {
    for (uint32_t i = 0; i < f->n_targets; i++)
        for (size_t k = 0; k < sizeof prefixes / sizeof *prefixes; k++)
            if (str_starts(f->targets[i].name, prefixes[k]))
                return true;
    return false;
}

static int by_name(const void *a, const void *b) {
    return str_cmp(*(const struct str *)a, *(const struct str *)b);
}

static int check_twice(struct arch_work *w) {
    const struct form *f = w->form;
    struct str *names = calloc(f->n_targets + 1, sizeof *names);
    int rc = names ? 0 : work_no_memory(w);
    for (uint32_t i = 0; i < f->n_targets && names; i++)
        names[i] = f->targets[i].name;
    if (names)
        qsort(names, f->n_targets, sizeof *names, by_name);
    for (uint32_t i = 1; i < f->n_targets && rc == 0; i++)
        if (str_eq(names[i - 1], names[i]))
            rc = err_set(w->err, -EBADMSG, "two tensors of the folder would be %.*s",
                         STR_ARG(names[i]));
    free(names);
    return rc;
}

int arch_check_complete(struct arch_work *w) {
    int rc = check_twice(w);
    if (rc < 0)
        return rc;
    if (!has_blocks(w->form)) /* a vocabulary, embeddings alone */
        return 0;
    rc = check_ends(w);
    if (w->arch->some && strcmp(w->arch->some, "*") == 0)
        return rc;
    for (size_t i = 0; i < sizeof prefixes / sizeof *prefixes && rc == 0; i++)
        rc = check_blocks(w, prefixes[i], w->n_layer - w->n_mtp);
    return rc;
}
