/* SPDX-License-Identifier: Apache-2.0
 * formats/arch/experts_kin.h - the way back of the decoders with experts in experts_kin.c. */
#pragma once
#include "formats/arch/back.h"
#include "formats/arch/decoder.h"
#include "formats/arch/reverse.h"

/* experts_back.c */
extern const struct arch_back dots1_back[], bailing_back[], bailing2_back[], afmoe_back[],
    minimax_back[], smallthinker_back[], mellum_back[];
