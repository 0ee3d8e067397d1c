/* SPDX-License-Identifier: Apache-2.0
 * tests/fuzz_safetensors.c - fuzz target: safetensors files. */
#include "tests/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    fuzz_model("model.safetensors", data, size);
    return 0;
}
