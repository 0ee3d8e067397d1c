/* SPDX-License-Identifier: Apache-2.0
 * formats/tokenizer/token_class.c - see token_class.h. */
#include "formats/tokenizer/token_class.h"
#include "formats/arch/work.h"

#define SPACE "\"\xe2\x96\x81\"" /* U+2581 */
#define END   "<|endoftext|>"
#define NFC   "\"normalizer\":{\"type\":\"NFC\"},"
#define LEVELS \
    "{\"type\":\"ByteLevel\",\"add_prefix_space\":{add_prefix_space|false},\"use_regex\":"
#define BYTES "\"decoder\":{\"type\":\"ByteLevel\"}"
/* A post-processor as tokenizer.json has it, but for the ids. */
#define AROUND(before, after)                                                  \
    ",\"post_processor\":{\"type\":\"TemplateProcessing\",\"single\":[" before \
    "{\"Sequence\":{\"id\":\"A\"}}" after "]}"
/* @absent: the id where no token has that role. */
#define SPECIAL(role, absent) "{\"SpecialToken\":{\"id\":{" role "},\"absent\":" absent "}}"

/* --- SentencePiece as BPE --- */

#define SPACED(more)                                                                      \
    "\"decoder\":{\"type\":\"Sequence\",\"decoders\":[{\"type\":\"Replace\",\"pattern\":" \
    "{\"String\":" SPACE                                                                  \
    "},\"content\":\" \"},{\"type\":\"ByteFallback\"},{\"type\":\"Fuse\"}" more "]},"
#define LLAMA(scheme, decoder)                                          \
    "{\"pre_tokenizer\":{\"type\":\"Metaspace\",\"replacement\":" SPACE \
    ",\"prepend_scheme\":\"" scheme "\",\"split\":false}," decoder      \
    "\"model\":{\"fuse_unk\":true,\"byte_fallback\":true}}"
#define STRIP SPACED(",{\"type\":\"Strip\",\"content\":\" \",\"start\":1,\"stop\":0}")

static const char *llama_steps(const struct json *config) {
    bool prefix = true, legacy = false;
    (void)json_bool(json_get(config, "add_prefix_space"), &prefix);
    (void)json_bool(json_get(config, "legacy"), &legacy);
    return !prefix  ? LLAMA("never", SPACED(""))
           : legacy ? LLAMA("always", STRIP)
                    : LLAMA("first", STRIP);
}

static const char *gemma_steps(const struct json *config) {
    (void)config;
    return "{\"normalizer\":{\"type\":\"Replace\",\"pattern\":{\"String\":\" \"},\"content\":" SPACE
           "},\"pre_tokenizer\":{\"type\":\"Split\",\"pattern\":{\"String\":\" \"},"
           "\"behavior\":\"MergedWithPrevious\",\"invert\":false}," SPACED(
               "") "\"model\":{\"fuse_unk\":true,\"byte_fallback\":true,"
                   "\"unk_token\":{unk_token}}}";
}

/* --- byte-level BPE --- */

#define CUT(letters, others)                                                                   \
    "{" NFC "\"pre_tokenizer\":{\"type\":\"Sequence\",\"pretokenizers\":[{\"type\":\"Split\"," \
    "\"behavior\":\"Isolated\",\"invert\":false,\"pattern\":{\"Regex\":\""                     \
    "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\\\r\\\\n\\\\p{L}\\\\p{N}]?" letters                      \
    "+|\\\\p{N}| ?[^\\\\s" others                                                              \
    "\\\\p{N}]+[\\\\r\\\\n]*|\\\\s*[\\\\r\\\\n]+|\\\\s+(?!\\\\S)|\\\\s+\"}}," LEVELS           \
    "false}]}," BYTES "}"

static const char *qwen2_steps(const struct json *config) {
    (void)config;
    return CUT("\\\\p{L}", "\\\\p{L}");
}

static const char *qwen35_steps(const struct json *config) {
    (void)config;
    return CUT("[\\\\p{L}\\\\p{M}]", "\\\\p{L}\\\\p{M}");
}

