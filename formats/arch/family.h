/* SPDX-License-Identifier: Apache-2.0
 * formats/arch/family.h - the tables of architectures: one row says how a Hugging Face model
 * becomes a GGUF, and, read the other way, how a GGUF becomes one again. docs/architectures.md
 * tells how to add a row. */
#pragma once
#include "formats/arch/hf_config.h"
#include "formats/form.h"

struct arch_back; /* formats/arch/back.h */
struct arch_work;
struct reverse;        /* formats/arch/reverse.h */
struct tokenizer_kind; /* formats/tokenizer/tokenizer.h */

/* What happens to a tensor on the way to GGUF; tensor_ops.c has both directions. */
enum tensor_op {
    OP_SAME,
    OP_PERMUTE_Q, /* rows of each head: halves to pairs, as llama.cpp's rotary positions want it */
    OP_PERMUTE_K, /* the same with the number of key heads */
    OP_EXPERT,    /* one of config's experts: those of a block are stacked, in order */
    OP_EXPERTS,   /* stacked already; the name has no ending there, and ".weight" here */
    OP_GATE_UP,   /* experts' gate and up in one, stacked: two tensors, @gguf and @second; the name
                   * has no ending there, and ".weight" here */
    OP_HALVES,    /* the same, and the ending stays */
    OP_EXPERTS_TURNED, /* as OP_EXPERTS, each matrix [in][out] there; with @second, gate and up */
    OP_ADD_ONE,        /* norms that multiply by 1 + weight; a bias stays */
    OP_NEG_EXP,     /* minus the exponential function: the logarithm of a decay is stored there */
    OP_UNTIED,      /* left out where its bytes are those of the embedding */
    OP_UNLESS_TIED, /* left out where config.json says that it is the embedding */
    OP_TRANSPOSE,   /* matrices of Conv1D; a bias stays */
    OP_QKV,         /* rows by groups: queries that share a key, the key, the value; all queries,
                     * all keys, all values here */
    OP_VOCAB,       /* no more rows than the vocabulary has tokens */
    OP_SQUEEZE,     /* without dimensions of one element */
    OP_FIRST,       /* one of several names of the same tensor: the first that is met */
    OP_ENDING,      /* the name has no ending there, and ".weight" here */
    OP_THIRDS, /* all queries, all keys, all values: three tensors, 'q', 'k', 'v' for @gguf's '?' */
    OP_FRAMES, /* a convolution over two frames: one of each, ".weight" and ".weight.1" */
    OP_OWN,    /* what the architecture's functions do, own and own_back */
    OP_DROP,   /* is not written, in neither direction */
    OP_COUNT
};

/* A change of a tensor's name that no single rule is about. */
enum edit_where { EDIT_START, EDIT_END, EDIT_ANYWHERE };

struct name_edit {
    enum edit_where where;
    const char *from, *to;
};

/* '#' stands for the number of the block, '*' for that of the expert, '~' at the end for any
 * text; ".weight" or ".bias" may follow and stays. The first rule that fits counts. On the way back
 * the first rule with the GGUF name counts; one of OP_SAME with @second only where that tensor is
 * there too. */
struct tensor_rule {
    const char *hf, *gguf;
    enum tensor_op op;
    const char *second;
};

struct name_match; /* formats/arch/work.h */
typedef int op_fn(struct arch_work *w, const struct tensor *t, const struct tensor_rule *rule,
                  const struct name_match *match);
typedef int back_fn(struct reverse *r, const struct tensor *t, const struct tensor_rule *rule,
                    const struct name_match *match);

/* A pair of the GGUF made of config.json. Pairs are written in the order of the list. */
enum hparam_kind {
    HP_END,
    HP_U32,   /* a count; a list of counts becomes an array of i32 */
    HP_FIXED, /* @value, whatever config.json says */
    HP_TEXT,  /* @names itself */
    HP_F32,
    HP_BOOL,
    HP_ELSE,    /* @names itself, a number, where config.json has not given the pair */
    HP_CALL,    /* what a value alone does not tell */
    HP_INCLUDE, /* another list */
};

/* enum llama_expert_gating_func_type */
enum { EXPERT_GATING_SOFTMAX = 1, EXPERT_GATING_SIGMOID = 2, EXPERT_GATING_SQRTSOFTPLUS = 4 };

struct hparam {
    enum hparam_kind kind;
    const char *key;   /* one that begins with '.' comes after the architecture's name */
    const char *names; /* in config.json, separated by spaces; the first that is there counts */
    bool need;         /* an error where it is absent; else it is left out */
    uint32_t value;    /* FIXED; U32: a factor, 0 stands for 1 */
    int (*call)(struct arch_work *w);
    const struct hparam *include;
};

#define HPARAM_U32(k, n) \
    { .kind = HP_U32, .key = (k), .names = (n) }
#define HPARAM_NEED(k, n) \
    { .kind = HP_U32, .key = (k), .names = (n), .need = true }
#define HPARAM_TIMES(k, n, t) \
    { .kind = HP_U32, .key = (k), .names = (n), .need = true, .value = (t) }
#define HPARAM_FIXED(k, v) \
    { .kind = HP_FIXED, .key = (k), .value = (v) }
#define HPARAM_TEXT(k, t) \
    { .kind = HP_TEXT, .key = (k), .names = (t) }
