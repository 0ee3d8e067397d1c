/* SPDX-License-Identifier: Apache-2.0
 * formats/arch/audio.c - projectors over Whisper's encoder, which make embeddings of sounds:
 * Qwen2-Audio, Ultravox, Voxtral, Audio Flamingo 3. Source: conversion/ultravox.py (llama.cpp
 * 0c1e570). */
#include "formats/arch/clip.h"
#include <errno.h>

#define LAYER "audio_tower.layers.#."
static const struct tensor_rule whisper_rules[] = {
    { "audio_tower.conv1", "a.conv1d.1", OP_OWN, NULL },
    { "audio_tower.conv2", "a.conv1d.2", OP_OWN, NULL },
    SAME("audio_tower.embed_positions", "a.position_embd"),
    SAME("audio_tower.layer_norm", "a.post_ln"),
    SAME(LAYER "self_attn_layer_norm", "a.blk.#.ln1"),
    SAME(LAYER "final_layer_norm", "a.blk.#.ln2"),
    SAME(LAYER "self_attn.q_proj", "a.blk.#.attn_q"),
    SAME(LAYER "self_attn.k_proj", "a.blk.#.attn_k"),
    SAME(LAYER "self_attn.v_proj", "a.blk.#.attn_v"),
    SAME(LAYER "self_attn.out_proj", "a.blk.#.attn_out"),
    SAME(LAYER "fc1", "a.blk.#.ffn_up"),
    SAME(LAYER "fc2", "a.blk.#.ffn_down"),
    SAME("multi_modal_projector.linear", "mm.a.fc"),
    SAME("multi_modal_projector.linear_1", "mm.a.mlp.1"),
    SAME("multi_modal_projector.linear_2", "mm.a.mlp.2"),
    SAME("multi_modal_projector.ln_pre", "mm.a.norm_pre"),
    SAME("multi_modal_projector.ln_mid", "mm.a.norm_mid"),
    RULES_END,
};

/* A bias as a column: one number for each row of a convolution's output. */
static int convolution(struct arch_work *w, const struct tensor *t, const struct tensor_rule *rule,
                       const struct name_match *match) {
    const struct tensor_rule same = { rule->hf, rule->gguf, OP_SAME, NULL };
    struct arena *a = w->form->arena;
    if (!str_is(match->rest, ".bias") || t->n_dims != 1)
        return op_to_gguf(w, t, &same, match);
    const uint64_t dims[2] = { t->dims[0], 1 };
    return work_target(w, name_build(a, rule->gguf, match), dims, 2, expr_tensor_as(a, t, 1));
}

static int encoder(struct arch_work *w) {
    return work_bool(w, ".has_audio_encoder", true);
}

/* A class of its own, or a setting of the projector. */
static int projector(struct arch_work *w) {
    static const struct {
        const char *class_name, *type;
        const char *factor; /* of config.json, how many frames become one; NULL: not said */
        uint64_t frames;    /* where the class alone tells; 0: it does not */
    } kinds[] = {
        { "UltravoxModel", "ultravox", "stack_factor", 0 },
        { "VoxtralForConditionalGeneration", "voxtral", NULL, 4 },
        { "AudioFlamingo3ForConditionalGeneration", "musicflamingo", NULL, 0 },
        { "Qwen2AudioForConditionalGeneration", "qwen2a", NULL, 0 },
    };
    size_t i = 0;
    while (i + 1 < sizeof kinds / sizeof *kinds && !str_is(w->class_name, kinds[i].class_name))
        i++;
    uint64_t bins, frames = kinds[i].frames;
    double eps = 1e-5;
    int rc = clip_projector(w, kinds[i].type);
    if (rc == 0)
        rc = hf_config_need(&w->config, "num_mel_bins", &bins, w->err);
    if (rc == 0)
        rc = work_u32(w, ".audio.num_mel_bins", bins);
    if (rc == 0)
        rc = hf_config_f64(&w->config, "layer_norm_eps", &eps, w->err);
    if (rc >= 0)
        rc = work_f32(w, ".audio.attention.layer_norm_epsilon", eps);
    if (rc == 0 && kinds[i].factor && !json_u64(clip_whole(w, kinds[i].factor), &frames))
        rc = err_set(w->err, -EBADMSG, "config.json: no \"%s\"", kinds[i].factor);
    return rc < 0 || !frames ? rc : work_u32(w, ".audio.projector.stack_factor", frames);
}

static int width(struct arch_work *w) {
    uint64_t n = 0;
    int rc = clip_text_width(w, &n);
    return rc < 0 ? rc : work_u32(w, ".audio.projection_dim", n);
}

static const struct hparam whisper_hparams[] = {
    HPARAM_CALL(hparam_file_type),
    HPARAM_CALL(encoder),
    HPARAM_CALL(width),
    HPARAM_NEED(".audio.embedding_length", "hidden_size d_model"),
    HPARAM_NEED(".audio.feed_forward_length", "intermediate_size encoder_ffn_dim"),
    HPARAM_NEED(".audio.block_count", CLIP_BLOCKS),
    HPARAM_NEED(".audio.attention.head_count", CLIP_HEADS),
    HPARAM_CALL(projector),
    HPARAM_END,
};

static const struct forced_type types[] = { { "a.conv1d.1.weight", FORCE_F16_ALWAYS },
                                            { "a.conv1d.2.weight", FORCE_F16_ALWAYS },
                                            { "a.position_embd.weight", FORCE_F32 },
                                            { 0 } };
static const struct forced_type wide_types[] = { { "a.conv1d.", FORCE_F32 },
                                                 { "a.position_embd.weight", FORCE_F32 },
                                                 { 0 } };

const struct arch projectors_audio[] = {
    { .gguf = "clip",
      .classes = "Qwen2AudioForConditionalGeneration UltravoxModel VoxtralForConditionalGeneration",
      .prefixes = "audio_tower. multi_modal_projector.",
      .rules = whisper_rules,
      .own = convolution,
      .hparams = whisper_hparams,
      .types = types },
    { .gguf = "clip",
      .classes = "AudioFlamingo3ForConditionalGeneration",
      .prefixes = "audio_tower. multi_modal_projector.",
      .rules = whisper_rules,
      .own = convolution,
      .hparams = whisper_hparams,
      .types = wide_types },
    { 0 },
};
