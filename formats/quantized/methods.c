/* SPDX-License-Identifier: Apache-2.0
 * formats/quantized/methods.c - the methods that are read. Source: dequant_model in
 * conversion/base.py (llama.cpp 0c1e570); AWQ and BitNet from their own code. */
#include "formats/quantized/method.h"

static const struct quant_rule gptq[] = { { ".qweight", ".weight", quant_build_gptq }, { 0 } };

const struct quant_method quant_methods[] = {
    { "gptq", NULL, gptq, NULL, true },
    { 0 },
};
