#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""tool_validate.py PROGRAM: what `weightfs validate` says of sound and of damaged models."""

import json
import shutil
import struct
import unittest

from commands import MODELS, Commands


class Validate(Commands):
    def validate(self, path, status=0):
        done = self.run_program("validate", "--json", path, status=status)
        report = json.loads(done.stdout)
        self.assertEqual(report["valid"], status == 0)
        return report

    def test_validate_what_is_sound(self):
        for path in (self.models / "tinylm", self.view, self.models / "tinylm.hf@f16"):
            report = self.validate(path)
            self.assertEqual((report["nan"], report["infinite"]), (0, 0))
            self.assertEqual(report["numbers"], 3934464)
            self.assertEqual(report["tokenizer"]["detail"], "1536 tokens")
        text = self.run_program("validate", self.view).stdout.decode()
        self.assertIn("tinylm.gguf@q4_0: valid", text)

    def test_validate_numbers(self):
        weights = self.models / "tinylm" / "model.safetensors"
        data = bytearray(weights.read_bytes())
        head = 8 + struct.unpack("<Q", data[:8])[0]
        tensors = json.loads(data[8:head])
        name = "model.layers.1.mlp.up_proj.weight"
        at = head + tensors[name]["data_offsets"][0]
        data[at:at + 6] = struct.pack("<HHH", 0x7fc0, 0x7f80, 0xff80)  # NaN and both infinities
        weights.write_bytes(data)
        report = self.validate(self.models / "tinylm", status=2)
        self.assertEqual((report["nan"], report["infinite"]), (1, 2))
        self.assertEqual(report["not_finite"], [{"name": name, "nan": 1, "infinite": 2}])
        self.assertEqual(report["structure"]["result"], "ok")
        self.assertEqual(self.validate(self.models / "tinylm.gguf@f32", status=2)["infinite"], 2)

    def test_validate_masks(self):
        for numbers, status in (((0, float("-inf")), 0), ((float("-inf"),), 0),
                                ((1, float("-inf")), 2), ((0, float("inf")), 2)):
            data = struct.pack(f"<{len(numbers)}f", *numbers)
            header = json.dumps({"mask": {"dtype": "F32", "shape": [len(numbers)],
                                          "data_offsets": [0, len(data)]}}).encode()
            path = self.dir / "mask.safetensors"
            path.write_bytes(struct.pack("<Q", len(header)) + header + data)
            self.assertEqual(self.validate(path, status=status)["infinite"], 1)

    def test_validate_checksums(self):
        out = self.dir / "x.pt"
        self.run_program("convert", self.models / "tinylm.pt@f16+crc", out)
        self.assertEqual(self.validate(out)["checksums"]["detail"], "45 right, 0 left out")
        data = bytearray(out.read_bytes())
        data[len(data) // 2] ^= 1
        out.write_bytes(data)
        self.assertIn("the checksum of archive/data/",
                      self.validate(out, status=2)["checksums"]["detail"])
        out.unlink()
        self.run_program("convert", self.models / "tinylm.pt@f16", out)
        self.assertIn("left out", self.validate(out)["checksums"]["detail"])

    def test_validate_structure_and_tokenizer(self):
        out = self.dir / "x.gguf"
        self.run_program("convert", self.view, out)
        whole = out.read_bytes()
        out.write_bytes(whole[:-100])
        self.assertEqual(self.validate(out, status=2)["structure"]["result"], "bad")
        key = b"tokenizer.ggml.eos_token_id" + struct.pack("<I", 4)
        at = whole.index(key) + len(key)
        out.write_bytes(whole[:at] + struct.pack("<I", 1536) + whole[at + 4:])
        self.assertIn("eos_token_id", self.validate(out, status=2)["tokenizer"]["detail"])
        added = self.models / "tinylm" / "added_tokens.json"
        added.write_text('{"one": 1536, "two": 1536}')
        self.assertIn("both have the id 1536",
                      self.validate(self.models / "tinylm", status=2)["tokenizer"]["detail"])
        added.unlink()
        self.assertIn("no such file",
                      self.validate(self.dir / "nothing", status=2)["structure"]["detail"])
        self.run_program("validate", status=1)

    def test_validate_the_models_of_a_folder(self):
        good, bad = self.models / "good.gguf", self.models / "bad.gguf"
        self.run_program("convert", self.view, good)
        self.assertEqual(self.run_program("validate", self.models).stdout.decode().split("\n"),
                         [f"{good}: valid", f"{self.models}/tinylm: valid", ""])
        bad.write_bytes(good.read_bytes()[:-1])
        lines = self.run_program("validate", self.models, status=2).stdout.decode().split("\n")
        self.assertEqual([line.partition(": ")[0] for line in lines[:-1]],
                         [str(bad), str(good), f"{self.models}/tinylm"])
        self.assertIn("not valid: structure: ", lines[0])
        reports = json.loads(self.run_program("validate", "--json", self.models, status=2).stdout)
        self.assertEqual([r.pop("path") for r in reports], [line.partition(": ")[0] for line in lines[:-1]])
        self.assertEqual([r["valid"] for r in reports], [False, True, True])
        self.assertEqual(reports[2], self.validate(self.models / "tinylm"))
        (self.dir / "empty").mkdir()
        self.run_program("validate", self.dir / "empty", status=2)

    def test_validate_what_is_damaged(self):
        """Each kind of source says what is wrong, by the names of the file and what is in it."""
        def cut(at):
            return lambda data: data[:at]

        graphs, shards = self.dir / "graphs", self.dir / "shards"
        graphs.mkdir()
        views = {"g.gguf": "gguf@f16", "s.safetensors": "safetensors@f16", "p.pt": "pt@f16",
                 "graphs/o.onnx": "onnx@fp16"}
        for name, view in views.items():
            self.run_program("convert", self.models / f"tinylm.{view}", self.dir / name)
        self.run_program("convert", self.models / "tinylm.hf@f16+split=3M", shards)
        shutil.copy(MODELS.parent / "torch" / "legacy.bin", self.dir)
        (numbers,) = graphs.glob("*.data")
        index, first = shards / "model.safetensors.index.json", sorted(shards.glob("*-of-*"))[0]
        absent = index.read_bytes().replace(b"-00001-of-", b"-00009-of-")
        for path, change, model, why in (
            (self.dir / "g.gguf", cut(-1), None, "beyond the end"),
            (self.dir / "g.gguf", cut(0), None, "its content is not gguf"),
            (self.dir / "g.gguf", cut(3000), None, "cut short"),
            (self.dir / "g.gguf", lambda data: data + bytes(40), None, "40 bytes after the last tensor"),
            (self.dir / "g.gguf", lambda data: data.replace(b"<0x41>", b"<0x42>", 1), None, "is there twice"),
            (self.dir / "s.safetensors", cut(-1), None, "impossible data_offsets"),
            (self.dir / "s.safetensors", lambda data: data + b"x", None, "after the last tensor"),
            (self.dir / "p.pt", cut(-1), None, "no end of the zip archive"),
            (self.dir / "legacy.bin", cut(400), None, "ends within it"),
            (self.dir / "legacy.bin", cut(-1), None, "longer than the file"),
            (graphs / "o.onnx", cut(2000), None, "beyond the end"),
            (numbers, cut(-1), graphs / "o.onnx", "beyond the end"),
            (numbers, None, graphs / "o.onnx", "No such file"),
            (first, cut(-1), shards, "impossible data_offsets"),
            (first, None, shards, first.name),
            (index, lambda data: absent, shards, "-00009-of-"),
            (index, cut(50), shards, "JSON"),
            (shards / "config.json", cut(50), shards, "config.json: JSON"),
            (shards / "config.json", None, shards, "no config.json"),
            (shards / "tokenizer.model", cut(100), shards, "not a SentencePiece model"),
            (shards / "tokenizer.model", None, shards, "no tokenizer"),
        ):
            whole = path.read_bytes()
            self.validate(model or path)
            if change:
                path.write_bytes(change(whole))
            else:
                path.unlink()
            report = self.validate(model or path, status=2)
            details = [part["detail"] for part in report.values() if isinstance(part, dict)]
            self.assertTrue(any(why in detail for detail in details), (path, why, details))
            path.write_bytes(whole)


if __name__ == "__main__":
    unittest.main()
