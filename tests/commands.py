# SPDX-License-Identifier: Apache-2.0
"""What tests of the command line share: a small model in a folder of its own, and the program,
which is the first argument."""

import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import unittest

PROGRAM = os.path.abspath(sys.argv.pop(1))
MODELS = pathlib.Path(__file__).resolve().parent / "data" / "models"


class Commands(unittest.TestCase):
    def setUp(self):
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix="weightfs-cli."))
        self.addCleanup(shutil.rmtree, self.dir)
        self.models = self.dir / "models"
        shutil.copytree(MODELS / "tinylm", self.models / "tinylm")
        self.view = self.models / "tinylm.gguf@q4_0"

    def run_program(self, *args, status=0):
        done = subprocess.run([PROGRAM, *map(str, args)], capture_output=True, timeout=120,
                              cwd=self.dir)
        self.assertEqual(done.returncode, status, done.stderr.decode(errors="replace"))
        return done