static const char *gpt2_steps(const struct json *config) {
    (void)config;
    return "{\"pre_tokenizer\":" LEVELS "true}," BYTES "}";
}

static const char *neox_steps(const struct json *config) {
    (void)config;
    return "{" NFC "\"pre_tokenizer\":" LEVELS "true}," BYTES ",\"post_processor\":null}";
}

static const char *cohere_steps(const struct json *config) {
    (void)config;
    return "{" NFC "\"pre_tokenizer\":{\"type\":\"Sequence\",\"pretokenizers\":[{\"type\":"
           "\"Digits\",\"individual_digits\":true}," LEVELS "true}]}," BYTES "}";
}

static const char *roberta_steps(const struct json *config) {
    (void)config;
    return "{\"pre_tokenizer\":" LEVELS
           "true}," BYTES AROUND(SPECIAL("cls_token", "2") ",", "," SPECIAL("sep_token", "3")) "}";
}

/* --- WordPiece --- */

static const char *bert_steps(const struct json *config) {
    (void)config;
    return "{\"normalizer\":{\"type\":\"BertNormalizer\",\"clean_text\":true,"
           "\"handle_chinese_chars\":{tokenize_chinese_chars|true},"
           "\"strip_accents\":{strip_accents|null},\"lowercase\":{do_lower_case|true}},"
           "\"pre_tokenizer\":{\"type\":\"BertPreTokenizer\"},"
           "\"decoder\":{\"type\":\"WordPiece\",\"prefix\":\"##\",\"cleanup\":true},"
           "\"model\":{\"unk_token\":{unk_token}}" AROUND(SPECIAL("cls_token", "2") ",",
                                                          "," SPECIAL("sep_token", "3")) "}";
}

/* Of RoBERTa, and of those that took them from it. */
#define ROBERTA_ROLES                                                                 \
    { "bos_token", "<s>" }, { "eos_token", "</s>" }, { "sep_token", "</s>" },         \
        { "cls_token", "<s>" }, { "unk_token", "<unk>" }, { "pad_token", "<pad>" }, { \
        "mask_token", "<mask>"                                                        \
    }

static const struct token_class classes[] = {
    { .names = "LlamaTokenizer Phi3Tokenizer",
      .model = "BPE",
      .steps = llama_steps,
      .own = { { "unk_token", "<unk>" }, { "bos_token", "<s>" }, { "eos_token", "</s>" } } },
    { .names = "GemmaTokenizer",
      .model = "BPE",
      .steps = gemma_steps,
      .own = { { "unk_token", "<unk>" },
               { "bos_token", "<bos>" },
               { "eos_token", "<eos>" },
               { "pad_token", "<pad>" },
               { "mask_token", "<mask>" } } },
    { .names = "Qwen2Tokenizer",
      .model = "BPE",
      .files = FILES_PAIRS,
      .steps = qwen2_steps,
      .own = { { "unk_token", END }, { "eos_token", END }, { "pad_token", END } },
      .again = ROLES_AS_TEXTS },
    { .names = "Qwen3_5Tokenizer",
      .model = "BPE",
      .steps = qwen35_steps,
      .own = { { "unk_token", END }, { "eos_token", END }, { "pad_token", END } } },
    { .names = "GPT2Tokenizer CodeGenTokenizer",
      .model = "BPE",
      .files = FILES_PAIRS,
      .steps = gpt2_steps,
      .own = { { "unk_token", END }, { "bos_token", END }, { "eos_token", END } },
      .unpadded = true },
    { .names = "GPTNeoXTokenizer",
      .model = "BPE",
      .files = FILES_PAIRS,
      .steps = neox_steps,
      .own = { { "unk_token", END },
               { "bos_token", END },
               { "eos_token", END },
               { "pad_token", "<|padding|>" } } },
    { .names = "CohereTokenizer",
      .model = "BPE",
      .files = FILES_PAIRS,
      .steps = cohere_steps,
      .own = { { "unk_token", "<UNK>" },
               { "bos_token", "<BOS_TOKEN>" },
               { "eos_token", "<|END_OF_TURN_TOKEN|>" },
               { "pad_token", "<PAD>" },
               { "cls_token", "<CLS>" },
               { "sep_token", "<SEP>" },
               { "mask_token", "<MASK_TOKEN>" } },
      .again = ROLES_AS_SPECIAL },
    { .names = "RobertaTokenizer BartTokenizer LEDTokenizer LongformerTokenizer MvpTokenizer",
      .model = "BPE",
      .steps = roberta_steps,
      .own = { ROBERTA_ROLES } },
    { .names = "XLMRobertaTokenizer", .model = "Unigram", .own = { ROBERTA_ROLES } },
    { .names =
          "BertTokenizer DistilBertTokenizer ConvBertTokenizer ElectraTokenizer LayoutLMTokenizer "
          "LxmertTokenizer MobileBertTokenizer SqueezeBertTokenizer",
      .model = "WordPiece",
      .files = FILES_LINES,
      .steps = bert_steps,
      .own = { { "unk_token", "[UNK]" },
               { "sep_token", "[SEP]" },
               { "pad_token", "[PAD]" },
               { "cls_token", "[CLS]" },
               { "mask_token", "[MASK]" } } },
};

