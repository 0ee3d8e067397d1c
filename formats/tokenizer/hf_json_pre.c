/* SPDX-License-Identifier: Apache-2.0
 * formats/tokenizer/hf_json_pre.c - the patterns of pre-tokenizers, as the tokenizer.json of their
 * models have them. */
#include "formats/tokenizer/hf_json.h"

#define CONTRACTIONS "(?i:'s|'t|'re|'ve|'m|'ll|'d)"
#define WORDS        "[^\\r\\n\\p{L}\\p{N}]?\\p{L}+"
#define REST         " ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"
#define UPPER        "[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]"
#define LOWER        "[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]"
#define CASED(tail)                                                                             \
    "[^\\r\\n\\p{L}\\p{N}]?" UPPER "*" LOWER "+" tail "|[^\\r\\n\\p{L}\\p{N}]?" UPPER "+" LOWER \
    "*" tail
#define SLASHED " ?[^\\s\\p{L}\\p{N}]+[\\r\\n/]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"
#define NFC     "{\"type\":\"NFC\"}"

static const struct hf_pre pres[] = {
    { .names = "default gpt-2 jais trillion granite-docling phi-2", .normalizer = "null" },
    { .names = "mpt olmo gpt-neox", .normalizer = NFC },
    { .names = "llama3 llama-v3 llama-bpe falcon3 falcon-h1 pixtral midm-2.0 lfm2",
      .normalizer = "null",
      .regex = CONTRACTIONS "|" WORDS "|\\p{N}{1,3}|" REST,
      .ignore_merges = true,
      .add_bos = true },
    { .names = "smaug-bpe dbrx chatglm-bpe glm4",
      .normalizer = "null",
      .regex = CONTRACTIONS "|" WORDS "|\\p{N}{1,3}|" REST },
    { .names = "qwen2 deepseek-r1-qwen kormo megrez hunyuan",
      .normalizer = NFC,
      .regex = CONTRACTIONS "|" WORDS "|\\p{N}|" REST },
    { .names = "stablelm2 grok-2",
      .normalizer = "null",
      .regex = CONTRACTIONS "|" WORDS "|\\p{N}|" REST },
    { .names = "starcoder refact smollm codeshell exaone minerva-7b",
      .normalizer = "null",
      .digits = true },
    { .names = "command-r", .normalizer = NFC, .digits = true },
    { .names = "tekken",
      .normalizer = "null",
      .regex = CASED("") "|\\p{N}|" SLASHED,
      .ignore_merges = true,
      .add_bos = true },
    { .names = "gpt-4o llama4",
      .normalizer = "null",
      .regex = CASED(CONTRACTIONS "?") "|\\p{N}{1,3}|" SLASHED },
};

static bool has_word(const char *words, struct str word) {
    while (*words) {
        const struct str w = { words, strcspn(words, " ") };
        if (str_eq(w, word))
            return true;
        words += w.n + strspn(words + w.n, " ");
    }
    return false;
}

const struct hf_pre *hf_pre_find(struct str name) {
    for (size_t i = 0; i < sizeof pres / sizeof *pres; i++)
        if (has_word(pres[i].names, name))
            return &pres[i];
    return NULL;
}
