#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Figures of PyTorch, ONNX, safetensors and folders beside those of ordinary files; docs/testing.md
says how each is taken. Wants 16 GB of disk and baremount in the work folder, where `packaging/bootstrap
bench` builds it, and in its Python torch and onnxruntime for the rows that load models.
WEIGHTFS_BENCH_CONVERT names a convert_hf_to_gguf.py that its Python can run."""

import argparse
import concurrent.futures
import os
import pathlib
import subprocess
import sys
import time

import make_model
import make_onnx
import measure as m
from bench import Table, best, rate_once

TARGETS = [  # sources, and the views of each that are read at once
    ("gguf", ["gguf@q4_k_m", "gguf@q8_0", "safetensors@f16", "safetensors@bf16", "pt@f16",
              "pt@bf16", "onnx@fp16.data", "onnx@int4.data"]),
    ("gguf", [f"hf@{t}/model.safetensors" for t in ("f16", "bf16")]),
    ("hf", ["gguf@q4_k_m", "gguf@q8_0", "safetensors@f16", "safetensors@f32", "pt@f16",
            "pt@f32", "onnx@fp16.data", "onnx@int4.data"]),
    ("hf", [f"hf@{t}/model.safetensors" for t in ("f16", "f32")]),
    ("safetensors", ["safetensors@f16", "safetensors@f32", "pt@f16", "pt@f32"]),
    ("pt", ["safetensors@f16", "safetensors@f32", "pt@f16", "pt@bf16"]),
    ("onnx", ["safetensors@f16", "safetensors@bf16", "pt@f16", "pt@bf16", "onnx@fp16.data",
              "onnx@int8.data", "onnx@int4.data", "onnx@q4f16.data"]),
]
LOAD = {"pt": "import torch; f = lambda p: torch.load(p, mmap=True, weights_only=True)",
        "onnx": "import onnxruntime as o; f = lambda p: o.InferenceSession(p, s)\n"
                "s = o.SessionOptions()\n"
                "s.graph_optimization_level = o.GraphOptimizationLevel.ORT_DISABLE_ALL"}
TIMED = "\nimport sys, time; t = time.perf_counter(); f(sys.argv[1]); print(time.perf_counter() - t)"


class Formats:
    def __init__(self, args):
        self.table, self.program, self.work = Table(args.csv), args.program, args.work
        self.threads, self.mnt, self.plain = args.threads, args.work / "mnt", args.work / "plain"
        self.sources = {"gguf": "big.gguf", "hf": "big", "safetensors": "big.safetensors",
                        "pt": "big.pt", "onnx": "big.onnx"}

    def source(self, kind):
        return self.work / "formats" / kind

    def mount(self, kind):
        return m.Weightfs([self.program, self.source(kind), self.mnt, "-o",
                           f"nocache,threads={self.threads}"], self.mnt)

    def view(self, kind, view):
        name = self.sources[kind]
        return self.mnt / f"{name.removesuffix('.' + kind)}.{view}"

    def convert(self, view, out):
        if not out.exists():
            out.parent.mkdir(parents=True, exist_ok=True)
            subprocess.run([self.program, "convert", view, out], check=True)

    def make(self):
        for kind in self.sources:
            self.source(kind).mkdir(parents=True, exist_ok=True)
        hf, gguf = self.source("hf") / "big", self.source("gguf") / "big.gguf"
        if not gguf.exists():
            make_model.make_gguf(str(gguf))
        if not hf.exists():
            make_model.make_hf(str(hf))
        if not (self.source("onnx") / "big.onnx").exists():
            make_onnx.make(str(self.source("onnx")), 2 << 30)
        self.convert(f"{hf}.pt@bf16", self.source("pt") / "big.pt")
        link = self.source("safetensors") / "big.safetensors"
        if not link.exists():
            os.link(hf / "model.safetensors", link)

    def read_source(self, kind):
        """Into the page cache."""
        for path in self.source(kind).rglob("*"):
            if path.is_file():
                m.sequential(path)

    def loaded_in(self, what, path):
        out = subprocess.run([sys.executable, "-c", LOAD[what] + TIMED, path], check=True,
                             capture_output=True, text=True)
        return float(out.stdout)

    def load(self, what, kind, view):
        """Loading a view beside an ordinary file with the same bytes."""
        name = self.view(kind, view).name
        copy = self.plain / name
        self.convert(self.source(kind) / name, copy)
        if what == "onnx":  # what it reads at once, it reads of a file too
            m.sequential(self.plain / (name + ".data"))
        plain = best(lambda: -self.loaded_in(what, copy))
        self.read_source(kind)
        with self.mount(kind):
            first = self.loaded_in(what, self.mnt / name)
            again = self.loaded_in(what, self.mnt / name)
        self.table.add(f"{what}: load {name}, first time", first * 1e3, "ms", "plain",
                       -plain * 1e3, "100 ms more at most")
        self.table.add(f"{what}: load {name}, again", again * 1e3, "ms", "plain", -plain * 1e3)

    def loads(self):
        self.table.section("Loading a view of 2.2 GB beside an ordinary file")
        for what, kind, view in (("pt", "hf", "pt@f16"), ("pt", "gguf", "pt@f16"),
                                 ("onnx", "hf", "onnx@fp16"), ("onnx", "onnx", "onnx@fp16")):
            try:
                self.load(what, kind, view)
            except subprocess.CalledProcessError as e:
                print(f"  {what}: skipped: {(e.stderr or str(e)).strip().splitlines()[-1]}")

    def bare(self):
        with m.Mount([self.work / "baremount", self.mnt, str(2 << 30)], self.mnt):
            m.readahead_kb(self.mnt, 1024)
            return rate_once(m.sequential, self.mnt / "data")

    def rates(self):
        self.table.section(f"Cold reads, no cache, {self.threads} threads, the source in the page cache")
        rows = [("onnx", "onnx@fp16.data", "from f32", "1 GB/s, or x 0.7"),
                ("onnx", "safetensors@f16", "from f32", ""),
                ("onnx", "onnx@int4.data", "from f32, turned over", ""),
                ("onnx", "onnx@int8.data", "from f32, dynamic", ""),
                ("hf", "onnx@fp16.data", "from bf16", ""), ("hf", "pt@f16", "from bf16", "")]
        for kind, view, how, aim in rows:
            self.read_source(kind)
            with self.mount(kind):
                got = rate_once(m.sequential, self.view(kind, view))
            self.table.add(f"{self.view(kind, view).name} {how}", got, "GB/s", "bare mount",
                           self.bare(), aim)

    def memory(self):
        self.table.section("Anonymous memory, eight readers at once")
        for kind, views in TARGETS:
            with self.mount(kind) as mount, m.Watch(mount.pid) as watch, \
                    concurrent.futures.ThreadPoolExecutor(8) as pool:
                paths = [self.view(kind, views[i % len(views)]) for i in range(8)]
                total = sum(pool.map(lambda p: m.sequential(p, 192 * m.MIB)[0], paths))
            self.table.add(f"{kind}: {len(views)} views, {views[0]} …, {total / 1e9:.1f} GB read",
                           watch.most / 1024, "MiB", aim="under 256")

    def folders(self):
        script = os.environ.get("WEIGHTFS_BENCH_CONVERT")
        if not script:
            return
        self.table.section("A folder of 1.1 B parameters in bf16 to GGUF, cold, no cache")
        out = self.work / "converted.gguf"
        for name in ("bf16", "f16"):
            start = time.perf_counter()
            subprocess.run([sys.executable, script, self.source("hf") / "big", "--outtype", name,
                            "--outfile", out], check=True, capture_output=True)
            other = time.perf_counter() - start
            with self.mount("hf"):
                view = self.view("hf", f"gguf@{name}")
                seconds = m.sequential(view)[1]
                same = subprocess.run(["cmp", view, out], check=False).returncode == 0
            out.unlink()
            self.table.add(f"@{name}{'' if same else ' DIFFERS'}", seconds, "s",
                           "convert_hf", other, "x 0.25 or less")

    def run(self):
        self.make()
        self.loads()
        self.rates()
        self.memory()
        self.folders()
        if self.table.csv:
            self.table.write()


def main():
    p = argparse.ArgumentParser(description=__doc__)
    p.add_argument("--program", required=True, type=pathlib.Path)
    p.add_argument("--work", required=True, type=pathlib.Path)
    p.add_argument("--threads", type=int, default=os.cpu_count())
    p.add_argument("--csv", action="store_true")
    Formats(p.parse_args()).run()


if __name__ == "__main__":
    main()
