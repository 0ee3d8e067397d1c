# SPDX-License-Identifier: Apache-2.0
"""The names of views: who is meant, how they are spelled and listed, folders, layouts."""
import errno
import os
import re
import shutil

import mounting
from mounting import WAIT_S, Case, model, safetensors, wait_for

TINY = os.path.join(os.path.dirname(os.path.abspath(__file__)), "data", "models", "tinylm")
ONNX = os.path.join(os.path.dirname(os.path.abspath(__file__)), "data", "onnx")


class Names(Case):
    def gguf(self, name, seed=1):
        path = os.path.join(self.src, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        model(path, rows=64, seed=seed)

    def folder(self, name):
        """A model folder that a listing takes for one; the trained one where it is converted."""
        self.put(name + "/config.json", b'{"architectures": ["LlamaForCausalLM"]}')
        safetensors(os.path.join(self.src, name, "model.safetensors"))

    def names(self, *at):
        return sorted(os.listdir(self.at(*at)))

    def source(self, view):
        return os.getxattr(self.at(view), "user.weightfs.source").decode()

    def test_listed_of_quantized(self):
        """What is quantized is offered as floats; its name tells, or general.file_type does."""
        for name, pairs in (("a-q8_0", []), ("b", [("general.name", "b"), ("general.file_type", 7)]),
                            ("c", [("general.file_type", 1)]), ("d", [("general.file_type", 1031)]),
                            ("e", [("general.name", "x" * 9000), ("general.file_type", 7)])):
            model(os.path.join(self.src, name + ".gguf"), pairs=pairs, rows=8)
        self.put("f.gguf", b"GGUF\3\0\0\0" + b"\xff" * 300)
        self.mount()
        offered = {n.partition(".")[0] for n in self.names() if "@q" in n}
        self.assertEqual(offered, {"c", "e", "f"})

    def test_listed(self):
        self.gguf("float.gguf")
        self.gguf("model-Q4_K_M.gguf")
        safetensors(os.path.join(self.src, "bare.safetensors"))
        self.put("readme.txt")
        self.put(".hidden")
        self.mount()
        names = self.names()
        for name in ("float.gguf", "model-Q4_K_M.gguf", "bare.safetensors", "readme.txt",
                     ".hidden"):
            self.assertIn(name, names)
        views = [n for n in names if "@" in n]
        for stem in ("float", "model-Q4_K_M", "bare"):
            mine = [v for v in views if v.startswith(stem + ".")]
            self.assertTrue(1 <= len(mine) <= 3, mine)
            for v in mine:  # only what can be made
                self.assertGreater(os.stat(self.at(v)).st_size, 0, v)
        self.assertFalse([v for v in views if v.startswith("bare.gguf")])
        self.assertFalse([v for v in views if v.startswith("model-Q4_K_M.gguf@q")])

    def test_a_real_file_wins(self):
        self.gguf("m.gguf")
        self.put("m.gguf@q8_0", b"mine")
        self.mount("views=gguf@q8_0")
        self.assertEqual(self.names(), ["m.gguf", "m.gguf@q8_0"])
        self.assertEqual(self.read("m.gguf@q8_0"), b"mine")

    def test_case_and_aliases(self):
        self.gguf("m.gguf")
        self.mount()
        want = self.read("m.gguf@q8_0")
        self.assertTrue(self.read("m.gguf@Q8_0") == want)
        self.assertTrue(self.read("m.gguf@fp16") == self.read("m.gguf@f16"))

    def test_who_is_meant(self):
        self.gguf("m.gguf")
        safetensors(os.path.join(self.src, "m.safetensors"))
        self.folder("m")
        self.mount("views=gguf@q8_0:safetensors@f16")
        self.assertEqual(self.source("m.gguf@q8_0"), "m.gguf")  # its format is that of the view
        self.assertEqual(self.source("m.safetensors@f16"), "m.safetensors")
        self.assertEqual(self.source("m.gguf.safetensors@f16"), "m.gguf")  # a full name
        self.assertEqual(self.source("m.safetensors.safetensors@f16"), "m.safetensors")
        self.assertEqual(self.names(), ["m", "m.gguf", "m.gguf@q8_0", "m.safetensors",
                                        "m.safetensors@f16"])
        os.unlink(os.path.join(self.src, "m.gguf"))
        self.assertTrue(wait_for(lambda: self.source("m.gguf@q8_0") == "m", WAIT_S))

    def test_model_folders(self):
        self.folder("llm")
        self.folder("deep/er/one")
        self.mount("views=gguf@q8_0")
        self.assertEqual(self.names(), ["deep", "llm", "llm.gguf@q8_0"])
        self.assertEqual(self.names("deep/er"), ["one", "one.gguf@q8_0"])
        self.assertEqual(self.names("llm"), ["config.json", "model.safetensors"])
        self.assertFalse(os.path.exists(self.at("llm/model.safetensors@f16")))
        self.assertFalse(os.path.exists(self.at("llm/llm.gguf@q8_0")))

    def test_source_is_a_model_folder(self):
        shutil.copytree(TINY, os.path.join(self.src, "tinylm"))
        src = os.path.join(self.src, "tinylm")
        self.mount("views=gguf@q8_0", src=src)
        self.assertEqual(self.names(), sorted(os.listdir(src) + ["tinylm.gguf@q8_0"]))
        self.assertTrue(self.read("tinylm.gguf@q8_0") == self.converted("tinylm.gguf@q8_0"))
        self.assertTrue(self.read("tinylm.gguf@q4_0") == self.converted("tinylm.gguf@q4_0"))

    def test_split_gguf(self):
        for i in (1, 2):
            self.gguf("s-%05d-of-00002.gguf" % i)
        self.mount("views=gguf@q8_0")
        self.assertEqual(self.names(), ["s-00001-of-00002.gguf", "s-00002-of-00002.gguf",
                                        "s.gguf@q8_0"])

    def hub(self, top=""):
        repo = os.path.join(top, "models--acme--Tiny-LM")
        rev = repo + "/snapshots/" + "0123456789abcdef" * 2
        self.put(repo + "/refs/main", b"0123456789abcdef" * 2)
        for i, name in enumerate(sorted(os.listdir(TINY))):
            with open(os.path.join(TINY, name), "rb") as f:
                self.put(repo + "/blobs/%d" % i, f.read())
            link = os.path.join(self.src, rev, name)
            os.makedirs(os.path.dirname(link), exist_ok=True)
            os.symlink("../../blobs/%d" % i, link)
        return rev

    def test_hub_cache(self):
        rev = self.hub()
        self.mount("views=gguf@q8_0")
        self.assertEqual(self.names(), ["Tiny-LM.gguf@q8_0", "models--acme--Tiny-LM"])
        self.assertEqual(self.source("Tiny-LM.gguf@q8_0"), rev)
        self.assertGreater(len(self.read("Tiny-LM.gguf@q8_0")), 1 << 20)
        with open(os.path.join(TINY, "config.json"), "rb") as f:
            self.assertEqual(self.read(rev, "config.json"), f.read())

    def test_source_is_a_snapshot(self):
        rev = self.hub()
        self.mount("views=gguf@q8_0", src=os.path.join(self.src, rev))
        self.assertIn("Tiny-LM.gguf@q8_0", self.names())
        self.assertGreater(len(self.read("Tiny-LM.gguf@q8_0")), 1 << 20)

    def test_spelled_with_an_extension(self):
        self.gguf("m.gguf")
        self.folder("llm")
        self.mount("names=ext", "views=gguf@q8_0")
        self.assertEqual(self.names(), ["llm", "llm@q8_0.gguf", "m.gguf", "m@q8_0.gguf"])
        self.assertTrue(self.read("m@q8_0.gguf") == self.read("m.gguf@q8_0"))
        self.assertFalse(os.path.exists(self.at("m-Q8_0.gguf")))
        self.assertFalse(os.path.exists(self.at("llm/model@f16.safetensors")))

    def test_spelled_as_on_the_hub(self):
        self.gguf("m.gguf")
        self.mount("names=hub", "views=gguf@q8_0:gguf@q4_0")
        self.assertEqual(self.names(), ["m-Q4_0.gguf", "m-Q8_0.gguf", "m.gguf"])
        self.assertTrue(self.read("m-Q8_0.gguf") == self.read("m.gguf@q8_0"))
        self.assertFalse(os.path.exists(self.at("m@q8_0.gguf")))

    def test_data_files_of_onnx_models(self):
        """Listed where there are some, so that a copy of all that is listed is whole."""
        for name in ("external.onnx", "external.onnx.data", "cnn.onnx"):
            shutil.copy(os.path.join(ONNX, name), self.put("onnx/" + name))
        self.put("onnx/broken.onnx", b"\xff" * 100)
        views = ["cnn.onnx@%s", "external.onnx@%s", "external.onnx@%s.data"]
        for options, folder in ((["layout=source"], "onnx"), (["layout=flat", "names=ext"], "")):
            self.mount("views=onnx@fp32:onnx@fp16", *options)
            names = [n for n in self.names(folder) if "@" in n and "broken" not in n]
            want = [v % t for v in views for t in ("fp32", "fp16")]
            if folder == "":
                want = [re.sub(r"\.onnx@(\w+)$", r"@\1.onnx", w) for w in want]
            self.assertEqual(names, sorted(want))
            for name in names:
                self.assertGreater(os.stat(self.at(folder, name)).st_size, 0)
            broken = self.at(folder, "broken.onnx@fp32")
            self.assertEqual(os.stat(broken).st_size, 0)
            self.assertIn(b"not an ONNX model", os.getxattr(broken, "user.weightfs.error"))
            self.assertErrno(errno.EBADMSG, open, broken, "rb")
            self.unmount()

    def test_flat(self):
        self.gguf("a/m.gguf")
        self.gguf("b/c/n.gguf")
        self.folder("b/llm")
        self.mount("layout=flat", "names=ext", "views=gguf@q8_0")
        self.assertEqual(self.names(), ["llm@q8_0.gguf", "m.gguf", "m@q8_0.gguf", "n.gguf",
                                        "n@q8_0.gguf"])
        self.assertTrue(self.read("m@q8_0.gguf") == self.converted("a/m.gguf@q8_0"))
        self.assertTrue(self.read("n.gguf")[:4] == b"GGUF")
        self.gguf("d/new.gguf")
        self.assertTrue(wait_for(lambda: "new@q8_0.gguf" in self.names(), 2 * WAIT_S))

    def test_as_lm_studio_has_it(self):
        self.gguf("acme/Model/m.gguf")
        self.hub("cache")
        self.mount("layout=hub", "names=hub", "views=gguf@q8_0")
        files = sorted(os.path.relpath(os.path.join(d, f), self.mnt)
                       for d, _, fs in os.walk(self.mnt) for f in fs)
        self.assertTrue(all(f.count("/") == 2 for f in files), files)
        self.assertIn("acme/Tiny-LM/Tiny-LM-Q8_0.gguf", files)
        self.assertIn("m.gguf", [os.path.basename(f) for f in files])
        self.assertIn("m-Q8_0.gguf", [os.path.basename(f) for f in files])
        for f in files:
            self.assertGreater(os.stat(self.at(f)).st_size, 0)

    def test_merged(self):
        """BASE+ADAPTER in every layout; the adapter's names need not be in the base's folder."""
        self.put("x/base.safetensors")
        safetensors(os.path.join(self.src, "x", "base.safetensors"))
        self.put("x/ada+pter/adapter_config.json", b'{"peft_type": "LORA", "r": 1, "lora_alpha": 2}')
        head = (b'{"a.lora_A.weight":{"dtype":"F32","shape":[1,64],"data_offsets":[0,256]},'
                b'"a.lora_B.weight":{"dtype":"F32","shape":[4,1],"data_offsets":[256,272]}}')
        self.put("x/ada+pter/adapter_model.safetensors",
                 len(head).to_bytes(8, "little") + head + b"\0\0\x80?" * 68)
        merged = "base+ada+pter.safetensors@f32"
        for layout, where in (("source", "x"), ("flat", ""), ("hub", "x/base")):
            self.mount("layout=" + layout)
            got, base = self.read(where, merged), self.read(where, "base.safetensors@f32")
            self.assertEqual(len(got), len(base))
            self.assertNotEqual(got, base)
            self.assertEqual(os.getxattr(self.at(where, merged), "user.weightfs.source"),
                             b"x/base.safetensors+x/ada+pter")
            self.assertEqual(os.stat(self.at(where, merged)).st_mode & 0o444, 0o444)
            self.assertFalse(os.path.exists(self.at(where, "base+gone.safetensors@f32")))
            self.assertNotIn(merged, self.names(where))
            self.unmount()


class Attributes(Case):
    def setUp(self):
        super().setUp()
        shutil.copytree(TINY, os.path.join(self.src, "tinylm"))
        model(os.path.join(self.src, "m.gguf"), pairs=[
            ("general.name", "A model"), ("llama.block_count", 1), ("big", "x" * 70000),
            ("fits", "y" * 60000)])
        self.mount(cache=True)

    def get(self, name, attribute):
        return os.getxattr(self.at(name), "user.weightfs." + attribute).decode()

    def list(self, name):
        names = os.listxattr(self.at(name))
        self.assertTrue(all(n.startswith("user.weightfs.") for n in names))
        return [n[len("user.weightfs."):] for n in names]

    def test_of_a_view(self):
        view = "m.gguf@q4_0"
        for key, want in (("format", "gguf"), ("spec", "q4_0"), ("source", "m.gguf"),
                          ("architecture", "llama"), ("parameters", str(2 * 1024 * 256)),
                          ("tensors", "2"), ("meta.general.name", "A model"),
                          ("meta.llama.block_count", "1"), ("meta.fits", "y" * 60000)):
            self.assertEqual(self.get(view, key), want)
            self.assertEqual(key in self.list(view), key != "meta.fits")
        for key, want in (("architecture", "llama"), ("meta.general.architecture", "llama"),
                          ("meta.llama.block_count", "4"), ("meta.general.file_type", "15")):
            self.assertEqual(self.get("tinylm.gguf@q4_k_m", key), want)
            self.assertIn(key, self.list("tinylm.gguf@q4_k_m"))
        self.assertNotIn("meta.model_type", self.list("tinylm.gguf@q4_k_m"))
        self.assertEqual(self.get("tinylm.safetensors@f16", "meta.model_type"), "llama")
        self.assertNotIn("error", self.list(view))
        self.assertNotIn("meta.big", self.list(view))
        self.assertAlmostEqual(float(self.get(view, "bits_per_weight")), 4.5, delta=2.1)

    def test_cached(self):
        view = "m.gguf@q4_0"
        none, whole = self.get(view, "cached").split(" of ")
        self.assertEqual(none, "0")
        self.assertGreater(int(whole), 0)
        self.read(view)
        self.assertTrue(mounting.wait_for(lambda: self.get(view, "cached") ==
                                          "%s of %s" % (whole, whole)))

    def test_of_sources(self):
        self.assertEqual(self.get("m.gguf", "format"), "gguf")
        self.assertEqual(self.get("m.gguf", "bits_per_weight"), "32.00")
        self.assertEqual(self.get("tinylm", "tensors"), "39")
        self.assertEqual(self.get("tinylm", "meta.model_type"), "llama")
        self.assertNotIn("spec", self.list("tinylm"))
        self.assertEqual(os.listxattr(self.at("tinylm", "config.json")), [])

    def test_all_that_are_listed_can_be_read(self):
        for name in ("m.gguf", "tinylm", "m.gguf@q8_0", "tinylm.gguf@f16",
                     "tinylm.safetensors@f16"):
            for key in self.list(name):
                self.get(name, key)

    def test_copies_have_room_for_what_is_listed(self):
        """ext4 has 4 KiB for all attributes of a file; copytree fails when they do not fit."""
        model(os.path.join(self.src, "many.gguf"), pairs=[("general.name", "n" * 300)] + [
            ("key.%d" % i, "v" * (i % 90)) for i in range(200)])
        for name in ("many.gguf", "many.gguf@q8_0", "m.gguf@q8_0", "tinylm.gguf@q8_0"):
            sizes = [16 + len(a) + len(os.getxattr(self.at(name), a))
                     for a in os.listxattr(self.at(name))]
            self.assertGreater(len(sizes), 9)
            self.assertLess(sum(sizes), 3500)
            shutil.copy2(self.at(name), os.path.join(self.dir, "copy"))
        self.assertIn("meta.key.0", self.list("many.gguf"))
        self.assertNotIn("meta.key.199", self.list("many.gguf"))
        self.assertEqual(self.get("many.gguf@q8_0", "meta.key.199"), "v" * 19)
        shutil.copytree(self.at("tinylm.hf@f16"), os.path.join(self.dir, "copies"))

    def test_absent(self):
        for name in ("user.weightfs.nonsense", "user.weightfs.meta.nonsense", "user.x",
                     "user.weightfs.status", "security.selinux", "trusted.x"):
            with self.assertRaises(OSError):
                os.getxattr(self.at("m.gguf@q8_0"), name)

    def test_status(self):
        self.assertNotIn("user.weightfs.status", os.listxattr(self.mnt))
        before = mounting.status(self.mnt)
        with open(self.at("m.gguf@q4_0"), "rb") as f:
            f.read()
            now = mounting.status(self.mnt)
        self.assertEqual(now["source"], self.src)
        self.assertEqual(now["views"]["open"], 1)
        self.assertGreater(now["views"]["read_bytes"], before["views"]["read_bytes"])
        self.assertGreater(now["conversions"]["converted_bytes"], 0)
        self.assertGreater(now["cache"]["misses"], 0)
        self.assertGreater(now["memory"]["rss_anon_bytes"], 0)
        done = mounting.run(mounting.weightfs, "status", self.mnt)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("version", done.stdout)


if __name__ == "__main__":
    mounting.main()
