# SPDX-License-Identifier: Apache-2.0
"""What the tests of real clients share: the program, a folder of models, a mount of it."""

import os
import pathlib
import shutil
import subprocess
import time

import onnx_models
import pytest

TOP = pathlib.Path(__file__).resolve().parents[2]
MODELS = TOP / "tests" / "data" / "models"


@pytest.fixture(scope="session")
def program():
    """The program under test: $WEIGHTFS, or what `bootstrap test` built."""
    path = pathlib.Path(os.environ.get("WEIGHTFS", TOP / "build" / "test" / "weightfs"))
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
def mounting(program, tmp_path_factory):
    """mounting(SRC, options) -> a mount of it, which the end of the session unmounts."""
    mounts = []

    def run(src, options):
        mnt = tmp_path_factory.mktemp("mnt")
        subprocess.run([program, src, mnt, "-o", options], check=True, timeout=60)
        mounts.append(mnt)
        return mnt

    yield run
    for mnt in mounts:
        unmount(mnt)


@pytest.fixture(scope="session")
def mount(mounting, models, tmp_path_factory):
    """A mount of `models`."""
    return mounting(models, f"cache={tmp_path_factory.mktemp('cache')}")


@pytest.fixture(scope="session")
def folders(tmp_path_factory):
    """Models that graphs are made of."""
    out = tmp_path_factory.mktemp("decoders")
    onnx_models.make_folders(out)
    return out


@pytest.fixture(scope="session")
def graphs(folders, mounting, program):
    """A mount of them, and of GGUFs of one."""
    for view in ("q4_0", "q8_0", "q4_0+pure"):
        out = folders / f"tinylm-{view}.gguf"
        subprocess.run([program, "convert", folders / f"tinylm.gguf@{view}", out], check=True)
    return mounting(folders, "nocache,views=none")
