# SPDX-License-Identifier: Apache-2.0
"""What lies in SRC, passed through: the same tree, the same bytes, changes seen in a second."""
import errno
import filecmp
import mmap
import os
import socket
import stat
import threading
import time

import mounting
from mounting import WAIT_S, Case, wait_for


def tree(top):
    out = {}
    for folder, dirs, files in os.walk(top):
        for name in dirs + files:
            path = os.path.join(folder, name)
            st = os.lstat(path)
            what = os.readlink(path) if stat.S_ISLNK(st.st_mode) else st.st_size
            if stat.S_ISDIR(st.st_mode):
                what = None
            out[os.path.relpath(path, top)] = (st.st_mode, st.st_uid, st.st_gid, st.st_mtime_ns,
                                               st.st_ino, what)
    return out


class Files(Case):
    def test_the_same_tree(self):
        for i in range(300):
            self.put("many/file %03d" % i, b"x" * i)
        self.put("a/b/c/d/deep", os.urandom(5 << 20))
        self.put("empty")
        self.put("with \n newline and \xff\u20ac", b"1")
        os.mkdir(os.path.join(self.src, "hollow"))
        os.symlink("a/b", os.path.join(self.src, "inside"))
        os.symlink("../../a/b/c/d/deep", os.path.join(self.src, "a/b/up"))
        os.symlink("/etc/passwd", os.path.join(self.src, "outside"))
        os.symlink("nowhere", os.path.join(self.src, "dangling"))
        os.symlink("loop", os.path.join(self.src, "loop"))
        os.chmod(os.path.join(self.src, "empty"), 0o751)
        os.utime(os.path.join(self.src, "empty"), ns=(1, 1234567890123456789))
        self.mount()
        self.assertEqual(tree(self.mnt), tree(self.src))
        self.assertTrue(filecmp.cmp(self.at("inside/up"), os.path.join(self.src, "a/b/c/d/deep"),
                                    shallow=False))
        self.assertErrno(errno.ELOOP, os.stat, self.at("loop"))

    def test_odd_reads(self):
        data = os.urandom(3 * 1000 * 1000 + 7)
        self.put("f", data)
        self.mount()
        with open(self.at("f"), "rb", buffering=0) as f:
            for off in (0, 1, 4095, 4097, 1 << 20, len(data) - 1, len(data), len(data) + 5):
                for n in (1, 13, 4096, 70001, 1 << 20):
                    self.assertEqual(os.pread(f.fileno(), n, off), data[off:off + n])
            with mmap.mmap(f.fileno(), 0, prot=mmap.PROT_READ) as m:
                self.assertEqual(m[:], data)

    def test_nothing_can_be_changed(self):
        self.put("f", b"1")
        os.mkdir(os.path.join(self.src, "d"))
        self.mount()
        f, d = self.at("f"), self.at("d")
        for call in (lambda: open(f, "r+b"), lambda: open(self.at("new"), "wb"),
                     lambda: os.unlink(f), lambda: os.rmdir(d), lambda: os.mkdir(self.at("e")),
                     lambda: os.rename(f, f + "2"), lambda: os.link(f, f + "2"),
                     lambda: os.symlink("a", self.at("s")), lambda: os.truncate(f, 0),
                     lambda: os.chmod(f, 0o777), lambda: os.utime(f),
                     lambda: os.mknod(self.at("n")),
                     lambda: os.setxattr(f, "user.a", b"1"),
                     lambda: os.removexattr(f, "user.a")):
            self.assertErrno(errno.EROFS, call)

    def test_changes_are_seen(self):
        self.put("stays", b"old")
        self.put("goes", b"old")
        self.put("grows", b"old")
        self.mount()
        self.assertEqual(sorted(os.listdir(self.mnt)), ["goes", "grows", "stays"])
        self.assertEqual(self.read("stays"), b"old")
        self.assertFalse(os.path.exists(self.at("comes")))
        self.assertEqual(self.read("grows"), b"old")

        self.put("comes", b"new")
        os.unlink(os.path.join(self.src, "goes"))
        replaced = self.put("replaced", b"another")
        os.rename(replaced, os.path.join(self.src, "stays"))
        with open(os.path.join(self.src, "grows"), "ab") as f:
            f.write(b" and more")
        begin = time.monotonic()
        self.assertTrue(wait_for(lambda: os.path.exists(self.at("comes")), WAIT_S))
        self.assertTrue(wait_for(lambda: not os.path.exists(self.at("goes")), WAIT_S))
        self.assertTrue(wait_for(lambda: self.read("stays") == b"another", WAIT_S))
        self.assertTrue(wait_for(lambda: self.read("grows") == b"old and more", WAIT_S))
        self.assertLess(time.monotonic() - begin, WAIT_S)
        self.assertEqual(sorted(os.listdir(self.mnt)), ["comes", "grows", "stays"])

    def test_same_size_rewritten_in_place(self):
        path = self.put("f", b"a" * 100000)
        self.mount()
        self.assertEqual(self.read("f"), b"a" * 100000)
        with open(path, "r+b") as f:
            f.write(b"b" * 100000)
        self.assertTrue(wait_for(lambda: self.read("f") == b"b" * 100000, WAIT_S))

    def test_an_open_file_outlives_its_name(self):
        path = self.put("f", b"1" * 10000)
        self.mount()
        with open(self.at("f"), "rb") as f:
            os.unlink(path)
            time.sleep(WAIT_S)
            self.assertEqual(f.read(), b"1" * 10000)

    def test_a_file_that_shrinks_and_grows_while_it_is_read(self):
        """Large reads come from a mapping of it: what has gone from it is an error, or nothing."""
        size = 3 << 20
        path = self.put("f", b"1" * size)
        self.mount()
        stop = threading.Event()

        def change():
            while not stop.is_set():
                os.truncate(path, size // 3)
                os.truncate(path, size)

        thread = threading.Thread(target=change)
        thread.start()
        end, reads = time.monotonic() + 0.7, 0
        while time.monotonic() < end:
            with open(self.at("f"), "rb", buffering=0) as f:
                os.posix_fadvise(f.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
                try:
                    self.assertLessEqual(len(f.read()), size)
                    reads += 1
                except OSError as e:
                    self.assertEqual(e.errno, errno.EIO)
        stop.set()
        thread.join()
        self.assertGreater(reads, 0)
        with open(path, "wb") as f:
            f.write(b"2" * (size + 12345))
        self.assertTrue(wait_for(lambda: self.read("f") == b"2" * (size + 12345), 5))
        os.truncate(path, 100000)
        self.assertTrue(wait_for(lambda: self.read("f") == b"2" * 100000, 5))
        self.assertGreater(mounting.status(self.mnt)["files"]["reads"], reads)

    def test_folder_replaced_by_file(self):
        self.put("x/in", b"1")
        self.mount()
        self.assertEqual(os.listdir(self.at("x")), ["in"])
        os.rename(os.path.join(self.src, "x"), os.path.join(self.src, "y"))
        self.put("x", b"now a file")
        self.assertTrue(wait_for(lambda: os.path.isfile(self.at("x")), WAIT_S))
        self.assertEqual(os.listdir(self.at("y")), ["in"])

    def test_special_files(self):
        os.mkfifo(os.path.join(self.src, "fifo"))
        with socket.socket(socket.AF_UNIX) as s:
            s.bind(os.path.join(self.src, "socket"))
        if os.geteuid() == 0:
            os.mknod(os.path.join(self.src, "null"), stat.S_IFCHR | 0o666, os.makedev(1, 3))
        self.mount()
        self.assertTrue(stat.S_ISFIFO(os.lstat(self.at("fifo")).st_mode))
        self.assertEqual(stat.S_IMODE(os.lstat(self.at("fifo")).st_mode), 0)
        self.assertErrno(errno.ENXIO, os.open, self.at("socket"), os.O_RDONLY)
        if os.geteuid() == 0:
            self.assertErrno(errno.EACCES, os.open, self.at("null"), os.O_RDONLY)

    def test_statfs_is_that_of_the_source(self):
        self.mount()
        a, b = os.statvfs(self.mnt), os.statvfs(self.src)
        self.assertEqual((a.f_blocks, a.f_frsize, a.f_files), (b.f_blocks, b.f_frsize, b.f_files))

    def test_attributes_of_the_source(self):
        path = self.put("f")
        try:
            os.setxattr(path, "user.note", b"hello")
        except OSError:
            self.skipTest("the file system has no attributes")
        self.mount()
        self.assertEqual(os.listxattr(self.at("f")), ["user.note"])
        self.assertEqual(os.getxattr(self.at("f"), "user.note"), b"hello")
        self.assertErrno(errno.ENODATA, os.getxattr, self.at("f"), "user.other")

    def test_many_files_open(self):
        for i in range(600):
            self.put("f%d" % i, b"%d" % i)
        self.mount()
        files = [open(self.at("f%d" % i), "rb") for i in range(600)]
        try:
            for i, f in enumerate(files):
                self.assertEqual(f.read(), b"%d" % i)
        finally:
            for f in files:
                f.close()

    def test_open_read_close_from_many_threads(self):
        data = os.urandom(300000)
        for i in range(20):
            self.put("f%d" % i, data)
        self.mount()
        wrong = []

        def reader(first):
            for i in range(200):
                if self.read("f%d" % ((first + i) % 20)) != data:
                    wrong.append(i)

        threads = [threading.Thread(target=reader, args=(i,)) for i in range(6)]
        for t in threads:
            t.start()
        for i in range(100):  # the kernel forgets the pages of what has changed
            os.utime(os.path.join(self.src, "f%d" % (i % 20)))
            time.sleep(0.01)
        for t in threads:
            t.join()
        self.assertEqual(wrong, [])

    def test_one_file(self):
        mounting.model(os.path.join(self.src, "m.gguf"))
        self.put("other", b"1")
        self.mount("views=gguf@q8_0", src=os.path.join(self.src, "m.gguf"))
        self.assertEqual(sorted(os.listdir(self.mnt)), ["m.gguf", "m.gguf@q8_0"])
        self.assertFalse(os.path.exists(self.at("other")))
        with open(os.path.join(self.src, "m.gguf"), "rb") as f:
            self.assertEqual(self.read("m.gguf"), f.read())

    def test_the_source_goes_away(self):
        self.put("d/f", b"1")
        self.mount()
        os.rename(self.src, self.src + "2")
        self.assertEqual(self.read("d", "f"), b"1")  # the mount holds on to the folder
        os.rename(self.src + "2", self.src)


if __name__ == "__main__":
    mounting.main()
