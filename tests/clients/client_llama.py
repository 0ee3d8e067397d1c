# SPDX-License-Identifier: Apache-2.0
"""llama.cpp, which maps a model into memory: a completion from the mounted view is that from an
ordinary file."""

import pathlib
import subprocess
import sys

import pytest

COMPLETE = pathlib.Path(__file__).with_name("complete.py")


def complete(model):
    done = subprocess.run([sys.executable, COMPLETE, model, "Return a new list"],
                          capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout


@pytest.mark.parametrize("view", ["tinylm.gguf@q4_0", "tinylm.gguf@q8_0", "single.gguf@q5_1",
                                  "single.gguf"])
def test_completion_is_that_of_an_ordinary_copy(mount, models, convert, view):
    ordinary = models / view if (models / view).exists() else convert(models / view)
    text = complete(mount / view)
    assert text.strip()
    assert text == complete(ordinary)
