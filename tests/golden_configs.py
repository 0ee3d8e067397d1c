# SPDX-License-Identifier: Apache-2.0
"""Edits of config.json against the converter: golden_configs.py HF_CONVERT DIR

Each row of golden-configs.tsv is a model of tests/data/corpus, edits of its config.json (JSON: what
to set; a name behind "-" is taken away), and the size and SHA-256 of the GGUF of type f16 that
convert_hf_to_gguf.py of llama.cpp 0c1e570 makes, with transformers 5.23.
golden_configs.py --make LLAMA_CPP DIR prints the rows anew; those that the converter refuses are left out."""
import hashlib
import json
import logging
import os
import pathlib
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
CORPUS = os.path.join(HERE, "data", "corpus")
ROWS = os.path.join(CORPUS, "golden-configs.tsv")


def read_rows():
    with open(ROWS, encoding="utf-8") as f:
        return [line.rstrip("\n").split("\t") for line in f if not line.startswith("#")]


def edited(out, model, edits):
    """A folder of links to the model's files, with a config.json of its own."""
    src, folder = os.path.join(out, model), os.path.join(out, "edited", model)
    if not os.path.isdir(src):
        subprocess.run([sys.executable, os.path.join(CORPUS, "make.py"), out, model], check=True,
                       stdout=subprocess.DEVNULL)
    if not os.path.isdir(folder):
        os.makedirs(folder)
        for file in os.listdir(src):
            if file != "config.json":
                os.link(os.path.join(src, file), os.path.join(folder, file))
    with open(os.path.join(src, "config.json"), encoding="utf-8") as f:
        config = json.load(f)
    for key, value in json.loads(edits).items():
        if key.startswith("-"):
            config.pop(key[1:], None)
        else:
            config[key] = value
    with open(os.path.join(folder, "config.json"), "w", encoding="utf-8") as f:
        json.dump(config, f)
    return folder


def make(llama_cpp, out):
    os.environ["TQDM_DISABLE"] = "1"
    sys.path.insert(0, llama_cpp)
    import convert_hf_to_gguf as tool
    import torch
    logging.disable(logging.CRITICAL)
    for model, edits, *_ in read_rows():
        folder, gguf = pathlib.Path(edited(out, model, edits)), pathlib.Path(out) / "theirs.gguf"
        try:
            with torch.inference_mode():
                config = tool.ModelBase.load_hparams(folder, False)
                name = tool.get_model_architecture(config, tool.ModelType.TEXT)
                cls = tool.get_model_class(name, mmproj=False)
                cls(folder, tool.gguf.LlamaFileType.MOSTLY_F16, gguf).write()
        except Exception as e:
            print(f"{edits}: {type(e).__name__} {e}"[:200], file=sys.stderr)
            continue
        data = gguf.read_bytes()
        print(model, edits, len(data), hashlib.sha256(data).hexdigest(), sep="\t", flush=True)


def main():
    if sys.argv[1] == "--make":
        return make(*sys.argv[2:4])
    convert, out = sys.argv[1:3]
    bad, rows = 0, read_rows()
    for model, edits, size, digest in rows:
        edited(out, model, edits)
        p = subprocess.run([convert, os.path.join(out, "edited"), model, "f16"],
                           capture_output=True, check=False)
        if len(p.stdout) != int(size) or hashlib.sha256(p.stdout).hexdigest() != digest:
            bad += 1
            print(f"{model} {edits}: {p.stderr.decode().strip() or 'differs'}")
    print(f"{len(rows)} configurations, {bad} differences")
    return bad > 0


if __name__ == "__main__":
    sys.exit(main())
