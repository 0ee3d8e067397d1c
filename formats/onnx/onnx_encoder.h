/* SPDX-License-Identifier: Apache-2.0
 * formats/onnx/onnx_encoder.h - encoders as graphs: BERT, RoBERTa and DistilBERT, alone or with the
 * head of a masked language model or a classifier. */
#pragma once
#include "formats/onnx/net.h"
#include "formats/spec.h"

struct encoder_family;
/* NULL: no encoder of that type is written. */
const struct encoder_family *encoder_find(struct str model_type);

int encoder_build(struct onnx_graph *g, struct hf_source *src, const struct spec *spec,
                  struct err *err);
