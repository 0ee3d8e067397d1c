/* SPDX-License-Identifier: Apache-2.0
 * formats/onnx/onnx_decoder.h - decoders as graphs with a KV cache: Llama and what is built like
 * it. Inputs and outputs are named as optimum and ORT-GenAI have them.
 *
 * The hidden state has two dimensions, [B·S, H], from the embedding to the last product: norms
 * and MLP do not care, and Gemm wants two. */
#pragma once
#include "formats/onnx/net.h"
#include "formats/spec.h"

/* Which layers see only the last `window` keys. */
enum window_rule {
    WINDOW_NONE,
    WINDOW_ALL,   /* where sliding_window is set */
    WINDOW_ASKED, /* where use_sliding_window says so too, from layer max_window_layers on */
    WINDOW_EVEN,  /* layers 0, 2, ... where layer_types says nothing */
};

struct decoder_family {
    const char *model_type;
    enum window_rule window;
    bool fused;            /* qkv_proj and gate_up_proj are one tensor each */
    bool qk_norm;          /* RMSNorm over each head of q and k, before the rotation */
    bool four_norms;       /* each branch is normed, then added */
    bool query_scale;      /* query_pre_attn_scalar in the place of the head's size */
    bool scaled_embedding; /* times the root of the hidden size */
    bool softcaps;         /* attn_logit_softcapping and final_logit_softcapping */
    bool tied;             /* where tie_word_embeddings says nothing */
    bool partial;          /* partial_rotary_factor counts */
    float norm_plus;       /* norms multiply by this and the weight */
    const char *act;       /* where nothing is said, or "gelu" of old configs; NULL: silu */
};

enum { DECODER_MAX_LAYERS = 1 << 10, DECODER_MAX_DIM = 1 << 12 };

struct decoder {
    struct net n;
    const struct decoder_family *family;
    bool seqlens; /* CONTRIB: rows are padded on the right, positions are counted */
    uint64_t hidden, layers, heads, kv_heads, dim, mlp, vocab, positions;
    double scale, softcap, final_softcap; /* softcaps: 0 for none */
    struct net_norm norm;
    uint64_t window; /* 0: none anywhere */
    bool *windowed;  /* one a layer */
    bool tied;
    struct str act;
    uint64_t rotated;     /* numbers of a head that are rotated, the first ones */
    float *inv_freq;      /* rotated / 2; NULL: learned positions */
    float *inv_freq_long; /* of texts that are longer than rope_context; NULL: the same */
    uint64_t rope_context;
    float rope_scale;  /* of cosines and sines */
    bool fused_rotary; /* SEQLENS: attention rotates by what it counts; no position_ids */
    /* values that all layers share */
    const char *batch, *seq, *total, *to3, *to4, *cos, *sin, *seqlens_k, *total_k;
    const char *rows;    /* CONTRIB: the rows of the tables of cosines and sines, [B, S] */
    const char *mask[2]; /* without and with the window */
};

/* decoder_params.c: everything above from config.json. */
void decoder_read(struct decoder *d);
/* decoder_rope.c: how heads are rotated. */
void decoder_read_rope(struct decoder *d);
/* NULL: no decoder of that type is written. */
const struct decoder_family *decoder_find(struct str model_type);

/* net_positions.c: the values that layers share. */
void decoder_preamble(struct decoder *d);
/* 1 where the last position that there is has the frequencies of long texts, as transformers
 * chooses them; a bool of no dimension. */
const char *decoder_is_long(struct decoder *d);
/* x [B, heads, S, D], rotated by its positions. */
const char *decoder_rotate(struct decoder *d, const char *x, const char *name);

/* The values of one layer's attention while they are made: [B·S, heads·D] at first. */
struct decoder_heads {
    const char *q, *k, *v, *past_k, *past_v, *k_out, *v_out;
};

/* net_attention.c: q, k, v [B·S, heads·D] to [B·S, heads·D]. */
const char *decoder_attend(struct decoder *d, struct decoder_heads *h, uint64_t layer);
/* The values of the cache of a layer. */
struct decoder_heads decoder_heads(struct decoder *d, uint64_t layer);

/* net_contrib.c: with com.microsoft's operators. */
void decoder_preamble_contrib(struct decoder *d);
const char *decoder_attend_contrib(struct decoder *d, struct decoder_heads *h, uint64_t layer);

/* net_attention.c: x [B·S, n] as [B, S, n]. */
const char *decoder_to_rows(struct decoder *d, const char *x, const char *name);
/* net_attention.c: from the normed hidden state to what is added to it; [B·S, H]. */
const char *decoder_attention(struct decoder *d, const char *x, uint64_t layer);

/* decoder_params.c: a number of config.json by the first of @keys that is there. The net fails
 * where it is absent, zero or above @max; or where it is none. */
uint64_t net_need(struct net *n, const char *keys, uint64_t max);
uint64_t net_u64(struct net *n, const char *keys, uint64_t absent);
double net_f64(struct net *n, const char *keys, double absent);

/* onnx_decoder.c: what the graphs of all decoders have. */
void decoder_begin(struct decoder *d, struct onnx_graph *g, struct hf_source *src,
                   const struct spec *spec, struct err *err);
void decoder_interface(struct decoder *d);
/* @weight: of [vocab, hidden]. */
void decoder_logits(struct decoder *d, const char *x, const char *weight, const char *bias);
/* 0, or why there is no graph. @buffers: as hf_source_check_used has them. */
int net_end(struct net *n, const char *const *buffers);

/* onnx_decoder.c, onnx_gpt2.c: the whole graph. */
int decoder_build(struct onnx_graph *g, struct hf_source *src, const struct spec *spec,
                  struct err *err);
int gpt2_build(struct onnx_graph *g, struct hf_source *src, const struct spec *spec,
               struct err *err);
