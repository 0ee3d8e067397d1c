# SPDX-License-Identifier: Apache-2.0
"""Whole mounted views against llama.cpp's files: SHA-256 for every model and type below, of folders
and of GGUF files, by the tables in tests/data/corpus (docs/testing.md says how they were made)."""

import csv
import hashlib
import os
import pathlib
import shutil
import subprocess
import sys

import pytest

DATA = pathlib.Path(__file__).resolve().parents[1] / "data"
CORPUS = DATA / "corpus"
MODELS = ["tinylm", "Tiny-Llama-2-SPM-Chat-v1.0", "llama-288-mixed", "llama-tied-rope3",
          "Nano-Mixtral-8x1M-v0.1"]
OUTTYPES = ["f32", "f16", "bf16", "q8_0", "auto"]  # of convert_hf_to_gguf.py
TYPES = ["f16", "bf16", "q8_0", "q4_0", "q4_1", "q5_0", "q5_1", "q2_k", "q3_k_s", "q3_k_m", "q3_k_l",
         "q4_k_s", "q4_k_m", "q5_k_s", "q5_k_m", "q6_k", "iq4_nl", "iq4_xs", "tq1_0",
         "tq2_0"]  # of llama-quantize


def table(name):
    with open(CORPUS / name, encoding="utf-8") as f:
        rows = csv.DictReader(f, delimiter="\t")
        return [r for r in rows if r["model"] in MODELS and r["bytes"] != "-"]


def cases():
    """(model, source, spec, bytes, sha256); source: `folder`, or the outtype of a GGUF of it."""
    for row in table("golden.tsv"):
        want = (row["bytes"], row["sha256"])
        outtype, spec = row["type"].removeprefix("convert:"), row["type"].lower()
        if row["type"].startswith("convert:") and outtype in OUTTYPES:
            yield row["model"], "folder", outtype, *want
        elif spec in TYPES:
            yield row["model"], "auto", spec, *want
            if spec not in OUTTYPES:  # those are the converter's, from a folder
                yield row["model"], "folder", spec, *want
    for row in table("golden-options.tsv"):
        spec = row["type"].lower()
        if spec in TYPES and row["options"] in ("", "--allow-requantize"):
            spec += "+requantize" if row["options"] else ""
            yield row["model"], row["source"], spec, row["bytes"], row["sha256"]


CASES = list(cases())


@pytest.fixture(scope="session")
def made(tmp_path_factory):
    """All models: those with trained weights copied, the others made by their recipes."""
    out = tmp_path_factory.mktemp("made")
    recipes = []
    for name in MODELS:
        if (DATA / "models" / name).is_dir():
            shutil.copytree(DATA / "models" / name, out / name)
        else:
            recipes.append(name)
    make = [sys.executable, "-B", CORPUS / "make.py"]
    subprocess.run([*make, out, *recipes], check=True, capture_output=True)
    subprocess.run([*make, "--verify", out, *recipes], check=True, capture_output=True)
    return out


@pytest.fixture(scope="session")
def mounted(program, made, mounting, tmp_path_factory):
    return mounting(made, f"cache={tmp_path_factory.mktemp('cache')},views=none")


@pytest.fixture(scope="session")
def gguf_of(program, made):
    """The name of a GGUF file which the folder of a model was made into."""

    def make(model, outtype):
        name = f"{model}.{outtype}.gguf"
        if not (made / name).exists():
            view = made / f"{model}.gguf@{outtype}"
            subprocess.run([program, "convert", view, made / name], check=True)
        return name

    return make


@pytest.mark.parametrize("case", CASES, ids=lambda c: "-".join(c[:3]))
def test_the_file_is_that_of_llama_cpp(mounted, gguf_of, case):
    model, source, spec, size, digest = case
    name = model if source == "folder" else gguf_of(model, source)
    view = mounted / f"{name}.gguf@{spec}"
    assert view.stat().st_size == int(size)
    with open(view, "rb") as f:
        assert hashlib.file_digest(f, "sha256").hexdigest() == digest


def test_quantizing_what_is_quantized_is_asked_for(mounted, gguf_of):
    name = gguf_of(MODELS[0], "q8_0")
    view = mounted / f"{name}.gguf@q4_0"
    assert view.stat().st_size == 0
    assert b"requantize" in os.getxattr(view, "user.weightfs.error")
    with pytest.raises(OSError):
        view.open("rb")
