/* SPDX-License-Identifier: Apache-2.0
 * tests/fuzz_gguf.c - fuzz target: gguf files. */
#include "tests/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    fuzz_model("model.gguf", data, size);
    return 0;
}
