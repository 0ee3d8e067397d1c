/* SPDX-License-Identifier: Apache-2.0
 * formats/onnx/genai_config.h - what onnxruntime-genai has to know of a decoder's graph. */
#pragma once
#include "formats/buffer.h"
#include "formats/onnx/hf_source.h"
#include "formats/onnx/onnx_graph.h"

struct genai_config {
    const struct onnx_graph *g;
    const struct hf_source *src;
    const struct json *generation; /* generation_config.json; NULL: there is none */
    const char *model_file;
    bool share_buffer; /* past and present are one buffer: GroupQueryAttention alone can do that */
};

/* Append genai_config.json. -ENOTSUP for a graph without a KV cache, and where nothing says which
 * token ends a text. Source: ORT-GenAI 0.18, make_genai_config of models/builders/base.py. */
int genai_config_add(struct buffer *b, const struct genai_config *c, struct err *err);
