/* SPDX-License-Identifier: Apache-2.0
 * formats/pickle_get.c - looking at values of a pickle, whatever they are. */
#include "formats/pickle.h"

bool pickle_is_text(const struct pickle *p, const char *z) {
    return p && p->type == PICKLE_TEXT && str_is(p->text, z);
}

bool pickle_is_call(const struct pickle *p, const char *global) {
    return p && p->type == PICKLE_CALL && str_is(p->call.callee->text, global);
}

const struct pickle *pickle_arg(const struct pickle *call, uint32_t i) {
    return call && call->type == PICKLE_CALL ? pickle_item(call->call.args, i) : NULL;
}

const struct pickle *pickle_item(const struct pickle *seq, uint32_t i) {
    return seq && (seq->type == PICKLE_TUPLE || seq->type == PICKLE_LIST) && i < seq->n
               ? seq->items[i]
               : NULL;
}

const struct pickle *pickle_get(const struct pickle *dict, const char *key) {
    if (!dict || dict->type != PICKLE_DICT)
        return NULL;
    for (uint32_t i = dict->n; i >= 2; i -= 2)
        if (pickle_is_text(dict->items[i - 2], key))
            return dict->items[i - 1];
    return NULL;
}

bool pickle_u64(const struct pickle *p, uint64_t *out) {
    if (!p || p->type != PICKLE_INT || p->integer < 0)
        return false;
    *out = (uint64_t)p->integer;
    return true;
}

bool pickle_pairs(const struct pickle *args) {
    const struct pickle *list = pickle_item(args, 0);
    if (!list || args->n != 1 || list->type != PICKLE_LIST)
        return false;
    for (uint32_t i = 0; i < list->n; i++)
        if (!pickle_item(list->items[i], 1) || list->items[i]->n != 2)
            return false;
    return true;
}
