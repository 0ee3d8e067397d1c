/* SPDX-License-Identifier: Apache-2.0
 * formats/onnx/net_contrib.c - attention with the operators of com.microsoft. In two forms: with a
 * mask that is added to the scores, right for any padding; or with the number of valid tokens of
 * each row, which must be its first, as ORT-GenAI has it. */
#include "formats/onnx/onnx_decoder.h"

enum { INT32 = ONNX__TENSOR_PROTO__DATA_TYPE__INT32 };

static const char *table(struct decoder *d, const char *name, bool sine) {
    const uint64_t half = d->dim / 2;
    return net_weight(&d->n, name,
                      expr_rotary(d->n.g->arena, d->inv_freq, d->positions, half, sine), 2,
                      d->positions, half);
}

void decoder_preamble_contrib(struct decoder *d) {
    struct net *n = &d->n;
    const char *count;
    if (d->inv_freq) {
        d->cos = table(d, "cos_cache", false);
        d->sin = table(d, "sin_cache", true);
    }
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
static const char *rotate(struct decoder *d, const char *x, const char *name) {
    const char *y = net_output(&d->n, name, 0);
    net_node(&d->n, NET_MS, "RotaryEmbedding", name, ONNX_NAMES(x, "position_ids", d->cos, d->sin),
             ONNX_NAMES(y));
    return y;
}

const char *decoder_attend_contrib(struct decoder *d, struct decoder_heads *h, uint64_t layer) {
    struct net *n = &d->n;
    const bool windowed = d->windowed && d->windowed[layer];
    const char *y = net_output(n, "GroupQueryAttention", 0);
    h->q = decoder_to_rows(d, h->q, "q");
    h->k = decoder_to_rows(d, h->k, "k");
    h->v = decoder_to_rows(d, h->v, "v");
    if (!d->seqlens && d->inv_freq) {
        h->q = rotate(d, h->q, "q/Rotary");
        h->k = rotate(d, h->k, "k/Rotary");
    }
    const char *const *inputs =
        d->seqlens ? ONNX_NAMES(h->q, h->k, h->v, h->past_k, h->past_v, d->seqlens_k, d->total_k,
                                d->cos ? d->cos : "", d->sin ? d->sin : "")
                   : ONNX_NAMES(h->q, h->k, h->v, h->past_k, h->past_v, d->seqlens_k, d->total_k,
                                "", "", "", d->mask[windowed]);
    net_node(n, NET_MS, "GroupQueryAttention", "GroupQueryAttention", inputs,
             ONNX_NAMES(y, h->k_out, h->v_out));
    net_int(n, "num_heads", (int64_t)d->heads);
    net_int(n, "kv_num_heads", (int64_t)d->kv_heads);
    net_float(n, "scale", d->scale);
    net_float(n, "softcap", d->softcap);
    net_int(n, "do_rotary", d->seqlens && d->inv_freq);
    net_int(n, "rotary_interleaved", 0);
    net_int(n, "local_window_size", d->seqlens && windowed ? (int64_t)d->window : -1);
    return y;
}