/* The class that belongs to a model_type; "": tokenizer.json as it stands. @stubborn: of these,
 * some types have that class whatever tokenizer_config.json says. */
static const struct {
    const char *name, *types, *stubborn;
} mapped[] = {
    { "",
      "EvollaModel aria beam bigbird_pegasus canary flex_olmo glm glm4 glm4_moe glm4_moe_lite "
      "glm4v "
      "glm4v_moe glm_image glmasr got_ocr2 gpt_bigcode gradium_phonon_tts granite granitemoe "
      "granitemoehybrid granitemoeshared kimi_k25 kimi_linear kosmos-2 mimo_v2_flash minicpm_ocr "
      "minicpmv4_6 minicpmv4_7 ministral ministral3 mistral mistral3 mistral_large4 mixtral "
      "nemo_speechlm nystromformer olmo2 olmo3 olmo_hybrid pegasus_x persimmon pix2struct pixtral "
      "pocket_tts stablelm umt5 voxtral voxtral_realtime xlm-roberta-xl hyperclovax molmo "
      "hyperclovax_vlm phi3 phimoe minicpm3 minimax_m2 modernbert vipllava step3_vl "
      "modernbert-decoder chatlm internlm2 cohere_asr iquestcoder ernie4_5_moe llava_next minicpmv "
      "h2ovl_chat smolvlm llava nvfp4 internlm3 nemotron jamba phi3_v opencua paddleocr_vl fuyu "
      "openvla molmo2 arctic ernie4_5 camembertv2-base",
      "" },
    { "LlamaTokenizer", "idefics idefics2", "" },
    { "GemmaTokenizer",
      "diffusion_gemma gemma gemma2 gemma3 gemma3_text gemma3n gemma3n_text recurrent_gemma "
      "shieldgemma2 t5gemma zaya",
      "" },
    { "Qwen2Tokenizer",
      "audioflamingo3 colqwen2 cosmos3_omni dots3_note fun_asr_nano hunyuan_vl internvl "
      "lighton_ocr "
      "moss_transcribe_diarize ovis2 qianfan_ocr qwen2 qwen2_5_omni qwen2_5_vl qwen2_audio "
      "qwen2_moe "
      "qwen2_vl qwen3 qwen3_asr qwen3_moe qwen3_next qwen3_omni_moe qwen3_vl qwen3_vl_moe "
      "vibevoice",
      "qwen2" },
    { "Qwen3_5Tokenizer", "qwen3_5 qwen3_5_moe qwen3_5_moe_text qwen3_5_text qwen4_exp",
      "qwen3_5 qwen3_5_moe qwen3_5_moe_text qwen4_exp" },
    { "GPT2Tokenizer",
      "blip-2 codegen dbrx emu3 gpt2 gpt_neo gptj hyperclovax_vision_v2 instructblip "
      "instructblipvideo jais2 opt phi starcoder2",
      "hyperclovax_vision_v2" },
    { "GPTNeoXTokenizer", "falcon_mamba gpt_neox mamba mamba2 mpt olmo olmoe rwkv xlstm", "" },
    { "CohereTokenizer", "aya_vision cohere cohere2", "" },
    { "RobertaTokenizer",
      "bart bridgetower clap data2vec-text ibert lilt longformer mega mra roberta "
      "roberta-prelayernorm",
      "" },
    { "BertTokenizer",
      "align bark bert blip bros chinese_clip convbert distilbert electra ernie flava git "
      "grounding-dino layoutlm megatron-bert mm-grounding-dino nezha nomic_bert qdqbert realm "
      "retribert squeezebert tvp vilt visual_bert",
      "" },
    { "T5Tokenizer", "mt5 musicgen musicgen_melody switch_transformers t5", "" },
    { "XLMRobertaTokenizer", "gte jina_embeddings_v3 metaclip_2 trocr xlm-roberta xmod", "" },
};

