/* SPDX-License-Identifier: Apache-2.0
 * formats/arch/llama_original.c - Llama as Meta gives it out (formats/original.h). Queries and keys
 * have llama.cpp's order there: what transformers' script permutes, the converter permutes back. */
#include "formats/arch/decoder.h"
#include "formats/arch/families.h"
#include "formats/tokenizer/tokenizer.h"

#define OWN(there, here) \
    { there, here, OP_OWN, NULL }

static const struct tensor_rule rules[] = {
    OWN("tok_embeddings", "token_embd"),
    OWN("norm", "output_norm"),
    OWN("output", "output"),
    OWN("layers.#.attention_norm", "blk.#.attn_norm"),
    OWN("layers.#.ffn_norm", "blk.#.ffn_norm"),
    OWN("layers.#.attention.wq", "blk.#.attn_q"),
    OWN("layers.#.attention.wk", "blk.#.attn_k"),
    OWN("layers.#.attention.wv", "blk.#.attn_v"),
    OWN("layers.#.attention.wo", "blk.#.attn_output"),
    OWN("layers.#.feed_forward.w1", "blk.#.ffn_gate"),
    OWN("layers.#.feed_forward.w2", "blk.#.ffn_down"),
    OWN("layers.#.feed_forward.w3", "blk.#.ffn_up"),
    { "rope.freqs", "", OP_DROP, NULL },
    RULES_END,
};

/* The script makes bf16 of all numbers; a head that is the embedding is not saved. */
static int through_bf16(struct arch_work *w, const struct tensor *t, const struct tensor_rule *rule,
                        const struct name_match *match) {
    struct arena *a = w->form->arena;
    if (strcmp(rule->gguf, "output") == 0 &&
        hf_config_bool(&w->config, "tie_word_embeddings", false))
        return 0;
    return work_target(w, name_build(a, rule->gguf, match), t->dims, t->n_dims,
                       expr_round(a, expr_tensor(a, t), DTYPE_BF16));
}

static const struct hparam hparams[] = {
    HPARAM_LIST(hparams_text),
    HPARAM_NEED(".vocab_size", "vocab_size"),
    HPARAM_CALL(decoder_rope_dimension),
    HPARAM_END,
};

static const struct tokenizer_kind *const tokenizers[] = { &tokenizer_tiktoken,
                                                           &tokenizer_spm_original, NULL };

static const struct arch archs[] = {
    { .gguf = "llama",
      .classes = ORIGINAL_CLASS,
      .rules = rules,
      .own = through_bf16,
      .hparams = hparams,
      .tokenizers = tokenizers,
      .extra = decoder_llama_freqs,
      .after = decoder_llama_exceptions },
    { 0 },
};

const struct family family_llama_original = { NULL, archs };
