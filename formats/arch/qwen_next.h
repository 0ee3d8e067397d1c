/* SPDX-License-Identifier: Apache-2.0
 * formats/arch/qwen_next.h - linear attention of Qwen3-Next and Qwen 3.5, in both directions. */
#pragma once
#include "formats/arch/back.h"
#include "formats/arch/work.h"

/* What rule.second says of a tensor of linear attention. */
extern const char linear_fused[], linear_rows_v[], linear_rows_one[], linear_rows_qkv[],
    linear_cols_v[], linear_decay[];

/* qwen_next_back.c */
back_fn qwen_next_back_own;
extern const struct name_edit qwen_next_back_edits[];
extern const struct arch_back qwen3_next_back[], qwen35_back[], qwen35moe_back[];
