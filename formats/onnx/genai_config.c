/* SPDX-License-Identifier: Apache-2.0
 * formats/onnx/genai_config.c - genai_config.json, read off the graph that it goes with. */
#include "formats/onnx/genai_config.h"
#include <errno.h>
#include <stdio.h>

static const Onnx__ValueInfoProto *find_value(Onnx__ValueInfoProto *const *values, size_t n,
                                              const char *name) {
    for (size_t i = 0; i < n; i++)
        if (strcmp(values[i]->name, name) == 0)
            return values[i];
    return NULL;
}

static const Onnx__ValueInfoProto *find_input(const struct genai_config *c, const char *name) {
    return find_value(c->g->model->graph->input, c->g->model->graph->n_input, name);
}

static uint64_t dim_of(const Onnx__ValueInfoProto *v, size_t i) {
    return (uint64_t)v->type->tensor_type->shape->dim[i]->dim_value;
}

static void add_key(struct buffer *b, unsigned depth, const char **comma, const char *key) {
    buffer_z(b, *comma);
    *comma = ",";
    json_print_line(b, depth);
    buffer_json(b, str_from(key));
    buffer_z(b, ": ");
}

static void add_number(struct buffer *b, unsigned depth, const char **comma, const char *key,
                       uint64_t v) {
    add_key(b, depth, comma, key);
    buffer_decimal(b, v);
}

static void add_string(struct buffer *b, unsigned depth, const char **comma, const char *key,
                       const char *v) {
    add_key(b, depth, comma, key);
    buffer_json(b, str_from(v));
}

/* What the tokens that begin, end and fill a text are: NULL where nothing says. */
static const struct json *special(const struct genai_config *c, const char *name) {
    const struct json *v = json_get(c->generation, name);
    return json_is_null(v) ? hf_config_json(&c->src->config, name) : v;
}

/* What ORT-GenAI calls it. Its own "gpt2" has keys and values in one tensor; a "decoder" is any. */
static struct str runtime_type(struct str model_type) {
    return str_is(model_type, "gpt2") ? STR("decoder") : model_type;
}

/* --- the parts --- */

static void add_names(struct buffer *b, const struct genai_config *c) {
    static const char *const inputs[] = { "input_ids", "attention_mask", "position_ids" };
    const char *comma = "";
    buffer_z(b, ",\n      \"inputs\": {");
    for (size_t i = 0; i < sizeof inputs / sizeof *inputs; i++)
        if (find_input(c, inputs[i]))
            add_string(b, 4, &comma, inputs[i], inputs[i]);
    add_string(b, 4, &comma, "past_key_names", "past_key_values.%d.key");
    add_string(b, 4, &comma, "past_value_names", "past_key_values.%d.value");
    comma = "";
    buffer_z(b, "\n      },\n      \"outputs\": {");
    add_string(b, 4, &comma, "logits", "logits");
    add_string(b, 4, &comma, "present_key_names", "present.%d.key");
    add_string(b, 4, &comma, "present_value_names", "present.%d.value");
    buffer_z(b, "\n      }");
}

static uint64_t count_layers(const struct genai_config *c) {
    char name[64];
    for (unsigned i = 0;; i++) {
        snprintf(name, sizeof name, "past_key_values.%u.key", i);
        if (!find_input(c, name))
            return i;
    }
}

static int add_decoder(struct buffer *b, const struct genai_config *c,
                       const Onnx__ValueInfoProto *cache, struct err *err) {
    uint64_t hidden, heads;
    const char *comma = "";
    int rc = hf_config_need(&c->src->config, "hidden_size n_embd", &hidden, err);
    if (rc == 0)
        rc = hf_config_need(&c->src->config, "num_attention_heads n_head", &heads, err);
    if (rc < 0)
        return rc;
    buffer_z(b, "    \"decoder\": {\n      \"session_options\": {\n"
                "        \"log_id\": \"onnxruntime-genai\",\n"
                "        \"provider_options\": []\n      },");
    add_string(b, 3, &comma, "filename", c->model_file);
    add_number(b, 3, &comma, "head_size", dim_of(cache, 3));
    add_number(b, 3, &comma, "hidden_size", hidden);
    add_number(b, 3, &comma, "num_attention_heads", heads);
    add_number(b, 3, &comma, "num_hidden_layers", count_layers(c));
    add_number(b, 3, &comma, "num_key_value_heads", dim_of(cache, 1));
    add_names(b, c);
    buffer_z(b, "\n    }");
    return 0;
}

