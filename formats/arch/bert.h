/* SPDX-License-Identifier: Apache-2.0
 * formats/arch/bert.h - what the encoders of bert.c and modern_bert.c share. */
#pragma once
#include "formats/arch/back.h"
#include "formats/arch/work.h"

#define CLASSIFIER                                                                               \
    { "classifier", "cls", OP_OWN, "cls.output" }, { "classifier.dense", "cls", OP_SAME, NULL }, \
        { "pre_classifier", "cls", OP_SAME, NULL }, {                                            \
        "classifier.out_proj", "cls.output", OP_SAME, NULL                                       \
    }
/* What embeddings do not need: the pooling layer and the heads of the pre-training. */
#define NOT_NEEDED                                                                                \
    { "embeddings.position_ids", NULL, OP_DROP, NULL }, { "pooler.dense~", NULL, OP_DROP, NULL }, \
        { "cls.predictions~", NULL, OP_DROP, NULL }, {                                            \
        "cls.seq_relationship~", NULL, OP_DROP, NULL                                              \
    }
#define OLD_NAMES                        \
    { EDIT_END, ".gamma", ".weight" }, { \
        EDIT_END, ".beta", ".bias"       \
    }

extern const struct hf_class bert_classes[];
extern const struct hparam bert_hparams[];
int bert_add_embeddings(struct arch_work *w);  /* not causal, pooling, names of classes */
int bert_add_token_types(struct arch_work *w); /* for the segments of a pair */
op_fn bert_own; /* a classifier that projects onto the classes itself is .second */

/* bert_back.c: the way back. */

back_fn roberta_back_own; /* positions begin behind that of the padding there */
extern const struct arch_back bert_back[], distilbert_back[], roberta_back[], xlm_roberta_back[],
    nomic_back[], modern_back[], eurobert_back[];
