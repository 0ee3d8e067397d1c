#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""tool_cli.py PROGRAM: the commands that work without a mount, from the command line."""

import hashlib
import json
import re
import shutil
import signal
import struct
import subprocess
import time
import unittest

from commands import MODELS, PROGRAM, Commands

ONNX = MODELS.parent / "onnx"
Q4_0 = "212e57cec6f1107addbe9efa567a4957ded979311fb68ca16ca49c75165415b4"  # llama.cpp's


class Cli(Commands):
    def test_convert_writes_the_bytes_of_llama_cpp(self):
        out = self.dir / "out.gguf"
        self.run_program("convert", self.view, out)
        self.assertEqual(hashlib.sha256(out.read_bytes()).hexdigest(), Q4_0)
        self.run_program("convert", self.view, self.dir)
        self.assertEqual((self.dir / self.view.name).read_bytes(), out.read_bytes())

    def test_convert_to_a_pipe_and_parts(self):
        whole = self.run_program("convert", self.view, "-")
        self.assertEqual(whole.stderr, b"")  # no progress where there is no terminal
        part = self.run_program("convert", "--range", "1000001:64K", self.view, "-").stdout
        self.assertEqual(part, whole.stdout[1000001 : 1000001 + 65536])
        tail = self.run_program("convert", "--range", f"{len(whole.stdout)}:0", self.view, "-")
        self.assertEqual(tail.stdout, b"")
        self.run_program("convert", "--range", f"{len(whole.stdout)}:1", self.view, "-", status=2)
        for bad in ("5", "a:1", ":1", "1:", "-1:1", "1:99999999999999999999"):
            self.run_program("convert", "--range", bad, self.view, "-", status=1)

    def test_convert_replaces_only_when_told(self):
        out = self.dir / "out.gguf"
        out.write_bytes(b"mine")
        done = self.run_program("convert", self.view, out, status=2)
        self.assertIn(b"-f", done.stderr)
        self.assertEqual(out.read_bytes(), b"mine")
        self.run_program("convert", "-f", self.view, out)
        self.assertEqual(hashlib.sha256(out.read_bytes()).hexdigest(), Q4_0)

    def test_convert_leaves_nothing_when_it_fails_or_is_killed(self):
        (self.models / "tinylm" / "model.safetensors").write_bytes(b"\x10")
        out = self.dir / "out"
        out.mkdir()
        self.run_program("convert", self.view, out / "x", status=2)
        self.assertEqual(list(out.iterdir()), [])
        shutil.copy(MODELS / "tinylm" / "model.safetensors", self.models / "tinylm")
        p = subprocess.Popen([PROGRAM, "convert", self.view, out / "x"])
        time.sleep(0.01)
        p.send_signal(signal.SIGKILL)
        p.wait()
        self.assertIn([f.name for f in out.iterdir()], ([], ["x"]))

    def test_a_pipe_that_is_closed_is_an_error_not_a_hang(self):
        p = subprocess.Popen([PROGRAM, "convert", self.view, "-"], stdout=subprocess.PIPE,
                             stderr=subprocess.DEVNULL)
        p.stdout.read(10)
        p.stdout.close()
        self.assertNotEqual(p.wait(60), 0)

    def test_convert_takes_chunks_from_a_cache(self):
        cache = self.dir / "cache"
        self.run_program("warm", "--cache", cache, self.view)
        stat = json.loads(self.run_program("cache", "stat", "--json", "--cache", cache).stdout)
        self.assertGreater(stat["chunks"], 0)
        got = self.run_program("convert", "--cache", cache, self.view, "-").stdout
        self.assertEqual(hashlib.sha256(got).hexdigest(), Q4_0)
        verify = self.run_program("cache", "verify", "--json", "--cache", cache)
        self.assertEqual(json.loads(verify.stdout), {"checked": stat["chunks"], "damaged": 0})
        self.run_program("cache", "clear", "--cache", cache)
        stat = json.loads(self.run_program("cache", "stat", "--json", "--cache", cache).stdout)
        self.assertEqual(stat["chunks"], 0)

    def test_info_of_a_folder_a_view_and_a_file(self):
        folder = json.loads(self.run_program("info", "--json", self.models / "tinylm").stdout)
        self.assertEqual(folder["architecture"], "LlamaForCausalLM")
        self.assertEqual(folder["parameters"], 3934464)
        self.assertEqual(folder["metadata"]["hidden_size"], 256)
        view = json.loads(self.run_program("info", "--json", "-v", self.view).stdout)
        self.assertEqual(view["architecture"], "llama")
        self.assertEqual(view["types"], {"f32": 9, "q4_0": 29, "q6_k": 1})
        self.assertEqual(view["metadata"]["general.name"], "Tinylm")
        out = self.dir / "out.gguf"
        self.run_program("convert", self.view, out)
        file = json.loads(self.run_program("info", "--json", "-v", out).stdout)
        for key in ("parameters", "types", "metadata", "tensor_list", "bits_per_weight"):
            self.assertEqual(file[key], view[key])
        self.assertIn(b"q4_0", self.run_program("info", "-v", out).stdout)

    def test_compare(self):
        done = self.run_program("compare", "--json", self.models / "tinylm", self.view)
        found = json.loads(done.stdout)
        rows = {row["name"]: row for row in found["tensors"]}
        self.assertEqual(len(rows), 39)
        self.assertEqual(rows["output_norm.weight"]["rmse"], 0)
        self.assertEqual(rows["output_norm.weight"]["cosine"], 1)
        for name, kind, least in (("blk.0.ffn_up.weight", "q4_0", 0.99), ("output.weight", "q6_k", 0.999)):
            row = rows[name]
            self.assertEqual((row["type_a"], row["type_b"]), ("bf16", kind))
            self.assertTrue(least < row["cosine"] < 1 and 0 < row["rmse"] < row["max"])
        self.assertEqual(found["all"]["elements"], 3934464)
        self.assertAlmostEqual(found["all"]["bits_b"], 4.72, 2)
        again = self.run_program("compare", "--json", "--threads", "1", self.models / "tinylm",
                                 self.view)
        self.assertEqual(again.stdout, done.stdout)
        self.assertIn(b"cosine", self.run_program("compare", self.view, self.view).stdout)

    def test_compare_graphs(self):
        """A graph's view, whose weights lie in a data file and may be made of integers."""
        sums = []
        out = self.dir / "four.onnx"
        self.run_program("convert", self.models / "tinylm.onnx@int4", out)
        for path in (out, self.models / "tinylm.onnx@int4", self.models / "tinylm.genai@int4"):
            done = self.run_program("compare", "--json", self.models / "tinylm.onnx@fp32", path)
            tensors = json.loads(done.stdout)["tensors"]
            sums.append({t["name"]: t.get("rmse") for t in tensors})
            kinds = {t["name"]: t["type_b"] for t in tensors}
            self.assertEqual(kinds["lm_head.weight"], "int4/32")
            self.assertEqual(kinds["model.norm.weight"], "f32")
        self.assertTrue(0.001 < sums[0]["lm_head.weight"] < 0.05, sums[0]["lm_head.weight"])
        self.assertEqual(sums[0], sums[1])
        self.assertEqual(sums[0], sums[2])

    def test_matrix(self):
        """Sources by targets, as the README has them: what is made, and why the rest is not."""
        for name, view in (("g.gguf", "gguf@bf16"), ("s.safetensors", "safetensors@bf16"),
                           ("p.pt", "pt@bf16")):
            self.run_program("convert", self.models / f"tinylm.{view}", self.models / name)
        targets = {"gguf@q8_0": b"", "safetensors@f32": b"", "pt@f32": b"", "hf@f32": b"",
                   "onnx@fp32": b"", "genai@int4": b""}
        refused = dict(targets, **{"gguf@q8_0": b"a GGUF needs an architecture",
                                   "hf@f32": b"a Hugging Face folder needs a config.json",
                                   "onnx@fp32": b"no ONNX is made of",
                                   "genai@int4": b"no ONNX is made of"})
        graphs = self.dir / "graphs"
        graphs.mkdir()
        self.run_program("convert", self.models / "tinylm.onnx@fp32", graphs / "o.onnx")
        graph = {"safetensors@f32": b"", "pt@f32": b"", "hf@f32": refused["hf@f32"]}
        sums = {}
        for source, cells in (("tinylm", targets), ("g", targets), ("s", refused), ("p", refused),
                              ("o", graph)):
            for target, why in cells.items():
                out = self.dir / f"{source}.{target}"
                models = graphs if source == "o" else self.models
                done = self.run_program("convert", models / out.name, out, status=2 if why else 0)
                self.assertIn(why, done.stderr)
                self.assertEqual(out.exists(), not why)
                if target == "onnx@fp32" and not why:  # its weights lie beside it
                    (out,) = self.dir.glob(f"{source}*.onnx@fp32.data")
                if out.is_file() and source != "o" and target != "gguf@q8_0":
                    sums.setdefault(target, {})[source] = hashlib.sha256(out.read_bytes()).digest()
        for target, by_source in sums.items():  # nothing is lost on the way
            self.assertEqual(len(set(by_source.values())), 1, target)

    def test_types(self):
        found = json.loads(self.run_program("types", "--json").stdout)
        types = {row["name"]: row for row in found["tensor_types"]}
        self.assertEqual(types["q4_k"]["bits"], 4.5)
        self.assertGreater(types["q4_0"]["write_per_s"], types["q4_k"]["write_per_s"])
        self.assertIn("q4_k_m", [row["name"] for row in found["file_types"]])

    def test_profiles(self):
        profiles = self.models / "weightfs.yaml"
        profiles.write_text("mine:\n  type: q4_0\n  tensors:\n    ffn_down: q5_0\n"
                            "  override:\n    general.name: str:Mine\n  prune_layers: [1, 2]\n"
                            "wrong:\n  type: q4_0\n  colour: red\n")
        view = self.models / "tinylm.gguf@mine"
        info = json.loads(self.run_program("info", "--json", "-v", view).stdout)
        self.assertEqual(info["metadata"]["general.name"], "Mine")
        self.assertEqual(info["metadata"]["llama.block_count"], 2)
        kinds = {t["name"]: t["type"] for t in info["tensor_list"]}
        self.assertEqual(kinds["blk.1.ffn_down.weight"], "q5_0")
        self.assertEqual(kinds["blk.1.ffn_up.weight"], "q4_0")
        self.assertNotIn("blk.2.ffn_up.weight", kinds)
        for name, why in (("wrong", b"weightfs.yaml: line 10: colour"), ("none", b"nor a profile")):
            done = self.run_program("info", self.models / f"tinylm.gguf@{name}", status=2)
            self.assertIn(why, done.stderr)
        profiles.write_text("mine:\n  type: [\n")
        self.assertIn(b"line 3", self.run_program("info", view, status=2).stderr)
        done = self.run_program("info", self.models / "tinylm.gguf@q4_0+imatrix", status=2)
        self.assertIn(b"tinylm.imatrix.gguf", done.stderr)

    def test_weights_that_are_not_finite_fail_by_name(self):
        out = self.dir / "f.gguf"
        self.run_program("convert", self.models / "tinylm.gguf@f32", out)
        info = json.loads(self.run_program("info", "--json", "-v", out).stdout)
        place = {t["name"]: t["offset"] for t in info["tensor_list"]}
        whole = bytearray(out.read_bytes())
        for name, value, bad in (
            ("output_norm.weight", "nan", ("q4_0", "f16", "f32")),  # which is copied
            ("blk.1.ffn_up.weight", "-inf", ("q4_0", "q4_k_m", "bf16")),
            ("blk.1.ffn_up.weight", "1e6", ("q4_0", "f16")),  # more than f16 holds
        ):
            for kind in ("q4_0", "q4_k_m", "f16", "bf16", "f32"):
                at = place[name] + 4
                out.write_bytes(whole[:at] + struct.pack("<f", float(value)) + whole[at + 4:])
                if kind in bad:
                    done = self.run_program("convert", f"{out}.gguf@{kind}", "-", status=2)
                    self.assertIn(name.encode(), done.stderr)
                elif value == "1e6":
                    self.run_program("convert", f"{out}.gguf@{kind}", "-")

    def test_split(self):
        done = self.run_program("info", f"{self.view}+split=1M", status=2)
        parts = int(done.stderr.decode().split("it has ")[1].split()[0])
        self.assertGreater(parts, 1)
        for n in range(1, parts + 1):
            suffix = f"-{n:05}-of-{parts:05}.gguf"
            self.run_program("convert", self.models / f"tinylm@q4_0+split=1m{suffix}",
                             self.dir / f"part{suffix}")
        whole = self.run_program("convert", self.dir / "part.gguf@auto", "-").stdout
        self.assertEqual(hashlib.sha256(whole).hexdigest(), Q4_0)
        wrong = self.models / f"tinylm@q4_0+split=1m-00001-of-{parts + 1:05}.gguf"
        self.run_program("info", wrong, status=2)
        self.run_program("info", self.models / "tinylm@q4_0-00001-of-00001.gguf", status=2)

    def test_ls(self):
        rows = json.loads(self.run_program("ls", "--json", self.models).stdout)
        by_name = {row["name"]: row for row in rows}
        self.assertEqual(by_name["tinylm"]["kind"], "model")
        views = [row for row in rows if row["kind"] == "view"]
        self.assertTrue(0 < len(views) <= 3)
        for row in views:
            self.assertEqual(row["source"], "tinylm")
            size = len(self.run_program("convert", self.models / row["name"], "-").stdout)
            self.assertEqual(row["size"], size)
        names = self.run_program("ls", "--names", "--views", "gguf@q4_0", self.models).stdout
        self.assertEqual(names.decode().split(), ["tinylm", "tinylm.gguf@q4_0"])
        for name in ("external.onnx", "external.onnx.data", "cnn.onnx"):
            shutil.copy(ONNX / name, self.models)
        names = self.run_program("ls", "--names", "--views", "onnx@fp32:onnx@auto", self.models)
        self.assertEqual([n for n in names.stdout.decode().split() if "@" in n],
                         ["cnn.onnx@auto", "cnn.onnx@fp32", "external.onnx@auto",
                          "external.onnx@auto.data", "external.onnx@fp32",
                          "external.onnx@fp32.data", "tinylm.onnx@fp32", "tinylm.onnx@fp32.data"])

    def test_ls_knows_archives_by_their_first_bytes(self):
        names = self.run_program("ls", "--names", "--views", "none", MODELS.parent / "torch")
        self.assertEqual(set(names.stdout.decode().split()) & {"legacy.bin", "protocol4.bin", "nested.ckpt"},
                         {"legacy.bin", "protocol4.bin", "nested.ckpt"})

    def test_mistakes_are_told_in_a_line(self):
        for args, status in (
            (["convert"], 1),
            (["convert", "--no-such", "a", "b"], 1),
            (["info"], 1),
            (["info", "nothing.gguf"], 2),
            (["info", self.models / "tinylm.gguf@q99"], 2),
            (["info", self.models / "other.gguf@q4_0"], 2),
            (["info", self.models / "tinylm.txt@q4_0"], 2),
            (["convert", self.models / "tinylm", "out"], 2),
            (["convert", self.view, self.dir / "no" / "such" / "folder"], 2),
            (["compare", self.view], 1),
            (["compare", self.view, "nothing.gguf"], 2),
            (["types", "q4_0"], 1),
            (["warm"], 1),
            (["warm", self.models], 2),
            (["status", self.dir], 2),
            (["cache", "polish"], 1),
            (["cache", "stat", "--cache", self.dir / "none"], 2),
            (["ls", self.dir / "none"], 2),
            (["info", self.models], 2),
            (["convert", f"{self.view}+imatrix", self.dir / "o"], 2),
        ):
            with self.subTest(args=args):
                done = self.run_program(*args, status=status)
                self.assertEqual(done.stdout, b"")
                told = done.stderr.decode().splitlines()[0].split(": ")
                self.assertNotIn("", told)
                self.assertEqual(len(told), len(set(told)), told)
                self.assertTrue(done.stderr.startswith(f"weightfs {args[0]}: ".encode()))
                self.assertLessEqual(done.stderr.count(b"\n"), 2)

    def test_views_that_are_misspelt(self):
        for view, why in (("gguf@q4km", b"tinylm.gguf@q4km: q4km is not a type, q4_k_m is"),
                          ("gguf@Q4-K-M", b"q4_k_m is"), ("gguf@q4_z", b"`weightfs types` lists them"),
                          ("gguf@", b"a type is missing behind the @"),
                          ("gguf@q4_0+foo", b"tinylm.gguf@q4_0+foo: foo is not an option"),
                          ("foo@q4_0", b"no such format: foo")):
            done = self.run_program("info", self.models / f"tinylm.{view}", status=2)
            self.assertIn(why, done.stderr)
        self.assertIn(b"nor such a command", self.run_program("infos", "x", status=32).stderr)

    def test_completion(self):
        """What bash offers for a verb are the options that its help tells of, and views that are."""
        bash = shutil.which("bash")
        if not bash:
            self.skipTest("no bash")
        script = f'''
            _init_completion() {{ words=("${{COMP_WORDS[@]}}") cword=$COMP_CWORD
                cur=${{words[cword]}} prev=${{words[cword - 1]}}; }}
            compopt() {{ :; }}
            weightfs() {{ {PROGRAM} "$@"; }}
            . {MODELS.parents[2]}/packaging/completions/weightfs
            COMP_WORDS=("$@") COMP_CWORD=$(($# - 1))
            _weightfs; printf '%s\\n' "${{COMPREPLY[@]}}"'''

        def offered(*words):
            done = subprocess.run([bash, "-c", script, "bash", "weightfs", *map(str, words)],
                                  capture_output=True, check=True, timeout=60, cwd=self.dir)
            return done.stdout.decode().split()

        verbs = offered("")
        for verb in ("ls", "info", "compare", "validate", "types", "convert", "warm", "status",
                     "cache"):
            self.assertIn(verb, verbs)
            told = set(re.findall(r"--[a-z][a-z-]*", self.run_program(verb, "--help").stdout.decode()))
            self.assertEqual(set(offered(verb, "--")), told | {"--help"}, verb)
        self.assertIn("models/tinylm.gguf@q8_0", offered("info", "models/tiny"))
        self.assertEqual(offered("cache", "ver"), ["verify"])
        options = re.findall(r"^  ([a-z_]+)(?:=\S+)?(?:  |$)", self.run_program("--help").stdout
                             .decode().partition("Verbs")[0], re.M)
        self.assertGreater(len(options), 10)
        self.assertEqual({o.partition("=")[0] for o in offered("models", "mnt", "-o", "")},
                         set(options))

    def test_help(self):
        for verb in ("ls", "info", "compare", "validate", "types", "convert", "warm", "status", "cache"):
            self.assertIn(f"usage: weightfs {verb}", self.run_program(verb, "--help").stdout.decode())


if __name__ == "__main__":
    unittest.main()
