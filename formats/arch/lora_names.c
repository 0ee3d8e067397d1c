/* SPDX-License-Identifier: Apache-2.0
 * formats/arch/lora_names.c - PEFT names modules as they are in memory, where transformers 5 has
 * some under other names than files have, and all experts of a block in one parameter. Source:
 * conversion_mapping.py (transformers 5.23). */
#include "formats/arch/lora.h"
#include <errno.h>

/* Parts of names, in memory and in files; the first that leads to a tensor counts. */
static const struct name_edit spellings[] = {
    { EDIT_ANYWHERE, ".mlp.", ".block_sparse_moe." }, /* Mixtral, MiniMax M2, Phi 3.5 MoE */
    { EDIT_ANYWHERE, ".mlp.router.", ".block_sparse_moe.gate." },
    { EDIT_END, ".experts.gate_up_proj", ".input_linear.weight" }, /* Granite with experts */
    { EDIT_END, ".experts.down_proj", ".output_linear.weight" },
    { EDIT_END, ".router.weight", ".router.layer.weight" },
    { EDIT_START, "model.language_model.", "language_model.model." },
    { EDIT_START, "model.language_model.", "model." },
    { EDIT_START, "model.", "model.language_model." },
    { EDIT_START, "lm_head.", "language_model.lm_head." },
    { EDIT_START, "lm_head.", "embed_out." }, /* GPT-NeoX */
    { 0 },
};

/* Matrices of each expert, of which a parameter is made: one below the other. */
static const struct {
    const char *parameter;
    const char *parts[2]; /* NULL: it is one */
} splits[] = {
    { ".gate_up_proj", { "gate_proj", "up_proj" } },
    { ".gate_up_proj", { "w1", "w3" } },
    { ".down_proj", { "down_proj", NULL } },
    { ".down_proj", { "w2", NULL } },
};

struct naming {
    struct arena *arena;
    lora_knows_fn *knows;
    const void *user;
    struct lora_list *out;
};

static struct str find_name(const struct naming *n, struct str name) {
    if (n->knows(n->user, name))
        return name;
    for (const struct name_edit *e = spellings; e->from; e++) {
        const struct str other = arch_edit_name(n->arena, name, e);
        if (other.p && !str_eq(other, name) && n->knows(n->user, other))
            return other;
    }
    return name;
}

static bool is_known(const struct naming *n, struct str name, struct str *known) {
    *known = find_name(n, name);
    return known->p && n->knows(n->user, *known);
}

static struct str part_name(const struct naming *n, struct str experts, uint64_t expert,
                            const char *part) {
    return arena_printf(n->arena, "%.*s.%llu.%s.weight", STR_ARG(experts),
                        (unsigned long long)expert, part);
}

/* As many as that, and no more, as far as names tell: a rule has no number. */
static bool has_experts(const struct naming *n, uint64_t count, struct str experts,
                        const char *part) {
    const struct str last = part_name(n, experts, count - 1, part);
    const struct str beyond = part_name(n, experts, count, part);
    const struct str any = part_name(n, experts, MODEL_MAX_TENSORS - 1, part);
    struct str known;
    return is_known(n, last, &known) && (is_known(n, any, &known) || !is_known(n, beyond, &known));
}

/* One matrix of each expert; false: no memory. */
static bool add_parts(const struct naming *n, const struct lora_pair *pair, struct str experts,
                      const char *const parts[2]) {
    const uint64_t rank = pair->a->rows / pair->experts, rows = pair->b->rows / pair->experts;
    const uint64_t count = parts[1] ? 2 : 1;
    for (uint64_t i = 0; i < pair->experts * count; i++) {
        const uint64_t expert = i / count, part = i % count;
        struct lora_pair *one = &n->out->pairs[n->out->n++];
        *one = *pair;
        one->experts = 0;
        one->name = part_name(n, experts, expert, parts[part]);
        one->a = expr_slice(n->arena, pair->a, expert * rank, rank);
        one->b = expr_slice(n->arena, pair->b, expert * rows + part * (rows / count), rows / count);
        if (!one->name.p || !is_known(n, one->name, &one->name) || !one->a || !one->b)
            return false;
    }
    return true;
}

static int add_pair(const struct naming *n, const struct lora_pair *pair, struct err *err) {
    struct str known;
    const bool found = is_known(n, pair->name, &known);
    for (size_t i = 0; i < sizeof splits / sizeof *splits && pair->experts && !found; i++) {
        const struct str end = str_from(splits[i].parameter);
        const struct str experts = { pair->name.p, pair->name.n - end.n };
        if (!str_ends(pair->name, end) ||
            !is_known(n, part_name(n, experts, 0, splits[i].parts[0]), &known))
            continue;
        if (splits[i].parts[1] && pair->b->rows / pair->experts % 2)
            return err_set(err, -EBADMSG, "%.*s: not two matrices of the same size",
                           STR_ARG(pair->name));
        if (!has_experts(n, pair->experts, experts, splits[i].parts[0]))
            return err_set(err, -EBADMSG, "%.*s: the base has not %llu experts",
                           STR_ARG(pair->name), (unsigned long long)pair->experts);
        return add_parts(n, pair, experts, splits[i].parts)
                   ? 0
                   : err_set(err, -ENOMEM, "no memory for the adapter");
    }
    n->out->pairs[n->out->n] = *pair;
    n->out->pairs[n->out->n++].name = known;
    return known.p ? 0 : err_set(err, -ENOMEM, "no memory for the adapter");
}

int lora_find_names(struct lora_list *list, struct arena *a, lora_knows_fn *knows, const void *user,
                    struct err *err) {
    const struct lora_list in = *list;
    const struct naming n = { a, knows, user, list };
    uint64_t most = 1;
    int rc = 0;
    for (uint32_t i = 0; i < in.n; i++)
        most += in.pairs[i].experts ? 2 * in.pairs[i].experts : 1;
    list->n = 0;
    list->pairs = most <= MODEL_MAX_TENSORS ? arena_array(a, struct lora_pair, most) : NULL;
    if (!list->pairs)
        return err_set(err, -ENOMEM, "no memory for the adapter");
    for (uint32_t i = 0; i < in.n && rc == 0; i++)
        rc = add_pair(&n, &in.pairs[i], err);
    for (uint32_t i = 0; i < in.n_whole && rc == 0; i++) {
        list->whole_names[i] = find_name(&n, in.whole_names[i]);
        if (!list->whole_names[i].p)
            rc = err_set(err, -ENOMEM, "no memory for the adapter");
    }
    return rc;
}
