/* SPDX-License-Identifier: Apache-2.0
 * formats/onnx/net_contrib.c - attention with the operators of com.microsoft. In two forms: with a
 * mask that is added to the scores, right for any padding; or with the number of valid tokens of
 * each row, which must be its first, as ORT-GenAI has it. */
#include "formats/onnx/onnx_decoder.h"

enum { INT32 = ONNX__TENSOR_PROTO__DATA_TYPE__INT32 };

static uint64_t short_rows(const struct decoder *d) {
    if (!d->inv_freq_long)
        return 0;
    return d->rope_context < d->positions ? d->rope_context : d->positions;
}

/* Positions from 0 on; of a model with frequencies for long texts, those of short ones first. */
static const char *table(struct decoder *d, const char *name, bool sine) {
    struct arena *a = d->n.g->arena;
    const uint64_t half = d->rotated / 2, brief = short_rows(d);
    const struct expr *e =
        expr_rotary(a, brief ? d->inv_freq_long : d->inv_freq, d->positions, half, sine);
    if (brief) {
        const struct expr *const both[] = { expr_rotary(a, d->inv_freq, brief, half, sine), e };
        e = expr_stack(a, both, 2);
    }
    if (d->rope_scale != 1)
        e = expr_mul(a, e, d->rope_scale);
    return net_weight(&d->n, name, e, 2, brief + d->positions, half);
}

static void add_tables(struct decoder *d) {
    struct net *n = &d->n;
    d->cos = table(d, "cos_cache", false);
    d->sin = table(d, "sin_cache", true);
    d->rows = "position_ids";
    if (!d->inv_freq_long)
        return;
    const char *const scope = n->scope;
    net_scope(n, "/model/rotary_emb");
    const char *first = NET_OP(n, "Where", "first_row", decoder_is_long(d),
                               net_i64_scalar(n, (int64_t)short_rows(d)), net_i64_scalar(n, 0));
    d->rows = NET_OP(n, "Add", "rows", d->rows, first);
    n->scope = scope;
}

void decoder_preamble_contrib(struct decoder *d) {
    struct net *n = &d->n;
    const char *count;
    if (d->inv_freq)
        add_tables(d);
    if (d->seqlens) {
        count = NET_OP(n, "ReduceSum", "ReduceSum", "attention_mask", NET_I64(n, 1));
        net_int(n, "keepdims", 0);
    } else {
        count = NET_OP(n, "Expand", "Expand", d->total, d->batch);
    }
    d->seqlens_k = net_cast(n, NET_OP(n, "Sub", "Sub", count, NET_I64(n, 1)), INT32, "seqlens_k");
    const char *total = NET_OP(n, "Squeeze", "total", d->total, NET_I64(n, 0));
    d->total_k = net_cast(n, total, INT32, "total_sequence_length");
}

/* GroupQueryAttention would read only the first of a prompt's position_ids. */
static const char *rotate(struct decoder *d, const char *x, uint64_t heads, const char *name) {
    const char *y = net_output(&d->n, name, 0);
    net_node(&d->n, NET_MS, "RotaryEmbedding", name, ONNX_NAMES(x, d->rows, d->cos, d->sin),
             ONNX_NAMES(y));
    if (d->rotated < d->dim) {
        net_int(&d->n, "num_heads", (int64_t)heads);
        net_int(&d->n, "rotary_embedding_dim", (int64_t)d->rotated);
    }
    return y;
}

const char *decoder_attend_contrib(struct decoder *d, struct decoder_heads *h, uint64_t layer) {
    struct net *n = &d->n;
    const bool windowed = d->windowed && d->windowed[layer];
    const char *y = net_output(n, "GroupQueryAttention", 0);
    h->q = decoder_to_rows(d, h->q, "q");
    h->k = decoder_to_rows(d, h->k, "k");
    h->v = decoder_to_rows(d, h->v, "v");
    if (d->inv_freq && !d->fused_rotary) {
        h->q = rotate(d, h->q, d->heads, "q/Rotary");
        h->k = rotate(d, h->k, d->kv_heads, "k/Rotary");
    }
    const bool fused = d->fused_rotary;
    const char *const *inputs =
        d->seqlens ? ONNX_NAMES(h->q, h->k, h->v, h->past_k, h->past_v, d->seqlens_k, d->total_k,
                                fused ? d->cos : "", fused ? d->sin : "")
                   : ONNX_NAMES(h->q, h->k, h->v, h->past_k, h->past_v, d->seqlens_k, d->total_k,
                                "", "", "", d->mask[windowed]);
    net_node(n, NET_MS, "GroupQueryAttention", "GroupQueryAttention", inputs,
             ONNX_NAMES(y, h->k_out, h->v_out));
    net_int(n, "num_heads", (int64_t)d->heads);
    net_int(n, "kv_num_heads", (int64_t)d->kv_heads);
    net_float(n, "scale", d->scale);
    net_float(n, "softcap", d->softcap);
    net_int(n, "do_rotary", fused);
    net_int(n, "rotary_interleaved", 0);
    net_int(n, "local_window_size", d->seqlens && windowed ? (int64_t)d->window : -1);
    return y;
}
