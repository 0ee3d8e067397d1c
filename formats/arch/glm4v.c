/* SPDX-License-Identifier: Apache-2.0
 * formats/arch/glm4v.c - the text parts of GLM-4V and GLM-OCR, without experts. Source:
 * conversion/glm.py; configuration_glm4v.py, _glm_ocr.py. */
#include "formats/arch/families.h"
#include "formats/arch/glm.h"
#include "formats/arch/reverse.h"
#include "formats/tokenizer/tokenizer.h"
#include <errno.h>

static const struct hf_class classes[] = {
    { .model_type = "glm4v_text",
      .defaults = JSON_TEXT({
          "vocab_size" : 151552,
          "hidden_size" : 4096,
          "intermediate_size" : 13696,
          "num_hidden_layers" : 40,
          "num_attention_heads" : 32,
          "num_key_value_heads" : 2,
          "max_position_embeddings" : 32768,
          "rms_norm_eps" : 1e-5
      }),
      .rope_theta = 10000,
      .fill = { { "num_key_value_heads", "num_attention_heads", NULL } } },
    { .model_type = "glm_ocr_text",
      .defaults = JSON_TEXT({
          "vocab_size" : 59392,
          "hidden_size" : 1024,
          "intermediate_size" : 4096,
          "num_hidden_layers" : 16,
          "num_attention_heads" : 16,
          "num_key_value_heads" : 8,
          "max_position_embeddings" : 131072,
          "rms_norm_eps" : 1e-5
      }),
      .kinds = "num_key_value_heads=i",
      .rope_theta = 10000,
      .fill = { { "num_key_value_heads", "num_attention_heads", NULL } } },
    { 0 },
};

static const struct tensor_rule rules[] = {
    GLM4_RULES(OP_OWN, OP_OWN),
    DECODER_MTP,
    RULES_END,
};

/* The rows that turn, in pairs in each head, become halves, where positions have several
 * dimensions; the rest of the head stays behind them. */
static int own_turned(struct arch_work *w, const struct tensor *t, const struct tensor_rule *rule,
                      const struct name_match *match) {
    struct arena *a = w->form->arena;
    const double part = w->rope.has_partial ? w->rope.partial : 0.5;
    uint64_t dim;
    int rc = decoder_head_dim(w, &dim);
    if (rc < 0)
        return rc;
    const struct expr *e = t->n_dims == 1 && t->elems ? expr_tensor_as(a, t, 1) : expr_tensor(a, t);
    if (json_get(w->rope.params, "mrope_section")) {
        if (!dim || dim > UINT16_MAX || !(part >= 0 && part <= 1) || t->n_dims < 1 ||
            t->dims[0] % dim || (uint64_t)((double)dim * part) % 2)
            return err_set(w->err, -EBADMSG,
                           "tensor %.*s: its rows are not those of config.json's heads",
                           STR_ARG(t->name));
        const uint64_t heads = t->dims[0] / dim, turned = (uint64_t)((double)dim * part);
        const struct expr **parts = arena_array(a, const struct expr *, 2 * heads + 1);
        uint32_t n = 0;
        if (!parts)
            return work_no_memory(w);
        for (uint64_t h = 0; h < heads; h++) {
            if (turned)
                parts[n++] =
                    expr_rows(a, e, (struct row_map){ h * dim, 2, { 2, turned / 2 }, { 1, 2 } });
            if (turned < dim)
                parts[n++] = expr_slice(a, e, h * dim + turned, dim - turned);
        }
        e = expr_stack(a, parts, n);
    }
    return work_target(w, name_build(a, rule->gguf, match), t->dims, t->n_dims, e);
}

/* The halves of what turns, in pairs again. */
static int back_turned(struct reverse *r, const struct tensor *t, const struct tensor_rule *rule,
                       const struct name_match *match) {
    struct arena *a = r->form->arena;
    uint64_t dim, turned;
    const bool q = strstr(rule->gguf, "attn_q");
    int rc =
        reverse_need(r, q ? "attention.head_count" : "attention.head_count_kv", match->block, &dim);
    const uint64_t heads = dim;
    if (rc == 0)
        rc = reverse_need(r, "rope.dimension_count", match->block, &turned);
    if (rc < 0)
        return rc;
    dim = t->n_dims ? t->dims[0] / heads : 0;
    if (t->n_dims < 1 || t->n_dims > 2 || !t->elems || t->dims[0] % heads || turned > dim ||
        turned % 2 || (t->n_dims == 1 && dtype_info[t->dtype].block_elems != 1))
        return reverse_bad_shape(r, t, "its rows are not those of the heads");
    const struct expr *e = reverse_rows(r, t);
    const struct expr **parts = arena_array(a, const struct expr *, 2 * heads);
    uint32_t n = 0;
    for (uint64_t h = 0; parts && h < heads; h++) {
        const struct row_map pairs = { h * dim, 2, { turned / 2, 2 }, { 1, turned / 2 } };
        parts[n++] = expr_rows(a, e, pairs);
        if (turned < dim)
            parts[n++] = expr_slice(a, e, h * dim + turned, dim - turned);
    }
    return reverse_target(r, name_build(a, rule->hf, match), t, t->dims, t->n_dims,
                          parts ? expr_stack(a, parts, n) : NULL);
}

/* With texts alone they are GLM-4. */
static const struct arch_back back[] = {
    { "glm4", "Glm4ForCausalLM", .when = glm_has_sections, .more = glm_say_heads }, { 0 }
};

static const struct hparam ocr_hparams[] = {
    HPARAM_LIST(glm4_hparams),
    HPARAM_CALL(hparam_mtp_blocks),
    HPARAM_END,
};

static const struct tokenizer_kind *const bpe[] = { &tokenizer_gpt2, NULL };

static const struct arch archs[] = {
    { .gguf = "glm4",
      .classes = "Glm4vForConditionalGeneration",
      .rules = rules,
      .back = back,
      .own = own_turned,
      .own_back = back_turned,
      .hparams = glm4_hparams,
      .tokens = glm4_tokens,
      .tokenizers = bpe },
    { .gguf = "glm4",
      .classes = "GlmOcrForConditionalGeneration",
      .rules = rules,
      .own = own_turned,
      .hparams = ocr_hparams,
      .mtp = "num_nextn_predict_layers",
      .tokens = glm4_tokens,
      .tokenizers = bpe },
    { 0 },
};

const struct family family_glm4v = { classes, archs };
