/* SPDX-License-Identifier: Apache-2.0
 * formats/arch/composite.c - configurations of transformers that hold the one of a text model
 * beside those of images and sounds. Source: sub_configs_defaults of the configuration_*.py. */
#include "formats/arch/hf_config.h"

static const struct {
    const char *model_type, *text; /* what text_config is where it does not say */
    bool fixed;                    /* whatever it says */
} composites[] = {
    { "audioflamingo3", "qwen2", false },
    { "aya_vision", "cohere2", false },
    { "exaone4_5", "exaone4", false },
    { "gemma3", "gemma3_text", true },
    { "gemma3n", "gemma3n_text", true },
    { "gemma4", "gemma4_text", true },
    { "glm4v", "glm4v_text", true },
    { "glm4v_moe", "glm4v_moe_text", true },
    { "glm_ocr", "glm_ocr_text", true },
    { "granite_speech", "granite", false },
    { "hunyuan_vl", "hunyuan_vl_text", true },
    { "idefics3", "llama", false },
    { "internvl", "qwen2", false },
    { "kimi_k25", "deepseek_v3", false },
    { "lfm2_vl", "lfm2", false },
    { "llama4", "llama4_text", true },
    { "llava", "llama", false },
    { "llava_next", "llama", false },
    { "llava_onevision", "qwen2", false },
    { "mistral3", "mistral", false },
    { "paddleocr_vl", "paddleocr_vl_text", true },
    { "paligemma", "gemma", false },
    { "qwen2_5_omni", "qwen2_5_omni_text", true },
    { "qwen2_5_vl", "qwen2_5_vl_text", true },
    { "qwen2_audio", "qwen2", false },
    { "qwen2_vl", "qwen2_vl_text", true },
    { "qwen3_5", "qwen3_5_text", true },
    { "qwen3_5_moe", "qwen3_5_moe_text", true },
    { "qwen3_omni_moe", "qwen3_omni_moe_text", true },
    { "qwen3_vl", "qwen3_vl_text", true },
    { "qwen3_vl_moe", "qwen3_vl_moe_text", true },
    { "smolvlm", "llama", false },
    { "voxtral", "llama", false },
};

struct str hf_text_type(struct str model_type, const struct json *text) {
    const struct str none = { NULL, 0 };
    struct str own;
    for (size_t i = 0; i < sizeof composites / sizeof *composites; i++) {
        if (!str_is(model_type, composites[i].model_type))
            continue;
        if (!composites[i].fixed && json_str(json_get(text, "model_type"), &own))
            return own;
        /* without text_config: fields of a text model beside the others, as hubs of old have them
         */
        return composites[i].fixed || text ? str_from(composites[i].text) : none;
    }
    return text ? none : model_type;
}
