/* SPDX-License-Identifier: Apache-2.0
 * formats/tokenizer/hf_json.c - see hf_json.h. */
#include "formats/tokenizer/hf_json.h"
#include "formats/hash.h"
#include "formats/json.h"
#include "formats/tokenizer/tokenizer.h"
#include <errno.h>
#include <stdio.h>

#define SPACE "\xe2\x96\x81" /* U+2581, which stands for a space in SentencePiece */

/* --- the vocabulary --- */

static uint32_t *find_slot(const struct hf_vocab *v, struct str text) {
    uint64_t i = hash64(text.p, text.n) & (v->n_slots - 1);
    while (v->slots[i] && !str_eq(v->texts[v->slots[i] - 1], text))
        i = (i + 1) & (v->n_slots - 1);
    return &v->slots[i];
}

bool hf_vocab_find(const struct hf_vocab *v, struct str text, uint32_t *id) {
    const uint32_t slot = *find_slot(v, text);
    *id = slot ? slot - 1 : 0;
    return slot;
}

/* Runs of spaces are stored as they are read; in files of SentencePiece they are pieces. */
static struct str spell(struct hf_vocab *v, struct str text, bool piece) {
    struct buffer b = { 0 };
    for (size_t i = 0; i < text.n; i++)
        if (text.p[i] != ' ' || !piece)
            return text.n ? text : STR("");
    for (size_t i = 0; i < text.n; i++)
        buffer_z(&b, SPACE);
    const struct str out = arena_str(&v->arena, (struct str){ b.p, b.n });
    buffer_fini(&b);
    return out;
}

static int read_types(struct hf_vocab *v, uint8_t *types, const struct kv_list *kvs) {
    struct kv_array list = { 0 };
    struct str elem;
    int64_t type;
    memset(types, TOKEN_NORMAL, v->n);
    if (kv_get_array(kvs, "tokenizer.ggml.token_type", &list) && list.n == v->n)
        for (uint64_t i = 0; kv_array_next(&list, &elem); i++)
            types[i] = kv_integer(list.type, elem, &type) && type > 0 && type <= TOKEN_BYTE
                           ? (uint8_t)type
                           : TOKEN_NORMAL;
    v->types = types;
    return 0;
}

static void read_scores(struct hf_vocab *v, float *scores, const struct kv_list *kvs) {
    struct kv_array list;
    struct str elem;
    double score;
    if (!kv_get_array(kvs, "tokenizer.ggml.scores", &list) || list.n != v->n)
        return;
    for (uint64_t i = 0; kv_array_next(&list, &elem); i++)
        scores[i] = kv_real(list.type, elem, &score) ? (float)score : 0;
    v->scores = scores;
}

int hf_vocab_read(struct hf_vocab *v, const struct kv_list *kvs, struct err *err) {
    struct kv_array tokens;
    struct str text;
    const bool pieces = !kv_get_str(kvs, "tokenizer.ggml.model", &text) || !str_is(text, "gpt2");
    *v = (struct hf_vocab){ 0 };
    if (!kv_get_array(kvs, "tokenizer.ggml.tokens", &tokens) || tokens.type != KV_STRING)
        return err_set(err, -ENOENT, "the GGUF has no tokenizer");
    if (tokens.n > VOCAB_MAX)
        return err_set(err, -EFBIG, "%llu tokens are too many", (unsigned long long)tokens.n);
    v->n = tokens.n;
    for (v->n_slots = 16; v->n_slots < 2 * v->n;)
        v->n_slots *= 2;
    v->texts = arena_array(&v->arena, struct str, v->n + 1);
    v->slots = arena_array(&v->arena, uint32_t, v->n_slots);
    uint8_t *types = arena_array(&v->arena, uint8_t, v->n + 1);
    float *scores = arena_array(&v->arena, float, v->n + 1);
    if (!v->texts || !v->slots || !types || !scores)
        return err_set(err, -ENOMEM, "no memory for %llu tokens", (unsigned long long)v->n);
    read_types(v, types, kvs);
    read_scores(v, scores, kvs);
    for (uint64_t i = 0; kv_array_next(&tokens, &text); i++) {
        v->texts[i] = spell(v, text, pieces && types[i] == TOKEN_USER_DEFINED);
        if (!v->texts[i].p || !json_is_utf8(v->texts[i]))
            return err_set(err, -EBADMSG, "token %llu is no text", (unsigned long long)i);
        uint32_t *slot = find_slot(v, v->texts[i]);
        *slot = *slot ? *slot : (uint32_t)i + 1;
    }
    return 0;
}

void hf_vocab_fini(struct hf_vocab *v) {
    arena_fini(&v->arena);
}

/* --- parts of tokenizer.json --- */

bool hf_flag(const struct kv_list *kvs, const char *key, bool absent) {
    const struct kv *kv = kv_find(kvs, str_from(key));
    return kv && kv->type == KV_BOOL ? kv->value.n && kv->value.p[0] : absent;
}

