/* SPDX-License-Identifier: Apache-2.0
 * formats/tokenizer/hf_json_pieces.c - tokenizer.json of vocabularies of pieces: WordPiece as BERT
 * has it, Unigram as T5 and XLM-RoBERTa have it. */
#include "formats/tokenizer/hf_json.h"
#include "formats/tokenizer/tokenizer.h"
#include <errno.h>
#include <stdio.h>

#define SPACE "\xe2\x96\x81" /* U+2581: before what begins a word */

static int need_special(const struct hf_writer *w, const char *key, uint64_t *id,
                        struct str *text) {
    return hf_special(w, key, id, text) ? 0 : err_set(w->err, -EBADMSG, "%s is missing", key);
}

/* --- WordPiece --- */

static bool begins_word(struct str text) {
    return str_starts(text, STR(SPACE));
}

/* In GGUF pieces that begin a word have U+2581 in front, here those that go on have "##". */
static void add_piece(struct hf_writer *w, uint64_t id, struct str text, bool control) {
    const size_t skip = !control && begins_word(text) ? sizeof SPACE - 1 : 0;
    struct buffer name = { 0 };
    buffer_z(&name, control || skip ? "" : "##");
    buffer_add(&name, text.p + skip, text.n - skip);
    if (name.failed)
        w->b->failed = true;
    else
        buffer_json(w->b, (struct str){ name.p ? name.p : "", name.n });
    buffer_fini(&name);
    buffer_z(w->b, ": ");
    buffer_decimal(w->b, id);
}

static void add_normalizer(struct hf_writer *w) {
    const struct kv *accents = kv_find(w->kvs, STR("tokenizer.ggml.normalizer.strip_accents"));
    buffer_z(w->b, " \"normalizer\": {\"type\": \"BertNormalizer\", \"clean_text\": true, "
                   "\"handle_chinese_chars\": true, \"strip_accents\": ");
    buffer_z(w->b, !accents                                                            ? "null"
                   : hf_flag(w->kvs, "tokenizer.ggml.normalizer.strip_accents", false) ? "true"
                                                                                       : "false");
    buffer_z(w->b, ", \"lowercase\": ");
    buffer_z(w->b, hf_flag(w->kvs, "tokenizer.ggml.normalizer.lowercase", true) ? "true" : "false");
    buffer_z(w->b, "},\n \"pre_tokenizer\": {\"type\": \"BertPreTokenizer\"},\n");
}

int hf_wordpiece_add(struct hf_writer *w) {
    struct buffer *b = w->b;
    struct hf_frame f = { .single = "[A]", .pair = "[A]B]", .second = 1 };
    struct str unknown;
    uint64_t id;
    int rc = need_special(w, "tokenizer.ggml.unknown_token_id", &id, &unknown);
    if (rc == 0)
        rc = need_special(w, "tokenizer.ggml.bos_token_id", &f.ids[0], &f.texts[0]);
    if (rc == 0)
        rc = need_special(w, "tokenizer.ggml.seperator_token_id", &f.ids[1], &f.texts[1]);
    if (rc < 0)
        return rc;
    add_normalizer(w);
    hf_frame_add(w, &f);
    buffer_z(b, " \"decoder\": {\"type\": \"WordPiece\", \"prefix\": \"##\", \"cleanup\": true},\n"
                " \"model\": {\"type\": \"WordPiece\", \"unk_token\": ");
    buffer_json(b, unknown);
    buffer_z(b, ", \"continuing_subword_prefix\": \"##\", \"max_input_chars_per_word\": 100,\n"
                "  \"vocab\": {");
    for (uint64_t i = 0; i < w->v.n; i++) {
        const uint8_t type = w->v.types[i];
        buffer_z(b, i ? ",\n" : "\n");
        add_piece(w, i, w->v.texts[i], type == TOKEN_CONTROL || type == TOKEN_UNKNOWN);
    }
    buffer_z(b, "}}}\n");
    return 0;
}

/* --- Unigram --- */

static void add_base64(struct buffer *b, struct str bytes) {
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for (size_t i = 0; i < bytes.n; i += 3) {
        const uint8_t *p = (const uint8_t *)bytes.p + i;
        const size_t left = bytes.n - i;
        const unsigned v =
            (unsigned)p[0] << 16 | (left > 1 ? (unsigned)p[1] << 8 : 0) | (left > 2 ? p[2] : 0u);
        char four[4];
        for (unsigned k = 0; k < 4; k++)
            four[k] = k <= left ? digits[v >> (18 - 6 * k) & 63] : '=';
        buffer_add(b, four, sizeof four);
    }
}

