#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""gpu_cli.py PROGRAM MODULE: views made with a GPU, which MODULE emulates, have the bytes of the CPU,
whatever part of the GPU's work fails."""
import os
import pathlib
import shutil
import struct
import subprocess
import sys
import tempfile
import unittest

import mounting

MODULE = os.path.abspath(sys.argv.pop(2))
PROGRAM = os.path.abspath(sys.argv.pop(1))
COLS, ROWS = 256, 6000
FAILED = b"no GPU, the CPU does its work"
CALLS_TO_OPEN = 45  # of CUDA's runtime: three queues


class Gpu(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.dir = pathlib.Path(tempfile.mkdtemp(prefix="weightfs-gpu."))
        mounting.model(cls.dir / "m.gguf", rows=ROWS, cols=COLS)
        weights = mounting.floats(COLS, 7)
        squares = b"".join(b"\0\0" + weights[4 * i + 2:4 * i + 3] + b"\x3f" for i in range(COLS))
        data = struct.pack("<i", 2)
        for name in (b"token_embd.weight", b"blk.0.ffn_up.weight"):
            data += struct.pack("<i", len(name)) + name + struct.pack("<ii", 1, COLS) + squares
        data += struct.pack("<ii", 1, 4) + b"text"
        (cls.dir / "m.imatrix.dat").write_bytes(data)
        cls.cpu = {}

    @classmethod
    def tearDownClass(cls):
        shutil.rmtree(cls.dir)

    def convert(self, spec, *args, **env):
        done = subprocess.run([PROGRAM, "convert", *args, self.dir / f"m.gguf@{spec}", "-"],
                              capture_output=True, timeout=120,
                              env={**os.environ, "WEIGHTFS_GPU_MODULE": MODULE, **env})
        self.assertEqual(done.returncode, 0, done.stderr.decode(errors="replace"))
        return done.stdout, done.stderr

    def want(self, spec):
        if spec not in self.cpu:
            self.cpu[spec] = self.convert(spec, "--gpu", "off")[0]
        return self.cpu[spec]

    def test_bytes_are_those_of_the_cpu(self):
        for spec in ("q4_k_s+pure", "q6_k", "iq4_xs", "q4_0", "q4_0+imatrix", "q3_k_m+imatrix"):
            made, said = self.convert(spec, "--gpu", "1")
            self.assertEqual(said, b"", spec)
            self.assertTrue(made == self.want(spec), spec)

    def test_it_is_the_gpu_that_works(self):
        for spec in ("q4_k_s+pure", "q4_0+imatrix"):
            made, said = self.convert(spec, "--gpu", "1", WEIGHTFS_CUDA_FAIL=str(CALLS_TO_OPEN))
            self.assertIn(FAILED, said, spec)
            self.assertTrue(made == self.want(spec), spec)
        # What is no search is not worth the way.
        self.assertEqual(self.convert("q8_0", "--gpu", "1", WEIGHTFS_CUDA_FAIL="45")[1], b"")

    def test_every_call_may_fail(self):
        for call in (1, 3, 7, 12, 25, 40, *range(CALLS_TO_OPEN, CALLS_TO_OPEN + 8), 60):
            made, _ = self.convert("q6_k", "--gpu", "1", WEIGHTFS_CUDA_FAIL=str(call))
            self.assertTrue(made == self.want("q6_k"), call)

    def test_without_a_gpu(self):
        nowhere = {"WEIGHTFS_GPU_MODULE": "/nonexistent.so"}
        made, said = self.convert("q6_k", **nowhere)
        self.assertEqual(said, b"")  # nobody asked for one
        self.assertTrue(made == self.want("q6_k"))
        for which, why in (("0", b"compute capability"), ("7", b"no such device")):
            made, said = self.convert("q6_k", "--gpu", which)
            self.assertIn(why, said)
            self.assertTrue(made == self.want("q6_k"))
        self.assertIn(b"nonexistent", self.convert("q6_k", "--gpu", "0", **nowhere)[1])

    def test_usage(self):
        for bad in ("", "x", "-1", "1x", "99999"):
            done = subprocess.run([PROGRAM, "convert", "--gpu", bad, "a", "b"], capture_output=True)
            self.assertEqual(done.returncode, 1)
            self.assertIn(b"--gpu", done.stderr)


unittest.main()
