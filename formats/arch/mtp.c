/* SPDX-License-Identifier: Apache-2.0
 * formats/arch/mtp.c - names of blocks that predict further tokens, in both directions: behind the
 * others here, "mtp.layers.0" there, and "mtp.fc" of what is before and after them. */
#include "formats/arch/decoder.h"
#include "formats/arch/reverse.h"
#include "formats/arch/work.h"

static const struct {
    const char *from, *to;
} parts[] = { { "mtp.fc.", "eh_proj." },
              { "mtp.pre_fc_norm_embedding.", "enorm." },
              { "mtp.pre_fc_norm_hidden.", "hnorm." },
              { "mtp.norm.", "shared_head.norm." } };
enum { N_PARTS = sizeof parts / sizeof *parts };

/* @start, then a number, then '.'. */
static bool numbered(struct str name, struct str start, uint64_t *number, struct str *rest) {
    size_t at = start.n;
    uint64_t n = 0;
    if (!str_starts(name, start))
        return false;
    while (at < name.n && name.p[at] >= '0' && name.p[at] <= '9' && at < start.n + 9)
        n = 10 * n + (uint64_t)(name.p[at++] - '0');
    if (at == start.n || at == name.n || name.p[at] != '.')
        return false;
    *number = n;
    *rest = (struct str){ name.p + at, name.n - at };
    return true;
}

bool decoder_mtp_block(struct str name, uint64_t *block, struct str *rest) {
    return numbered(name, STR("mtp.layers."), block, rest);
}

struct str decoder_rename_mtp(const struct arch_work *w, struct str name) {
    const uint64_t first = w->n_layer - w->n_mtp;
    uint64_t block;
    struct str rest;
    if (decoder_mtp_block(name, &block, &rest))
        return arena_printf(w->form->arena, "model.layers.%llu%.*s",
                            (unsigned long long)(first + block), STR_ARG(rest));
    for (size_t i = 0; i < N_PARTS; i++) {
        const size_t n = strlen(parts[i].from);
        if (str_starts(name, str_from(parts[i].from)))
            return arena_printf(w->form->arena, "model.layers.%llu.%s%.*s",
                                (unsigned long long)first, parts[i].to, (int)(name.n - n),
                                name.p + n);
    }
    return name;
}

bool reverse_first_mtp(const struct reverse *r, uint64_t *block) {
    uint64_t all, mtp;
    if (!reverse_count(r, "block_count", 0, &all) ||
        !reverse_count(r, "nextn_predict_layers", 0, &mtp) || !mtp || mtp > all)
        return false;
    *block = all - mtp;
    return true;
}

struct str decoder_back_mtp(const struct reverse *r, struct str name) {
    uint64_t block, first;
    struct str rest;
    if (!reverse_first_mtp(r, &first) || !numbered(name, STR("model.layers."), &block, &rest) ||
        block < first)
        return name;
    for (size_t i = 0; i < N_PARTS && block == first; i++) {
        const size_t n = strlen(parts[i].to);
        if (str_starts((struct str){ rest.p + 1, rest.n - 1 }, str_from(parts[i].to)))
            return arena_printf(r->form->arena, "%s%.*s", parts[i].from, (int)(rest.n - 1 - n),
                                rest.p + 1 + n);
    }
    return arena_printf(r->form->arena, "mtp.layers.%llu%.*s", (unsigned long long)(block - first),
                        STR_ARG(rest));
}
