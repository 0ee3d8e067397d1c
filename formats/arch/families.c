/* SPDX-License-Identifier: Apache-2.0
 * formats/arch/families.c - the list of families; each has a file of its own beside this one. */
#include "formats/arch/families.h"

const struct family *const families[] = {
    &family_bert, &family_falcon, &family_gemma,    &family_gpt, &family_llama, &family_modern_bert,
    &family_phi,  &family_qwen,   &family_stablelm, &family_t5,  NULL,
};
