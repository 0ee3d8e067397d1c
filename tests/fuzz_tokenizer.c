/* SPDX-License-Identifier: Apache-2.0
 * tests/fuzz_tokenizer.c - fuzz target: tokenizer.json of a folder. */
#include "tests/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    fuzz_folder("tokenizer.json", data, size);
    return 0;
}
