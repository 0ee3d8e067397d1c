/* SPDX-License-Identifier: Apache-2.0
 * formats/original_config.c - see original.h: config.json, generation_config.json and
 * tokenizer_config.json of a folder of Meta's. Source: transformers 4.57,
 * models/llama/convert_llama_weights_to_hf.py, which is told the version and whether it is an
 * instruct model; here that follows from the files and the folder's name. */
#include "formats/buffer.h"
#include "formats/cleanup.h"
#include "formats/json.h"
#include "formats/original.h"
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

enum version { LLAMA_1, LLAMA_2, LLAMA_3, LLAMA_3_1, LLAMA_3_2 };

struct original {
    uint64_t dim, layers, heads, kv_heads, ffn, vocab;
    double eps, theta;
    enum version version;
    bool instruct;
};

int original_is_tiktoken(const struct folder *f, bool *out, struct err *err) {
    auto_free char *text = NULL;
    size_t n;
    const int rc = folder_slurp(f, "tokenizer.model", FOLDER_MAX_TOKENIZER, &text, &n, err);
    *out = rc == 0 && n && text[0] != '\n'; /* SentencePiece: the first field of a message */
    return rc;
}

static bool name_has(const struct folder *f, const char *part) {
    for (size_t i = 0; i + strlen(part) <= f->name.n; i++)
        if (strncasecmp(f->name.p + i, part, strlen(part)) == 0)
            return true;
    return false;
}

/* Llama 2 is known by its epsilon. 3.1 and later scale their positions: which of them is in the
 * name ("Llama3.2-1B"), or follows from the width, which is below 4096 for 3.2 only. */
static enum version find_version(const struct folder *f, const struct json *params,
                                 const struct original *o, bool tiktoken) {
    bool scaled = false;
    if (!tiktoken)
        return o->eps == 1e-5 ? LLAMA_2 : LLAMA_1;
    if (!json_bool(json_get(params, "use_scaled_rope"), &scaled) || !scaled)
        return LLAMA_3;
    if (name_has(f, "3.2"))
        return LLAMA_3_2;
    return name_has(f, "3.1") || name_has(f, "3.3") || o->dim >= 4096 ? LLAMA_3_1 : LLAMA_3_2;
}

static int no_count(const char *key, struct err *err) {
    return err_set(err, -EBADMSG, "params.json: \"%s\" is missing or does not fit", key);
}

/* @absent: where it is not there or null; 0: it has to be. */
static int read_count(const struct json *params, const char *key, uint64_t absent, uint64_t *out,
                      struct err *err) {
    const struct json *v = json_get(params, key);
    *out = absent;
    if (json_is_null(v) && absent)
        return 0;
    return json_u64(v, out) && *out && *out < 1u << 24 ? 0 : no_count(key, err);
}

/* multiple_of * ceil(ffn_dim_multiplier * (8 dim / 3) / multiple_of), cut to integers as there. */
static int read_ffn(struct original *o, const struct json *params, struct err *err) {
    const struct json *v = json_get(params, "ffn_dim_multiplier");
    double factor = 1;
    uint64_t multiple;
    int rc = read_count(params, "multiple_of", 256, &multiple, err);
    if (rc == 0 && !json_is_null(v) && !(json_f64(v, &factor) && factor > 0 && factor < 1024))
        rc = no_count("ffn_dim_multiplier", err);
    if (rc < 0)
        return rc;
    const uint64_t wide = (uint64_t)(factor * (double)(uint64_t)(8 * (double)o->dim / 3));
    o->ffn = (wide + multiple - 1) / multiple * multiple;
    return 0;
}

static int read_params(struct original *o, const struct model *m, const struct json *params,
                       struct err *err) {
    const struct tensor *embeddings = model_find(m, STR("tok_embeddings.weight"));
    bool tiktoken;
    int rc = read_count(params, "dim", 0, &o->dim, err);
    if (rc == 0)
        rc = read_count(params, "n_layers", 0, &o->layers, err);
    if (rc == 0)
        rc = read_count(params, "n_heads", 0, &o->heads, err);
    if (rc == 0)
        rc = read_count(params, "n_kv_heads", o->heads, &o->kv_heads, err);
    if (rc == 0)
        rc = read_ffn(o, params, err);
    o->theta = 10000;
    if (rc == 0 && !json_f64(json_get(params, "norm_eps"), &o->eps))
        rc = no_count("norm_eps", err);
    if (rc == 0 && json_get(params, "rope_theta") &&
        !json_f64(json_get(params, "rope_theta"), &o->theta))
        rc = no_count("rope_theta", err);
    if (rc == 0 && (!embeddings || embeddings->n_dims != 2 || embeddings->dims[1] != o->dim))
        rc = err_set(err, -EBADMSG,
                     "tok_embeddings.weight is missing, or its rows are not as wide as "
                     "params.json's \"dim\"");
    if (rc == 0)
        rc = original_is_tiktoken(m->folder, &tiktoken, err);
    if (rc < 0)
        return rc;
    o->vocab = embeddings->dims[0];
    o->version = find_version(m->folder, params, o, tiktoken);
    o->instruct = name_has(m->folder, "instruct");
    return 0;
}

