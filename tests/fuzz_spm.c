/* SPDX-License-Identifier: Apache-2.0
 * tests/fuzz_spm.c - fuzz target: SentencePiece models of a folder. */
#include "tests/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    fuzz_folder("tokenizer.model", data, size);
    return 0;
}
