/* SPDX-License-Identifier: Apache-2.0
 * formats/quantized/methods.c - the methods that are read. Source: dequant_model in
 * conversion/base.py (llama.cpp 0c1e570); AWQ and BitNet from their own code. */
#include "formats/quantized/method.h"

#define CT_UNUSED                                                                        \
    ".input_scale .input_zero_point .output_scale .output_zero_point .k_scale .v_scale " \
    ".k_zero_point .v_zero_point"

static const struct quant_rule gptq[] = { { ".qweight", ".weight", quant_build_gptq }, { 0 } };
static const struct quant_rule awq[] = { { ".qweight", ".weight", quant_build_awq }, { 0 } };
static const struct quant_rule bitnet[] = { { ".weight_scale", ".weight", quant_build_bitnet },
                                            { 0 } };
static const struct quant_rule fp8[] = { { "_scale_inv", "", quant_build_fp8 },
                                         { ".qscale_weight", ".weight", quant_build_fp8 },
                                         { 0 } };
static const struct quant_rule modelopt[] = { { ".weight_scale", ".weight", quant_build_modelopt },
                                              { 0 } };
static const struct quant_rule bytes[] = { { ".weight_scale", ".weight", quant_build_bytes },
                                           { 0 } };
static const struct quant_rule packs[] = { { ".weight_packed", ".weight", quant_build_compressed },
                                           { 0 } };
static const struct quant_rule nvfp4[] = { { ".weight_packed", ".weight", quant_build_nvfp4 },
                                           { 0 } };
static const struct quant_rule mxfp4[] = { { "_blocks", "", quant_build_mxfp4 }, { 0 } };

const struct quant_method quant_methods[] = {
    { "gptq", NULL, gptq, NULL, true },
    { "awq", NULL, awq, NULL, false },
    { "bitnet", NULL, bitnet, NULL, false },
    { "fp8", NULL, fp8, "_activation_scale .activation_scale .qscale_act", false },
    { "compressed-tensors", "float-quantized", bytes, CT_UNUSED, false },
    { "compressed-tensors", "int-quantized", bytes, CT_UNUSED, false },
    { "compressed-tensors", "naive-quantized", bytes, CT_UNUSED, false },
    { "compressed-tensors", "pack-quantized", packs, CT_UNUSED, true },
    { "compressed-tensors", "nvfp4-pack-quantized", nvfp4, CT_UNUSED, false },
    { "modelopt", NULL, modelopt, ".input_scale .k_scale .v_scale", false },
    { "mxfp4", NULL, mxfp4, NULL, false },
    { 0 },
};
