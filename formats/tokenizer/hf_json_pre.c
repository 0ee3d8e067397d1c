/* SPDX-License-Identifier: Apache-2.0
 * formats/tokenizer/hf_json_pre.c - the patterns of pre-tokenizers, as the tokenizer.json of their
 * models have them. llama.cpp splits some texts otherwise than the models do (docs/architectures.md
 * says which); the model's own pattern counts where it is known. */
#include "formats/tokenizer/hf_json.h"

#define CONTRACTIONS "(?i:'s|'t|'re|'ve|'m|'ll|'d)"
#define WORDS        "[^\\r\\n\\p{L}\\p{N}]?\\p{L}+"
#define SPACES       "\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"
#define REST         " ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|" SPACES
#define GPT2                                                                         \
    "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|" \
    "\\s+"
/* Words end before a capital letter; @but: what is no letter of words. */
#define UPPER(but) "[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}" but "]"
#define LOWER(but) "[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}" but "]"
#define CASED_BUT(but, tail)                                                                     \
    "[^\\r\\n\\p{L}\\p{N}]?" UPPER(but) "*" LOWER(but) "+" tail "|[^\\r\\n\\p{L}\\p{N}]?" UPPER( \
        but) "+" LOWER(but) "*" tail
#define CASED(tail) CASED_BUT("", tail)
#define SLASHED     " ?[^\\s\\p{L}\\p{N}]+[\\r\\n/]*|" SPACES
#define BLANKS(n)   "\\s{" n "}(?!\\S)|"
#define NFC         "{\"type\":\"NFC\"}"

/* DeepSeek: Chinese, and words with the sign before them. */
#define HAN_KANA   "[一-龥぀-ゟ゠-ヿ]+"
#define HAN_KOREAN "[一-龥ࠀ-一가-퟿]+"
#define SIGNED                                                                           \
    "[!\"#$%&'()*+,\\-./:;<=>?@\\[\\\\\\]^_`{|}~][A-Za-z]+|[^\\r\\n\\p{L}\\p{P}\\p{S}]?" \
    "[\\p{L}\\p{M}]+| ?[\\p{P}\\p{S}]+"
/* AFMoE: the scripts without spaces, by llama.cpp's ranges. Youtu: Korean, signs of both widths,
 * Bopomofo, Chinese. */
#define SPACELESS                                                                   \
    "[\\x{4E00}-\\x{9FFF}\\x{3400}-\\x{4DBF}\\x{8C48}-\\x{FAFF}\\x{3040}-\\x{309F}" \
    "\\x{30A0}-\\x{30FF}\\x{FF65}-\\x{FF9F}\\x{2F00}-\\x{2FDF}\\x{E40}-\\x{E7F}"    \
    "\\x{E80}-\\x{EFF}\\x{1780}-\\x{17FF}\\x{1000}-\\x{109F}\\x{AA60}-\\x{AA7F}"    \
    "\\x{A9E0}-\\x{A9FF}\\x{AC00}-\\x{D7AF}\\x{1100}-\\x{11FF}]+"
#define EAST_ASIAN \
    "[가-힣ㄱ-ㆎ]+|[！…“”‘’—：；，、-〿︰-﹏]+|[ㄅ-ㄯ]+|" HAN_KANA
/* DeepSeek LLM: letters of alphabets with two cases. By numbers, as some of them are not in the
 * form that editors compose. */
#define CASED_LETTERS                                                                      \
    "\\s?["                                                                                \
    "A-Za-z\\x{B5}\\x{C0}-\\x{D6}\\x{D8}-\\x{F6}\\x{F8}-\\x{1BA}\\x{1BC}-\\x{1BF}\\x{1C4}" \
    "-\\x{293}\\x{295}-\\x{2AF}\\x{370}-\\x{373}\\x{376}\\x{377}\\x{37B}-\\x{37D}\\x{37F}" \
    "\\x{386}\\x{388}-\\x{38A}\\x{38C}\\x{38E}-\\x{3A1}\\x{3A3}-\\x{3F5}\\x{3F7}-\\x{481}" \
    "\\x{48A}-\\x{52F}\\x{531}-\\x{556}\\x{10A0}-\\x{10C5}\\x{13A0}-\\x{13F5}\\x{13F8}-"   \
    "\\x{13FD}\\x{1C90}-\\x{1CBA}\\x{1CBD}-\\x{1CBF}\\x{1D00}-\\x{1D2B}\\x{1D6B}-"         \
    "\\x{1D77}\\x{1D79}-\\x{1D9A}\\x{1E00}-\\x{1F15}\\x{1F18}-\\x{1F1D}\\x{1F20}-"         \
    "\\x{1F45}\\x{1F48}-\\x{1F4D}\\x{1F50}-\\x{1F57}\\x{1F59}\\x{1F5B}\\x{1F5D}\\x{1F5F}-" \
    "\\x{1F7D}\\x{1F80}-\\x{1FB4}\\x{1FB6}-\\x{1FBC}\\x{1FBE}\\x{1FC2}-\\x{1FC4}\\x{1FC6}" \
    "-\\x{1FCC}\\x{1FD0}-\\x{1FD3}\\x{1FD6}-\\x{1FDB}\\x{1FE0}-\\x{1FEC}\\x{1FF2}-"        \
    "\\x{1FF4}\\x{1FF6}-\\x{1FFC}\\x{2102}\\x{2107}\\x{210A}-\\x{2113}\\x{2115}\\x{2119}-" \
    "\\x{211D}\\x{2124}\\x{2126}\\x{2128}\\x{212A}-\\x{212D}\\x{212F}-\\x{2134}\\x{2139}"  \
    "\\x{213C}-\\x{213F}\\x{2145}-\\x{2149}\\x{214E}\\x{2183}\\x{2184}\\x{2C00}-\\x{2C7B}" \
    "\\x{2C7E}-\\x{2CE4}\\x{2CEB}-\\x{2CEE}\\x{2CF2}\\x{2CF3}\\x{A640}-\\x{A66D}\\x{A680}" \
    "-\\x{A69B}\\x{A722}-\\x{A76F}\\x{A771}-\\x{A787}\\x{A78B}-\\x{A78E}\\x{AB70}-"        \
    "\\x{ABBF}\\x{FB00}-\\x{FB06}\\x{FB13}-\\x{FB17}\\x{FF21}-\\x{FF3A}\\x{FF41}-"         \
    "\\x{FF5A}\\x{10400}-\\x{1044F}\\x{104B0}-\\x{104D3}\\x{104D8}-\\x{104FB}\\x{10C80}-"  \
    "\\x{10CB2}\\x{10CC0}-\\x{10CF2}\\x{118A0}-\\x{118DF}\\x{1E900}-\\x{1E943}"            \
    "]+"
