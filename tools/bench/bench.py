#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Figures of weightfs beside those of a plain file and of a mount that does the least. Run by
`packaging/bootstrap bench`; docs/testing.md says how each is taken."""

import argparse
import concurrent.futures
import os
import pathlib
import shutil
import subprocess
import sys

import make_model
import measure as m

HERE = pathlib.Path(__file__).resolve().parent
TYPES = ["q4_0", "q8_0"]
EIGHT = ["gguf@q4_0", "gguf@q4_1", "gguf@q5_0", "gguf@q5_1", "gguf@q8_0", "gguf@bf16",
         "gguf@f32", "safetensors@f16"]


class Table:
    def __init__(self, csv):
        self.csv, self.rows = csv, []

    def add(self, what, value, unit, versus="", other=None, aim=""):
        """@other: the same of @versus, in the same unit; the ratio is ours by theirs."""
        ratio = value / other if other else None
        self.rows.append((what, value, unit, versus, other, ratio, aim))
        if not self.csv:
            text = f"  {what:<44} {value:>9.4g} {unit:<7}"
            if other:
                text += f" {versus:<15} {other:>9.4g}   x {ratio:.3g}"
            print(f"{text:<98} {aim}".rstrip(), flush=True)

    def section(self, text):
        if not self.csv:
            print(f"\n{text}", flush=True)

    def write(self):
        print("what,value,unit,versus,other,ratio,aim")
        for row in self.rows:
            print(",".join("" if v is None else f"{v:.6g}" if isinstance(v, float) else str(v)
                           for v in row))


def rate(read, *args):
    """GB/s, the best of three: what else the machine does only ever slows a read down."""
    return max(n / seconds for n, seconds in (read(*args) for _ in range(3))) / 1e9


def rate_once(read, *args):
    n, seconds = read(*args)
    return n / seconds / 1e9


def best(read, *args):
    return max(read(*args) for _ in range(3))


class Bench:
    def __init__(self, args):
        self.table = Table(args.csv)
        self.program, self.work, self.threads = args.program, args.work, args.threads
        self.mnt = self.work / "mnt"
        self.models, self.cache = self.work / "models", self.work / "cache"
        self.big = self.models / "big.gguf"
        self.imatrix = self.models / "big.imatrix.gguf"

    def path(self, view):
        return self.mnt / f"big.{view}"

    def mount(self, src=None, cache=True):
        option = f"cache={self.cache}" if cache else "nocache"
        return m.Weightfs([self.program, src or self.models, self.mnt, "-o",
                           f"{option},threads={self.threads}"], self.mnt)

    def bare(self):
        return m.Mount([self.work / "baremount", self.mnt, str(self.big.stat().st_size)],
                       self.mnt)

    def make(self):
        self.models.mkdir(parents=True, exist_ok=True)
        if not self.big.exists():
            make_model.make_gguf(str(self.big))
        if not self.imatrix.exists():
            make_model.make_imatrix(str(self.imatrix))
        for kind, make in (("ggufs", make_model.make_ggufs), ("hfs", make_model.make_hfs)):
            if not (self.work / kind / "model-0999").exists() and \
               not (self.work / kind / "model-0999.gguf").exists():
                make(str(self.work / kind), 1000)
        m.sequential(self.big)  # all that follows finds it in the page cache

    def quantize(self, spec):
        """Seconds that llama-quantize takes for what a view's spec says: TYPE, or TYPE+imatrix."""
        name, *options = spec.split("+")
        out = self.work / "quantized.gguf"
        program = os.environ.get("WEIGHTFS_BENCH_QUANTIZE")
        if options and not program:
            sys.exit("bench: importance data wants WEIGHTFS_BENCH_QUANTIZE=/path/of/llama-quantize")
        args = [program] if program else [sys.executable, HERE / "quantize.py"]
        args += ["--imatrix", self.imatrix] if options else []
        args += [self.big, out, name, self.threads]
        seconds = m.command([str(a) for a in args])
        out.unlink()
        return seconds

    def bare_read(self, kb):
        """(read-ahead, GB/s cold, then from the page cache by read and by mmap) of the bare mount."""
        cold = 0
        for _ in range(3):
            with self.bare():
                kb = m.readahead_kb(self.mnt, kb)
                cold = max(cold, rate_once(m.sequential, self.mnt / "data"))
                hot = rate(m.sequential, self.mnt / "data")
                walk = rate(m.mmap_walk, self.mnt / "data")
        return kb, cold, hot, walk

    def cold_read(self, path, again=3, cache=True, src=None):
        """GB/s of the first read after a mount; the best of some."""
        rates = []
        for _ in range(again):
            with self.mount(src, cache):
                rates.append(rate_once(m.sequential, path))
        return max(rates)

    def plain_and_bare(self):
        t = self.table
        t.section("A plain file, and a bare mount that copies from memory")
        m.drop(self.big)
        t.add("plain, from disk", rate_once(m.sequential, self.big), "GB/s")
        self.plain = rate(m.sequential, self.big)
        t.add("plain, in the page cache", self.plain, "GB/s")
        self.plain_walk = rate(m.mmap_walk, self.big)
        kb, cold, _, _ = self.bare_read(None)
        t.add(f"bare mount, cold, read ahead {kb} KiB", cold, "GB/s")
        kb, self.bare_cold, self.bare_hot, self.bare_walk = self.bare_read(1024)
        t.add(f"bare mount, cold, read ahead {kb} KiB", self.bare_cold, "GB/s")
        t.add("bare mount, in the page cache", self.bare_hot, "GB/s", "plain", self.plain)
        t.add("bare mount, in the page cache, mmap", self.bare_walk, "GB/s", "plain",
              self.plain_walk)
        self.bare_random = {}
        for block in (4096, 131072):
            with self.bare():
                m.readahead_kb(self.mnt, 1024)
                self.bare_random[block] = m.random_reads(self.mnt / "data", block, 2000)
        self.plain_random = {b: best(m.random_reads, self.big, b, 20000) for b in (4096, 131072)}

    def first(self):
        t = self.table
        t.section("After the mount")
        m.remove(self.cache)
        with self.mount():
            t.add("first stat and 64 KiB of @q4_0", m.first_bytes(self.path("gguf@q4_0")) * 1e3,
                  "ms", aim="under 20")
            t.add("read ahead of the mount", m.readahead_kb(self.mnt), "KiB")
        t.add("pass-through, cold", self.cold_read(self.mnt / "big.gguf"), "GB/s", "bare mount",
              self.bare_cold, "x 0.7 or more")
        with self.mount():
            m.sequential(self.mnt / "big.gguf")
            t.add("pass-through, page cache", rate(m.sequential, self.mnt / "big.gguf"), "GB/s",
                  "plain", self.plain)

    def cold(self, name):
        t = self.table
        t.section(f"@{name} of {self.big.stat().st_size / 1e9:.2f} GB in f16, "
                  f"{self.threads} threads, source in the page cache")
        llama = self.quantize(name)
        view = self.path(f"gguf@{name}")
        with self.mount():
            size = view.stat().st_size / 1e9
        t.add("cold, no cache", size / self.cold_read(view, cache=False), "s", "llama-quantize",
              llama, "x 0.2 or less")
        m.remove(self.cache)
        t.add("cold, filling the cache", size / self.cold_read(view, again=1), "s",
              "llama-quantize", llama, "x 0.333 or less")
        t.add("after a remount, from LMDB", self.cold_read(view), "GB/s", "bare mount",
              self.bare_cold, "1 GB/s, or x 0.7")
        with self.mount():
            t.add("after a remount, mmap", rate_once(m.mmap_walk, view), "GB/s")
            m.sequential(view)
            t.add("kernel's page cache, read", rate(m.sequential, view), "GB/s", "plain",
                  self.plain, "x 0.5 or more")
            t.add("", rate(m.sequential, view), "GB/s", "bare mount", self.bare_hot)
            t.add("kernel's page cache, mmap", rate(m.mmap_walk, view), "GB/s", "plain",
                  self.plain_walk, "x 1, within noise")
            t.add("", rate(m.mmap_walk, view), "GB/s", "bare mount", self.bare_walk)
            for block in (4096, 131072):
                t.add(f"kernel's page cache, random {block // 1024} KiB",
                      best(m.random_reads, view, block, 20000), "/s", "plain",
                      self.plain_random[block])
        for block in (4096, 131072):
            with self.mount():
                t.add(f"after a remount, random {block // 1024} KiB",
                      m.random_reads(view, block, 2000), "/s", "bare mount",
                      self.bare_random[block])
        with self.mount(cache=False):
            t.add("cold, no cache, random 4 KiB", m.random_reads(view, 4096, 500), "/s")

    def conversions(self, specs):
        """Nothing but the first read, beside llama-quantize's time."""
        self.make()
        self.table.section(f"Cold, no cache, {self.threads} threads, source in the page cache")
        for spec in specs:
            llama = self.quantize(spec)
            view = self.path(f"gguf@{spec}")
            with self.mount(cache=False):
                size = view.stat().st_size / 1e9
            self.table.add(f"@{spec}", size / self.cold_read(view, again=1, cache=False), "s",
                           "llama-quantize", llama)

    def eight(self):
        t = self.table
        t.section("Eight readers of eight views at once, cold")
        m.remove(self.cache)
        with self.mount() as mount, m.Watch(mount.pid) as watch, \
                concurrent.futures.ThreadPoolExecutor(8) as pool:
            done = pool.map(lambda v: m.sequential(self.path(v), 256 * m.MIB)[0], EIGHT)
            total = sum(done)
        t.add(f"anonymous memory ({total / 1e9:.1f} GB read)", watch.most / 1024, "MiB",
              aim="under 256")

    def listing(self):
        t = self.table
        for kind, what in (("ggufs", "GGUF files of 1 KiB headers"),
                           ("hfs", "folders with 32,000 tokens")):
            t.section(f"ls -l of 1,000 {what}")
            m.remove(self.cache)
            once = m.command(f"find {self.work / kind} -name '*.json' -o -name 'tokenizer*' -o "
                             f"-name '*.gguf' | xargs -P {self.threads} cat", shell=True)
            with self.mount(self.work / kind):
                t.add("first time", m.command(["ls", "-l", self.mnt]), "s", "cat of headers",
                      once, "under 1" if kind == "ggufs" else "")
                t.add("second time", m.command(["ls", "-l", self.mnt]), "s")
            with self.mount(self.work / kind):
                t.add("after a remount", m.command(["ls", "-l", self.mnt]), "s",
                      aim="under 1")

    def run(self):
        self.make()
        self.plain_and_bare()
        self.first()
        for name in TYPES:
            self.cold(name)
        self.eight()
        self.listing()
        m.remove(self.cache)


def main():
    p = argparse.ArgumentParser(description=__doc__)
    p.add_argument("--program", type=pathlib.Path, required=True)
    p.add_argument("--work", type=pathlib.Path, required=True)
    p.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    p.add_argument("--types", type=lambda s: s.split(","), metavar="SPEC,...",
                   help="just the conversions to these, as q4_k_m or iq2_xs+imatrix")
    p.add_argument("--csv", action="store_true", help="for other programs")
    args = p.parse_args()
    free = shutil.disk_usage(args.work).free
    if free < 12e9:
        sys.exit(f"bench: {args.work} has {free / 1e9:.1f} GB free, and 12 are needed")
    try:
        bench = Bench(args)
        bench.conversions(args.types) if args.types else bench.run()
        if args.csv:
            bench.table.write()
    except subprocess.CalledProcessError as e:
        sys.exit(f"bench: {e}")


if __name__ == "__main__":
    main()
