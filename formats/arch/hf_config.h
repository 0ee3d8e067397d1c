/* SPDX-License-Identifier: Apache-2.0
 * formats/arch/hf_config.h - config.json as transformers' AutoConfig has it: the converter reads
 * it so, with the defaults of the model's configuration class. (transformers 5.23) */
#pragma once
#include "formats/err.h"
#include "formats/json.h"

#define JSON_TEXT(...) #__VA_ARGS__

enum fill_when {
    FILL_NULL,   /* where it is null or absent */
    FILL_ABSENT, /* where it is absent: a null stays one */
    FILL_ALWAYS, /* whatever config.json says */
};

/* A configuration class of transformers, as far as the converter asks for its fields. */
struct hf_class {
    const char *model_type;
    const char *defaults; /* JSON: its fields that config.json need not have */
    const char *optional; /* of these, by name: those that may be null; or NULL */
    const char *kinds;    /* fields that take other kinds of values than their defaults tell:
                           * "NAME=KINDS" separated by spaces, KINDS of f (with a fraction), i
                           * (without), n (null), b (true or false); or NULL */
    double rope_theta;    /* default; 0: the class has no rope_parameters */
    double local_theta;   /* default of layers with a sliding window; 0: not apart */
    double partial_rotary_factor; /* default; 0: none */
    bool even_heads;              /* validates hidden_size % num_attention_heads == 0 */
    const char *local_key;        /* field of config.json that says local_theta; or NULL */
    bool longrope_only;       /* no other scaling; "su" and "yarn" are names of old of that one */
    const char *rope_numbers; /* that any scaling's parameters must have; or NULL */
    struct {
        const char *key, *from, *by; /* @key is computed: @from, or @from / @by */
    } fill[3];
    enum fill_when fill_when[3]; /* of each */
    struct {
        const char *from, *to; /* attribute_map: @from in config.json is stored as @to */
    } rename[8];
};

/* NULL: transformers does not know the model_type. */
const struct hf_class *hf_class_find(struct str model_type);

struct hf_config {
    const struct json *root;    /* config.json */
    const struct json *text;    /* its text_config; NULL: there is none */
    const struct hf_class *cls; /* NULL: transformers does not know the model_type */
    struct json *defaults;
    struct json *assumed; /* what the converter takes for granted; may be NULL */
};

/* The class of the text model in a config.json of type @model_type, whose text_config (NULL: there
 * is none) is @text; p is NULL where transformers does not know @model_type; composite.c. */
struct str hf_text_type(struct str model_type, const struct json *text);

/* hf_validate.c: does transformers take config.json? The converter goes on with it as it is where
 * the class refuses. */
bool hf_validates(const struct hf_config *c);
/* Has @c->cls a field @name that is computed where it is null? */
bool hf_is_filled(const struct hf_class *cls, const char *name);

/* @config is borrowed. @classes: the rows to look the model_type up in; may be empty. */
int hf_config_init(struct hf_config *c, const struct json *config, struct err *err);
/* @fields: JSON, what the converter assumes of fields that are nowhere else. */
int hf_config_assume(struct hf_config *c, const char *fields, struct err *err);
/* Go on with config.json as it is. */
void hf_config_raw(struct hf_config *c);
void hf_config_fini(struct hf_config *c);

/* A value of config.json, of the class's defaults, or computed from them. */
struct hf_value {
    const struct json *json; /* NULL: absent, or computed */
    bool computed;
    uint64_t number; /* when computed */
};

/* The first of @names (separated by spaces) that is there, null or not. False: none is, or its
 * value is null. *which, when not NULL: the name that was found, for messages. */
bool hf_config_find(const struct hf_config *c, const char *names, struct hf_value *out,
                    struct str *which);

/* 1: found; 0: absent or null; -EBADMSG: not of that kind, with a message that names the key. */
int hf_config_u64(const struct hf_config *c, const char *names, uint64_t *out, struct err *err);
int hf_config_f64(const struct hf_config *c, const char *names, double *out, struct err *err);
bool hf_config_bool(const struct hf_config *c, const char *names, bool absent);
bool hf_config_str(const struct hf_config *c, const char *names, struct str *out);
const struct json *hf_config_json(const struct hf_config *c, const char *name);

/* As above, but absent is an error too: 0 or negative. */
int hf_config_need(const struct hf_config *c, const char *names, uint64_t *out, struct err *err);

/* rope_parameters, rope_scaling and what lies beside them, as one. */
struct rope {
    const struct json *params; /* of all layers, or of those with full attention; may be NULL */
    const struct json *all;    /* where it is nested by layer type: the outer object */
    struct str type;           /* "default", "llama3", ...; p is NULL: not said */
    bool has_theta, has_local_theta, has_partial, has_context;
    double theta, local_theta, partial;
    uint64_t context; /* original_max_position_embeddings */
};
int rope_read(struct rope *r, const struct hf_config *c, struct err *err);
/* Does the class of transformers take the parameters? */
bool rope_validates(const struct hf_config *c);
/* A number in the parameters; @absent where it is not there. */
double rope_f64(const struct rope *r, const char *key, double absent);
