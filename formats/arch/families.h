/* SPDX-License-Identifier: Apache-2.0
 * formats/arch/families.h - the families' tables, each in the file of its name. */
#pragma once
#include "formats/arch/family.h"

extern const struct family family_bert;
extern const struct family family_bitnet;
extern const struct family family_bloom;
extern const struct family family_cohere;
extern const struct family family_dbrx;
extern const struct family family_deci;
extern const struct family family_decoder_kin;
extern const struct family family_deepseek;
extern const struct family family_deepseek_ocr;
extern const struct family family_deepseek_sparse;
extern const struct family family_diffusion;
extern const struct family family_ernie;
extern const struct family family_exaone;
extern const struct family family_experts_kin;
extern const struct family family_falcon;
extern const struct family family_falcon_h1;
extern const struct family family_gemma;
extern const struct family family_gemma3n;
extern const struct family family_gemma4;
extern const struct family family_glm;
extern const struct family family_glm4v;
extern const struct family family_gpt;
extern const struct family family_gpt_oss;
extern const struct family family_gptneox;
extern const struct family family_granite;
extern const struct family family_granite_hybrid;
extern const struct family family_granite_swa;
extern const struct family family_grok;
extern const struct family family_hunyuan;
extern const struct family family_internlm;
extern const struct family family_jamba;
extern const struct family family_lfm;
extern const struct family family_llama;
extern const struct family family_llama_original;
extern const struct family family_llama4;
extern const struct family family_llama_kin;
extern const struct family family_mamba;
extern const struct family family_mimo;
extern const struct family family_minicpm;
extern const struct family family_mistral;
extern const struct family family_modern_bert;
extern const struct family family_nemotron;
extern const struct family family_nemotron_h;
extern const struct family family_olmo;
extern const struct family family_phi;
extern const struct family family_qwen;
extern const struct family family_qwen1;
extern const struct family family_qwen_next;
extern const struct family family_qwen_vl;
extern const struct family family_rwkv;
extern const struct family family_stablelm;
extern const struct family family_t5;
