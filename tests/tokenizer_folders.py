# SPDX-License-Identifier: Apache-2.0
"""Folders with odd tokenizers, for golden_tokenizers.py and convert_vary_tokenizers.py: added tokens
inside and outside of the vocabulary, flags, classes of transformers, special tokens in each of the
files, post-processors, chat templates, sizes of the vocabulary. The same from one seed everywhere."""
import json
import os

NAMED = ["bos", "eos", "unk", "pad", "sep", "cls", "mask"]
DECODER = {"hidden_size": 32, "intermediate_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2,
           "num_key_value_heads": 2, "max_position_embeddings": 64, "rms_norm_eps": 1e-5}
ENCODER = {"hidden_size": 32, "intermediate_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2,
           "max_position_embeddings": 64, "layer_norm_eps": 1e-12}
# architectures: class, model_type, config, name of the embedding
MODELS = {
    "llama": ("LlamaForCausalLM", "llama", DECODER, "model.embed_tokens"),
    "mistral": ("MistralForCausalLM", "mistral", DECODER, "model.embed_tokens"),
    "qwen2": ("Qwen2ForCausalLM", "qwen2", DECODER, "model.embed_tokens"),
    "qwen3": ("Qwen3ForCausalLM", "qwen3", DECODER | {"head_dim": 16}, "model.embed_tokens"),
    "olmo2": ("Olmo2ForCausalLM", "olmo2", DECODER, "model.embed_tokens"),
    "cohere": ("CohereForCausalLM", "cohere", DECODER | {"logit_scale": 0.06, "layer_norm_eps": 1e-5},
               "model.embed_tokens"),
    "starcoder2": ("Starcoder2ForCausalLM", "starcoder2", DECODER | {"norm_epsilon": 1e-5},
                   "model.embed_tokens"),
    "gemma": ("GemmaForCausalLM", "gemma", DECODER | {"head_dim": 16}, "model.embed_tokens"),
    "phi3": ("Phi3ForCausalLM", "phi3", DECODER | {"original_max_position_embeddings": 64,
                                                   "rope_theta": 10000.0}, "model.embed_tokens"),
    "gpt2": ("GPT2LMHeadModel", "gpt2", {"n_embd": 32, "n_layer": 1, "n_head": 2, "n_ctx": 64,
                                         "n_positions": 64, "layer_norm_epsilon": 1e-5}, "wte"),
    "bert": ("BertModel", "bert", ENCODER, "embeddings.word_embeddings"),
    "roberta": ("RobertaModel", "roberta", ENCODER, "embeddings.word_embeddings"),
    "xlmr": ("XLMRobertaModel", "xlm-roberta", ENCODER, "embeddings.word_embeddings"),
    "t5": ("T5ForConditionalGeneration", "t5", {
        "d_model": 32, "d_ff": 32, "d_kv": 16, "num_layers": 1, "num_heads": 2, "num_decoder_layers": 1,
        "relative_attention_num_buckets": 32, "layer_norm_epsilon": 1e-6, "decoder_start_token_id": 0},
           "shared"),
}
KINDS = {  # of tokenizer: architectures
    "bpe": ["llama", "mistral", "qwen2", "qwen3", "olmo2", "cohere", "starcoder2", "gpt2", "roberta"],
    "fallback": ["llama", "mistral", "qwen2"],
    "wordpiece": ["bert"],
    "unigram": ["xlmr"],
    "spm": ["llama", "mistral", "gemma", "phi3", "t5", "xlmr"],
    "pairs": ["gpt2", "qwen2", "qwen3", "cohere", "starcoder2"],
    "lines": ["bert"],
}
# Kinds that have files from before tokenizer.json, of the tokenizers of another.
OLDER = {"pairs": "bpe", "lines": "wordpiece"}
CLASSES = {
    "bpe": ["PreTrainedTokenizerFast", "TokenizersBackend", "GPT2Tokenizer", "GPT2TokenizerFast", "Qwen2Tokenizer",
            "Qwen2TokenizerFast", "LlamaTokenizerFast", "LlamaTokenizer", "CohereTokenizerFast",
            "GPTNeoXTokenizerFast", "RobertaTokenizer", "CodeGenTokenizer", "BloomTokenizerFast", "Qwen3_5Tokenizer",
            "NoSuchTokenizer", "BartTokenizerFast"],
    "fallback": ["LlamaTokenizer", "LlamaTokenizerFast", "GemmaTokenizer", "GemmaTokenizerFast",
                 "PreTrainedTokenizerFast"],
    "wordpiece": ["BertTokenizer", "BertTokenizerFast", "DistilBertTokenizer", "PreTrainedTokenizerFast",
                  "ElectraTokenizer"],
    "unigram": ["XLMRobertaTokenizer", "XLMRobertaTokenizerFast", "PreTrainedTokenizerFast"],
    "spm": ["LlamaTokenizer", "T5Tokenizer", "GemmaTokenizer", "XLMRobertaTokenizer"],
    # others find no file, and go on with nothing but the special tokens
    "pairs": ["GPT2Tokenizer", "GPT2TokenizerFast", "Qwen2Tokenizer", "Qwen2TokenizerFast", "CohereTokenizerFast",
              "GPTNeoXTokenizerFast", "CodeGenTokenizer", "NoSuchTokenizer"],
    "lines": ["BertTokenizer", "BertTokenizerFast", "DistilBertTokenizer", "ElectraTokenizer"],
}
ADDED = ["<|im_%d|>", "<extra %d>", "\u2581x%d", "<pad%d>", "\n%d", "\u00e9%d", "<unused%d>", "[@B%d]", "  %d",
         "<\uff5ct%d\uff5c>", "\u0120w%d", "%d .", "<0x4%d>", "don't%d", "<mask>", "<pad>", "##x%d", "\u4f60%d", "[MASK%d]"]


