/* SPDX-License-Identifier: Apache-2.0
 * formats/arch/decoder_kin.h - the way back of the dense decoders in decoder_kin.c. */
#pragma once
#include "formats/arch/back.h"

/* decoder_back.c */
extern const struct arch_back codeshell_back[], jais2_back[], maincoder_back[], minicpm3_back[],
    nanbeige_back[], orion_back[], pangu_back[], plm_back[];
