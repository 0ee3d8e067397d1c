/* SPDX-License-Identifier: Apache-2.0
 * tests/fuzz_onnx.c - fuzz target: ONNX files. */
#include "tests/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    fuzz_model("model.onnx", data, size);
    return 0;
}
