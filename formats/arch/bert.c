/* SPDX-License-Identifier: Apache-2.0
 * formats/arch/bert.c - BERT and its relatives: encoders that make embeddings.
 * Source: conversion/bert.py; configuration_bert.py and those of the relatives. */
#include "formats/arch/bert.h"
#include "formats/arch/families.h"
#include "formats/arch/work.h"
#include "formats/tokenizer/tokenizer.h"
#include <errno.h>
#include <stdio.h>

/* --- tensors --- */

#define EMBEDDINGS                                                              \
    { "embeddings.word_embeddings", "token_embd", OP_SAME, NULL },              \
        { "embeddings.token_type_embeddings", "token_types", OP_SAME, NULL }, { \
        "embeddings.LayerNorm", "token_embd_norm", OP_SAME, NULL                \
    }
/* @op: of the positions. From layer_norm_1 on: Jina 2. */
#define BERT_RULES(op)                                                                             \
    EMBEDDINGS, { "embeddings.position_embeddings", "position_embd", op, NULL },                   \
        { "encoder.layer.#.attention.self.query", "blk.#.attn_q", OP_SAME, NULL },                 \
        { "encoder.layer.#.attention.self.key", "blk.#.attn_k", OP_SAME, NULL },                   \
        { "encoder.layer.#.attention.self.value", "blk.#.attn_v", OP_SAME, NULL },                 \
        { "encoder.layer.#.attention.self.layer_norm_q", "blk.#.attn_q_norm", OP_SAME, NULL },     \
        { "encoder.layer.#.attention.self.layer_norm_k", "blk.#.attn_k_norm", OP_SAME, NULL },     \
        { "encoder.layer.#.attention.output.dense", "blk.#.attn_output", OP_SAME, NULL },          \
        { "encoder.layer.#.attention.output.LayerNorm", "blk.#.attn_output_norm", OP_SAME, NULL }, \
        { "encoder.layer.#.intermediate.dense", "blk.#.ffn_up", OP_SAME, NULL },                   \
        { "encoder.layer.#.output.dense", "blk.#.ffn_down", OP_SAME, NULL },                       \
        { "encoder.layer.#.output.LayerNorm", "blk.#.layer_output_norm", OP_SAME, NULL },          \
        { "encoder.layer.#.layer_norm_1", "blk.#.attn_norm_2", OP_SAME, NULL },                    \
        { "encoder.layer.#.layer_norm_2", "blk.#.layer_output_norm", OP_SAME, NULL },              \
        { "encoder.layer.#.mlp.layernorm", "blk.#.layer_output_norm", OP_SAME, NULL },             \
        { "encoder.layer.#.mlp.gated_layers", "blk.#.ffn_up", OP_SAME, NULL },                     \
        { "encoder.layer.#.mlp.up_gated_layer", "blk.#.ffn_up", OP_SAME, NULL },                   \
        { "encoder.layer.#.mlp.gated_layers_v", "blk.#.ffn_up", OP_SAME, NULL },                   \
        { "encoder.layer.#.mlp.gated_layers_w", "blk.#.ffn_gate", OP_SAME, NULL },                 \
        { "encoder.layer.#.mlp.down_layer", "blk.#.ffn_down", OP_SAME, NULL },                     \
        { "encoder.layer.#.mlp.wo", "blk.#.ffn_down", OP_SAME, NULL }, CLASSIFIER, NOT_NEEDED

static const struct tensor_rule bert_rules[] = { BERT_RULES(OP_SAME), { 0 } };
static const struct tensor_rule roberta_rules[] = { BERT_RULES(OP_OWN), { 0 } };