bool hf_special(const struct hf_writer *w, const char *key, uint64_t *id, struct str *text) {
    if (!kv_get_u64(w->kvs, key, id) || *id >= w->v.n)
        return false;
    *text = w->v.texts[*id];
    return true;
}

static void add_added(struct hf_writer *w) {
    const char *comma = "";
    buffer_z(w->b, " \"added_tokens\": [");
    for (uint64_t i = 0; i < w->v.n; i++) {
        const uint8_t type = w->v.types[i];
        if (type != TOKEN_CONTROL && type != TOKEN_UNKNOWN && type != TOKEN_USER_DEFINED)
            continue;
        buffer_z(w->b, comma);
        buffer_z(w->b, "\n  {\"id\": ");
        buffer_decimal(w->b, i);
        buffer_z(w->b, ", \"content\": ");
        buffer_json(w->b, w->v.texts[i]);
        buffer_z(w->b, ", \"single_word\": false, \"lstrip\": false, \"rstrip\": false, "
                       "\"normalized\": false, \"special\": ");
        buffer_z(w->b, type == TOKEN_USER_DEFINED ? "false}" : "true}");
        comma = ",";
    }
    buffer_z(w->b, "],\n");
}

/* As llama.cpp puts a text and a pair of texts together; the pairs of the GGUF say what it adds. */
static void add_template(struct hf_writer *w, bool bos_absent, bool sep_absent) {
    static const struct {
        const char *flag, *id;
    } marks[] = {
        { "tokenizer.ggml.add_bos_token", "tokenizer.ggml.bos_token_id" },
        { "tokenizer.ggml.add_eos_token", "tokenizer.ggml.eos_token_id" },
        { "tokenizer.ggml.add_sep_token", "tokenizer.ggml.seperator_token_id" },
    };
    const bool absent[] = { bos_absent, false, sep_absent };
    char single[4], pair[8];
    struct hf_frame f = { .single = single, .pair = pair, .second = 1 };
    bool has[3];
    for (size_t i = 0; i < sizeof marks / sizeof *marks; i++)
        has[i] = hf_flag(w->kvs, marks[i].flag, absent[i]) &&
                 hf_special(w, marks[i].id, &f.ids[i], &f.texts[i]);
    const char *begin = has[0] ? "[" : "", *end = has[1] ? "]" : "";
    snprintf(single, sizeof single, "%sA%s", begin, end);
    snprintf(pair, sizeof pair, "%sA%s%sB%s", begin, end, has[2] ? "|" : "", end);
    hf_frame_add(w, &f);
}

static void add_vocab(struct hf_writer *w) {
    buffer_z(w->b, "  \"vocab\": {");
    for (uint64_t i = 0, n = 0; i < w->v.n; i++) {
        uint32_t first;
        if (!hf_vocab_find(&w->v, w->v.texts[i], &first) || first != i)
            continue; /* a text that two tokens have is the first's */
        buffer_z(w->b, n++ ? ",\n" : "\n");
        buffer_json(w->b, w->v.texts[i]);
        buffer_z(w->b, ": ");
        buffer_decimal(w->b, i);
    }
    buffer_z(w->b, "}");
}

/* --- the kinds --- */

/* False: the GGUF has none. */
static bool add_merges(struct hf_writer *w) {
    struct kv_array merges;
    struct str merge;
    if (!kv_get_array(w->kvs, "tokenizer.ggml.merges", &merges))
        return false;
    for (uint64_t i = 0; kv_array_next(&merges, &merge); i++) {
        buffer_z(w->b, i ? ",\n" : "\n");
        buffer_json(w->b, merge);
    }
    return true;
}

/* SentencePiece's, of which Gemma 4 has the merges themselves. */
static int add_spm(struct hf_writer *w) {
    struct buffer *b = w->b;
    uint64_t id;
    struct str unknown = STR("<unk>");
    const bool prefix = hf_flag(w->kvs, "tokenizer.ggml.add_space_prefix", true);
    hf_special(w, "tokenizer.ggml.unknown_token_id", &id, &unknown);
    if (!w->v.scores && !kv_find(w->kvs, STR("tokenizer.ggml.merges")))
        return err_set(w->err, -EBADMSG, "tokenizer.ggml.scores is missing");
    buffer_z(b, " \"normalizer\": {\"type\": \"Sequence\", \"normalizers\": [");
    buffer_z(b, prefix ? "{\"type\": \"Prepend\", \"prepend\": \"" SPACE "\"}, " : "");
    buffer_z(b, "{\"type\": \"Replace\", \"pattern\": {\"String\": \" \"}, \"content\": \"" SPACE
                "\"}]},\n \"pre_tokenizer\": null,\n");
    add_template(w, true, false);
    buffer_z(b, " \"decoder\": {\"type\": \"Sequence\", \"decoders\": [{\"type\": \"Replace\", "
                "\"pattern\": {\"String\": \"" SPACE "\"}, \"content\": \" \"}, "
                "{\"type\": \"ByteFallback\"}, {\"type\": \"Fuse\"}");
    buffer_z(b, prefix ? ", {\"type\": \"Strip\", \"content\": \" \", \"start\": 1, \"stop\": 0}"
                       : "");
    buffer_z(b, "]},\n \"model\": {\"type\": \"BPE\", \"dropout\": null, \"unk_token\": ");
    buffer_json(b, unknown);
    buffer_z(b, ", \"continuing_subword_prefix\": null, \"end_of_word_suffix\": null, "
                "\"fuse_unk\": true, \"byte_fallback\": true, \"ignore_merges\": false,\n");
    add_vocab(w);
    buffer_z(b, ",\n  \"merges\": [");
    const int rc = add_merges(w) ? 0 : hf_merges_add(b, &w->v, w->err);
    buffer_z(b, "]}}\n");
    return rc;
}

