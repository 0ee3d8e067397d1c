/* SPDX-License-Identifier: Apache-2.0
 * formats/arch/qwen_next_back.c - the way back of Qwen3-Next and Qwen 3.5: heads of values are
 * grouped by their key again. */
#include "formats/arch/qwen_next.h"
#include "formats/arch/reverse.h"
#include <errno.h>
#include <stdio.h>

struct heads {
    uint64_t keys, per_key, key_dim, value_dim;
};

static int read_heads(const struct reverse *r, struct heads *h) {
    uint64_t values, inner;
    int rc = reverse_need(r, "ssm.group_count", 0, &h->keys);
    if (rc == 0)
        rc = reverse_need(r, "ssm.time_step_rank", 0, &values);
    if (rc == 0)
        rc = reverse_need(r, "ssm.state_size", 0, &h->key_dim);
    if (rc == 0)
        rc = reverse_need(r, "ssm.inner_size", 0, &inner);
    if (rc < 0)
        return rc;
    if (values % h->keys || inner % values || values > UINT16_MAX || h->key_dim > UINT16_MAX)
        return err_set(r->err, -EBADMSG, "%s.ssm: the heads do not fit", r->arch->gguf);
    h->per_key = values / h->keys;
    h->value_dim = inner / values;
    return 0;
}

static bool is_tiled(const struct reverse *r) {
    return strcmp(r->arch->gguf, "qwen3next") != 0;
}

/* From row @first on, @dim rows a head. */
static const struct expr *group(struct arena *a, const struct expr *e, const struct heads *h,
                                uint64_t first, uint64_t dim) {
    const struct row_map map = {
        first, 3, { h->keys, h->per_key, dim }, { dim, h->keys * dim, 1 }
    };
    return expr_rows(a, e, map);
}

/* Qwen3-Next: q, k, v and z of one key's head lie together. */
static int back_fused(struct reverse *r, const struct tensor *t, const struct name_match *match,
                      const struct heads *h) {
    struct arena *a = r->form->arena;
    const struct tensor *u = reverse_find(r, "blk.#.attn_gate", match);
    const uint64_t k = h->key_dim, v = h->per_key * h->value_dim, keys = h->keys;
    if (!u || t->n_dims != 2 || u->n_dims != 2 || t->dims[0] != keys * (2 * k + v) ||
        u->dims[0] != keys * v || t->dims[1] != u->dims[1] || !t->elems)
        return reverse_bad_shape(r, t, "its rows are not those of the heads");
    const struct expr *qkv = expr_tensor(a, t), *z = expr_tensor(a, u);
    const struct expr **in = arena_array(a, const struct expr *, 4 * keys);
    for (uint64_t g = 0; in && g < keys; g++) {
        in[4 * g] = expr_slice(a, qkv, g * k, k);
        in[4 * g + 1] = expr_slice(a, qkv, (keys + g) * k, k);
        in[4 * g + 2] = expr_slice(a, qkv, 2 * keys * k + g * v, v);
        in[4 * g + 3] = expr_slice(a, z, g * v, v);
    }
    const uint64_t dims[2] = { keys * (2 * k + 2 * v), t->dims[1] };
    return reverse_target(r, name_build(a, "model.layers.#.linear_attn.in_proj_qkvz", match), t,
                          dims, 2, in ? expr_stack(a, in, (uint32_t)(4 * keys)) : NULL);
}

/* NULL: the shape is not that of the heads. */
static const struct expr *regroup(struct arena *a, const struct tensor *t, const char *how,
                                  const struct heads *h, uint64_t rows, uint64_t cols) {
    const uint64_t qk = 2 * h->keys * h->key_dim, values = h->keys * h->per_key;
    const uint64_t v = values * h->value_dim;
    if (how == linear_cols_v) { /* the pieces of a row that are a head's become rows */
        const struct row_map map = { 0, 3, { rows, h->keys, h->per_key }, { values, 1, h->keys } };
        return cols == v ? expr_rows(a, expr_tensor_as(a, t, h->value_dim), map) : NULL;
    }
    const struct expr *e = cols == 1 ? expr_tensor_as(a, t, 1) : expr_tensor(a, t);
    if (how == linear_rows_qkv) {
        const struct expr *in[2] = { expr_slice(a, e, 0, qk), group(a, e, h, qk, h->value_dim) };
        return rows == qk + v ? expr_stack(a, in, 2) : NULL;
    }
    return rows == (how == linear_rows_v ? v : values)
               ? group(a, e, h, 0, how == linear_rows_v ? h->value_dim : 1)
               : NULL;
}

