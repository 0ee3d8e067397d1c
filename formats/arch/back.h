/* SPDX-License-Identifier: Apache-2.0
 * formats/arch/back.h - config.json from the pairs of a GGUF: the lists of hyper-parameters read
 * from right to left, as reverse.c reads the rules of tensors. */
#pragma once
#include "formats/arch/family.h"
#include "formats/buffer.h"

enum { BACK_MAX_MEMBERS = 96, BACK_MAX_BLOCKS = 1 << 12 };

struct back {
    struct buffer *b;
    struct arena *arena;
    const struct model *m;
    const struct arch *arch;
    const struct arch_back *how;
    const struct hf_class *cls; /* NULL: transformers has none */
    struct json *defaults;      /* the fields that the class has */
    struct str written[BACK_MAX_MEMBERS];
    unsigned n;
    int rc; /* the first failure counts */
    struct err *err;
};

/* A kind of model that an architecture stands for, and what the row's list of pairs does not tell
 * of its config.json. A row has an array of them, of which the first that fits counts; the last has
 * no class_name. */
struct arch_back {
    const char *model_type, *class_name; /* of config.json */
    bool (*when)(const struct back *w);  /* NULL: always */
    const char *refused;                 /* why there is no config.json; or NULL */
    const char *fields;         /* of config.json, separated by spaces, where transformers has no
                                 * class; or NULL */
    const struct hparam *pairs; /* that the way there computes, read before the row's; or NULL */
    void (*more)(
        struct back *w); /* members before all others, in whose place they stand; or NULL */
    float log_unit;      /* of .rope.scaling.yarn_log_multiplier, for one of "mscale"; 0: 0.1 */
};

/* .fields of most decoders that transformers has no class for. */
#define BACK_DECODER_FIELDS                                                               \
    "num_hidden_layers max_position_embeddings hidden_size intermediate_size vocab_size " \
    "num_attention_heads num_key_value_heads rms_norm_eps rope_theta "

/* Members of config.json; one that is there already stays. */
void back_u64(struct back *w, const char *name, uint64_t v);
/* @n / @of, so that transformers' int(fraction * of) is @n. */
void back_fraction(struct back *w, const char *name, uint64_t n, uint64_t of);
void back_f32(struct back *w, const char *name, float v); /* in as few digits as tell it */
/* @v in that many digits, with a point or an exponent: transformers tells 2 from 2.0. */
const char *back_float(char text[32], float v, int digits);
void back_bool(struct back *w, const char *name, bool v);
void back_null(struct back *w, const char *name);
void back_raw(struct back *w, const char *name, const char *json);
void back_text(struct back *w, const char *name, struct str v);

/* A pair; @key begins with '.'. False: absent. */
bool back_find_u64(const struct back *w, const char *key, uint64_t *v);
bool back_find_f32(const struct back *w, const char *key, float *v);
bool back_has(const struct back *w, const char *key); /* the pair, of any type */
bool back_has_list(const struct back *w, const char *key);
bool back_has_tensor(const struct back *w, const char *name);
/* Is the pair true? */
bool back_has_flag(const struct back *w, const char *key);
/* Does the pair say this text? */
bool back_says(const struct back *w, const char *key, const char *text);
/* The pair's element of @block where it is a list, else the pair; @absent where it is not there. */
uint64_t back_count(const struct back *w, const char *key, uint64_t block, uint64_t absent);

/* Blocks without those that predict further tokens. */
uint64_t back_blocks(const struct back *w);
/* A member that is a list with an element for each of these blocks. @elem: as JSON; NULL: memory
 * has failed. */
typedef const char *back_elem_fn(const struct back *w, uint64_t block);
void back_list(struct back *w, const char *name, back_elem_fn *elem);
bool back_block_has(const struct back *w, uint64_t block, const char *tensor);

/* What several families have. */
void back_attention_bias(struct back *w); /* attention_bias: have the queries one? */
void back_biases(struct back *w);         /* and mlp_bias */
void back_inner(struct back *w);          /* intermediate_size: of the first block */
void back_mlp_types(struct back *w);      /* mlp_layer_types: "sparse" with experts, else "dense" */
void back_shared_experts(struct back *w); /* num_shared_experts, by their width */
void qwen_say_moe3(struct back *w);       /* qwen.c: experts in all blocks, as Qwen 3 has them */
void back_windows(struct back *w); /* sliding_window, null where there is none, and layer_types of
                                    * .attention.sliding_window_pattern, a list or a period */
/* layer_types alone, also of a model without windows. Where no pair says anything else it is left to
 * the class, whose period is that of llama.cpp. */
void back_window_types(struct back *w);

void back_fail(struct back *w, int code, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* rope_theta and rope_scaling. */
void back_rope(struct back *w);
/* rope_scaling of type yarn, where the pairs say so. @more: further members, as JSON behind a
 * comma. */
void back_yarn(struct back *w, const char *more);
