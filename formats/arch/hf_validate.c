/* SPDX-License-Identifier: Apache-2.0
 * formats/arch/hf_validate.c - the checks that transformers makes of a config.json: kinds of
 * values, lists of layers, positions. Source: configuration_utils.py and huggingface_hub's
 * dataclasses.py. */
#include "formats/arch/work.h"

/* Fields that most classes have, and the kinds of values that they take: bits by enum json_type. */
#define KIND(t) (1u << (t))
static const struct {
    const char *name;
    unsigned kinds;
} common_fields[] = {
    { "hidden_act", KIND(JSON_STRING) },
    { "initializer_range", KIND(JSON_DOUBLE) },
    { "use_cache", KIND(JSON_BOOL) },
    { "tie_word_embeddings", KIND(JSON_BOOL) },
    { "attention_bias", KIND(JSON_BOOL) },
    { "mlp_bias", KIND(JSON_BOOL) },
    { "attention_dropout", KIND(JSON_INT) | KIND(JSON_DOUBLE) },
    { "bos_token_id", KIND(JSON_INT) | KIND(JSON_NULL) },
    { "pad_token_id", KIND(JSON_INT) | KIND(JSON_NULL) },
    { "eos_token_id", KIND(JSON_INT) | KIND(JSON_ARRAY) | KIND(JSON_NULL) },
};

/* What the class's @kinds says of a field; 0: nothing. */
static unsigned named_kinds(const struct hf_class *cls, struct str name) {
    unsigned kinds = 0;
    for (const char *s = cls->kinds; s && *s; s += strspn(s, " ")) {
        const struct str word = { s, strcspn(s, "=") };
        const bool found = str_eq(word, name);
        for (s += word.n; *s && *s != ' '; s++)
            if (found && *s != '=')
                kinds |= *s == 'f'   ? KIND(JSON_DOUBLE)
                         : *s == 'i' ? KIND(JSON_INT)
                         : *s == 'b' ? KIND(JSON_BOOL)
                                     : KIND(JSON_NULL);
    }
    return kinds;
}

bool hf_is_filled(const struct hf_class *cls, const char *name) {
    for (size_t i = 0; i < sizeof cls->fill / sizeof *cls->fill; i++)
        if (cls->fill[i].key && strcmp(cls->fill[i].key, name) == 0)
            return true;
    return false;
}

static bool is_optional(const struct hf_class *cls, struct str name) {
    for (const char *s = cls->optional; s && *s; s += strspn(s, " ")) {
        const struct str word = { s, strcspn(s, " ") };
        if (str_eq(word, name))
            return true;
        s += word.n;
    }
    return false;
}

/* The kinds of values that a field with such a default takes. */
static unsigned kinds_of(const struct hf_class *cls, struct str name, enum json_type type) {
    char text[64] = { 0 };
    unsigned kinds = named_kinds(cls, name);
    if (kinds || name.n >= sizeof text)
        return kinds;
    memcpy(text, name.p, name.n);
    kinds = KIND(type);
    if (type == JSON_NULL)
        kinds |= KIND(JSON_INT);
    else if (hf_is_filled(cls, text) || is_optional(cls, name))
        kinds |= KIND(JSON_NULL);
    return kinds;
}

/* Lists with one word for each block. */
static bool layers_validate(const struct hf_config *c) {
    static const struct {
        const char *name, *words;
    } lists[] = {
        { "layer_types",
          "full_attention sliding_attention chunked_attention window_attention indexed_attention "
          "compressed_sparse_attention heavily_compressed_attention minimax_m3_sparse conv moe "
          "hybrid hybrid_sliding reference_sliding_attention linear_attention mamba attention "
          "deepseek_sparse_attention qwen_sparse_attention" },
        { "mlp_layer_types", "sparse dense" },
    };
    uint64_t n;
    for (size_t i = 0; i < sizeof lists / sizeof *lists; i++) {
        const struct json *list = hf_config_json(c, lists[i].name);
        if (json_type(list) != JSON_ARRAY)
            return true; /* where the first is not there, the second is not looked at */
        if (hf_config_u64(c, "num_hidden_layers", &n, NULL) > 0 && json_len(list) != n)
            return false;
        struct str word;
        for (size_t k = 0; k < json_len(list); k++)
            if (!json_str(json_at(list, k), &word) || !arch_has_word(lists[i].words, word))
                return false;
    }
    return true;
}

bool hf_validates(const struct hf_config *c) {
    const struct json *own = c->text ? c->text : c->root;
    for (size_t i = 0; i < sizeof common_fields / sizeof *common_fields; i++) {
        const struct json *v = json_get(own, common_fields[i].name);
        const unsigned named = named_kinds(c->cls, str_from(common_fields[i].name));
        if (v && !((named ? named : common_fields[i].kinds) & KIND(json_type(v))))
            return false;
    }
    for (struct json_iter it = json_iter(c->defaults); json_next(&it);) {
        char name[64] = { 0 };
        if (it.key.n >= sizeof name)
            continue;
        memcpy(name, it.key.p, it.key.n);
        const struct json *v = json_get(own, name);
        if (v && !(kinds_of(c->cls, it.key, json_type(it.value)) & KIND(json_type(v))))
            return false;
    }
    if (!layers_validate(c) || !rope_validates(c))
        return false;
    uint64_t hidden, heads;
    return !c->cls->even_heads || hf_config_u64(c, "hidden_size", &hidden, NULL) <= 0 ||
           hf_config_u64(c, "num_attention_heads", &heads, NULL) <= 0 ||
           (heads && hidden % heads == 0);
}