static const char *own_name(const struct reverse *r, const struct tensor_rule *rule) {
    return rule->second == linear_fused && is_tiled(r)
               ? "model.layers.#.linear_attn.in_proj_qkv" /* the rule of the same GGUF's name */
               : rule->hf;
}

int qwen_next_back_own(struct reverse *r, const struct tensor *t, const struct tensor_rule *rule,
                       const struct name_match *match) {
    struct arena *a = r->form->arena;
    const bool conv = strstr(rule->hf, "conv1d") != NULL;
    const char *how = rule->second == linear_fused ? linear_rows_qkv : rule->second;
    struct heads h;
    int rc = read_heads(r, &h);
    if (rc == 0 && !is_tiled(r) && rule->second == linear_fused)
        return back_fused(r, t, match, &h);
    if (rc < 0 || (!is_tiled(r) && strstr(rule->hf, "in_proj_z")))
        return rc; /* with the fused one */
    if (t->n_dims < 1 || t->n_dims > 2 || !t->elems)
        return reverse_bad_shape(r, t, "its shape is not linear attention's");
    const bool tiled = is_tiled(r) && h.per_key > 1;
    if (tiled && dtype_info[t->dtype].block_elems != 1 && how == linear_cols_v)
        return err_set(r->err, -ENOTSUP, "tensor %.*s: blocks of %s lie across heads",
                       STR_ARG(t->name), dtype_info[t->dtype].name);
    const uint64_t rows = t->dims[0], cols = t->n_dims == 2 ? t->dims[1] : 1;
    const struct expr *e = tiled ? regroup(a, t, how, &h, rows, cols) : expr_tensor(a, t);
    if (!e)
        return reverse_bad_shape(r, t, "its rows are not those of the heads");
    if (how == linear_decay)
        e = expr_log(a, expr_mul(a, e, -1));
    const uint64_t dims[3] = { rows, conv ? 1 : cols, cols };
    return reverse_target(r, name_build(a, own_name(r, rule), match), t, dims, t->n_dims + conv, e);
}

const struct name_edit qwen_next_back_edits[] = { { EDIT_END, ".dt_proj.bias", ".dt_bias" },
                                                  { 0 } };

/* --- config.json --- */

static void say_layers(struct back *w) {
    char key[64];
    struct kv_array list;
    struct str elem;
    struct buffer b = { 0 };
    const char *comma = "[";
    const uint64_t values = back_count(w, ".ssm.time_step_rank", 0, 0);
    if (values)
        back_u64(w, "linear_value_head_dim", back_count(w, ".ssm.inner_size", 0, 0) / values);
    snprintf(key, sizeof key, "%s.attention.recurrent_layers", w->arch->gguf);
    if (!kv_get_array(&w->m->kvs, key, &list) || list.type != KV_BOOL || !list.n)
        return; /* every fourth sees all, as transformers has it too */
    const uint64_t blocks =
        back_count(w, ".block_count", 0, 0) - back_count(w, ".nextn_predict_layers", 0, 0);
    for (uint64_t i = 0; kv_array_next(&list, &elem) && i < blocks; i++) {
        buffer_z(&b, comma);
        buffer_z(&b, elem.p[0] ? "\"linear_attention\"" : "\"full_attention\"");
        comma = ", ";
    }
    buffer_add(&b, "]", 2); /* with the zero that ends it */
    if (b.failed)
        back_fail(w, -ENOMEM, "no memory for config.json");
    else
        back_raw(w, "layer_types", b.p);
    buffer_fini(&b);
}

static void say_layers35(struct back *w) {
    const uint64_t mtp = back_count(w, ".nextn_predict_layers", 0, 0);
    if (mtp)
        back_u64(w, "mtp_num_hidden_layers", mtp);
    say_layers(w);
}

const struct arch_back qwen3_next_back[] = {
    { "qwen3_next", "Qwen3NextForCausalLM", .more = say_layers }, { 0 }
};
const struct arch_back qwen35_back[] = {
    { "qwen3_5_text", "Qwen3_5ForCausalLM", .more = say_layers35 }, { 0 }
};
const struct arch_back qwen35moe_back[] = {
    { "qwen3_5_moe_text", "Qwen3_5MoeForCausalLM", .more = say_layers35 }, { 0 }
};
