# SPDX-License-Identifier: Apache-2.0
"""Views against llama-quantize: golden_views.py [--all] [--gguf DIR] VIEW_CAT DIR [NAME...]

Makes the models of tests/data/corpus below DIR and compares the SHA-256 of views with golden.tsv,
which llama-quantize of llama.cpp 0c1e570 was run for, with and without options: views of the GGUF of
type auto (or of another one), and of the folder. That GGUF is a view too, or, with --gguf,
DIR/NAME/NAME.auto.gguf. With --all, every row of every model is looked at, those of the converter too, and
each reason for which one could not be compared, or has other bytes, is counted."""
import argparse
import collections
import concurrent.futures
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile

from corpus_models import CORPUS, READY, needs_torch, provide, shared_folder, torch_python

# What a view says of types that have no kernel yet.
MISSING = ("cannot be written yet", "is not a type", "cannot be converted")


def read_rows(path):
    with open(path, encoding="utf-8") as f:
        return [line.rstrip("\n").split("\t") for line in list(f)[1:]]


# What golden-options.tsv calls them, and a spec does.
OPTIONS = {
    "": "",
    "--allow-requantize": "+requantize",
    "--leave-output-tensor": "+leave_output",
    "--output-tensor-type q8_0 --token-embedding-type q4_0": "+output=q8_0+embedding=q4_0",
    "--pure": "+pure",
}
PATTERNS = "--tensor-type attn_v=q8_0 --tensor-type ffn_down=q5_0"
PROFILE = "patterns-{kind}:\n  type: {kind}\n  tensors:\n    attn_v: q8_0\n    ffn_down: q5_0\n"


def golden(path):
    """Model -> type -> hash, and model -> [(source, spec, hash)] of rows with options."""
    rows, options = {}, {}
    for model, kind, _, digest in (r[:4] for r in read_rows(os.path.join(path, "golden.tsv"))):
        rows.setdefault(model, {})[kind] = digest
    for model, source, how, kind, _, digest in read_rows(os.path.join(path, "golden-options.tsv")):
        spec = "patterns-" + kind if how == PATTERNS else kind + OPTIONS[how]
        options.setdefault(model, []).append((source, spec, digest))
    return rows, options


def view(tool, src, path, spec, out=None):
    """The hash of the view, or its error."""
    with tempfile.TemporaryFile() as f:
        p = subprocess.run([tool, src, path, spec], stdout=f, stderr=subprocess.PIPE, text=True,
                           check=False)
        if p.returncode != 0:
            return None, p.stderr.strip() or f"signal {-p.returncode}"
        f.seek(0)
        data = f.read()
    if out:
        with open(out, "wb") as f:
            f.write(data)
    return hashlib.sha256(data).hexdigest(), None


def reason(error):
    """Without the names of tensors and models."""
    error = error.split(" ", 1)[-1]
    return re.sub(r"\S*\.(weight|bias)\b|\S*-[Nn]ano\S*|\S*\.gguf\b", "X", error)


def compare(tool, src, path, kind, want, totals):
    """Later, with the model's others: tally()."""
    totals["jobs"].append((tool, src, path, kind, want))


def read_exactly(f, n):
    h = hashlib.sha256()
    while n > 0:
        piece = f.read(min(n, 1 << 20))
        if not piece:
            return None
        h.update(piece)
        n -= len(piece)
    return h.hexdigest()


def run(jobs):
    """For each the hash of the view, or its error; all by one process, which reads the headers of a
    model once."""
    tool, src = jobs[0][:2]
    args = [tool, "--many", src]
    for _, _, path, kind, _ in jobs:  # names of files keep their case
        args += [path, "gguf@" + (kind if "imatrix=" in kind else kind.lower())]
    got = []
    with subprocess.Popen(args, stdout=subprocess.PIPE) as p:
        for line in p.stdout:
            size, _, error = line.decode().strip().partition(" ")
            digest = None if error else read_exactly(p.stdout, int(size))
            got.append((digest, error or (None if digest else "cut short")))
    return got + [(None, f"exit status {p.returncode}")] * (len(jobs) - len(got))


def tally(totals):
    """Make what was asked for on all cores: a view on its own is read by one."""
    cores = os.cpu_count()
    by_source = collections.defaultdict(list)
    for job in totals["jobs"]:
        by_source[job[:2]].append(job)
    shares = [jobs[i::cores] for jobs in by_source.values() for i in range(min(cores, len(jobs)))]
    with concurrent.futures.ThreadPoolExecutor(cores) as pool:
        for jobs, results in zip(shares, pool.map(run, shares)):
            for job, got in zip(jobs, results):
                judge(*job[2:], *got, totals)
    totals["jobs"].clear()


def judge(path, kind, want, got, error, totals):
    refused = error and error.startswith(("EOPNOTSUPP", "EACCES"))
    if got == want or (want == "refused" and refused):
        totals["refused" if error else "same"] += 1
    elif error and (any(s in error for s in MISSING) or (refused and totals["all"])):
        totals["missing"] += 1
        totals["reasons"][reason(error)] += 1
    else:
        totals["wrong"] += 1
        totals["reasons"][reason(error) if error else "other bytes"] += 1
        print(f"{path} {kind}: {error or 'other bytes'}")


