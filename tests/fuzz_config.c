/* SPDX-License-Identifier: Apache-2.0
 * tests/fuzz_config.c - fuzz target: config.json of a folder. */
#include "tests/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    fuzz_folder("config.json", data, size);
    return 0;
}