static void add_special(struct buffer *b, const struct genai_config *c, const struct json *eos) {
    const struct json *bos = special(c, "bos_token_id"), *pad = special(c, "pad_token_id");
    const struct json *first = json_type(eos) == JSON_ARRAY ? json_at(eos, 0) : eos;
    const char *comma = ",";
    add_key(b, 2, &comma, "bos_token_id");
    json_print(b, json_is_null(bos) ? first : bos, 2);
    add_key(b, 2, &comma, "eos_token_id");
    json_print(b, eos, 2);
    add_key(b, 2, &comma, "pad_token_id");
    json_print(b, json_is_null(pad) ? first : pad, 2);
}

static void add_search(struct buffer *b, const struct genai_config *c, uint64_t context) {
    static const struct {
        const char *key, *absent;
    } keys[] = {
        { "diversity_penalty", "0.0" },
        { "do_sample", "false" },
        { "length_penalty", "1.0" },
        { "no_repeat_ngram_size", "0" },
        { "num_beams", "1" },
        { "num_return_sequences", "1" },
        { "repetition_penalty", "1.0" },
        { "temperature", "1.0" },
        { "top_k", "50" },
        { "top_p", "1.0" },
    };
    const char *comma = "";
    buffer_z(b, "\n  },\n  \"search\": {");
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        const struct json *v = json_get(c->generation, keys[i].key);
        add_key(b, 2, &comma, keys[i].key);
        if (json_is_null(v))
            buffer_z(b, keys[i].absent);
        else
            json_print(b, v, 2);
    }
    buffer_z(b, ",\n    \"early_stopping\": true,\n    \"min_length\": 0");
    add_number(b, 2, &comma, "max_length", context);
    add_key(b, 2, &comma, "past_present_share_buffer");
    buffer_z(b, c->share_buffer ? "true\n  }\n}\n" : "false\n  }\n}\n");
}

int genai_config_add(struct buffer *b, const struct genai_config *c, struct err *err) {
    const Onnx__GraphProto *graph = c->g->model->graph;
    const Onnx__ValueInfoProto *cache = find_input(c, "past_key_values.0.key");
    const Onnx__ValueInfoProto *logits = find_value(graph->output, graph->n_output, "logits");
    const struct json *eos = special(c, "eos_token_id");
    const char *comma = ",";
    uint64_t context;
    if (!cache || !logits)
        return err_set(err, -ENOTSUP, "genai is for decoders: a %.*s is none",
                       STR_ARG(c->src->model_type));
    if (json_is_null(eos) || (json_type(eos) == JSON_ARRAY && !json_len(eos)))
        return err_set(err, -ENOTSUP,
                       "nothing says which token ends a text: there is no eos_token_id");
    int rc = hf_config_need(&c->src->config, "max_position_embeddings n_positions", &context, err);
    if (rc < 0)
        return rc;
    buffer_z(b, "{\n  \"model\": {\n");
    rc = add_decoder(b, c, cache, err);
    if (rc < 0)
        return rc;
    add_special(b, c, eos);
    add_number(b, 2, &comma, "context_length", context);
    add_key(b, 2, &comma, "type");
    buffer_json(b, runtime_type(c->src->model_type));
    add_number(b, 2, &comma, "vocab_size", dim_of(logits, 2));
    add_search(b, c, context);
    return 0;
}
