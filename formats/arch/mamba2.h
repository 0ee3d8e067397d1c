/* SPDX-License-Identifier: Apache-2.0
 * formats/arch/mamba2.h - the mixer of Mamba 2, alone and in models that have attention too. */
#pragma once
#include "formats/arch/back.h"
#include "formats/arch/decoder.h"

/* What OP_OWN does to a tensor of the mixer: the rule's @second. */
#define MAMBA2_EXP    "exp"    /* a column, minus the exponential function of it */
#define MAMBA2_COLUMN "column" /* [n] as [n][1] */
#define MAMBA2_GROUPS "groups" /* a row for each group */

/* @path: of the mixer; mamba2_edits makes dt_proj.bias of dt_bias. */
#define MAMBA2_MIXER(path)                                                            \
    { path ".A_log", "blk.#.ssm_a", OP_OWN, MAMBA2_EXP },                             \
        { path ".D", "blk.#.ssm_d", OP_OWN, MAMBA2_COLUMN },                          \
        { path ".conv1d", "blk.#.ssm_conv1d", OP_SQUEEZE, NULL },                     \
        { path ".norm", "blk.#.ssm_norm", OP_OWN, MAMBA2_GROUPS },                    \
        SAME(path ".dt_proj", "blk.#.ssm_dt"), SAME(path ".in_proj", "blk.#.ssm_in"), \
        SAME(path ".out_proj", "blk.#.ssm_out")

#define MAMBA2_EDIT \
    { EDIT_END, ".dt_bias", ".dt_proj.bias" }

#define MAMBA2_BACK_EDIT \
    { EDIT_END, ".dt_proj.bias", ".dt_bias" }

/* mamba.c: a tensor of the rules above in a mixer of @inner elements and @groups groups. */
int mamba2_tensor(struct arch_work *w, const struct tensor *t, const struct tensor_rule *rule,
                  const struct name_match *match, uint64_t inner, uint64_t groups);
/* The way back of those that have something of their own. */
back_fn mamba2_back;
/* mamba_proj_bias and mamba_conv_bias, of the first block that has a mixer. */
void back_mamba2(struct back *w);
