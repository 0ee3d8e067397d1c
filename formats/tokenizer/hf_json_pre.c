/* SPDX-License-Identifier: Apache-2.0
 * formats/tokenizer/hf_json_pre.c - the patterns of pre-tokenizers, as the tokenizer.json of their
 * models have them. */
#include "formats/tokenizer/hf_json.h"

#define CONTRACTIONS "(?i:'s|'t|'re|'ve|'m|'ll|'d)"
#define WORDS        "[^\\r\\n\\p{L}\\p{N}]?\\p{L}+"
#define SPACES       "\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"
#define REST         " ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|" SPACES
#define UPPER        "[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]"
#define LOWER        "[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]"
#define CASED(tail)                                                                             \
    "[^\\r\\n\\p{L}\\p{N}]?" UPPER "*" LOWER "+" tail "|[^\\r\\n\\p{L}\\p{N}]?" UPPER "+" LOWER \
    "*" tail
#define SLASHED " ?[^\\s\\p{L}\\p{N}]+[\\r\\n/]*|" SPACES
#define NFC     "{\"type\":\"NFC\"}"

/* DeepSeek: Chinese, and words with the sign before them. */
#define HAN_KANA   "[一-龥぀-ゟ゠-ヿ]+"
#define HAN_KOREAN "[一-龥ࠀ-一가-퟿]+"
#define SIGNED                                                                           \
    "[!\"#$%&'()*+,\\-./:;<=>?@\\[\\\\\\]^_`{|}~][A-Za-z]+|[^\\r\\n\\p{L}\\p{P}\\p{S}]?" \
    "[\\p{L}\\p{M}]+| ?[\\p{P}\\p{S}]+"
/* DeepSeek LLM: letters of alphabets with two cases. */
#define CASED_LETTERS                                                                                                                                                                                                       \
    "\\s?[A-Za-zµÀ-ÖØ-öø-ƺƼ-ƿǄ-ʓʕ-ʯͰ-ͳͶͷͻ-ͽͿΆΈ-ΊΌΎ-ΡΣ-ϵϷ-ҁҊ-ԯԱ-ՖႠ-ჅᎠ-Ᏽᏸ-ᏽᲐ-ᲺᲽ-Ჿᴀ-"                                                                                  \
    "ᴫᵫ-ᵷᵹ-ᶚḀ-ἕἘ-Ἕἠ-ὅὈ-Ὅ"                                                                                                                                                                         \
    "ὐ-ὗὙὛὝὟ-ώᾀ-ᾴᾶ-ᾼιῂ-ῄῆ-ῌῐ-ΐῖ-Ίῠ-Ῥῲ-ῴῶ-ῼℂℇℊ-ℓℕℙ-ℝℤΩℨK-ℭℯ-ℴℹℼ-ℿⅅ-ⅉⅎↃↄⰀ-ⱻⱾ-ⳤⳫ-ⳮⳲⳳꙀ-ꙭꚀ-ꚛꜢ-ꝯꝱ-ꞇꞋ-" \
    "ꞎꭰ-ꮿﬀ-ﬆﬓ-ﬗ"                                                                                                                                                                                              \
    "Ａ-Ｚａ-ｚ𐐀-𐑏𐒰-𐓓𐓘-𐓻𐲀-𐲲𐳀-𐳲𑢠-𑣟𞤀-𞥃]+"
#define SENTENCES " ?[^(\\s|.,!?…。，、।۔،)]+"