#define HPARAM_F32(k, n) \
    { .kind = HP_F32, .key = (k), .names = (n) }
#define HPARAM_BOOL(k, n) \
    { .kind = HP_BOOL, .key = (k), .names = (n) }
#define HPARAM_ELSE(k, number) \
    { .kind = HP_ELSE, .key = (k), .names = (number) }
#define HPARAM_CALL(c) \
    { .kind = HP_CALL, .call = (c) }
#define HPARAM_LIST(l) \
    { .kind = HP_INCLUDE, .include = (l) }
#define HPARAM_END \
    { .kind = HP_END }

/* A special token that is named by the text of an added token, where no file has said its id. */
struct named_token {
    const char *kind; /* "bos", ...; NULL ends the list */
    const char *text; /* NULL: by @id */
    uint32_t id;
    bool replace; /* whatever a file has said; by @id only */
    bool alone;   /* only where the files name no special token at all; likewise */
};

#define NAMED_TOKEN(k, t) \
    { .kind = (k), .text = (t) }

/* Tensors of projectors whose type the outtype alone does not tell: @part is in the GGUF's name. */
struct forced_type {
    const char *part; /* NULL ends the list */
    enum { FORCE_F32, FORCE_F16 /* where the outtype is f16, else f32 */, FORCE_F16_ALWAYS } type;
};

/* The class of a folder in Mistral's own layout, which names none. */
#define OWN_LAYOUT_CLASS "params.json"
/* Likewise in Meta's. */
#define ORIGINAL_CLASS "consolidated.pth"

struct arch {
    const char *gguf;    /* general.architecture */
    const char *classes; /* config.json's "architectures", separated by spaces */
    bool (*when)(const struct arch_work *w); /* NULL: always; else the next row is tried */
    const struct name_edit *edits;           /* of each tensor's name, before the rules; or NULL */
    struct str (*rename)(const struct arch_work *w,
                         struct str name); /* behind the edits; or NULL */
    const char *prefixes; /* projectors: of the names, after @edits, of its tensors; else NULL */
    const struct forced_type *types; /* or NULL */
    const char *some; /* what only some blocks have, by the names behind "blk.#.", separated by
                       * spaces, or only some models of what others always have ("output_norm"); a
                       * '.' at the end: all that begin so; "blk.": the last blocks may have none at
                       * all; "*": anything; or NULL. complete.c */
    const char *skip; /* endings of names that are not written, separated by spaces; or NULL */
    const struct tensor_rule *rules;    /* the last has no hf and no gguf */
    op_fn *own;                         /* for OP_OWN */
    back_fn *own_back;                  /* the same on the way back; NULL: there is none */
    const struct name_edit *back_edits; /* of each name that the way back has made; or NULL */
    struct str (*back_rename)(const struct reverse *r, struct str name); /* behind them; or NULL */
    const struct hparam *hparams;
    bool experts_turned; /* stacks of experts are [in][out], and transformers takes them so: PEFT's
                          * matrices are not */
    const char *experts; /* config keys of the number of experts; NULL: a dense model */
    const char *block_list; /* config key of a list with an element for each block: its length
                             * counts before num_hidden_layers; or NULL */
    uint64_t (*count_mtp)(const struct arch_work *w); /* in place of @mtp; or NULL */
    const char *mtp; /* config key of the number of blocks behind the others, which predict
                      * further tokens and are written too; or NULL */
    bool skip_mtp;   /* blocks beyond those that are counted are left out, not an error */
    const struct named_token *tokens; /* or NULL */
    bool all_narrow;     /* matrices that are no norms get the wanted type, whatever their names */
    bool raw_config;     /* the converter reads config.json without transformers */
    const char *assumed; /* JSON: fields of config.json as the converter has them where they are
                          * not said; or NULL */
    bool plain_added;    /* added tokens are written as they stand, by their mark alone */
    uint32_t vocab_multiple; /* the vocabulary is padded to one of "pad_vocab_size_multiple", or
                              * of this; 0: it is not */
    const struct tokenizer_kind *const *tokenizers; /* tried in order; ends in NULL */
    int (*extra)(struct arch_work *w);    /* tensors that are computed, written first; or NULL */
    int (*extra_back)(struct reverse *r); /* tensors there that are pairs here; or NULL */
    int (*vocab)(struct arch_work *w);    /* pairs before those of the tokenizer; or NULL */
    int (*after)(struct arch_work *w);    /* pairs behind them; or NULL */
    const struct arch_back *back; /* how config.json comes back, by kind of model; or NULL */
};

struct family {
    const struct hf_class *classes; /* the last has no model_type */
    const struct arch *archs;       /* the last has no gguf */
};

extern const struct family *const families[]; /* ends in NULL */

/* hparams.c: the pairs that the converter writes for most text models. */
extern const struct hparam hparams_text[];
int hparam_file_type(struct arch_work *w);
int hparam_blocks(struct arch_work *w);     /* .block_count, with those of arch.mtp */
int hparam_mtp_blocks(struct arch_work *w); /* .nextn_predict_layers, where config.json has it */
int hparam_mtp_any(struct arch_work *w);    /* the same where there are any */
int hparam_rope_scaling(struct arch_work *w);
int hparam_rope_base(struct arch_work *w);
int hparam_pooling(struct arch_work *w); /* modules.json of sentence-transformers; pooling.c */