class Model:
    """One of the corpus: its folder, and its GGUFs by the converter's type."""

    def __init__(self, args, name, rows, tmp):
        self.args, self.name, self.rows, self.tmp = args, name, rows, tmp
        ready = os.path.isdir(os.path.join(READY, name))
        self.src = READY if ready else args.dir if args.gguf else provide(args.dir, name)
        self.is_folder = self.make("auto")
        kinds = {"f16", "q4_k_m", "q4_0", "q8_0", "q6_k", "iq4_xs", "q2_k", "q5_k_m"}
        kinds |= {k.lower() for k in rows if ":" not in k}
        for out in {tmp, args.dir}:
            os.makedirs(out, exist_ok=True)
            with open(os.path.join(out, "weightfs.yaml"), "w", encoding="utf-8") as f:
                f.write("".join(PROFILE.format(kind=k) for k in sorted(kinds) if "+" not in k
                                and k not in ("copy", "auto")))
        self.imatrix = os.path.join(args.corpus, "im", name + ".imatrix.gguf")
        self.imatrix = self.imatrix if os.path.exists(self.imatrix) else None
        if self.imatrix:
            shutil.copy(self.imatrix, tmp)
            shutil.copy(self.imatrix, self.src)

    def check_outtypes(self, totals):
        """The rows of the converter. Its tq1_0 and tq2_0 are names of llama-quantize's here."""
        for kind, want in self.rows.items():
            if kind.startswith("convert:") and kind[8:] in ("f32", "f16", "bf16", "q8_0", "auto"):
                if want == "failed":
                    totals["reasons"]["the converter fails"] += 1
                else:
                    compare(self.args.tool, self.src, self.name, kind[8:], want, totals)
            elif kind.startswith("convert:"):
                totals["reasons"]["convert:tq*, whose names are llama-quantize's"] += 1
            elif ":" in kind:
                totals["reasons"][kind.split(":")[0]] += 1

    def make(self, kind):
        """Is the GGUF made of the folder the converter's?"""
        if not os.path.isdir(os.path.join(self.src, self.name)):
            return False
        want = self.rows.get("convert:" + kind)
        out = os.path.join(self.tmp, kind + ".gguf")
        return view(self.args.tool, self.src, self.name, "gguf@" + kind, out)[0] == want

    def gguf(self, kind):
        """(folder, file) of the GGUF of type @kind, or None."""
        ready = f"{self.args.gguf}/{self.name}/{self.name}.{kind}.gguf"
        if self.is_folder and self.make(kind):
            return self.tmp, kind + ".gguf"
        return os.path.split(os.path.abspath(ready)) if os.path.exists(ready) else None


def check_model(model, rows, options, totals):
    tool = model.args.tool
    kinds = {k: v for k, v in rows.items() if ":" not in k and "+" not in k}
    weighted = {k: v for k, v in rows.items() if k.endswith("+imatrix")} if model.imatrix else {}
    auto = model.gguf("auto")
    if model.args.all:
        model.check_outtypes(totals)
    if not kinds or not auto:
        totals["reasons"]["no GGUF to quantize"] += len(kinds) + len(weighted) + len(options)
        return
    totals["models"] += 1
    for kind, want in kinds.items():
        compare(tool, *auto, kind, want, totals)
        # The converter makes the others of a folder itself.
        if model.is_folder and kind not in ("F32", "F16", "BF16", "Q8_0"):
            compare(tool, model.src, model.name, kind, want, totals)
    for kind, want in weighted.items():
        # Beside the folder it is found by the model's name.
        compare(tool, *auto, f"{kind}={model.name}.imatrix.gguf", want, totals)
        if model.is_folder:
            compare(tool, model.src, model.name, kind, want, totals)
    for source, spec, want in options:
        path = model.gguf(source)
        if path:
            compare(tool, *path, spec, want, totals)
        if model.is_folder and source != "q8_0" and model.src == model.args.dir:
            compare(tool, model.src, model.name, f"{spec}+from={source}", want, totals)


def can_be_made(name):
    """Its tokenizer lies in the corpus, and torch is there if its weights need that."""
    if os.path.isdir(os.path.join(READY, name)):
        return True
    try:
        with open(os.path.join(CORPUS, "recipes", name, "tensors.json"), encoding="utf-8") as f:
            spec = json.load(f)
    except FileNotFoundError:
        return False
    links = spec.get("links", {}).values()
    return (all(os.path.exists(os.path.join(CORPUS, "tokenizers", to)) for to in links) and
            (torch_python() or not needs_torch(name)))


def main():
    args = argparse.ArgumentParser()
    args.add_argument("--all", action="store_true")
    args.add_argument("--gguf")
    args.add_argument("--corpus", default=CORPUS)
    args.add_argument("tool")
    args.add_argument("dir")
    args.add_argument("names", nargs="*")
    args = args.parse_args()
    args.dir = args.dir if args.gguf else shared_folder(args.dir)
    rows, options = golden(args.corpus)
    totals = {"same": 0, "refused": 0, "wrong": 0, "missing": 0, "models": 0,
              "reasons": collections.Counter(), "all": args.all, "jobs": []}
    for name in args.names or filter(lambda n: args.all or can_be_made(n), sorted(rows)):
        with tempfile.TemporaryDirectory() as tmp:
            check_model(Model(args, name, rows[name], tmp), rows[name], options.get(name, []),
                        totals)
            tally(totals)
    print("{models} models: {same} views have the bytes, {refused} are refused as they are there, {wrong} "
          "are wrong, {missing} cannot be made".format(**totals))
    for why, n in totals["reasons"].most_common():
        print(f"{n:6} {why}")
    sys.exit(1 if totals["wrong"] or not totals["same"] else 0)


main()