static const struct hf_pre pres[] = {
    { .names = "default gpt-2 jais trillion granite-docling phi-2 jina-es jina-de jina-v2-es "
               "jina-v2-de gigachat a.x-4.0 mellum modern-bert exaone4",
      .normalizer = "null" },
    { .names = "roberta-bpe jina-v1-en jina-v2-code", .normalizer = "null", .add_sep = true },
    { .names = "mpt olmo gpt-neox", .normalizer = NFC },
    { .names = "llama3 llama-v3 llama-bpe falcon3 falcon-h1 pixtral midm-2.0 lfm2 jina-v5-nano",
      .normalizer = "null",
      .splits = { CONTRACTIONS "|" WORDS "|\\p{N}{1,3}|" REST },
      .ignore_merges = true,
      .add_bos = true },
    { .names = "smaug-bpe dbrx chatglm-bpe",
      .normalizer = "null",
      .splits = { CONTRACTIONS "|" WORDS "|\\p{N}{1,3}|" REST } },
    { .names = "glm4 glm5",
      .normalizer = "null",
      .splits = { CONTRACTIONS "|" WORDS "|\\p{N}{1,3}|" REST },
      .ignore_merges = true },
    { .names = "qwen2 deepseek-r1-qwen kormo megrez hunyuan f2llmv2",
      .normalizer = NFC,
      .splits = { CONTRACTIONS "|" WORDS "|\\p{N}|" REST } },
    { .names = "qwen35",
      .normalizer = NFC,
      .splits = { CONTRACTIONS "|[^\\r\\n\\p{L}\\p{N}]?[\\p{L}\\p{M}]+|\\p{N}|"
                               " ?[^\\s\\p{L}\\p{M}\\p{N}]+[\\r\\n]*|" SPACES } },
    { .names = "stablelm2 grok-2 solar-open",
      .normalizer = "null",
      .splits = { CONTRACTIONS "|" WORDS "|\\p{N}|" REST } },
    { .names = "ufakzeka", .normalizer = "null", .splits = { WORDS "|\\p{N}|" REST } },
    { .names = "starcoder refact smollm codeshell exaone minerva-7b",
      .normalizer = "null",
      .digits = true },
    { .names = "command-r", .normalizer = NFC, .digits = true },
    { .names = "tekken",
      .normalizer = "null",
      .splits = { CASED("") "|\\p{N}|" SLASHED },
      .ignore_merges = true,
      .add_bos = true },
    { .names = "gpt-4o llama4 kanana2 talkie minimax-m2",
      .normalizer = "null",
      .splits = { CASED(CONTRACTIONS "?") "|\\p{N}{1,3}|" SLASHED } },
    { .names = "tiny_aya cohere2moe",
      .normalizer = "null",
      .splits = { "\\d{1,3}(?=(?:\\d{3})*\\b)", CASED(CONTRACTIONS "?") "|\\p{N}{1,3}|" SLASHED } },
    { .names = "deepseek-coder",
      .normalizer = "null",
      .splits = { "[\\r\\n]", "\\s?\\p{L}+", "\\s?\\p{P}+", HAN_KOREAN, "\\p{N}" } },
    { .names = "deepseek-llm",
      .normalizer = "null",
      .splits = { "[\\r\\n]", CASED_LETTERS, "\\s?[!-/:-~！-／：-～‘-‟　-。]+", "\\s+$", HAN_KOREAN,
                  "\\p{N}+" } },
    { .names = "deepseek-v3 hunyuan-dense joyai-llm hy_v4",
      .normalizer = "null",
      .splits = { "\\p{N}{1,3}", HAN_KANA, SIGNED "[\\r\\n]*|" SPACES } },
    { .names = "bloom poro-chat gpt3-finnish", .normalizer = "null", .splits = { SENTENCES } },
    { .names = "viking", .normalizer = "null", .splits = { SENTENCES, "\\p{N}" } },
    { .names = "bailingmoe bailingmoe2 llada-moe",
      .normalizer = "null",
      .splits = { "'(?i:[sdmt]|ll|ve|re)|" WORDS "|\\p{N}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|"
                  "\\s*[\\r\\n]|\\s+(?!\\S)|\\s+" } },
    { .names = "seed-coder",
      .normalizer = "null",
      .splits = { CONTRACTIONS "|" WORDS "|\\p{N}| ?[^\\s\\p{L}\\p{N}\\r\\n]+|" SPACES } },
    { .names = "falcon",
      .normalizer = "null",
      .whole =
          "{\"type\": \"Punctuation\", \"behavior\": \"Contiguous\"}, {\"type\": \"ByteLevel\", "
          "\"add_prefix_space\": false, \"trim_offsets\": true, \"use_regex\": true}, "
          "{\"type\": \"Digits\", \"individual_digits\": false}, {\"type\": \"Split\", "
          "\"pattern\": {\"Regex\": \"[0-9][0-9][0-9]\"}, \"behavior\": \"Isolated\", "
          "\"invert\": false}" },
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
