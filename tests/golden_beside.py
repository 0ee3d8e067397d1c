# SPDX-License-Identifier: Apache-2.0
"""Files that stand beside a model, as views: golden_beside.py VIEW_CAT WEIGHTFS DIR.

Makes the adapters of tests/data/corpus and their bases, and the multimodal models, below DIR, and
compares the SHA-256 of views with the `lora:` rows of golden.tsv, which convert_lora_to_gguf.py of
llama.cpp 0c1e570 was run for, the `mmproj:` rows, of convert_hf_to_gguf.py --mmproj, and the `pre:`
rows, where its get_vocab_base_pre was made to answer that name; then those of
one model with each of the metadata files in data/authorship.json beside it (--metadata)."""
import hashlib
import json
import os
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
CORPUS = os.path.join(HERE, "data", "corpus")
# The prefix of a row's type, and what it is called as a view.
VIEWS = {"lora": "gguf@", "mmproj": "mmproj.gguf@", "pre": "gguf@"}
NEEDED = ["Qwen3-3M-Base", "Tiny-Llama-2-SPM-Chat-v1.0"]  # bases


def rows():
    with open(os.path.join(CORPUS, "golden.tsv"), encoding="utf-8") as f:
        for line in f:
            model, kind, _, digest = line.rstrip("\n").split("\t")[:4]
            prefix, _, outtype = kind.partition(":")
            if prefix in VIEWS:
                yield model, VIEWS[prefix] + outtype, digest


def check_names(weightfs, out):
    """Projectors are listed where there is one; a file of that name has views of its own."""
    listed = subprocess.run([weightfs, "ls", "--json", out], capture_output=True, text=True,
                            check=True).stdout
    own = os.path.join(out, "own.mmproj.gguf")
    view = os.path.join(out, "pixtral-nano.mmproj.gguf@f16")
    subprocess.run([weightfs, "convert", "-f", view, own], check=True, capture_output=True)
    p = subprocess.run([weightfs, "info", "--json", own + "@q8_0"], capture_output=True, text=True,
                       check=True)
    os.remove(own)
    return [("pixtral-nano.mmproj.gguf@f16" in listed, "the projector of pixtral-nano is not listed"),
            ("Qwen3-3M-Base.mmproj" not in listed, "a projector of a text model is listed"),
            (json.loads(p.stdout)["source"] == "own.mmproj.gguf", "own.mmproj.gguf: " + p.stdout)]


def check_authorship(tool, out):
    """NAME.metadata.json beside the model, and files that are none."""
    model = NEEDED[0]
    path = os.path.join(out, model + ".metadata.json")
    with open(os.path.join(HERE, "data", "authorship.json"), encoding="utf-8") as f:
        todo = [(json.dumps(c["metadata"]), c["sha256"]) for c in json.load(f)]
    todo += [("[1]", "no object"), ('{"general.author": 3}', '"general.author" is not a string'),
             ('{"general.tags": "a"}', "is not a list of strings"),
             ('{"general.datasets": ["a"]}', "is not a list of objects"),
             ('{"general.sampling.top_k": 0.5}', "is not an integer"), ("{", "byte 1")]
    for text, want in todo:
        with open(path, "w", encoding="utf-8") as f:
            f.write(text)
        p = subprocess.run([tool, out, model, "gguf@f16"], capture_output=True, check=False)
        error = p.stderr.decode().strip()
        got = hashlib.sha256(p.stdout).hexdigest() if p.returncode == 0 else error
        ok = got == want or (p.returncode and want in error and model + ".metadata.json" in error)
        yield ok, f"{text} beside the model: {got}"
    os.remove(path)


def main():
    tool, weightfs, out = sys.argv[1:4]
    todo = list(rows())
    os.makedirs(out, exist_ok=True)
    names = sorted({r[0] for r in todo} | set(NEEDED))
    missing = [n for n in names if not os.path.isdir(os.path.join(out, n))]
    if missing:
        subprocess.run([sys.executable, os.path.join(CORPUS, "make.py"), out, *missing],
                       check=True, stdout=subprocess.DEVNULL)
    bad = 0
    for model, view, want in todo:
        p = subprocess.run([tool, out, model, view], capture_output=True, check=False)
        got = hashlib.sha256(p.stdout).hexdigest()
        # Where the converter fails ("auto" of an adapter, LLaVA), the view has something to give.
        if p.returncode != 0 or want not in (got, "failed"):
            bad += 1
            print(f"{model} {view}: {p.stderr.decode().strip() or got}")
    for ok, what in [*check_names(weightfs, out), *check_authorship(tool, out)]:
        bad += not ok
        if not ok:
            print(what)
    print(f"{len(todo)} views, {bad} differences")
    return bad > 0 or not todo


if __name__ == "__main__":
    sys.exit(main())
