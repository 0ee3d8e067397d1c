# SPDX-License-Identifier: Apache-2.0
"""The models of tests/data/corpus, made where a test wants to read them. Several tests, and
several builds, may share a folder: $WEIGHTFS_TEST_MODELS, where it is set, is that of all."""
import contextlib
import fcntl
import functools
import io
import json
import os
import shutil
import subprocess
import sys
import tempfile

from torches import pythons

HERE = os.path.dirname(os.path.abspath(__file__))
CORPUS = os.path.join(HERE, "data", "corpus")
READY = os.path.join(HERE, "data", "models")  # models that are checked in with their weights
sys.path.insert(0, CORPUS)
import make  # noqa: E402


def shared_folder(own):
    """Where the models are: @own, unless all tests share one."""
    out = os.environ.get("WEIGHTFS_TEST_MODELS") or own
    os.makedirs(out, exist_ok=True)
    return out


@functools.cache
def torch_python():
    """The program of a Python that has torch, or None."""
    return next(iter(pythons().values()), None)


def needs_torch(name):
    """Its weights are an archive of torch.save's, which are not checked in."""
    if os.path.isdir(os.path.join(READY, name)):
        return False
    with open(os.path.join(CORPUS, "recipes", name, "tensors.json"), encoding="utf-8") as f:
        return any(part["file"].endswith(".bin") for part in json.load(f)["files"])


def run_make(name, out):
    if needs_torch(name):
        maker = [torch_python(), "-B", "-s", os.path.join(CORPUS, "make.py")]
        subprocess.run([*maker, out, name], check=True, capture_output=True)
        return
    with contextlib.redirect_stdout(io.StringIO()):
        make.make(name, out)


def provide(out, name):
    """The folder in which the model @name lies, which is made below @out where it is not checked
    in. Whole or not at all, and once, whoever else wants it."""
    if os.path.isdir(os.path.join(READY, name)):
        return READY
    with open(os.path.join(out, ".lock"), "w", encoding="utf-8") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not os.path.isdir(os.path.join(out, name)):
            half = tempfile.mkdtemp(prefix=".half-", dir=out)
            try:
                run_make(name, half)
                os.rename(os.path.join(half, name), os.path.join(out, name))
            finally:
                shutil.rmtree(half)
    return out
