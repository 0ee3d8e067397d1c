/* SPDX-License-Identifier: Apache-2.0
 * formats/arch/families.c - the list of families; each has a file of its own beside this one. */
#include "formats/arch/families.h"

const struct family *const families[] = {
    &family_bert, &family_bitnet, &family_bloom, &family_cohere, &family_dbrx, &family_deci,
    &family_decoder_kin, &family_deepseek, &family_deepseek_ocr, &family_deepseek_sparse,
    &family_diffusion, &family_ernie, &family_exaone, &family_experts_kin, &family_falcon,
    &family_falcon_h1, &family_gemma, &family_gemma3n, &family_gemma4, &family_glm, &family_glm4v,
    &family_gpt, &family_gpt_oss, &family_gptneox, &family_granite, &family_granite_hybrid,
    &family_granite_swa, &family_grok, &family_hunyuan, &family_internlm, &family_jamba,
    &family_lfm, &family_llama, &family_llama_original, &family_llama4, &family_llama_kin,
    &family_mamba, &family_mimo, &family_minicpm, &family_mistral, &family_modern_bert,
    &family_nemotron, &family_nemotron_h, &family_olmo, &family_phi, &family_qwen, &family_qwen1,
    &family_qwen_next, &family_qwen_vl, &family_rwkv, &family_stablelm, &family_t5, NULL,
};