/* As SentencePiece does it: its table, then no spaces at the ends, and one where there are several.
 */
static void add_spaces(struct hf_writer *w) {
    struct buffer *b = w->b;
    struct kv_array map;
    const bool mapped = kv_get_array(w->kvs, "tokenizer.ggml.precompiled_charsmap", &map) &&
                        (map.type == KV_U8 || map.type == KV_I8) && map.n;
    const bool trims = hf_flag(w->kvs, "tokenizer.ggml.remove_extra_whitespaces", true);
    const bool prefix = hf_flag(w->kvs, "tokenizer.ggml.add_space_prefix", true);
    buffer_z(b, " \"normalizer\": {\"type\": \"Sequence\", \"normalizers\": [");
    if (mapped) {
        buffer_z(b, "{\"type\": \"Precompiled\", \"precompiled_charsmap\": \"");
        add_base64(b, map.bytes);
        buffer_z(b, trims ? "\"}, " : "\"}");
    }
    if (trims)
        buffer_z(b, "{\"type\": \"Replace\", \"pattern\": {\"Regex\": \" +\"}, "
                    "\"content\": \" \"}, {\"type\": \"Replace\", "
                    "\"pattern\": {\"Regex\": \"^ | $\"}, \"content\": \"\"}");
    buffer_z(b, "]},\n \"pre_tokenizer\": {\"type\": \"Metaspace\", \"replacement\": \"" SPACE
                "\", \"prepend_scheme\": ");
    buffer_z(b, prefix ? "\"always\"" : "\"never\"");
    buffer_z(
        b, ", \"split\": true},\n \"decoder\": {\"type\": \"Metaspace\", \"replacement\": \"" SPACE
           "\", \"prepend_scheme\": ");
    buffer_z(b, prefix ? "\"always\", \"split\": true},\n" : "\"never\", \"split\": true},\n");
}

static void add_scored(struct hf_writer *w) {
    char number[32];
    for (uint64_t i = 0; i < w->v.n; i++) {
        buffer_z(w->b, i ? ",\n[" : "\n[");
        buffer_json(w->b, w->v.texts[i]);
        snprintf(number, sizeof number, ", %.9g]", (double)w->v.scores[i]);
        buffer_z(w->b, number);
    }
}

static bool is_t5(const struct hf_writer *w) {
    struct str name;
    return kv_get_str(w->kvs, "general.architecture", &name) && str_starts(name, STR("t5"));
}

/* Where no pair says: the piece of that type, else what llama.cpp takes for it. */
static uint64_t find_unknown(const struct hf_writer *w) {
    enum { ABSENT = 2 };
    uint64_t id;
    struct str text;
    if (hf_special(w, "tokenizer.ggml.unknown_token_id", &id, &text))
        return id;
    for (id = 0; id < w->v.n; id++)
        if (w->v.types[id] == TOKEN_UNKNOWN)
            return id;
    return w->v.n > ABSENT ? ABSENT : 0;
}

int hf_unigram_add(struct hf_writer *w) {
    struct buffer *b = w->b;
    struct hf_frame f = { .single = "A]", .pair = "A]B]" };
    bool bytes = false;
    int rc = need_special(w, "tokenizer.ggml.eos_token_id", &f.ids[1], &f.texts[1]);
    if (rc == 0 && !w->v.scores)
        rc = err_set(w->err, -EBADMSG, "tokenizer.ggml.scores is missing");
    if (rc < 0)
        return rc;
    if (hf_flag(w->kvs, "tokenizer.ggml.add_bos_token", !is_t5(w)) &&
        hf_special(w, "tokenizer.ggml.bos_token_id", &f.ids[0], &f.texts[0])) {
        f.single = "[A]"; /* as RoBERTa */
        f.pair = "[A]]B]";
    }
    for (uint64_t i = 0; i < w->v.n; i++)
        bytes = bytes || w->v.types[i] == TOKEN_BYTE;
    add_spaces(w);
    hf_frame_add(w, &f);
    buffer_z(b, " \"model\": {\"type\": \"Unigram\", \"unk_id\": ");
    buffer_decimal(b, find_unknown(w));
    buffer_z(b, bytes ? ", \"byte_fallback\": true, \"vocab\": ["
                      : ", \"byte_fallback\": false, \"vocab\": [");
    add_scored(w);
    buffer_z(b, "]}}\n");
    return 0;
}