static const struct token_class *by_name(struct str name) {
    for (size_t i = 0; i < sizeof classes / sizeof *classes; i++)
        if (arch_has_word(classes[i].names, name))
            return &classes[i];
    return NULL;
}

static struct str without_fast(struct str name) {
    name.n -= str_ends(name, STR("Fast")) ? 4 : 0;
    return name;
}

/* Does a value of "type", or of any other field, say ByteLevel? */
static bool has_byte_level(const struct json *v) {
    struct str text;
    for (size_t i = 0; json_type(v) == JSON_ARRAY && i < json_len(v); i++)
        if (has_byte_level(json_at(v, i)))
            return true;
    if (json_type(v) == JSON_OBJECT)
        for (struct json_iter it = json_iter(v); json_next(&it);)
            if (has_byte_level(it.value))
                return true;
    return json_str(v, &text) && str_is(text, "ByteLevel");
}

static bool is_byte_level(const struct json *tokenizer) {
    static const char *const parts[] = { "normalizer", "pre_tokenizer", "decoder",
                                         "post_processor" };
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        if (has_byte_level(json_get(tokenizer, parts[i])))
            return true;
    return json_get(json_get(json_get(tokenizer, "model"), "vocab"), "ByteLevel") != NULL;
}

/* The folder has code of its own for its tokenizer. */
static bool has_code(const struct json *tokenizer_config) {
    const struct json *map = json_get(tokenizer_config, "auto_map");
    return json_type(map) == JSON_ARRAY || !json_is_null(json_get(map, "AutoTokenizer"));
}

static bool class_name(const struct json *config, struct str *name) {
    return json_str(json_get(config, "tokenizer_class"), name) && name->n;
}

const struct token_class *token_class_find(const struct json *config,
                                           const struct json *tokenizer_config,
                                           const struct json *tokenizer) {
    const size_t n = sizeof mapped / sizeof *mapped;
    struct str type = { "", 0 }, declared = { "", 0 };
    size_t row = 0;
    (void)json_str(json_get(config, "model_type"), &type);
    while (row < n && !arch_has_word(mapped[row].types, type))
        row++;
    if (class_name(tokenizer_config, &declared) || class_name(config, &declared)) {
        declared = without_fast(declared);
        const bool stubborn = row < n && arch_has_word(mapped[row].stubborn, type);
        if (has_code(tokenizer_config))
            return by_name(declared);
        if (str_is(declared, "LlamaTokenizer") && !stubborn && is_byte_level(tokenizer))
            return NULL;
        if (row == n || str_is(declared, mapped[row].name))
            return by_name(declared);
        return mapped[row].name[0] ? by_name(stubborn ? str_from(mapped[row].name) : declared)
                                   : NULL;
    }
    return row < n ? by_name(str_from(mapped[row].name)) : NULL;
}
