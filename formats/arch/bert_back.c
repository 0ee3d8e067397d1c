/* SPDX-License-Identifier: Apache-2.0
 * formats/arch/bert_back.c - the way back of encoders. One architecture stands for several classes
 * of transformers, which tensors and the tokenizer tell from each other. */
#include "formats/arch/bert.h"
#include "formats/arch/back.h"
#include "formats/arch/reverse.h"
#include <errno.h>

/* --- tensors --- */

/* How many rows of positions come first that are not used: up to that of the padding. */
static uint64_t position_offset(const struct model *m) {
    uint64_t pad;
    return kv_get_u64(&m->kvs, "tokenizer.ggml.padding_token_id", &pad) && pad < UINT16_MAX
               ? pad + 1
               : 0;
}

int roberta_back_own(struct reverse *r, const struct tensor *t, const struct tensor_rule *rule,
                     const struct name_match *match) {
    struct arena *a = r->form->arena;
    const uint64_t offset = position_offset(r->model);
    if (rule->second || !offset)
        return reverse_same(r, t, rule, match);
    if (t->n_dims != 2 || !t->elems || t->dims[1] > UINT32_MAX)
        return reverse_bad_shape(r, t, "not a matrix of positions");
    float *zeros = arena_array(a, float, t->dims[1]);
    const struct expr **in = arena_array(a, const struct expr *, offset + 1);
    if (!zeros || !in)
        return err_set(r->err, -ENOMEM, "no memory for the converted header");
    const struct expr *zero = expr_literal(a, zeros, t->dims[1]);
    for (uint64_t i = 0; i < offset; i++)
        in[i] = zero;
    in[offset] = expr_tensor(a, t);
    const uint64_t dims[2] = { offset + t->dims[0], t->dims[1] };
    return reverse_target(r, name_build(a, rule->hf, match), t, dims, 2,
                          expr_stack(a, in, (uint32_t)offset + 1));
}

/* --- config.json --- */

static bool is_wordpiece(const struct back *w) {
    return back_says(w, "tokenizer.ggml.model", "bert");
}

static bool is_bert(const struct back *w) {
    return is_wordpiece(w) && back_has_tensor(w, "token_types.weight");
}

static bool is_unigram(const struct back *w) {
    return back_says(w, "tokenizer.ggml.model", "t5");
}

static bool is_bpe(const struct back *w) {
    return back_says(w, "tokenizer.ggml.model", "gpt2");
}

static void say_types(struct back *w) {
    const struct tensor *t = model_find(w->m, STR("token_types.weight"));
    if (t)
        back_u64(w, "type_vocab_size", t->n_dims == 2 ? t->dims[0] : 1);
}

static void say_positions(struct back *w) {
    uint64_t context;
    say_types(w);
    if (back_find_u64(w, ".context_length", &context))
        back_u64(w, "max_position_embeddings", context + position_offset(w->m));
}

/* Of what a classifier looks at, by llama.cpp's number; other ways are not converted. */
static void say_pooling(struct back *w) {
    static const char *const names[] = { [1] = "\"mean\"", [2] = "\"cls\"" };
    const uint64_t pooling = back_count(w, ".classifier.pooling_type", 0, 0);
    if (pooling && pooling < sizeof names / sizeof *names)
        back_raw(w, "classifier_pooling", names[pooling]);
}

static void say_modern(struct back *w) {
    float theta;
    say_pooling(w);
    if (back_find_f32(w, ".rope.freq_base", &theta))
        back_f32(w, "global_rope_theta", theta);
    if (back_find_f32(w, ".rope.freq_base_swa", &theta))
        back_f32(w, "local_rope_theta", theta);
}

const struct arch_back bert_back[] = { { "bert", "BertModel", .when = is_bert, .more = say_types },
                                       { 0 } };
const struct arch_back distilbert_back[] = {
    { .model_type = "distilbert", .class_name = "DistilBertModel", .when = is_wordpiece }, { 0 }
};
const struct arch_back roberta_back[] = {
    { "roberta", "RobertaModel", .when = is_bpe, .more = say_positions }, { 0 }
};
const struct arch_back xlm_roberta_back[] = {
    { "xlm-roberta", "XLMRobertaModel", .when = is_unigram, .more = say_positions }, { 0 }
};
const struct arch_back nomic_back[] = { { "nomic_bert", "NomicBertModel", .more = say_types },
                                        { 0 } };
static const struct hparam modern_pairs[] = {
    HPARAM_U32(".attention.sliding_window_pattern", "global_attn_every_n_layers"),
    HPARAM_F32(".attention.layer_norm_epsilon", "norm_eps"),
    HPARAM_END,
};
const struct arch_back modern_back[] = {
    { "modernbert", "ModernBertModel", .fields = "global_attn_every_n_layers",
      .pairs = modern_pairs, .more = say_modern },
    { 0 },
};
const struct arch_back eurobert_back[] = {
    { .model_type = "eurobert", .class_name = "EuroBertModel", .more = say_pooling },
    { 0 },
};
