# SPDX-License-Identifier: Apache-2.0
"""Many small folders against the converter: convert_vary.py [-n N] [-s SEED] [-v] LLAMA_CPP WEIGHTFS OUT
[FAMILY...]

Makes N folders of each family of convert_vary_models.py and convert_vary_kin.py (transformers makes
the weights), varied by seed: fields of config.json, in the forms of transformers 4 and 5, positions, sizes of the
vocabulary, types of weights, shards, generation_config.json, the folder's name. Each is converted
by weightfs and by convert_hf_to_gguf.py, in this process, and the files are compared. Those that
differ stay in OUT. The name of the pre-tokenizer is given to both, so that the tokenizers can be
small. Needs torch, transformers, tokenizers, and what LLAMA_CPP's converter needs."""
import argparse
import collections
import json
import logging
import os
import pathlib
import random
import shutil
import subprocess
import sys

os.environ["TQDM_DISABLE"] = "1"
import tokenizers  # noqa: E402
import torch  # noqa: E402
import transformers  # noqa: E402
from huggingface_hub.errors import StrictDataclassError  # noqa: E402
from safetensors.torch import load_file, save_file  # noqa: E402

from convert_vary_kin import KIN  # noqa: E402
from convert_vary_models import FAMILIES  # noqa: E402

FAMILIES |= KIN
HERE = os.path.dirname(os.path.abspath(__file__))
SPM = os.path.join(HERE, "data", "corpus", "tokenizers", "spm-llama", "tokenizer.model")
PRE = "llama-bpe"
KINDS = {"auto": "GUESSED", "f32": "ALL_F32", "f16": "MOSTLY_F16", "bf16": "MOSTLY_BF16",
         "q8_0": "MOSTLY_Q8_0"}
NAMES = ["Meta-Llama-3.1-8B-Instruct-v2", "model", "Foo_Bar-7b", "mixtral-8x7B-v0.1", "a.b.v1.0",
         "stablelm-2-1_6b-chat", "Yi-1.5-34B-32K", "Qwen3-30B-A3B-Instruct-2507", "8x7B-foo"]
SCALINGS = [
    {"rope_type": "linear", "factor": 2}, {"rope_type": "dynamic", "factor": 2.0},
    {"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 128},
    {"rope_type": "yarn", "factor": 4.0, "beta_fast": 32, "beta_slow": 1, "attention_factor": 1.2},
    {"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
     "original_max_position_embeddings": 64},
    {"rope_type": "longrope", "short_factor": [1.0] * 8, "long_factor": [2.0] * 8, "factor": 4.0},
    {"rope_type": "llama3", "factor": 8.0}, {"rope_type": "longrope"}, {"rope_type": "linear"},
]
# fields that some class or the converter asks for, wherever they are
FIELDS = {
    "n_ctx": [77], "max_length": [20], "model_max_length": [99], "is_causal": [False, True],
    "rope_theta": [5e5, 10000, None], "partial_rotary_factor": [0.5], "head_dim": [None, 15],
    "original_max_position_embeddings": [128], "rms_norm_eps": [1e-3, 1], "n_group": [2, None],
    "scoring_func": ["sigmoid"], "sliding_window": [32, None, 0], "bos_token_id": [5, None],
    "eos_token_id": [6, [6, 7]], "attention_dropout": [0, 0.1], "initializer_range": [1],
    "tie_word_embeddings": [True, False], "unknown_field": [{"a": [1]}],
    "num_key_value_heads": [None], "layer_types": [["full_attention"], None], "use_cache": [None],
    "quantization_config": [None], "rope_local_base_freq": [5000.0],
    "hidden_act": ["gelu", None], "attention_bias": [True, None],
}
# what transformers says of a configuration that it does not want
UNWANTED = (ValueError, TypeError, ZeroDivisionError, StrictDataclassError)
GENERATION = {"temperature": [0.6, 1, None], "top_p": [0.9, 1], "top_k": [20, -1], "min_p": [0.05],
              "eos_token_id": [2, [2, 3]], "repetition_penalty": [1.05], "mirostat": [1]}


def fields(text):
    """"a=1 b=2|3" -> {"a": [1], "b": [2, 3]}"""
    pairs = (word.split("=", 1) for word in text.split())
    return {k: [json.loads(v) for v in values.split("|")] for k, values in pairs}


def write_json(path, value):
    with open(path, "w", encoding="utf-8") as f:
        json.dump(value, f, indent=1)


def write_tokenizer(folder, kind):
    """Returns its number of tokens."""
    if kind == "spm":
        shutil.copy(SPM, folder)
        write_json(folder + "/tokenizer_config.json", {"tokenizer_class": "LlamaTokenizer",
                                                       "bos_token": "<s>", "eos_token": "</s>"})
        return 512
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"] if kind == "bert" else \
        ["<|endoftext|>", "<|user|>", "<|assistant|>", "<|observation|>", "[gMASK]", "<sop>"]
    if kind == "bert":
        t = tokenizers.Tokenizer(tokenizers.models.WordPiece(unk_token="[UNK]"))
        t.normalizer = tokenizers.normalizers.BertNormalizer()
        t.pre_tokenizer = tokenizers.pre_tokenizers.BertPreTokenizer()
        t.decoder = tokenizers.decoders.WordPiece()
        trainer = tokenizers.trainers.WordPieceTrainer(vocab_size=500, special_tokens=special,
                                                       show_progress=False)
    else:
        t = tokenizers.Tokenizer(tokenizers.models.BPE())
        t.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)
        t.decoder = tokenizers.decoders.ByteLevel()
        alphabet = tokenizers.pre_tokenizers.ByteLevel.alphabet()
        trainer = tokenizers.trainers.BpeTrainer(vocab_size=600, special_tokens=special,
                                                 initial_alphabet=alphabet, show_progress=False)
    with open(__file__, encoding="utf-8") as f:
        t.train_from_iterator(f, trainer)
    t.save(folder + "/tokenizer.json")
    config = {"tokenizer_class": "BertTokenizer", "cls_token": "[CLS]", "sep_token": "[SEP]"} \
        if kind == "bert" else {"eos_token": "<|endoftext|>"}
    write_json(folder + "/tokenizer_config.json",
               {"tokenizer_class": "PreTrainedTokenizerFast"} | config)
    return t.get_vocab_size()