static const struct tensor_rule distilbert_rules[] = {
    EMBEDDINGS,
    { "embeddings.position_embeddings", "position_embd", OP_SAME, NULL },
    { "transformer.layer.#.attention.q_lin", "blk.#.attn_q", OP_SAME, NULL },
    { "transformer.layer.#.attention.k_lin", "blk.#.attn_k", OP_SAME, NULL },
    { "transformer.layer.#.attention.v_lin", "blk.#.attn_v", OP_SAME, NULL },
    { "transformer.layer.#.attention.out_lin", "blk.#.attn_output", OP_SAME, NULL },
    { "transformer.layer.#.sa_layer_norm", "blk.#.attn_output_norm", OP_SAME, NULL },
    { "transformer.layer.#.ffn.lin1", "blk.#.ffn_up", OP_SAME, NULL },
    { "transformer.layer.#.ffn.lin2", "blk.#.ffn_down", OP_SAME, NULL },
    { "transformer.layer.#.output_layer_norm", "blk.#.layer_output_norm", OP_SAME, NULL },
    CLASSIFIER,
    NOT_NEEDED,
    { "vocab_~", NULL, OP_DROP, NULL }, /* the head of the pre-training */
    { 0 },
};

/* Nomic, and Jina 3, which is a RoBERTa in the same names. Its adapters become files of their own.
 */
static const struct tensor_rule nomic_rules[] = {
    { "emb_ln", "token_embd_norm", OP_SAME, NULL }, /* first: it is the name of the way back */
    EMBEDDINGS,
    { "encoder.layers.#.attn.Wqkv", "blk.#.attn_qkv", OP_SAME, NULL },
    { "encoder.layers.#.mixer.Wqkv", "blk.#.attn_qkv", OP_SAME, NULL },
    { "encoder.layers.#.attn.out_proj", "blk.#.attn_output", OP_SAME, NULL },
    { "encoder.layers.#.mixer.out_proj", "blk.#.attn_output", OP_SAME, NULL },
    { "encoder.layers.#.norm1", "blk.#.attn_output_norm", OP_SAME, NULL },
    { "encoder.layers.#.mlp.fc11", "blk.#.ffn_up", OP_SAME, NULL },
    { "encoder.layers.#.mlp.fc1", "blk.#.ffn_up", OP_SAME, NULL },
    { "encoder.layers.#.mlp.fc12", "blk.#.ffn_gate", OP_SAME, NULL },
    { "encoder.layers.#.mlp.fc2", "blk.#.ffn_down", OP_SAME, NULL },
    { "encoder.layers.#.norm2", "blk.#.layer_output_norm", OP_SAME, NULL },
    { "encoder.layers.#.mlp.router.layer", "blk.#.ffn_gate_inp", OP_SAME, NULL },
    { "encoder.layers.#.mlp.experts.mlp.w1", "blk.#.ffn_up_exps", OP_OWN, "rows" },
    { "encoder.layers.#.mlp.experts.mlp.w2", "blk.#.ffn_down_exps", OP_OWN, "columns" },
    { "encoder.layers.#.mlp.experts.bias", NULL, OP_DROP, NULL },
    { "embeddings.word_embeddings.weight.0~", NULL, OP_DROP, NULL },
    { "embeddings.token_type_embeddings.weight.0~", NULL, OP_DROP, NULL },
    { "encoder.layers.#.mixer.Wqkv.weight.0~", NULL, OP_DROP, NULL },
    { "encoder.layers.#.mixer.out_proj.weight.0~", NULL, OP_DROP, NULL },
    { "encoder.layers.#.mlp.fc1.weight.0~", NULL, OP_DROP, NULL },
    { "encoder.layers.#.mlp.fc2.weight.0~", NULL, OP_DROP, NULL },
    CLASSIFIER,
    NOT_NEEDED,
    { 0 },
};

/* --- what a table alone does not say --- */

/* Does config.json name classes? Two that begin with LABEL_0 are transformers' own. */
static bool has_labels(const struct arch_work *w) {
    const struct json *labels = hf_config_json(&w->config, "id2label");
    struct str first;
    return json_len(labels) > 0 &&
           !(json_len(labels) == 2 && json_str(json_get(labels, "0"), &first) &&
             str_is(first, "LABEL_0"));
}