struct str original_special(struct arena *a, bool since_3_1, uint32_t i) {
    static const char *const names[2][11] = {
        { "<|begin_of_text|>", "<|end_of_text|>", NULL, NULL, NULL, NULL, "<|start_header_id|>",
          "<|end_header_id|>", NULL, "<|eot_id|>", NULL },
        { "<|begin_of_text|>", "<|end_of_text|>", NULL, NULL, "<|finetune_right_pad_id|>", NULL,
          "<|start_header_id|>", "<|end_header_id|>", "<|eom_id|>", "<|eot_id|>",
          "<|python_tag|>" },
    };
    uint32_t named = 0;
    if (i < 11 && names[since_3_1][i])
        return str_from(names[since_3_1][i]);
    for (uint32_t k = 0; k < 11 && k < i; k++)
        named += names[since_3_1][k] != NULL;
    return arena_printf(a, "<|reserved_special_token_%u|>", i - named);
}

/* --- what the script writes --- */

static void put(struct buffer *b, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void put(struct buffer *b, const char *format, ...) {
    char text[256];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    buffer_z(b, text);
}

static uint64_t context_of(const struct original *o) {
    static const uint64_t contexts[] = { 2048, 4096, 8192, 131072, 131072 };
    return o->version < LLAMA_3 && o->theta > 10000 ? 16384 : contexts[o->version];
}

static const char *end_ids(const struct original *o) {
    return o->version < LLAMA_3 ? "2" : o->instruct ? "[128001,128008,128009]" : "128001";
}

static const char *begin_id(const struct original *o) {
    return o->version < LLAMA_3 ? "1" : "128000";
}

static void write_config(struct buffer *b, const struct original *o) {
    put(b, "{\"architectures\":[\"LlamaForCausalLM\"],\"model_type\":\"llama\",");
    put(b, "\"hidden_size\":%llu,\"intermediate_size\":%llu,", (unsigned long long)o->dim,
        (unsigned long long)o->ffn);
    put(b, "\"num_attention_heads\":%llu,\"num_key_value_heads\":%llu,\"num_hidden_layers\":%llu,",
        (unsigned long long)o->heads, (unsigned long long)o->kv_heads,
        (unsigned long long)o->layers);
    put(b, "\"rms_norm_eps\":%.17g,\"rope_theta\":%.17g,", o->eps, o->theta);
    if (o->version >= LLAMA_3_1)
        put(b,
            "\"rope_scaling\":{\"factor\":%s,\"low_freq_factor\":1.0,\"high_freq_factor\":4.0,"
            "\"original_max_position_embeddings\":8192,\"rope_type\":\"llama3\"},",
            o->version == LLAMA_3_2 ? "32.0" : "8.0");
    put(b, "\"max_position_embeddings\":%llu,\"vocab_size\":%llu,",
        (unsigned long long)context_of(o), (unsigned long long)o->vocab);
    put(b, "\"bos_token_id\":%s,\"eos_token_id\":%s,\"tie_word_embeddings\":%s}", begin_id(o),
        end_ids(o), o->version == LLAMA_3_2 ? "true" : "false");
}

static void write_generation(struct buffer *b, const struct original *o) {
    put(b,
        "{\"do_sample\":true,\"temperature\":0.6,\"top_p\":0.9,\"bos_token_id\":%s,"
        "\"eos_token_id\":%s}",
        begin_id(o), end_ids(o));
}

static void write_tokenizer(struct buffer *b, const struct original *o) {
    static const char *const names[] = { "<unk>", "<s>", "</s>" };
    if (o->version >= LLAMA_3) {
        put(b, "{\"bos_token\":\"<|begin_of_text|>\",\"eos_token\":\"%s\"}",
            o->instruct ? "<|eot_id|>" : "<|end_of_text|>");
        return;
    }
    put(b, "{\"add_bos_token\":true,\"add_eos_token\":false,\"bos_token\":\"<s>\","
           "\"eos_token\":\"</s>\",\"unk_token\":\"<unk>\",\"added_tokens_decoder\":{");
    for (int i = 0; i < 3; i++)
        put(b, "%s\"%d\":{\"content\":\"%s\",\"special\":true}", i ? "," : "", i, names[i]);
    put(b, "}}");
}

static int replace(struct json **doc, void (*write)(struct buffer *, const struct original *),
                   const struct original *o, struct err *err) {
    struct buffer b = { 0 };
    struct json *made = NULL;
    write(&b, o);
    int rc = b.failed ? err_set(err, -ENOMEM, "no memory")
                      : json_parse(&made, (struct str){ b.p, b.n }, err);
    buffer_fini(&b);
    if (rc == 0) {
        json_free(*doc);
        *doc = made;
    }
    return rc;
}

int original_configs(struct model *m, struct err *err) {
    struct folder *f = m->folder;
    struct original o = { 0 };
    const struct json *inner = json_get(f->config, "model");
    int rc = read_params(&o, m, inner ? inner : f->config, err);
    if (rc == 0)
        rc = replace(&f->config, write_config, &o, err);
    if (rc == 0)
        rc = replace(&f->generation_config, write_generation, &o, err);
    return rc < 0 ? rc : replace(&f->tokenizer_config, write_tokenizer, &o, err);
}
