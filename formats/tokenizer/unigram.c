/* SPDX-License-Identifier: Apache-2.0
 * formats/tokenizer/unigram.c - SentencePiece models of type Unigram, with the table of their
 * normalizer. Sources: sentencepiece_model.proto; conversion/t5.py; conversion/bert.py,
 * _xlmroberta_set_vocab. */
#include "formats/tokenizer/unigram.h"
#include "formats/tokenizer/spm.h"
#include <errno.h>
#include <stdlib.h>

enum { TRAINER_TYPE = 3 }; /* TrainerSpec */
enum { TYPE_UNIGRAM = 1, TYPE_BPE = 2 };
enum { NORMALIZER_CHARSMAP = 2, NORMALIZER_PREFIX = 3, NORMALIZER_SPACES = 4 };

static bool read_trainer(struct unigram *u, struct str bytes) {
    struct cursor c = cursor_over(bytes);
    struct field f;
    while (field_next(&c, &f))
        if (f.number == TRAINER_TYPE && f.wire == WIRE_VARINT)
            u->type = f.value;
    return !c.bad;
}

static bool read_normalizer(struct unigram *u, struct str bytes) {
    struct cursor c = cursor_over(bytes);
    struct field f;
    while (field_next(&c, &f)) {
        if (f.number == NORMALIZER_CHARSMAP && f.wire == WIRE_BYTES)
            u->charsmap = f.bytes;
        else if (f.number == NORMALIZER_PREFIX && f.wire == WIRE_VARINT)
            u->add_prefix = f.value != 0;
        else if (f.number == NORMALIZER_SPACES && f.wire == WIRE_VARINT)
            u->trim_spaces = f.value != 0;
    }
    return !c.bad;
}

static int read_specs(struct arch_work *w, struct unigram *u, struct str model) {
    struct cursor c = cursor_over(model);
    struct field f;
    bool ok = true;
    *u = (struct unigram){ .type = TYPE_UNIGRAM, .add_prefix = true, .trim_spaces = true };
    while (ok && field_next(&c, &f)) {
        if (f.number == MODEL_TRAINER && f.wire == WIRE_BYTES)
            ok = read_trainer(u, f.bytes);
        else if (f.number == MODEL_NORMALIZER && f.wire == WIRE_BYTES)
            ok = read_normalizer(u, f.bytes);
    }
    return ok && !c.bad
               ? 0
               : err_set(w->err, -EBADMSG, "the SentencePiece model's settings are damaged");
}

int unigram_add_pairs(struct arch_work *w, const struct vocab *v, const struct unigram *u,
                      int (*between)(struct arch_work *w)) {
    struct json *tokenizer = NULL;
    int rc = vocab_add(w, v, "t5", "default");
    if (rc == 0)
        rc = work_bool(w, "tokenizer.ggml.add_space_prefix", u->add_prefix);
    if (rc == 0 && between)
        rc = between(w);
    if (rc == 0)
        rc = work_bool(w, "tokenizer.ggml.remove_extra_whitespaces", u->trim_spaces);
    if (rc == 0 && u->charsmap.n)
        rc = work_array(w, "tokenizer.ggml.precompiled_charsmap", KV_U8, u->charsmap.p,
                        u->charsmap.n);
    if (rc == 0)
        rc = folder_json(w->folder, "tokenizer.json", FOLDER_MAX_TOKENIZER, &tokenizer, w->err);
    if (rc == 0)
        rc = special_add(w, tokenizer, v->n, false);
    json_free(tokenizer);
    return rc;
}

/* --- T5 --- */

static int add_t5(struct arch_work *w, const char *name, struct str model) {
    struct unigram u;
    struct vocab v;
    uint64_t pieces, n;
    int rc = read_specs(w, &u, model);
    if (rc == 0 && u.type == TYPE_BPE && strcmp(name, "tokenizer.model") == 0)
        return tokenizer_spm.add(w); /* Pile-T5 */
    if (rc == 0 && u.type != TYPE_UNIGRAM)
        rc = err_set(w->err, -ENOTSUP, "%s: a SentencePiece model that is not Unigram", name);
    if (rc == 0)
        rc = spm_count(w, model, &pieces);
    if (rc < 0)
        return rc;
    rc = hf_config_u64(&w->config, "vocab_size", &n, w->err);
    if (rc < 0)
        return rc;
    if (rc == 0)
        n = pieces;
    if (n < pieces)
        return err_set(w->err, -EBADMSG, "config.json: \"vocab_size\" is %llu, %s has %llu pieces",
                       (unsigned long long)n, name, (unsigned long long)pieces);
    rc = vocab_init(&v, w, n, true);
    if (rc == 0)
        rc = spm_take(w, &v, model);
    if (rc == 0)
        rc = spm_take_added(w, &v);
    if (rc == 0)
        rc = unigram_add_pairs(w, &v, &u, NULL);
    return rc < 0 ? rc : 1;
}

