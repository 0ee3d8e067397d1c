/* SPDX-License-Identifier: Apache-2.0
 * tests/fuzz_adapter.c - fuzz target: adapter_config.json of a LoRA adapter. */
#include "tests/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    fuzz_folder("adapter_config.json", data, size);
    return 0;
}