/* RoBERTa's positions begin behind that of the padding. */
static int position_offset(const struct arch_work *w, uint64_t *offset) {
    int rc = hf_config_u64(&w->config, "pad_token_id", offset, w->err);
    *offset = rc > 0 ? *offset + 1 : 0;
    return rc < 0 ? rc : 0;
}

static int cut_positions(struct arch_work *w, const struct tensor *t,
                         const struct tensor_rule *rule, const struct name_match *match) {
    struct arena *a = w->form->arena;
    uint64_t offset;
    int rc = position_offset(w, &offset);
    if (rc < 0)
        return rc;
    if (t->n_dims != 2 || offset >= t->dims[0])
        return err_set(w->err, -EBADMSG, "tensor %.*s: no position behind \"pad_token_id\"",
                       STR_ARG(t->name));
    const uint64_t dims[2] = { t->dims[0] - offset, t->dims[1] };
    return work_target(w, name_build(a, rule->gguf, match), dims, 2,
                       expr_slice(a, expr_tensor(a, t), offset, dims[0]));
}

int bert_own(struct arch_work *w, const struct tensor *t, const struct tensor_rule *rule,
             const struct name_match *match) {
    struct tensor_rule same = { rule->hf, rule->gguf, OP_SAME, NULL };
    if (rule->second && has_labels(w)) /* the classifier projects onto the classes itself */
        same.gguf = rule->second;
    return op_to_gguf(w, t, &same, match);
}

static int own_roberta(struct arch_work *w, const struct tensor *t, const struct tensor_rule *rule,
                       const struct name_match *match) {
    return rule->second ? bert_own(w, t, rule, match) : cut_positions(w, t, rule, match);
}

/* Nomic's experts lie below each other: [experts * inner][embedding]. */
static int own_nomic(struct arch_work *w, const struct tensor *t, const struct tensor_rule *rule,
                     const struct name_match *match) {
    struct arena *a = w->form->arena;
    uint64_t dims[3];
    if (match->rest.n || !rule->second || str_is(str_from(rule->second), "cls.output"))
        return bert_own(w, t, rule, match);
    int rc = hf_config_need(&w->config, "num_local_experts num_experts", &dims[0], w->err);
    if (rc < 0)
        return rc;
    if (t->n_dims != 2 || !dims[0] || t->dims[0] % dims[0] || t->elems == 0)
        return err_set(w->err, -EBADMSG, "tensor %.*s: not the rows of %llu experts",
                       STR_ARG(t->name), (unsigned long long)dims[0]);
    const struct name_match named = { match->block, match->expert, STR(".weight") };
    const uint64_t inner = t->dims[0] / dims[0], embd = t->dims[1];
    const bool turned = *rule->second == 'c';
    dims[1] = turned ? embd : inner;
    dims[2] = turned ? inner : embd;
    const struct expr *e = expr_tensor(a, t);
    return work_target(w, name_build(a, rule->gguf, &named), dims, 3,
                       turned ? expr_transpose(a, e, inner) : e);
}

static int add_labels(struct arch_work *w) {
    const struct json *labels = hf_config_json(&w->config, "id2label");
    const size_t n = json_len(labels);
    struct str *texts = arena_array(w->form->arena, struct str, n + 1);
    if (!texts)
        return work_no_memory(w);
    for (size_t i = 0; i < n; i++) { /* by number; one that is left out is an error */
        char key[24];
        snprintf(key, sizeof key, "%zu", i);
        if (!json_str(json_get(labels, key), &texts[i]))
            return err_set(w->err, -ENOTSUP, "config.json: \"id2label\" has no class %zu", i);
    }
    return kv_set_strs(&w->form->kvs, w->form->arena,
                       arena_printf(w->form->arena, "%s.classifier.output_labels", w->arch->gguf).p,
                       texts, n)
               ? 0
               : work_no_memory(w);
}

int bert_add_embeddings(struct arch_work *w) {
    int rc = work_bool(w, ".attention.causal", false);
    if (rc == 0)
        rc = hparam_pooling(w);
    return rc < 0 || !has_labels(w) ? rc : add_labels(w);
}