static void add_pre(struct hf_writer *w, const struct hf_pre *pre) {
    struct buffer *b = w->b;
    buffer_z(b, " \"normalizer\": ");
    buffer_z(b, pre->normalizer);
    buffer_z(b, ",\n \"pre_tokenizer\": {\"type\": \"Sequence\", \"pretokenizers\": [");
    if (pre->whole) {
        buffer_z(b, pre->whole);
        buffer_z(b, "]},\n");
        return;
    }
    if (pre->digits)
        buffer_z(b, "{\"type\": \"Digits\", \"individual_digits\": true}, ");
    const size_t n_splits = sizeof pre->splits / sizeof *pre->splits;
    for (size_t i = 0; i < n_splits && pre->splits[i]; i++) {
        buffer_z(b, "{\"type\": \"Split\", \"pattern\": {\"Regex\": ");
        buffer_json(b, str_from(pre->splits[i]));
        buffer_z(b, "}, \"behavior\": \"Isolated\", \"invert\": false}, ");
    }
    buffer_z(b, "{\"type\": \"ByteLevel\", \"add_prefix_space\": ");
    buffer_z(b, hf_flag(w->kvs, "tokenizer.ggml.add_space_prefix", false) ? "true" : "false");
    buffer_z(b, ", \"trim_offsets\": true, \"use_regex\": ");
    buffer_z(b, pre->splits[0] ? "false}]},\n" : "true}]},\n");
}

static int add_bpe(struct hf_writer *w) {
    struct buffer *b = w->b;
    struct str name = STR("default");
    kv_get_str(w->kvs, "tokenizer.ggml.pre", &name);
    const struct hf_pre *pre = hf_pre_find(name);
    if (!pre)
        return err_set(w->err, -ENOTSUP, "the pre-tokenizer \"%.*s\" has no way back",
                       STR_ARG(name));
    if (!kv_find(w->kvs, STR("tokenizer.ggml.merges")))
        return err_set(w->err, -EBADMSG, "tokenizer.ggml.merges is missing");
    add_pre(w, pre);
    add_template(w, pre->add_bos, pre->add_sep);
    buffer_z(b, " \"decoder\": {\"type\": \"ByteLevel\", \"add_prefix_space\": true, "
                "\"trim_offsets\": true, \"use_regex\": true},\n \"model\": {\"type\": \"BPE\", "
                "\"dropout\": null, \"unk_token\": null, \"continuing_subword_prefix\": null, "
                "\"end_of_word_suffix\": null, \"fuse_unk\": false, \"byte_fallback\": false, "
                "\"ignore_merges\": ");
    buffer_z(b, pre->ignore_merges ? "true,\n" : "false,\n");
    add_vocab(w);
    buffer_z(b, ",\n  \"merges\": [");
    add_merges(w);
    buffer_z(b, "]}}\n");
    return 0;
}

static const struct {
    const char *model;
    int (*add)(struct hf_writer *w);
} kinds[] = {
    { "llama", add_spm },         { "gemma4", add_spm },    { "gpt2", add_bpe },
    { "bert", hf_wordpiece_add }, { "t5", hf_unigram_add },
};

int hf_tokenizer_json_add(struct buffer *b, const struct kv_list *kvs, struct err *err) {
    struct hf_writer w = { .b = b, .kvs = kvs, .err = err };
    struct str model = STR("none");
    int (*add)(struct hf_writer *) = NULL;
    kv_get_str(kvs, "tokenizer.ggml.model", &model);
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (str_is(model, kinds[i].model))
            add = kinds[i].add;
    if (!add)
        return err_set(err, -ENOTSUP, "a tokenizer of the model \"%.*s\" has no way back",
                       STR_ARG(model));
    int rc = hf_vocab_read(&w.v, kvs, err);
    if (rc == 0) {
        buffer_z(b, "{\"version\": \"1.0\", \"truncation\": null, \"padding\": null,\n");
        add_added(&w);
        rc = add(&w);
    }
    hf_vocab_fini(&w.v);
    return rc;
}
