# SPDX-License-Identifier: Apache-2.0
"""Views against llama-quantize: golden_views.py [--gguf DIR] VIEW_CAT DIR [NAME...]

Makes the models of tests/data/corpus below DIR and compares the SHA-256 of views with golden.tsv,
which llama-quantize of llama.cpp 0c1e570 was run for: views of the GGUF of type auto, and of the
folder. That GGUF is a view too, or, with --gguf, DIR/NAME/NAME.auto.gguf."""
import argparse
import hashlib
import os
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
CORPUS = os.path.join(HERE, "data", "corpus")
READY = os.path.join(HERE, "data", "models")  # models that are checked in with their weights


def golden(path):
    rows = {}
    with open(os.path.join(path, "golden.tsv"), encoding="utf-8") as f:
        for line in list(f)[1:]:
            model, kind, _, digest = line.rstrip("\n").split("\t")[:4]
            rows.setdefault(model, {})[kind] = digest
    return rows


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


def compare(tool, src, path, kind, want, totals):
    got, error = view(tool, src, path, "gguf@" + kind.lower())
    refused = error and error.startswith(("EOPNOTSUPP", "EACCES"))
    if got == want or (want == "refused" and refused):
        totals["same"] += 1
    elif error and ("cannot be written yet" in error or "is not a type" in error):
        totals["missing"] += 1
        totals["kinds"].add(kind)
    else:
        totals["wrong"] += 1
        print(f"{path} {kind}: {error or 'other bytes'}")


def main():
    args = argparse.ArgumentParser()
    args.add_argument("--gguf")
    args.add_argument("--corpus", default=CORPUS)
    args.add_argument("tool")
    args.add_argument("dir")
    args.add_argument("names", nargs="*")
    args = args.parse_args()
    rows = golden(args.corpus)
    totals = {"same": 0, "wrong": 0, "missing": 0, "models": 0, "kinds": set()}
    for name in args.names or sorted(rows):
        src = READY if os.path.isdir(os.path.join(READY, name)) else args.dir
        kinds = {k: v for k, v in rows[name].items() if ":" not in k and "+" not in k}
        auto = rows[name].get("convert:auto")
        if not kinds or not auto:
            continue
        path = os.path.join(src, name)
        if not os.path.isdir(path) and not args.gguf:
            subprocess.run([sys.executable, os.path.join(CORPUS, "make.py"), src, name], check=True,
                           stdout=subprocess.DEVNULL)
        with tempfile.TemporaryDirectory() as tmp:
            gguf = os.path.join(tmp, "m.gguf")
            folder = os.path.isdir(path) and view(args.tool, src, name, "gguf@auto", gguf)[0] == auto
            if args.gguf and os.path.exists(f"{args.gguf}/{name}/{name}.auto.gguf"):
                if not folder:
                    os.symlink(os.path.abspath(f"{args.gguf}/{name}/{name}.auto.gguf"), gguf)
                    gguf = os.path.realpath(gguf)
            elif not folder:
                print(f"{name}: no GGUF of it")
                continue
            totals["models"] += 1
            for kind, want in kinds.items():
                compare(args.tool, os.path.dirname(gguf), os.path.basename(gguf), kind, want,
                        totals)
                # The converter makes these of a folder itself.
                if folder and kind not in ("F32", "F16", "BF16", "Q8_0", "COPY"):
                    compare(args.tool, src, name, kind, want, totals)
    print("{models} models: {same} views have the bytes, {wrong} have not, {missing} cannot be made"
          .format(**totals), " ".join(sorted(totals["kinds"])))
    sys.exit(1 if totals["wrong"] or not totals["same"] else 0)


main()