#define SENTENCES " ?[^(\\s|.,!?…。，、।۔،)]+"

static const struct hf_pre pres[] = {
    { .names = "default",
      .normalizer = "null",
      .splits = { "[\\p{P}\\$\\+<=>\\^~\\|]+", GPT2, "\\p{N}+", "[0-9][0-9][0-9]" } },
    { .names = "gpt-2 jais trillion granite-docling phi-2 jina-es jina-de jina-v2-es "
               "jina-v2-de gigachat a.x-4.0 mellum modern-bert exaone4",
      .normalizer = "null" },
    { .names = "roberta-bpe jina-v1-en jina-v2-code", .normalizer = "null", .add_sep = true },
    { .names = "mpt olmo", .normalizer = NFC },
    { .names = "llama3 llama-v3 llama-bpe falcon3 falcon-h1 pixtral midm-2.0 lfm2 jina-v5-nano",
      .normalizer = "null",
      .splits = { CONTRACTIONS "|" WORDS "|\\p{N}{1,3}|" REST },
      .ignore_merges = true,
      .add_bos = true },
    { .names = "minicpm5",
      .normalizer = "null",
      .splits = { "\\p{N}{1,3}", CONTRACTIONS "|" WORDS "|\\p{N}+|" REST },
      .ignore_merges = true },
    { .names = "jais-2",
      .normalizer = "null",
      .splits = { CONTRACTIONS
                  "|" WORDS "|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|" BLANKS(
                      "512") BLANKS("256") BLANKS("128") BLANKS("64") BLANKS("32") BLANKS("16")
                      BLANKS("8") BLANKS("4") BLANKS("1,2") "\\s{1}" } },
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
    { .names = "laguna",
      .normalizer = "null",
      .splits = { "[^\\n]+|[\\n]+", CONTRACTIONS "|" WORDS "|\\p{N}|" REST } },
    { .names = "exaone-moe",
      .normalizer = "null",
      .splits = { CONTRACTIONS
                  "|[^\\r\\n\\p{L}\\p{N}]?(?:\\p{L}\\p{M}*(?: \\p{L}\\p{M}*)*)+|\\p{N}|"
                  " ?[^\\s\\p{L}\\p{N}]+[\\r\\n/]?|\\s*[\\r\\n]|\\s+(?!\\S)|\\s+" } },
    { .names = "ufakzeka", .normalizer = "null", .splits = { WORDS "|\\p{N}|" REST } },
    { .names = "starcoder refact smollm codeshell exaone minerva-7b mellum2",
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
    { .names = "granite-embed-multi-97m",
      .normalizer = "null",
      .splits = { CASED(CONTRACTIONS "?") "|\\p{N}{1,3}|" SLASHED },
      .ignore_merges = true },
    { .names = "youtu",
      .normalizer = "null",
      .splits = { EAST_ASIAN, CASED(CONTRACTIONS "?") "|\\p{N}|" SLASHED },
      .ignore_merges = true },
    { .names = "kimi-k2",
      .normalizer = "null",
      .splits = { "[\\p{Han}]+|" CASED_BUT("&&[^\\p{Han}]",
                                           CONTRACTIONS "?") "|\\p{N}{1,3}|" REST } },
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
    { .names = "spark2_5",
      .normalizer = "null",
      .splits = { "\\p{N}{1,3}", HAN_KANA, SIGNED "|[\\r\\n]|\\s+(?!\\S)|\\s+", "\\p{N}" } },
    { .names = "afmoe",
      .normalizer = "null",
      .splits = { "\\p{N}{1,3}(?=(?:\\p{N}{3})*(?!\\p{N}))", SPACELESS,
                  SIGNED "[\\r\\n]*|" SPACES } },
    { .names = "superbpe", .normalizer = "null", .splits = { "\\p{N}+", "(?=(\\d{3})+(?!\\d))" } },
    { .names = "chameleon",
      .normalizer = "null",
      .splits = { "<sentinel:[0-9]+>", "(IMGIMG)((A|B|C|D|E|F|G|H|I){1,4})Z", "([\\t\\n]|    |  )",
                  "\\p{N}", "[\\p{P}!-/:-@\\[-`{-~]", GPT2 },
      .add_bos = true },
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
