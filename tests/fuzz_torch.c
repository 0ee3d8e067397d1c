/* SPDX-License-Identifier: Apache-2.0
 * tests/fuzz_torch.c - fuzz target: PyTorch files, the archive and the pickle. */
#include "tests/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    fuzz_model("model.pt", data, size);
    return 0;
}
