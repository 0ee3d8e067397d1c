/* SPDX-License-Identifier: Apache-2.0
 * formats/arch/families.h - the families' tables, by name. */
#pragma once
#include "formats/arch/family.h"

extern const struct family family_llama; /* llama.c */
