/* SPDX-License-Identifier: Apache-2.0
 * formats/tokenizer/spm.c - SentencePiece: tokenizer.model, and the tokens that JSON files beside
 * it add. Sources: sentencepiece_model.proto; conversion/base.py, _create_vocab_sentencepiece. */
#include "formats/json.h"
#include "formats/tokenizer/spm.h"
#include <errno.h>
#include <stdlib.h>

#define MODEL_FILE "tokenizer.model"

enum { PIECE_TEXT = 1, PIECE_SCORE = 2, PIECE_TYPE = 3 }; /* ModelProto.SentencePiece */

struct piece {
    struct str text;
    float score;
    uint64_t type; /* ModelProto.SentencePiece.Type */
};

static bool read_piece(struct str bytes, struct piece *piece) {
    struct cursor c = cursor_over(bytes);
    struct field f;
    *piece = (struct piece){ .text = STR(""), .type = 1 };
    while (field_next(&c, &f)) {
        const uint32_t bits = (uint32_t)f.value;
        if (f.number == PIECE_TEXT && f.wire == WIRE_BYTES)
            piece->text = f.bytes;
        else if (f.number == PIECE_SCORE && f.wire == WIRE_I32)
            memcpy(&piece->score, &bits, sizeof bits);
        else if (f.number == PIECE_TYPE && f.wire == WIRE_VARINT)
            piece->type = f.value;
    }
    return !c.bad;
}

/* By the type in the model. User-defined pieces are written as normal ones, as upstream does. */
static enum token_type token_type(uint64_t type) {
    static const enum token_type types[] = {
        [1] = TOKEN_NORMAL, [2] = TOKEN_UNKNOWN, [3] = TOKEN_CONTROL,
        [4] = TOKEN_NORMAL, [5] = TOKEN_UNUSED,  [6] = TOKEN_BYTE,
    };
    return type >= 1 && type < sizeof types / sizeof *types ? types[type] : TOKEN_NORMAL;
}

int spm_count(struct arch_work *w, struct str model, uint64_t *n) {
    struct cursor c = cursor_over(model);
    struct field f;
    for (*n = 0; field_next(&c, &f);)
        *n += f.number == MODEL_PIECE && f.wire == WIRE_BYTES;
    if (c.bad || *n == 0)
        return err_set(w->err, -EBADMSG, MODEL_FILE ": not a SentencePiece model (near byte %llu)",
                       (unsigned long long)(model.n - (size_t)(c.end - c.p)));
    return 0;
}

/* Pieces beyond the vocabulary of config.json are left out. */
int spm_take(struct arch_work *w, struct vocab *v, struct str model) {
    struct cursor c = cursor_over(model);
    struct field f;
    uint64_t id = 0;
    while (field_next(&c, &f)) {
        struct piece piece;
        if (f.number != MODEL_PIECE || f.wire != WIRE_BYTES)
            continue;
        if (!read_piece(f.bytes, &piece))
            return err_set(w->err, -EBADMSG, MODEL_FILE ": piece %llu is damaged",
                           (unsigned long long)id);
        if (id < v->n) {
            v->texts[id] = piece.text;
            v->types[id] = (int32_t)token_type(piece.type);
            v->scores[id] = piece.score;
        }
        id++;
    }
    return 0;
}

/* Tokens beyond the vocabulary are left out. */
static int take_text(struct arch_work *w, struct vocab *v, uint64_t id, struct str text,
                     enum token_type type) {
    if (id >= v->n)
        return 0;
    v->texts[id] = arena_str(w->form->arena, text);
    v->types[id] = (int32_t)type;
    v->scores[id] = -1000;
    return v->texts[id].p ? 0 : work_no_memory(w);
}

/* added_tokens.json: text -> id. */
int spm_take_added(struct arch_work *w, struct vocab *v) {
    struct json *added;
    int rc = folder_json(w->folder, "added_tokens.json", FOLDER_MAX_CONFIG, &added, w->err);
    for (struct json_iter it = json_iter(added); rc == 0 && json_next(&it);) {
        uint64_t id;
        if (!json_u64(it.value, &id)) {
            rc =
                err_set(w->err, -EBADMSG, "added_tokens.json: \"%.*s\" has no id", STR_ARG(it.key));
        } else {
            rc = take_text(w, v, id, it.key, TOKEN_USER_DEFINED);
        }
    }
    json_free(added);
    return rc;
}

bool spm_parse_id(struct str key, uint64_t *out) {
    uint64_t v = 0;
    for (size_t i = 0; i < key.n; i++) {
        if (key.p[i] < '0' || key.p[i] > '9' || i > 9)
            return false;
        v = 10 * v + (uint64_t)(key.p[i] - '0');
    }
    *out = v;
    return key.n > 0;
}