/* --- XLM-RoBERTa --- */

int unigram_add_token_types(struct arch_work *w) {
    uint64_t n = 1;
    int rc = hf_config_u64(&w->config, "type_vocab_size", &n, w->err);
    return rc < 0 ? rc : work_u32(w, "tokenizer.ggml.token_type_count", n);
}

/* Fairseq's ids: four special tokens in front, the three of the model gone. */
static void realign(struct vocab *v) {
    static const char *const first[] = { "<s>", "<pad>", "</s>", "<unk>" };
    for (uint64_t i = v->n; i-- > 4;) {
        v->texts[i] = v->texts[i - 1];
        v->scores[i] = v->scores[i - 1];
        v->types[i] = v->types[i - 1];
    }
    for (uint64_t i = 0; i < 4; i++) {
        v->texts[i] = str_from(first[i]);
        v->scores[i] = 0;
        v->types[i] = i < 3 ? TOKEN_CONTROL : TOKEN_UNKNOWN;
    }
}

/* The names of tokens without a text tell their ids, so they come before the ids change. */
static int name_padding(struct arch_work *w, struct vocab *v) {
    for (uint64_t i = 0; i < v->n; i++) {
        if (!v->texts[i].p)
            v->texts[i] = arena_printf(w->form->arena, "[PAD%llu]", (unsigned long long)i);
        if (!v->texts[i].p)
            return work_no_memory(w);
    }
    return 0;
}

static int add_bert(struct arch_work *w, const char *name, struct str model) {
    enum { NOMIC_MASK = 250001 };
    struct unigram u;
    struct vocab v;
    uint64_t pieces, n = 0;
    int rc = read_specs(w, &u, model);
    if (rc == 0 && u.type != TYPE_UNIGRAM)
        rc = err_set(w->err, -ENOTSUP, "%s: a SentencePiece model that is not Unigram", name);
    if (rc == 0)
        rc = spm_count(w, model, &pieces);
    if (rc < 0)
        return rc;
    rc = hf_config_u64(&w->config, "vocab_size", &n, w->err);
    if (rc >= 0)
        rc = vocab_init(&v, w, n > pieces ? n : pieces, true);
    if (rc == 0 && v.n < 4)
        rc = err_set(w->err, -EBADMSG, "%s: fewer than four pieces", name);
    if (rc == 0)
        rc = spm_take(w, &v, model);
    if (rc == 0)
        rc = name_padding(w, &v);
    if (rc < 0)
        return rc;
    realign(&v);
    if (strcmp(w->arch->gguf, "nomic-bert-moe") == 0 && v.n > NOMIC_MASK) {
        v.texts[NOMIC_MASK] = STR("<mask>");
        v.scores[NOMIC_MASK] = 0;
        v.types[NOMIC_MASK] = TOKEN_CONTROL;
    }
    rc = unigram_add_pairs(w, &v, &u, unigram_add_token_types);
    return rc < 0 ? rc : 1;
}

/* --- files --- */

static int add_file(struct arch_work *w, const char *name,
                    int (*add)(struct arch_work *w, const char *name, struct str model)) {
    char *bytes = NULL;
    size_t n;
    int rc = folder_slurp(w->folder, name, FOLDER_MAX_TOKENIZER, &bytes, &n, w->err);
    if (rc == 0)
        rc = add(w, name, (struct str){ bytes, n });
    free(bytes);
    return rc;
}

static int t5_add(struct arch_work *w) {
    static const char *const names[] = { "tokenizer.model", "spiece.model" };
    for (size_t i = 0; i < 2; i++)
        if (folder_has(w->folder, names[i]))
            return add_file(w, names[i], add_t5);
    return 0;
}

static int bert_add(struct arch_work *w) {
    return folder_has(w->folder, "sentencepiece.bpe.model")
               ? add_file(w, "sentencepiece.bpe.model", add_bert)
               : 0;
}

const struct tokenizer_kind tokenizer_t5 = { "tokenizer.model, spiece.model", t5_add };
const struct tokenizer_kind tokenizer_unigram_bert = { "sentencepiece.bpe.model", bert_add };
