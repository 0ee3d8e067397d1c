/* SPDX-License-Identifier: Apache-2.0
 * formats/arch/clip.h - projectors: the part of a multimodal model that makes embeddings of images
 * or sounds, as a GGUF of its own. Rows are those of family.h; their configuration is
 * vision_config, or audio_config. */
#pragma once
#include "formats/arch/decoder.h"

/* The rows; each list ends with one that has no gguf. */
extern const struct arch projectors_qwen[];
extern const struct arch projectors_siglip[];
extern const struct arch projectors_other[];
extern const struct arch projectors_qwen_kin[];
extern const struct arch projectors_ocr[];
extern const struct arch projectors_audio[];

/* clip_classes.c: JSON with the defaults of the class that config.json names; NULL: none are known.
 */
const char *clip_defaults(const struct arch_work *w);

/* What the loader in llama.cpp (tools/mtmd/clip.cpp) asks for of every image encoder. @size: of the
 * image; @width, @inner: names of the embedding's length and the feed-forward's, or @feed_forward,
 * what makes the latter. */
#define CLIP_HPARAMS(size, width, inner) \
    CLIP_HPARAMS_CALL(size, width, HPARAM_NEED(".vision.feed_forward_length", inner))
#define CLIP_HPARAMS_CALL(size, width, feed_forward)                                   \
    HPARAM_CALL(hparam_file_type), HPARAM_CALL(clip_encoder), HPARAM_CALL(clip_width), \
        HPARAM_CALL(size), HPARAM_CALL(clip_patch_size),                               \
        HPARAM_NEED(".vision.embedding_length", width), feed_forward,                  \
        HPARAM_NEED(".vision.block_count", CLIP_BLOCKS),                               \
        HPARAM_NEED(".vision.attention.head_count", CLIP_HEADS), HPARAM_CALL(clip_mean)
#define CLIP_BLOCKS "num_hidden_layers depth encoder_layers"
#define CLIP_HEADS  "num_attention_heads num_heads encoder_attention_heads"
int clip_encoder(struct arch_work *w);
int clip_text_width(struct arch_work *w, uint64_t *n); /* of the text model's embeddings */
int clip_width(struct arch_work *w);
int clip_image_size(struct arch_work *w);
int clip_patch_size(struct arch_work *w);
int clip_mean(struct arch_work *w); /* and the standard deviation */

/* model_type of config.json, and of vision_config. */
bool clip_has_type(const struct arch_work *w, const char *model_type);
bool clip_has_vision_type(const struct arch_work *w, const char *model_type);

/* A value of preprocessor_config.json or processor_config.json; NULL: absent. */
const struct json *clip_preprocessor(const struct arch_work *w, const char *name);
/* A value of config.json itself. */
const struct json *clip_whole(const struct arch_work *w, const char *name);

int clip_projector(struct arch_work *w, const char *type); /* clip.projector_type */
int clip_eps(struct arch_work *w, double absent);          /* by "layer_norm_eps" */
int clip_activation(struct arch_work *w);                  /* clip.use_silu or use_gelu */
int clip_use_gelu(struct arch_work *w);
int clip_window_pattern(struct arch_work *w); /* by "fullatt_block_indexes" */
int clip_use_silu(struct arch_work *w);
int clip_rms_eps(struct arch_work *w, double absent); /* by "rms_norm_eps" */
int clip_min_pixels(struct arch_work *w);             /* of the preprocessor */
int clip_max_pixels(struct arch_work *w);

/* A tower as SigLIP's, below @path; @out: how it calls the attention's last matrix. */
#define CLIP_TOWER(path, out)                                             \
    SAME(path "embeddings.position_embedding", "v.position_embd"),        \
        SAME(path "post_layernorm", "v.post_ln"),                         \
        SAME(path "encoder.layers.#.layer_norm1", "v.blk.#.ln1"),         \
        SAME(path "encoder.layers.#.layer_norm2", "v.blk.#.ln2"),         \
        SAME(path "encoder.layers.#.mlp.fc1", "v.blk.#.ffn_up"),          \
        SAME(path "encoder.layers.#.mlp.fc2", "v.blk.#.ffn_down"),        \
        SAME(path "encoder.layers.#.self_attn.q_proj", "v.blk.#.attn_q"), \
        SAME(path "encoder.layers.#.self_attn.k_proj", "v.blk.#.attn_k"), \
        SAME(path "encoder.layers.#.self_attn.v_proj", "v.blk.#.attn_v"), \
        SAME(path "encoder.layers.#.self_attn." out, "v.blk.#.attn_out")

/* Types that do not follow the outtype alone. */
#define CLIP_TYPES                                                               \
    { "v.patch_embd.weight", FORCE_F16 }, { ".patch_merger.weight", FORCE_F16 }, \
        { "v.position_embd", FORCE_F32 }, {                                      \
        0                                                                        \
    }