def vary_positions(config, r):
    params = config.get("rope_parameters")
    if not params or any(isinstance(v, dict) for v in params.values()):
        return
    scaling = dict(r.choice(SCALINGS)) if r.random() < .6 else {}
    theta = params.get("rope_theta", 10000.0)
    kept = {k: params[k] for k in ("partial_rotary_factor", "mrope_section") if k in params}
    if r.random() < .4:
        config["rope_parameters"] = kept | scaling | {"rope_theta": theta}
        return
    del config["rope_parameters"]
    config["rope_theta"] = theta
    config |= {k: v for k, v in kept.items() if k not in config}
    if scaling and r.random() < .5:
        scaling["type"] = scaling.pop("rope_type")
    config["rope_scaling"] = scaling or None


def vary_config(config, r):
    if r.random() < .5:
        vary_positions(config, r)
    if r.random() < .5:
        config.pop("layer_types", None)
    default = type(transformers.AutoConfig.for_model(config["model_type"]))().to_dict()
    often = r.choice([0, .3, .9])
    for key in [k for k, v in config.items() if k != "model_type" and default.get(k, r) == v]:
        if r.random() < often:
            del config[key]
    for key in r.sample(sorted(FIELDS), r.choice([0, 0, 1, 2])):
        config[key] = r.choice(FIELDS[key])
    if r.random() < .5 and "dtype" in config:
        config["torch_dtype"] = config.pop("dtype")


