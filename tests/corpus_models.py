# SPDX-License-Identifier: Apache-2.0
"""The models of tests/data/corpus, made where a test wants to read them. Several tests, and
several builds, may share a folder: $WEIGHTFS_TEST_MODELS, where it is set, is that of all."""
import contextlib
import fcntl
import io
import os
import shutil
import sys
import tempfile

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
                with contextlib.redirect_stdout(io.StringIO()):
                    make.make(name, half)
                os.rename(os.path.join(half, name), os.path.join(out, name))
            finally:
                shutil.rmtree(half)
    return out
