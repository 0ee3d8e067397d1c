# SPDX-License-Identifier: Apache-2.0
"""Views that are folders."""
import errno
import json
import os
import shutil
import struct

import mounting
from mounting import WAIT_S, Case, wait_for

TINYLM = os.path.join(os.path.dirname(os.path.abspath(__file__)), "data", "models", "tinylm")
PASSED = {"generation_config.json", "special_tokens_map.json", "tokenizer.model",
          "tokenizer_config.json"}


def header(data):
    n = struct.unpack("<Q", data[:8])[0]
    return json.loads(data[8:8 + n])


class Folders(Case):
    def setUp(self):
        super().setUp()
        shutil.copytree(TINYLM, os.path.join(self.src, "tinylm"))

    def test_listing_and_stat(self):
        self.mount("views=hf@f16")
        self.assertIn("tinylm.hf@f16", os.listdir(self.mnt))
        st = os.stat(self.at("tinylm.hf@f16"))
        self.assertEqual(oct(st.st_mode & 0o170222), "0o40000")
        self.assertEqual(set(os.listdir(self.at("tinylm.hf@f16"))),
                         PASSED | {"config.json", "model.safetensors"})
        with os.scandir(self.at("tinylm.hf@f16")) as entries:
            for e in entries:
                self.assertTrue(e.is_file(), e.name)
                self.assertEqual(e.stat().st_size, len(self.read("tinylm.hf@f16", e.name)), e.name)

    def test_files(self):
        self.mount()
        for name in PASSED:
            self.assertEqual(self.read("tinylm.hf@f16", name), self.read("tinylm", name), name)
        was = json.loads(self.read("tinylm", "config.json"))
        now = json.loads(self.read("tinylm.hf@f16", "config.json"))
        self.assertEqual(now, dict(was, dtype="float16"))
        self.assertEqual(list(now), list(was))
        self.assertEqual(self.read("tinylm.hf@auto", "config.json").strip(),
                         self.read("tinylm", "config.json").strip())
        self.assertEqual(self.read("tinylm.hf@f16", "model.safetensors"),
                         self.read("tinylm.safetensors@f16"))

    def test_metadata_beside(self):
        """What lies beside a folder may come, change and go while its views are looked at."""
        self.mount()
        name = "tinylm.gguf@q8_0"

        def reads(wanted):
            try: # while the file is written it is no JSON, and there is no view
                return wanted(self.read(name))
            except OSError:
                return False

        plain = self.read(name)
        for author in ("first", "the second"):
            self.put("tinylm.metadata.json", json.dumps({"general.author": author}).encode())
            self.assertTrue(wait_for(lambda a=author: reads(lambda b: a.encode() in b[:65536]), WAIT_S))
        self.put("tinylm.metadata.json", b"[]")
        self.assertTrue(wait_for(lambda: os.stat(self.at(name)).st_size == 0, WAIT_S))
        self.assertIn(b"tinylm.metadata.json", os.getxattr(self.at(name), "user.weightfs.error"))
        os.unlink(os.path.join(self.src, "tinylm.metadata.json"))
        self.assertTrue(wait_for(lambda: reads(lambda b: b == plain), WAIT_S))

    def test_shards(self):
        self.mount()
        view = "tinylm.hf@bf16+split=2M"
        index = json.loads(self.read(view, "model.safetensors.index.json"))
        whole = self.read("tinylm.safetensors@bf16")
        tensors = header(whole)
        del tensors["__metadata__"]
        base = 8 + struct.unpack("<Q", whole[:8])[0]
        files = sorted(set(index["weight_map"].values()))
        self.assertEqual(files, ["model-%05d-of-%05d.safetensors" % (i + 1, len(files))
                                 for i in range(len(files))])
        self.assertGreater(len(files), 2)
        self.assertEqual(set(index["weight_map"]), set(tensors))
        self.assertEqual(index["metadata"]["total_size"], len(whole) - base)
        for name in files:
            data = self.read(view, name)
            head = header(data)
            self.assertEqual(head.pop("__metadata__"), {"format": "pt"})
            body = 8 + struct.unpack("<Q", data[:8])[0]
            self.assertLessEqual(len(data) - body, 2000000)
            self.assertEqual({n for n, f in index["weight_map"].items() if f == name}, set(head))
            for tensor, t in head.items():
                want = tensors[tensor]
                self.assertEqual((t["dtype"], t["shape"]), (want["dtype"], want["shape"]))
                a, b = t["data_offsets"], want["data_offsets"]
                self.assertTrue(data[body + a[0]:body + a[1]] == whole[base + b[0]:base + b[1]])

    def test_convert_writes_the_folder(self):
        self.mount()
        out = os.path.join(self.dir, "out")
        done = mounting.run(mounting.weightfs, "convert", os.path.join(self.src, "tinylm.hf@f32"),
                            out)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(set(os.listdir(out)), set(os.listdir(self.at("tinylm.hf@f32"))))
        for name in os.listdir(out):
            with open(os.path.join(out, name), "rb") as f:
                self.assertTrue(f.read() == self.read("tinylm.hf@f32", name), name)
        one = self.converted("tinylm.hf@f32/config.json")
        self.assertEqual(one, self.read("tinylm.hf@f32", "config.json"))
        done = mounting.run(mounting.weightfs, "convert", os.path.join(self.src, "tinylm.hf@f32"),
                            out)
        self.assertEqual(done.returncode, 0, done.stderr)  # into the folder that is there now
        self.assertIn("tinylm.hf@f32", os.listdir(out))

    def test_what_is_not_there(self):
        self.mount()
        self.put("lone.safetensors", b"\x02\0\0\0\0\0\0\0{}")
        self.assertErrno(errno.ENOENT, os.stat, self.at("tinylm.hf@f16", "model.bin"))
        self.assertErrno(errno.ENOENT, os.stat, self.at("tinylm.hf@f16", "x", "config.json"))
        self.assertErrno(errno.ENOENT, os.stat, self.at("tinylm.hf@q4_0"))
        self.assertErrno(errno.ENOTSUP, os.listdir, self.at("lone.hf@f16"))
        self.assertIn(b"config.json", os.getxattr(self.at("lone.hf@f16"), "user.weightfs.error"))

    def test_a_source_that_changes(self):
        self.mount()
        self.assertNotIn("notes.txt", os.listdir(self.at("tinylm.hf@f16")))
        self.put("tinylm/notes.txt", b"new")
        self.assertTrue(wait_for(lambda: "notes.txt" in os.listdir(self.at("tinylm.hf@f16")),
                                 10 * WAIT_S))
        self.assertEqual(self.read("tinylm.hf@f16", "notes.txt"), b"new")

    def test_files_that_are_links(self):
        os.rename(os.path.join(self.src, "tinylm", "tokenizer.model"),
                  os.path.join(self.src, "blob"))
        os.symlink("../blob", os.path.join(self.src, "tinylm", "tokenizer.model"))
        self.mount()
        self.assertEqual(self.read("tinylm.hf@f16", "tokenizer.model"), self.read("blob"))
        self.assertFalse(os.path.islink(self.at("tinylm.hf@f16", "tokenizer.model")))
        self.assertTrue(os.path.islink(self.at("tinylm", "tokenizer.model")))


if __name__ == "__main__":
    mounting.main()
