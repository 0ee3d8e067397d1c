# SPDX-License-Identifier: Apache-2.0
"""The Pythons here that have torch: the one that runs this, and Debian's (python3-torch), whose numpy
is not that of an environment of its own, and which is therefore run as another process."""
import importlib.util
import os
import subprocess
import sys

DEBIAN = "/usr/bin/python3"


def has_torch(python):
    find = "import importlib.util as u, sys; sys.exit(u.find_spec('torch') is None)"
    return os.path.exists(python) and subprocess.run([python, "-I", "-c", find], check=False).returncode == 0


def pythons():
    """{name: program}, which may be empty."""
    found = {"own": sys.executable} if importlib.util.find_spec("torch") else {}
    if has_torch(DEBIAN):
        found["debian"] = DEBIAN
    return found
