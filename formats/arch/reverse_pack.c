/* SPDX-License-Identifier: Apache-2.0
 * formats/arch/reverse_pack.c - the way back of a tensor that has queries, keys and values below
 * each other; see reverse.h. */
#include "formats/arch/reverse.h"

int reverse_pack(struct reverse *r, const struct tensor *t, const struct tensor_rule *rule,
                 const struct name_match *match) {
    struct arena *a = r->form->arena;
    static const char *const names[] = { "blk.#.attn_q", "blk.#.attn_k", "blk.#.attn_v" };
    const struct expr *parts[3];
    uint64_t rows = 0;
    if (!rule->second)
        return reverse_same(r, t, rule, match);
    for (int i = 0; i < 3; i++) {
        const struct tensor *part = reverse_find(r, names[i], match);
        uint64_t heads;
        if (i == 0 || !reverse_count(r, "attention.head_count_kv", match->block, &heads)) {
            int rc = reverse_need(r, "attention.head_count", match->block, &heads);
            if (rc < 0)
                return rc;
        }
        if (!heads || heads > UINT32_MAX || !part || part->n_dims != 2 || !part->elems ||
            part->dims[1] != t->dims[1] || part->dtype != t->dtype || part->dims[0] % (2 * heads))
            return reverse_bad_shape(r, t, "queries, keys and values are not of one kind");
        parts[i] = expr_tensor(a, part);
        if (i < 2)
            parts[i] = expr_swap(a, parts[i], part->dims[0] / heads / 2, 2);
        rows += part->dims[0];
    }
    const uint64_t dims[2] = { rows, t->dims[1] };
    return reverse_target(r, name_build(a, rule->hf, match), t, dims, 2, expr_stack(a, parts, 3));
}