def write_json(path, value):
    with open(path, "w", encoding="utf-8") as f:
        json.dump(value, f, indent=1)


def flags(r, text):
    return {"content": text, "single_word": r.random() < .1, "lstrip": r.random() < .2, "rstrip": r.random() < .2,
            "normalized": r.random() < .5, "special": r.random() < .5}


def template(vocab, single, pair):
    """TemplateProcessing of texts of tokens, with A and B for the two sequences."""
    def part(name, behind):
        kind = "Sequence" if name in "AB" else "SpecialToken"
        return {kind: {"id": name, "type_id": int(behind)}}
    return {"type": "TemplateProcessing", "single": [part(p, False) for p in single],
            "pair": [part(p, "B" in pair[:i + 1]) for i, p in enumerate(pair)],
            "special_tokens": {p: {"id": p, "ids": [vocab[p]], "tokens": [p]} for p in pair if p not in "AB"}}


def processors(vocab, model):
    first, last = ("[CLS]", "[SEP]") if model == "WordPiece" else ("<s>", "</s>")
    first, last = (t if t in vocab else sorted(vocab)[i] for i, t in enumerate((first, last)))
    return [None, {"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": True, "use_regex": True},
            template(vocab, [first, "A"], [first, "A", "B"]),
            template(vocab, [first, "A", last], [first, "A", last, last, "B", last]),
            template(vocab, ["A", last], ["A", last, "B", last]),
            {"type": "RobertaProcessing", "sep": [last, vocab[last]], "cls": [first, vocab[first]],
             "trim_offsets": True, "add_prefix_space": True}]


def vary_file(spec, r):
    """tokenizer.json: added tokens, the form of the merges, what stands around a text."""
    model, added = spec["model"], spec["added_tokens"]
    vocab = model["vocab"] if isinstance(model["vocab"], dict) else {p[0]: i for i, p in enumerate(model["vocab"])}
    n = len(vocab)
    for k in range(r.choice([0, 0, 1, 3, 8])):
        text = r.choice(ADDED).replace("%d", str(k))
        if text not in vocab and text not in [a["content"] for a in added]:
            added.append({"id": max([n - 1] + [a["id"] for a in added]) + 1} | flags(r, text))
    for text in r.sample(sorted(vocab), r.choice([0, 0, 1, 4])):
        if text not in [a["content"] for a in added]:
            added.insert(r.randrange(len(added) + 1), {"id": vocab[text]} | flags(r, text))
    if model.get("merges") and not any(" " in x for m in model["merges"] for x in m) and r.random() < .4:
        model["merges"] = [" ".join(m) for m in model["merges"]]
    if model["type"] == "BPE" and r.random() < .3:
        model["ignore_merges"] = r.random() < .5
    if model["type"] != "Unigram":
        spec["post_processor"] = r.choice(processors(vocab, model["type"]))
    return max([n - 1] + [a["id"] for a in added]) + 1


def token(r, text):
    kind = r.random()
    if kind < .5:
        return text
    return flags(r, text) | {"__type": "AddedToken"} if kind < .85 else None


