/* SPDX-License-Identifier: Apache-2.0
 * formats/arch/clip_classes.c - what vision_config and audio_config are where they do not say, by
 * class. Source: configuration_*.py of transformers 5.23. */
#include "formats/arch/clip.h"

/* By the model_type of config.json, or, where that leaves it open, of vision_config. */
static const struct {
    const char *model_type, *vision_type; /* NULL: any */
    const char *defaults;
} vision_classes[] = {
    { "qwen2_vl", NULL, JSON_TEXT({
          "depth" : 32,
          "embed_dim" : 1280,
          "hidden_size" : 3584,
          "num_heads" : 16,
          "patch_size" : 14
      }) },
    { "qwen2_5_vl", NULL, JSON_TEXT({
          "depth" : 32,
          "hidden_size" : 3584,
          "intermediate_size" : 3420,
          "num_heads" : 16,
          "patch_size" : 14,
          "fullatt_block_indexes" : [ 7, 15, 23, 31 ]
      }) },
#define QWEN3_VISION                                                                  \
    "{\"depth\":27,\"hidden_size\":1152,\"intermediate_size\":4304,\"num_heads\":16," \
    "\"num_position_embeddings\":2304,\"patch_size\":16,\"spatial_merge_size\":2"
    { "qwen3_vl", NULL, QWEN3_VISION ",\"deepstack_visual_indexes\":[8,16,24]}" },
    { "qwen3_vl_moe", NULL, QWEN3_VISION ",\"deepstack_visual_indexes\":[8,16,24]}" },
    { "qwen3_5", NULL, QWEN3_VISION "}" },
    { "qwen3_5_moe", NULL, QWEN3_VISION "}" },
#define IDEFICS_VISION                                                             \
    "{\"hidden_size\":1152,\"image_size\":224,\"intermediate_size\":3072,"         \
    "\"layer_norm_eps\":1e-6,\"num_attention_heads\":16,\"num_hidden_layers\":12," \
    "\"patch_size\":32}"
    { "idefics3", NULL, IDEFICS_VISION },
    { "smolvlm", NULL, IDEFICS_VISION },
    { "minicpmv4_6", NULL, JSON_TEXT({
          "hidden_size" : 768,
          "image_size" : 224,
          "intermediate_size" : 3072,
          "layer_norm_eps" : 1e-6,
          "num_attention_heads" : 12,
          "num_hidden_layers" : 12,
          "patch_size" : 16
      }) },
    { "llama4", NULL, JSON_TEXT({
          "hidden_act" : "gelu",
          "hidden_size" : 768,
          "image_size" : 448,
          "intermediate_size" : 5632,
          "norm_eps" : 1e-5,
          "num_attention_heads" : 16,
          "num_hidden_layers" : 34,
          "patch_size" : 14,
          "pixel_shuffle_ratio" : 0.5
      }) },
    { "lfm2_vl", NULL, JSON_TEXT({
          "hidden_size" : 768,
          "intermediate_size" : 3072,
          "layer_norm_eps" : 1e-6,
          "num_attention_heads" : 12,
          "num_hidden_layers" : 12,
          "patch_size" : 16
      }) },
    { "janus", NULL, JSON_TEXT({
          "hidden_act" : "gelu",
          "hidden_size" : 1024,
          "image_size" : 384,
          "layer_norm_eps" : 1e-6,
          "mlp_ratio" : 4,
          "num_attention_heads" : 16,
          "num_hidden_layers" : 24,
          "patch_size" : 16
      }) },
#define GLM_VISION                                                                \
    "{\"depth\":24,\"hidden_act\":\"silu\",\"image_size\":336,\"patch_size\":14," \
    "\"rms_norm_eps\":1e-5,"
    { "glm4v", NULL,
      GLM_VISION "\"hidden_size\":1536,\"intermediate_size\":13696,\"num_heads\":12}" },
    { "glm4v_moe", NULL,
      GLM_VISION "\"hidden_size\":1536,\"intermediate_size\":13696,\"num_heads\":12}" },
    { "glm_ocr", NULL,
      GLM_VISION "\"hidden_size\":1024,\"intermediate_size\":4096,\"num_heads\":16}" },
    { "exaone4_5", NULL, JSON_TEXT({
          "depth" : 32,
          "hidden_size" : 3584,
          "intermediate_size" : 3420,
          "num_heads" : 16,
          "num_key_value_heads" : 8,
          "patch_size" : 14,
          "window_size" : 112,
          "fullatt_block_indexes" : [ 7, 15, 23, 31 ]
      }) },
    { "paddleocr_vl", NULL, JSON_TEXT({
          "hidden_size" : 1152,
          "intermediate_size" : 4304,
          "num_attention_heads" : 16,
          "num_hidden_layers" : 27,
          "patch_size" : 14
      }) },
    { "qwen2_audio", NULL, JSON_TEXT({
          "d_model" : 1280,
          "encoder_attention_heads" : 20,
          "encoder_ffn_dim" : 5120,
          "encoder_layers" : 32,
          "num_mel_bins" : 128
      }) },
#define AUDIO_ENCODER                                                              \
    "{\"hidden_size\":1280,\"intermediate_size\":5120,\"num_attention_heads\":20," \
    "\"num_hidden_layers\":32,\"num_mel_bins\":128}"
    { "voxtral", NULL, AUDIO_ENCODER },
    { "audioflamingo3", NULL, AUDIO_ENCODER },
    { NULL, "siglip_vision_model", JSON_TEXT({
          "hidden_size" : 768,
          "image_size" : 224,
          "intermediate_size" : 3072,
          "layer_norm_eps" : 1e-6,
          "num_attention_heads" : 12,
          "num_hidden_layers" : 12,
          "patch_size" : 16
      }) },
    { NULL, "clip_vision_model", JSON_TEXT({
          "hidden_act" : "quick_gelu",
          "hidden_size" : 768,
          "image_size" : 224,
          "intermediate_size" : 3072,
          "layer_norm_eps" : 1e-5,
          "num_attention_heads" : 12,
          "num_hidden_layers" : 12,
          "patch_size" : 32
      }) },
    { NULL, "pixtral", JSON_TEXT({
          "hidden_act" : "gelu",
          "hidden_size" : 1024,
          "image_size" : 1024,
          "intermediate_size" : 4096,
          "num_attention_heads" : 16,
          "num_hidden_layers" : 24,
          "patch_size" : 16
      }) },
};

const char *clip_defaults(const struct arch_work *w) {
    for (size_t i = 0; i < sizeof vision_classes / sizeof *vision_classes; i++) {
        const char *type = vision_classes[i].model_type, *vision = vision_classes[i].vision_type;
        if ((!type || clip_has_type(w, type)) && (!vision || clip_has_vision_type(w, vision)))
            return vision_classes[i].defaults;
    }
    return NULL;
}