static int add_context(struct arch_work *w) {
    uint64_t n, offset;
    int rc = position_offset(w, &offset);
    if (rc < 0 || !offset)
        return rc;
    rc = hf_config_u64(&w->config, "max_position_embeddings", &n, w->err);
    if (rc > 0 && n < offset)
        return err_set(w->err, -EBADMSG,
                       "config.json: \"max_position_embeddings\" is less than \"pad_token_id\"");
    return rc <= 0 ? rc : work_u32(w, ".context_length", n - offset);
}

static int add_distilbert_epsilon(struct arch_work *w) {
    return work_f32(w, ".attention.layer_norm_epsilon", 1e-12);
}

const struct hparam bert_hparams[] = {
    HPARAM_LIST(hparams_text),
    HPARAM_CALL(bert_add_embeddings),
    HPARAM_END,
};

static const struct hparam roberta_hparams[] = {
    HPARAM_LIST(hparams_text),
    HPARAM_CALL(add_context),
    HPARAM_CALL(bert_add_embeddings),
    HPARAM_END,
};

static const struct hparam distilbert_hparams[] = {
    HPARAM_CALL(add_distilbert_epsilon),
    HPARAM_LIST(bert_hparams),
    HPARAM_END,
};

/* Has tokenizer.json a model of type WordPiece? 1: yes. */
static int is_wordpiece(struct arch_work *w) {
    struct json *tokenizer;
    struct str type;
    int rc = folder_json(w->folder, "tokenizer.json", FOLDER_MAX_TOKENIZER, &tokenizer, w->err);
    const bool is = json_str(json_get(json_get(tokenizer, "model"), "type"), &type) &&
                    str_is(type, "WordPiece");
    json_free(tokenizer);
    return rc < 0 ? rc : is;
}

/* With XLM-RoBERTa's tokenizer it counts positions as that does. */
static int add_nomic_context(struct arch_work *w) {
    int rc = is_wordpiece(w);
    return rc ? (rc < 0 ? rc : 0) : add_context(w);
}

static int before_nomic_moe(struct arch_work *w) {
    int rc = is_wordpiece(w);
    return rc > 0 ? bert_add_token_types(w) : rc;
}

static const struct hparam nomic_moe_hparams[] = {
    HPARAM_LIST(hparams_text),
    HPARAM_CALL(add_nomic_context),
    HPARAM_CALL(bert_add_embeddings),
    HPARAM_NEED(".moe_every_n_layers", "moe_every_n_layers"),
    HPARAM_NEED(".expert_used_count", "moe_top_k"),
    HPARAM_END,
};

/* --- vocabularies --- */

int bert_add_token_types(struct arch_work *w) {
    uint64_t n = 1;
    int rc = hf_config_u64(&w->config, "type_vocab_size", &n, w->err);
    return rc < 0 ? rc : work_u32(w, "tokenizer.ggml.token_type_count", n);
}

static bool jina_is_bpe(const struct arch_work *w) {
    struct str name;
    return json_str(json_get(w->folder->tokenizer_config, "tokenizer_class"), &name) &&
           str_is(name, "RobertaTokenizer");
}

static int before_jina(struct arch_work *w) {
    return jina_is_bpe(w) ? 0 : bert_add_token_types(w);
}

static int after_jina(struct arch_work *w) {
    return jina_is_bpe(w) ? work_u32(w, "tokenizer.ggml.token_type_count", 2) : 0;
}

static bool is_moe(const struct arch_work *w) {
    uint64_t n;
    return hf_config_u64(&w->config, "moe_every_n_layers", &n, NULL) > 0 && n > 0;
}

static bool has_adapters(const struct arch_work *w) {
    return json_len(hf_config_json(&w->config, "lora_adaptations")) > 0;
}

static const struct tokenizer_kind *const wordpiece[] = { &tokenizer_wordpiece, NULL };
static const struct tokenizer_kind *const bpe[] = { &tokenizer_gpt2, NULL };
static const struct tokenizer_kind *const either[] = { &tokenizer_wordpiece, &tokenizer_gpt2,
                                                       NULL };
