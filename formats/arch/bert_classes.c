/* SPDX-License-Identifier: Apache-2.0
 * formats/arch/bert_classes.c - configurations of the encoders of bert.c. Source:
 * configuration_bert.py and those of the relatives. */
#include "formats/arch/bert.h"

#define BERT_CLASS(type, vocab, pad)                                                  \
    {                                                                                 \
        .model_type = type,                                                           \
        .defaults = "{\"vocab_size\": " vocab ", \"hidden_size\": 768, "              \
                    "\"intermediate_size\": 3072, \"num_hidden_layers\": 12, "        \
                    "\"num_attention_heads\": 12, \"max_position_embeddings\": 512, " \
                    "\"layer_norm_eps\": 1e-12, \"type_vocab_size\": 2, "             \
                    "\"pad_token_id\": " pad "}",                                     \
        .optional = "pad_token_id"                                                    \
    }

const struct hf_class bert_classes[] = {
    BERT_CLASS("bert", "30522", "0"),
    BERT_CLASS("roberta", "50265", "1"),
    BERT_CLASS("xlm-roberta", "30522", "1"),
    BERT_CLASS("camembert", "30522", "1"),
    { .model_type = "distilbert",
      .defaults = JSON_TEXT({
          "vocab_size" : 30522,
          "dim" : 768,
          "hidden_dim" : 3072,
          "n_layers" : 6,
          "n_heads" : 12,
          "max_position_embeddings" : 512,
          "pad_token_id" : 0
      }),
      .optional = "pad_token_id",
      .rename = { { "hidden_size", "dim" },
                  { "num_attention_heads", "n_heads" },
                  { "num_hidden_layers", "n_layers" } } },
    { .model_type = "nomic_bert", /* the fields of GPT-2's kind, which its models have, are none */
      .defaults = JSON_TEXT({
          "vocab_size" : 30528,
          "hidden_size" : 768,
          "intermediate_size" : 3072,
          "num_hidden_layers" : 12,
          "num_attention_heads" : 12,
          "max_position_embeddings" : 2048,
          "layer_norm_eps" : 1e-12,
          "type_vocab_size" : 2,
          "head_dim" : 64,
          "pad_token_id" : 0
      }),
      .kinds = "eos_token_id=in head_dim=in",
      .rope_theta = 1000,
      .fill = { { "head_dim", "hidden_size", "num_attention_heads" } } },
    { 0 },
};