/* tokenizer_config.json's added_tokens_decoder: id -> token. */
static int take_decoder(struct arch_work *w, struct vocab *v) {
    const struct json *decoder = json_get(w->folder->tokenizer_config, "added_tokens_decoder");
    int rc = 0;
    for (struct json_iter it = json_iter(decoder); rc == 0 && json_next(&it);) {
        struct str text;
        uint64_t id;
        bool special = false;
        if (!spm_parse_id(it.key, &id) || !json_str(json_get(it.value, "content"), &text))
            return err_set(w->err, -EBADMSG,
                           "tokenizer_config.json: \"added_tokens_decoder\": \"%.*s\" has no "
                           "content, or is no id",
                           STR_ARG(it.key));
        (void)json_bool(json_get(it.value, "special"), &special);
        special |= token_looks_special(text);
        if (!special)
            text = token_unescape(w->form->arena, text);
        rc = text.p ? take_text(w, v, id, text, special ? TOKEN_CONTROL : TOKEN_USER_DEFINED)
                    : work_no_memory(w);
    }
    return rc;
}

/* Phi-3: JSON tokens as they stand, from tokenizer.json too. */
static int take_plain(struct arch_work *w, struct vocab *v, uint64_t id, const struct json *token) {
    struct str text;
    bool special = false;
    if (!json_str(json_get(token, "content"), &text))
        return err_set(w->err, -EBADMSG,
                       "token %llu of tokenizer.json or tokenizer_config.json "
                       "has no content",
                       (unsigned long long)id);
    (void)json_bool(json_get(token, "special"), &special);
    return take_text(w, v, id, text, special ? TOKEN_CONTROL : TOKEN_USER_DEFINED);
}

static int take_all_plain(struct arch_work *w, struct vocab *v, const struct json *tokenizer) {
    const struct json *decoder = json_get(w->folder->tokenizer_config, "added_tokens_decoder");
    const struct json *added = json_get(tokenizer, "added_tokens");
    int rc = 0;
    for (struct json_iter it = json_iter(decoder); rc == 0 && json_next(&it);) {
        uint64_t id;
        rc = spm_parse_id(it.key, &id) ? take_plain(w, v, id, it.value)
                                       : err_set(w->err, -EBADMSG,
                                                 "tokenizer_config.json: added_tokens_decoder: "
                                                 "\"%.*s\"",
                                                 STR_ARG(it.key));
    }
    for (size_t i = 0; rc == 0 && i < json_len(added); i++) {
        uint64_t id;
        rc = json_u64(json_get(json_at(added, i), "id"), &id)
                 ? take_plain(w, v, id, json_at(added, i))
                 : err_set(w->err, -EBADMSG, "tokenizer.json: added token %zu has no id", i);
    }
    return rc;
}

struct variant {
    bool plain; /* JSON tokens as they stand */
    const struct named_token *own;
    const bool *space_prefix;
    const char *tokenizer; /* in the place of tokenizer.json; or NULL */
};

static int add_model(struct arch_work *w, struct str model, const struct json *tokenizer,
                     const struct variant *variant) {
    struct vocab v;
    uint64_t pieces, n;
    int rc = spm_count(w, model, &pieces);
    if (rc < 0)
        return rc;
    rc = tokenizer_vocab_size(w, "vocab_size", &n);
    if (rc < 0)
        return rc;
    rc = vocab_init(&v, w, rc > 0 && n > 0 ? n : pieces, true);
    if (rc == 0)
        rc = spm_take(w, &v, model);
    if (rc == 0)
        rc = spm_take_added(w, &v);
    if (rc == 0)
        rc = variant->plain ? take_all_plain(w, &v, tokenizer) : take_decoder(w, &v);
    if (rc == 0)
        rc = vocab_add(w, &v, "llama", "default");
    if (rc == 0 && variant->space_prefix)
        rc = work_bool(w, "tokenizer.ggml.add_space_prefix", *variant->space_prefix);
    return rc < 0 ? rc : special_add_own(w, tokenizer, v.n, false, variant->own);
}

static int add_files(struct arch_work *w, const struct variant *variant) {
    struct json *tokenizer = NULL;
    char *bytes = NULL;
    size_t n;
    if (!folder_has(w->folder, MODEL_FILE))
        return 0;
    int rc = folder_slurp(w->folder, MODEL_FILE, FOLDER_MAX_TOKENIZER, &bytes, &n, w->err);
    if (rc == 0)
        rc = variant->tokenizer ? json_parse(&tokenizer, str_from(variant->tokenizer), w->err)
                                : folder_json(w->folder, "tokenizer.json", FOLDER_MAX_TOKENIZER,
                                              &tokenizer, w->err);
    if (rc == 0)
        rc = add_model(w, (struct str){ bytes, n }, tokenizer, variant);
    json_free(tokenizer);
    free(bytes);
    return rc < 0 ? rc : 1;
}

int spm_add_own(struct arch_work *w, const struct named_token *own, const bool *space_prefix) {
    return add_files(w, &(struct variant){ .own = own, .space_prefix = space_prefix });
}

int spm_add_with(struct arch_work *w, const char *tokenizer) {
    return add_files(w, &(struct variant){ .tokenizer = tokenizer });
}

static int spm_add(struct arch_work *w) {
    return add_files(w, &(struct variant){ 0 });
}

static int phi3_add(struct arch_work *w) {
    struct str name;
    if (json_str(json_get(w->folder->tokenizer_config, "tokenizer_class"), &name) &&
        str_is(name, "GPT2Tokenizer"))
        return 0;
    return add_files(w, &(struct variant){ .plain = true });
}

const struct tokenizer_kind tokenizer_spm = { MODEL_FILE, spm_add };
const struct tokenizer_kind tokenizer_spm_phi3 = { MODEL_FILE, phi3_add };