static const struct tokenizer_kind *const unigram[] = { &tokenizer_unigram_bert,
                                                        &tokenizer_unigram_json, NULL };
static const struct tokenizer_kind *const nomic_moe[] = { &tokenizer_unigram_bert,
                                                          &tokenizer_unigram_json,
                                                          &tokenizer_wordpiece, NULL };

static const struct name_edit bert_edits[] = { { EDIT_START, "bert.", "" }, OLD_NAMES, { 0 } };
static const struct name_edit distilbert_edits[] = {
    { EDIT_START, "distilbert.", "" }, { EDIT_START, "bert.", "" }, OLD_NAMES, { 0 }
};
static const struct name_edit roberta_edits[] = { { EDIT_START, "roberta.", "" },
                                                  { EDIT_ANYWHERE, ".parametrizations.", "." },
                                                  { EDIT_END, ".original", "" },
                                                  { EDIT_START, "bert.", "" },
                                                  OLD_NAMES,
                                                  { 0 } };
static const struct arch archs[] = {
    { .gguf = "bert",
      .back = bert_back,
      .classes = "BertModel BertForMaskedLM CamembertModel BertForSequenceClassification",
      .edits = bert_edits,
      .rules = bert_rules,
      .hparams = bert_hparams,
      .own = bert_own,
      .tokenizers = wordpiece,
      .vocab = bert_add_token_types },
    { .gguf = "bert",
      .back = distilbert_back,
      .classes = "DistilBertModel DistilBertForMaskedLM DistilBertForSequenceClassification",
      .edits = distilbert_edits,
      .rules = distilbert_rules,
      .hparams = distilbert_hparams,
      .own = bert_own,
      .tokenizers = wordpiece,
      .vocab = bert_add_token_types },
    { .gguf = "bert",
      .back = roberta_back,
      .own_back = roberta_back_own,
      .classes = "RobertaModel RobertaForSequenceClassification",
      .edits = roberta_edits,
      .rules = roberta_rules,
      .hparams = roberta_hparams,
      .own = own_roberta,
      .tokenizers = bpe,
      .after = bert_add_token_types },
    { .gguf = "jina-bert-v3",
      .classes = "XLMRobertaModel XLMRobertaForSequenceClassification",
      .when = has_adapters,
      .edits = roberta_edits,
      .rules = nomic_rules,
      .hparams = roberta_hparams,
      .own = own_roberta,
      .tokenizers = unigram },
    { .gguf = "bert",
      .back = xlm_roberta_back,
      .own_back = roberta_back_own,
      .classes = "XLMRobertaModel XLMRobertaForSequenceClassification",
      .edits = roberta_edits,
      .rules = roberta_rules,
      .hparams = roberta_hparams,
      .own = own_roberta,
      .tokenizers = unigram },
    { .gguf = "nomic-bert-moe",
      .some = "blk.", /* transformers takes another key for their number */
      .classes = "NomicBertModel",
      .when = is_moe,
      .edits = bert_edits,
      .rules = nomic_rules,
      .hparams = nomic_moe_hparams,
      .own = own_nomic,
      .tokenizers = nomic_moe,
      .vocab = before_nomic_moe },
    { .gguf = "nomic-bert",
      .some = "blk.",
      .back = nomic_back,
      .classes = "NomicBertModel",
      .edits = bert_edits,
      .rules = nomic_rules,
      .hparams = bert_hparams,
      .own = own_nomic,
      .tokenizers = wordpiece,
      .vocab = bert_add_token_types },
    { .gguf = "jina-bert-v2",
      .classes = "JinaBertModel JinaBertForMaskedLM",
      .edits = bert_edits,
      .rules = bert_rules,
      .hparams = bert_hparams,
      .own = bert_own,
      .tokenizers = either,
      .vocab = before_jina,
      .after = after_jina },
    { 0 },
};

const struct family family_bert = { bert_classes, archs };
