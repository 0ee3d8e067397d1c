/* SPDX-License-Identifier: Apache-2.0
 * formats/tokenizer/hf_json_config.c - the small files beside tokenizer.json. */
#include "formats/tokenizer/hf_json.h"

static const struct {
    const char *key, *name, *id_name;
} special_tokens[] = {
    { "tokenizer.ggml.bos_token_id", "bos_token", "bos_token_id" },
    { "tokenizer.ggml.eos_token_id", "eos_token", "eos_token_id" },
    { "tokenizer.ggml.unknown_token_id", "unk_token", NULL },
    { "tokenizer.ggml.padding_token_id", "pad_token", "pad_token_id" },
    { "tokenizer.ggml.seperator_token_id", "sep_token", NULL },
    { "tokenizer.ggml.mask_token_id", "mask_token", NULL },
};

static bool token_text(const struct kv_list *kvs, uint64_t id, struct str *text) {
    struct kv_array tokens;
    if (!kv_get_array(kvs, "tokenizer.ggml.tokens", &tokens) || tokens.type != KV_STRING)
        return false;
    for (uint64_t i = 0; kv_array_next(&tokens, text); i++)
        if (i == id)
            return true;
    return false;
}

static void add_flag(struct buffer *b, const struct kv_list *kvs, const char *key,
                     const char *name) {
    const struct kv *kv = kv_find(kvs, str_from(key));
    if (!kv || kv->type != KV_BOOL || !kv->value.n)
        return;
    buffer_z(b, ",\n  ");
    buffer_json(b, str_from(name));
    buffer_z(b, kv->value.p[0] ? ": true" : ": false");
}

void hf_tokenizer_config_add(struct buffer *b, const struct kv_list *kvs) {
    struct str text;
    uint64_t id;
    buffer_z(b, "{\n  \"tokenizer_class\": \"PreTrainedTokenizerFast\",\n"
                "  \"clean_up_tokenization_spaces\": false");
    add_flag(b, kvs, "tokenizer.ggml.add_bos_token", "add_bos_token");
    add_flag(b, kvs, "tokenizer.ggml.add_eos_token", "add_eos_token");
    add_flag(b, kvs, "tokenizer.ggml.add_sep_token", "add_sep_token");
    for (size_t i = 0; i < sizeof special_tokens / sizeof *special_tokens; i++) {
        if (!kv_get_u64(kvs, special_tokens[i].key, &id) || !token_text(kvs, id, &text))
            continue;
        buffer_z(b, ",\n  ");
        buffer_json(b, str_from(special_tokens[i].name));
        buffer_z(b, ": ");
        buffer_json(b, text);
    }
    if (kv_get_str(kvs, "tokenizer.ggml.model", &text) && str_is(text, "bert") &&
        kv_get_u64(kvs, "tokenizer.ggml.bos_token_id", &id) && token_text(kvs, id, &text)) {
        buffer_z(b, ",\n  \"cls_token\": "); /* which llama.cpp calls the one that begins */
        buffer_json(b, text);
    }
    if (kv_get_str(kvs, "tokenizer.chat_template", &text)) {
        buffer_z(b, ",\n  \"chat_template\": ");
        buffer_json(b, text);
    }
    buffer_z(b, "\n}\n");
}

void hf_generation_config_add(struct buffer *b, const struct kv_list *kvs) {
    uint64_t id, turn;
    buffer_z(b, "{\n  \"_from_model_config\": true");
    for (size_t i = 0; i < sizeof special_tokens / sizeof *special_tokens; i++) {
        const char *name = special_tokens[i].id_name;
        if (!name || !kv_get_u64(kvs, special_tokens[i].key, &id))
            continue;
        const bool both = strcmp(name, "eos_token_id") == 0 && id < UINT32_MAX &&
                          kv_get_u64(kvs, "tokenizer.ggml.eot_token_id", &turn) && turn != id;
        buffer_z(b, ",\n  ");
        buffer_json(b, str_from(name));
        buffer_z(b, both ? ": [" : ": ");
        buffer_decimal(b, id);
        if (both) { /* the end of a turn ends a text too */
            buffer_z(b, ", ");
            buffer_decimal(b, turn);
            buffer_z(b, "]");
        }
    }
    buffer_z(b, "\n}\n");
}