def tokenizer_config(kind, r, n):
    pieces = kind in ("wordpiece", "lines")
    special = ["[CLS]", "[SEP]", "[UNK]", "[PAD]", "[SEP]", "[CLS]", "[MASK]"] if pieces else \
        ["<s>", "</s>", "<unk>", r.choice(["<pad>", "</s>"]), "</s>", "<s>", "<mask>"]
    config = {}
    if r.random() < .85:
        config["tokenizer_class"] = r.choice(CLASSES[kind])
    for name, text in zip(NAMED, special):
        if r.random() < (.7 if name in ("bos", "eos", "unk") or pieces else .15):
            config[name + "_token"] = token(r, text)
    for key in ("add_bos_token", "add_eos_token", "add_prefix_space", "legacy", "clean_up_tokenization_spaces",
                "add_sep_token", "do_lower_case", "tokenize_chinese_chars", "strip_accents"):
        if r.random() < .2:
            config[key] = r.choice([True, False])
    if r.random() < .5:
        first = n if r.random() < .3 else r.randrange(n)
        config["added_tokens_decoder"] = {
            str(first + k * r.choice([1, 1, 7])): flags(r, r.choice(special + ADDED).replace("%d", str(k)))
            for k in range(r.randint(1, 6))}
    if r.random() < .3:
        config["chat_template"] = r.choice(["{{ a }}", "", None, [{"name": "default", "template": "x"},
                                                                  {"name": "tool_use", "template": "y"}],
                                            [{"name": "rag", "template": "y"}], [{"name": "default", "template": "z"}]])
    if r.random() < .15:
        config["additional_special_tokens"] = ["<x1>", "<|y|>"]
    if r.random() < .1:
        config["extra_special_tokens"] = r.choice([["<e1>", "</s>"], {"image_token": "<img>"}, []])
    if r.random() < .1:
        config["image_token"] = token(r, "<image>")
    if r.random() < .1:
        config["model_max_length"] = r.choice([512, 1e30, 1000000000000000019884624838656])
    return config


def write_others(folder, kind, r, n):
    if r.random() < .9:
        write_json(folder + "/tokenizer_config.json", tokenizer_config(kind, r, n))
    if r.random() < .3:
        pairs = {"bos": "<s>", "eos": "</s>", "unk": "<unk>", "pad": "<pad>", "mask": "<mask>"}
        write_json(folder + "/special_tokens_map.json",
                   {k + "_token": {key: v for key, v in flags(r, t).items() if key != "special"}
                    if r.random() < .5 else t for k, t in pairs.items() if r.random() < .5})
    if r.random() < .25:
        write_json(folder + "/added_tokens.json", {
            r.choice(ADDED).replace("%d", str(k)): n + k - r.choice([0, 0, 0, 3]) for k in range(r.randint(0, 5))})
    if r.random() < .15:
        with open(folder + "/chat_template.jinja", "w", encoding="utf-8", newline="") as f:
            f.write("{{ jinja }}\r\n")
    if r.random() < .1:
        write_json(folder + "/chat_template.json", {"chat_template": "{{ js }}"})
    if r.random() < .1:
        os.mkdir(folder + "/additional_chat_templates")
        with open(folder + "/additional_chat_templates/rag.jinja", "w", encoding="utf-8") as f:
            f.write("{{ rag }}\n")
    if r.random() < .1:
        write_json(folder + "/generation_config.json", {"eos_token_id": 2, "temperature": .5})


def write_weights(folder, name, rows):
    """One tensor of f32 zeros, @rows of 32."""
    header = json.dumps({name: {"dtype": "F32", "shape": [rows, 32], "data_offsets": [0, rows * 128]}}).encode()
    header += b" " * (-len(header) % 8)
    with open(folder + "/model.safetensors", "wb") as f:
        f.write(len(header).to_bytes(8, "little") + header + bytes(rows * 128))


def write_older(folder, model):
    """vocab.json and merges.txt, or vocab.txt."""
    if model["type"] == "BPE":
        write_json(folder + "/vocab.json", model["vocab"])
        lines = ["#version: 0.2"] + [m if isinstance(m, str) else " ".join(m) for m in model["merges"]]
    else:
        lines = sorted(model["vocab"], key=model["vocab"].get)
    with open(folder + ("/merges.txt" if model["type"] == "BPE" else "/vocab.txt"), "w", encoding="utf-8") as f:
        f.writelines(line + "\n" for line in lines)


def make(folder, kind, arch, r, spec, n):
    """Fills the folder. @spec: what tokenizer.json is varied from; None: its tokenizer, of @n tokens, is
    there."""
    of_class, model_type, config, embedding = MODELS[arch]
    if spec:
        n = vary_file(spec, r)
        if kind in OLDER:
            write_older(folder, spec["model"])
        else:
            write_json(folder + "/tokenizer.json", spec)
    size = n + r.choice([0, 5, 20, 64] if spec else [0, 0, 5, -7, 64])
    config = dict(config) | {"architectures": [of_class], "model_type": model_type}
    if r.random() < .9:
        config["vocab_size"] = size
    for key in ("bos_token_id", "eos_token_id", "pad_token_id"):
        if r.random() < .4:
            config[key] = r.choice([0, 1, 2, None, [1, 2] if key[0] == "e" else 1, 5])
    if r.random() < .05:
        config["tokenizer_class"] = r.choice(CLASSES[kind])
    write_json(folder + "/config.json", config)
    write_others(folder, kind, r, n)
    write_weights(folder, embedding + ".weight", max(size, n))