def write_weights(folder, state, r):
    main = r.choice([torch.bfloat16, torch.bfloat16, torch.float16, torch.float32])
    norms = r.choice([main, main, torch.float32])
    odd = r.choice([None, None, "embed", "proj"])  # one kind of matrix in another type
    state = {k: v.to(torch.float16 if odd and odd in k else norms if v.dim() < 2 else main)
             .contiguous() if v.is_floating_point() else v for k, v in state.items()}
    if r.random() < .1:
        state["model.layers.0.self_attn.rotary_emb.inv_freq"] = torch.ones(8)
    names, parts, where = list(state), r.choice([1, 1, 2, 3]), {}
    for i in range(parts):
        file = f"model-{i + 1:05}-of-{parts:05}.safetensors" if parts > 1 else "model.safetensors"
        part = names[i * len(names) // parts:(i + 1) * len(names) // parts]
        save_file({k: state[k] for k in part}, folder + "/" + file)
        where |= {k: file for k in part}
    if parts > 1 and r.random() < .7:
        write_json(folder + "/model.safetensors.index.json", {"weight_map": where})


def make(out, name, seed):
    r = random.Random(f"{name}:{seed}")
    classes, model_type, kind, small, base, options = FAMILIES[name]
    folder = f"{out}/{name}-{seed}/{r.choice(NAMES)}"
    os.makedirs(folder)
    size = write_tokenizer(folder, kind)
    size += r.choice([0, 0, 1, 6, 64 - size % 64])
    config = {k: v[0] for k, v in (fields(small) | fields(base)).items()}
    config |= {k: r.choice(v) for k, v in fields(options).items() if r.random() < .45}
    config = transformers.AutoConfig.for_model(model_type, **config, vocab_size=size,
                                               bos_token_id=1, eos_token_id=2, pad_token_id=0)
    of_class = r.choice(classes.split())
    torch.manual_seed(seed)
    saved = folder + ".saved"
    getattr(transformers, of_class)(config).to(torch.float32).save_pretrained(saved)
    state = {}
    for file in sorted(pathlib.Path(saved).glob("*.safetensors")):
        state |= load_file(file)
    with open(saved + "/config.json", encoding="utf-8") as f:
        config = json.load(f)
    shutil.rmtree(saved)
    state = {k: torch.randn(v.shape) if v.is_floating_point() else v for k, v in state.items()}
    if r.random() < .05 and of_class.endswith("CausalLM"):
        state = {k.removeprefix("model."): v for k, v in state.items()}
    vary_config(config, r)
    of_class = [of_class] + r.choice([[], [], [], ["OtherForCausalLM"]])
    write_json(folder + "/config.json", config | {"architectures": of_class})
    write_weights(folder, state, r)
    if r.random() < .5:
        write_json(folder + "/generation_config.json",
                   {k: r.choice(v) for k, v in GENERATION.items() if r.random() < .4})
    return folder, r.choice(sorted(KINDS))


class Upstream:
    """convert_hf_to_gguf.py as a module."""

    def __init__(self, path):
        sys.path.insert(0, path)
        import convert_hf_to_gguf
        from conversion.base import TextModel
        TextModel.get_vocab_base_pre = lambda model, tokenizer: PRE
        self.tool = convert_hf_to_gguf

    def convert(self, folder, out, kind):
        """The error, or None."""
        base, gguf = self.tool.ModelBase, self.tool.gguf
        try:
            with torch.inference_mode():
                config = base.load_hparams(pathlib.Path(folder), False)
                name = self.tool.get_model_architecture(config, self.tool.ModelType.TEXT)
                cls = self.tool.get_model_class(name, mmproj=False)
                cls(pathlib.Path(folder), gguf.LlamaFileType[KINDS[kind]], pathlib.Path(out)).write()
        except (Exception, SystemExit) as e:
            return f"{type(e).__name__} {e}"[:200].replace("\n", " ")
        return None


def compare(upstream, program, folder, kind):
    """What came of it, and a message."""
    theirs, ours = folder + ".theirs.gguf", folder + ".ours.gguf"
    failed = upstream.convert(folder, theirs, kind)
    p = subprocess.run([program, "convert", f"{folder}.gguf@{kind}+pre={PRE}", ours],
                       capture_output=True, text=True, check=False)
    if failed:
        return ("both refuse" if p.returncode else "upstream fails"), failed
    if p.returncode:
        return "refused here", p.stderr.strip()
    with open(theirs, "rb") as a, open(ours, "rb") as b:
        return ("same" if a.read() == b.read() else "different"), ""


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("llama_cpp")
    parser.add_argument("program")
    parser.add_argument("out")
    parser.add_argument("-n", type=int, default=10)
    parser.add_argument("-s", "--seed", type=int, default=0)
    parser.add_argument("-v", "--verbose", action="store_true", help="why upstream refuses")
    parser.add_argument("families", nargs="*")
    args = parser.parse_args()
    torch.set_num_threads(1)
    upstream = Upstream(args.llama_cpp)
    logging.disable(logging.CRITICAL)
    bad = 0
    for name in args.families or FAMILIES:
        counts = collections.Counter()
        for seed in range(args.seed, args.seed + args.n):
            try:
                folder, kind = make(args.out, name, seed)
            except UNWANTED:
                counts["not made"] += 1
                shutil.rmtree(f"{args.out}/{name}-{seed}", ignore_errors=True)
                continue
            result, message = compare(upstream, args.program, folder, kind)
            counts[result] += 1
            failed = result in ("different", "refused here")
            bad += failed
            if failed or (args.verbose and message):
                print(f"{folder} {kind}: {result} {message}", flush=True)
            if not failed:
                shutil.rmtree(os.path.dirname(folder))
        print(f"{name}: " + ", ".join(f"{n} {what}" for what, n in counts.items()), flush=True)
    return bad > 0


if __name__ == "__main__":
    sys.exit(main())
