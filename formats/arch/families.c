/* SPDX-License-Identifier: Apache-2.0
 * formats/arch/families.c - the list of families; each has a file of its own beside this one. */
#include "formats/arch/families.h"

const struct family *const families[] = {
    &family_llama,
    NULL,
};
