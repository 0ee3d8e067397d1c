# SPDX-License-Identifier: Apache-2.0
"""What the tests of real clients share: the program, a folder of models, a mount of it."""

import os
import pathlib
import shutil
import subprocess
import time

import pytest

TOP = pathlib.Path(__file__).resolve().parents[2]
MODELS = TOP / "tests" / "data" / "models"


@pytest.fixture(scope="session")
def program():
    """The program under test: $WEIGHTFS, or what `bootstrap test` built."""
    path = pathlib.Path(os.environ.get("WEIGHTFS", TOP / "build" / "test" / "tools" / "weightfs"))
    if not path.exists():
        pytest.skip(f"{path} is not built")
    return str(path)


@pytest.fixture(scope="session")
def convert(program, tmp_path_factory):
    """convert(path of a view without a mount) -> an ordinary file with its bytes."""
    made = {}
    out = tmp_path_factory.mktemp("converted")

    def run(view):
        view = str(view)
        if view not in made:
            made[view] = out / f"{len(made)}-{os.path.basename(view)}"
            env = dict(os.environ, XDG_CACHE_HOME=str(out / "cache"))
            subprocess.run([program, "convert", view, made[view]], check=True, env=env)
        return made[view]

    return run


@pytest.fixture(scope="session")
def models(tmp_path_factory, convert):
    """A folder with a Hugging Face folder and a GGUF file."""
    src = tmp_path_factory.mktemp("models")
    shutil.copytree(MODELS / "tinylm", src / "tinylm")
    shutil.copy(convert(MODELS / "tinylm.gguf@f16"), src / "single.gguf")
    return src


def unmount(mnt):
    for _ in range(50):
        done = subprocess.run(["fusermount3", "-u", str(mnt)], capture_output=True, text=True)
        if done.returncode == 0:
            return
        time.sleep(0.1)
    subprocess.run(["fusermount3", "-uz", str(mnt)], check=False)


@pytest.fixture(scope="session")
def mount(program, models, tmp_path_factory):
    """A mount of `models`."""
    mnt = tmp_path_factory.mktemp("mnt")
    cache = tmp_path_factory.mktemp("cache")
    subprocess.run([program, models, mnt, "-o", f"cache={cache}"], check=True, timeout=30)
    yield mnt
    unmount(mnt)
