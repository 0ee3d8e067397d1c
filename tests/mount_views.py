# SPDX-License-Identifier: Apache-2.0
"""The bytes of views, and what happens when readers or sources go away."""
import errno
import mmap
import os
import random
import subprocess
import threading
import time

import mounting
from mounting import WAIT_S, Case, model, safetensors, status, wait_for

VIEWS = ("gguf@f32", "gguf@f16", "gguf@bf16", "gguf@q8_0", "gguf@q4_0", "gguf@q5_1")


class Views(Case):
    def setUp(self):
        super().setUp()
        self.model = os.path.join(self.src, "m.gguf")
        model(self.model, rows=4096, tensors=3)

    def test_bytes_are_those_of_convert(self):
        self.mount()
        for view in VIEWS:
            want = self.converted("m." + view)
            self.assertEqual(os.stat(self.at("m." + view)).st_size, len(want), view)
            self.assertTrue(self.read("m." + view) == want, view)

    def test_stat_of_a_view(self):
        self.mount()
        st = os.stat(self.at("m.gguf@q4_0"))
        src = os.stat(self.model)
        self.assertEqual(st.st_nlink, 1)
        self.assertEqual(st.st_mode & 0o7777, src.st_mode & 0o444)
        self.assertEqual(st.st_blocks, (st.st_size + 511) // 512)
        self.assertEqual(st.st_mtime_ns, src.st_mtime_ns)
        self.assertEqual(st.st_blksize, 4096)

    def test_dd_with_odd_blocks(self):
        self.mount()
        want = self.converted("m.gguf@q4_0")
        for size in (1, 511, 4097, 65537, 1000003):
            count = min(3000, len(want) // size + 1)
            out = subprocess.run(["dd", "if=" + self.at("m.gguf@q4_0"), "bs=%d" % size,
                                  "count=%d" % count, "status=none"],
                                 stdout=subprocess.PIPE, check=True).stdout
            self.assertTrue(out == want[:size * count], size)

    def test_eight_readers_at_random(self):
        self.mount(cache=True)
        want = self.converted("m.gguf@q4_0")
        wrong = []

        def reader(seed):
            r = random.Random(seed)
            fd = os.open(self.at("m.gguf@q4_0"), os.O_RDONLY)
            for _ in range(300):
                off, n = r.randrange(len(want)), r.choice((1, 100, 4096, 131072))
                if os.pread(fd, n, off) != want[off:off + n]:
                    wrong.append((seed, off, n))
            os.close(fd)

        threads = [threading.Thread(target=reader, args=(i,)) for i in range(8)]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        self.assertEqual(wrong, [])
        self.assertEqual(status(self.mnt)["views"]["errors"], 0)

    def test_direct_reads(self):
        self.mount()
        want = self.converted("m.gguf@q4_0")
        fd = os.open(self.at("m.gguf@q4_0"), os.O_RDONLY | os.O_DIRECT)
        buf = mmap.mmap(-1, 1 << 20)
        got, off = b"", 0
        while True:
            n = os.preadv(fd, [buf], off)
            if n == 0:
                break
            got += buf[:n]
            off += n
        os.close(fd)
        self.assertTrue(got == want)

    def test_mmap(self):
        self.mount()
        want = self.converted("m.gguf@q8_0")
        with open(self.at("m.gguf@q8_0"), "rb") as f:
            with mmap.mmap(f.fileno(), 0, mmap.MAP_SHARED, mmap.PROT_READ) as m:
                for i in range(0, len(want), 40961):
                    self.assertEqual(m[i], want[i])
                self.assertTrue(m[:] == want)

    def test_killed_readers(self):
        self.mount("threads=1")
        for _ in range(5):
            readers = [subprocess.Popen(["cat", self.at("m." + v)], stdout=subprocess.DEVNULL)
                       for v in VIEWS]
            time.sleep(0.005)
            for p in readers:
                p.kill()
                p.wait(5)
        self.assertTrue(wait_for(lambda: status(self.mnt)["views"]["open"] == 0))
        self.assertTrue(self.read("m.gguf@q4_0") == self.converted("m.gguf@q4_0"))

    def test_a_fork_that_closes_does_not_disturb(self):
        self.mount("threads=1")
        want = self.converted("m.gguf@q4_0")
        fd = os.open(self.at("m.gguf@q4_0"), os.O_RDONLY)
        got = b""
        while len(got) < len(want):
            pid = os.fork()
            if pid == 0:
                os._exit(0)  # closes its copy of fd
            got += os.pread(fd, 50000, len(got))
            os.waitpid(pid, 0)
        os.close(fd)
        self.assertTrue(got == want)

    def test_warm_after_a_remount(self):
        self.mount(cache=True)
        first = self.read("m.gguf@q4_0")
        self.unmount()
        self.mount(cache=True)
        self.assertTrue(self.read("m.gguf@q4_0") == first)
        self.assertEqual(status(self.mnt)["conversions"]["chunks"], 0)

    def test_two_mounts_share_a_cache(self):
        other = os.path.join(self.dir, "other")
        os.mkdir(other)
        self.mount(cache=True)
        self.mount(mnt=other, cache=True)
        first = self.read("m.gguf@q4_0")
        with open(os.path.join(other, "m.gguf@q4_0"), "rb") as f:
            self.assertTrue(f.read() == first)


class Changes(Case):
    """One file never has bytes of two versions."""

    def setUp(self):
        super().setUp()
        self.model = os.path.join(self.src, "m.gguf")
        model(self.model, rows=4096, tensors=3, seed=1)
        self.old = self.converted("m.gguf@q4_0")
        self.new_file = os.path.join(self.dir, "new.gguf")
        model(self.new_file, rows=4096, tensors=3, seed=2)
        self.new = self.converted("new.gguf@q4_0", src=self.dir)

    def rewrite(self):
        with open(self.new_file, "rb") as f, open(self.model, "r+b") as out:
            out.write(f.read())

    def test_rewritten_under_an_open_view(self):
        self.mount(cache=True)
        fd = os.open(self.at("m.gguf@q4_0"), os.O_RDONLY)
        start = os.pread(fd, 1000, 0)
        self.rewrite()
        end = len(self.old) - 5000
        try:
            self.assertEqual(os.pread(fd, 5000, end), self.old[end:])  # read ahead before
        except OSError as e:
            self.assertIn(e.errno, (errno.ESTALE, errno.EIO))
        self.assertEqual(start, self.old[:1000])
        os.close(fd)
        self.assertTrue(wait_for(lambda: self.read("m.gguf@q4_0") == self.new, WAIT_S))

    def test_stale_is_an_error(self):
        self.mount()
        fd = os.open(self.at("m.gguf@q4_0"), os.O_RDONLY)
        os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_RANDOM)
        os.pread(fd, 10, 0)
        self.rewrite()
        self.assertErrno(errno.ESTALE, os.pread, fd, 10, len(self.old) - 5000)
        os.close(fd)

    def test_replaced(self):
        self.mount(cache=True)
        ino = os.stat(self.at("m.gguf@q4_0")).st_ino
        self.assertTrue(self.read("m.gguf@q4_0") == self.old)
        os.rename(self.new_file, self.model)
        self.assertTrue(wait_for(lambda: self.read("m.gguf@q4_0") == self.new, WAIT_S))
        self.assertNotEqual(os.stat(self.at("m.gguf@q4_0")).st_ino, ino)

    def test_removed(self):
        self.mount()
        self.assertTrue(self.read("m.gguf@q4_0") == self.old)
        os.unlink(self.model)
        self.assertTrue(wait_for(lambda: not os.path.exists(self.at("m.gguf@q4_0")), WAIT_S))
        self.assertEqual(os.listdir(self.mnt), [])

    def test_never_mixed(self):
        """Readers while the source goes back and forth: every file is old or new as a whole."""
        self.mount(cache=True)
        with open(self.model, "rb") as f:
            versions = [f.read()]
        with open(self.new_file, "rb") as f:
            versions.append(f.read())
        stop, mixed, whole = time.monotonic() + 4, [], [0]

        def reader():
            while time.monotonic() < stop:
                try:
                    got = self.read("m.gguf@q4_0")
                except OSError:
                    continue
                if got in (self.old, self.new):
                    whole[0] += 1
                elif got:
                    mixed.append(len(got))

        threads = [threading.Thread(target=reader) for _ in range(4)]
        for t in threads:
            t.start()
        i = 0
        while time.monotonic() < stop:
            i += 1
            part = os.path.join(self.src, "part")
            with open(part, "wb") as f:
                f.write(versions[i % 2])
            os.rename(part, self.model)
            time.sleep(0.3)
        for t in threads:
            t.join()
        self.assertEqual(mixed, [])
        self.assertGreater(whole[0], 0)


class Impossible(Case):
    def test_size_0_an_errno_and_a_reason(self):
        safetensors(os.path.join(self.src, "bare.safetensors"))
        self.put("bad.gguf", b"GGUF" + bytes(200))
        self.put("short.gguf", b"GG")
        self.mount()
        for name, code in (("bare.gguf@q8_0", errno.ENOTSUP), ("bad.gguf@q8_0", None),
                           ("short.gguf@q8_0", None)):
            self.assertEqual(os.stat(self.at(name)).st_size, 0)
            with self.assertRaises(OSError) as caught:
                self.read(name)
            if code:
                self.assertEqual(caught.exception.errno, code)
            self.assertIn("error", [a[14:] for a in os.listxattr(self.at(name))])
            self.assertGreater(len(os.getxattr(self.at(name), "user.weightfs.error")), 10)
        self.assertEqual(self.read("short.gguf"), b"GG")

    def test_tried_again(self):
        path = self.put("m.gguf", b"GGUF" + bytes(200))
        self.mount()
        self.assertEqual(os.stat(self.at("m.gguf@q8_0")).st_size, 0)
        model(path)
        self.assertTrue(wait_for(lambda: os.stat(self.at("m.gguf@q8_0")).st_size > 0, 2))
        self.assertTrue(self.read("m.gguf@q8_0") == self.converted("m.gguf@q8_0"))

    def test_not_well_formed_is_absent(self):
        model(os.path.join(self.src, "m.gguf"))
        self.mount()
        for name in ("m.gguf@", "m.gguf@nonsense", "m.nonsense@q8_0", "@q8_0", ".gguf@q8_0",
                     "m@q8_0.gguf", "m-Q8_0.gguf", "n.gguf@q8_0", "m.gguf@q8_0+nonsense",
                     "m.gguf@q8_0@q8_0", "m.gguf@" + "x" * 200):
            self.assertErrno(errno.ENOENT, os.stat, self.at(name))

    def test_truncated_while_it_is_read(self):
        path = os.path.join(self.src, "m.gguf")
        model(path, rows=4096)
        self.mount()
        fd = os.open(self.at("m.gguf@q4_0"), os.O_RDONLY)
        os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_RANDOM)
        size = os.fstat(fd).st_size
        os.truncate(path, 5000)
        with self.assertRaises(OSError) as caught:
            os.pread(fd, 10, size - 100)
        self.assertIn(caught.exception.errno, (errno.ESTALE, errno.EIO))
        os.close(fd)
        self.assertEqual(os.listdir(self.mnt)[0][:6], "m.gguf")


if __name__ == "__main__":
    mounting.main()
