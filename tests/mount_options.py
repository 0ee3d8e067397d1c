# SPDX-License-Identifier: Apache-2.0
"""The command line of a mount: options, what is refused, exit statuses."""
import os
import stat
import subprocess
import unittest

import mounting
from mounting import Case, model, run, status


class Statuses(Case):
    def program(self, *args):
        return run(mounting.weightfs, *args)

    def test_help_tells_every_option_with_its_default(self):
        done = self.program("--help")
        self.assertEqual(done.returncode, 0)
        for option in ("cache=", "cache_size=", "nocache", "threads=", "views=", "names=",
                       "layout=", "requantize", "allow_other", "uid=", "gid=", "umask=", "log="):
            self.assertIn("\n  " + option, done.stdout)
            after = done.stdout.split("\n  " + option, 1)[1]
            self.assertIn("[", after.split("\n  ", 1)[0] + after[:200], option)

    def test_version(self):
        done = self.program("-V")
        self.assertEqual((done.returncode, done.stdout[:9]), (0, "weightfs "))

    def test_wrong_usage_is_1(self):
        for args in ([], [self.src], [self.src, self.mnt, "more"], ["-x"],
                     [self.src, self.mnt, "-o"], [self.src, self.mnt, "--nonsense"]):
            done = self.program(*args)
            self.assertEqual(done.returncode, 1, args)
            self.assertIn("weightfs: ", done.stderr)

    def test_wrong_options_are_1(self):
        for option in ("nonsense", "cache_size=12Q", "cache_size=0", "cache_size=", "threads=0",
                       "threads=x", "views=gguf", "views=gguf@q4_0+nonsense", "names=both",
                       "layout=deep", "uid=me", "umask=999", "log=loud", "cache=", "nocache=1",
                       "requantize=1", "ro=1"):
            done = self.program(self.src, self.mnt, "-o", option)
            self.assertEqual(done.returncode, 1, option)
            self.assertIn(option, done.stderr)
        self.assertNotIn(self.mnt, mounting.mounts())

    def test_what_cannot_be_mounted_is_32(self):
        self.put("file")
        missing, fifo = os.path.join(self.dir, "missing"), os.path.join(self.dir, "fifo")
        os.mkfifo(fifo)
        for src, mnt, why in ((missing, self.mnt, "No such file"),
                              ("/dev/null", self.mnt, "neither a folder nor"),
                              (fifo, self.mnt, "neither a folder nor"),
                              (self.src, missing, "No such file"),
                              (self.src, os.path.join(self.src, "file"), "not a folder")):
            done = self.start(src=src, mnt=mnt)
            self.assertEqual(done.returncode, 32, (src, mnt))
            self.assertIn(why, done.stderr)


class Refused(Case):
    def refuse(self, src, mnt, *options):
        done = self.start(*options, src=src, mnt=mnt, cache=True)
        self.assertEqual(done.returncode, 32, (src, mnt))
        self.assertEqual(len(done.stderr.splitlines()), 1, done.stderr)
        self.assertNotIn(mnt, mounting.mounts())

    def test_over_the_source(self):
        self.refuse(self.src, self.src)

    def test_within_the_source(self):
        inside = os.path.join(self.src, "a", "b")
        os.makedirs(inside)
        self.refuse(self.src, inside)

    def test_within_the_source_by_a_link(self):
        os.makedirs(os.path.join(self.src, "a"))
        link = os.path.join(self.dir, "link")
        os.symlink(os.path.join(self.src, "a"), link)
        self.refuse(self.src, link)

    def test_over_a_parent_of_the_source(self):
        self.refuse(self.src, self.dir)

    def test_over_the_cache(self):
        os.mkdir(self.cache)
        self.refuse(self.src, self.cache)

    def test_over_a_parent_of_a_cache_that_is_not_there_yet(self):
        self.cache = os.path.join(self.mnt, "deep", "cache")
        self.refuse(self.src, self.mnt)

    def test_twice(self):
        self.mount()
        done = self.start()
        self.assertEqual(done.returncode, 32)
        self.assertIn("already", done.stderr)


class Options(Case):
    def setUp(self):
        super().setUp()
        self.model = os.path.join(self.src, "m.gguf")
        model(self.model)

    def test_those_of_mount_and_fstab_are_accepted(self):
        self.mount("rw", "defaults", "noauto", "user", "_netdev", "nofail", "x-systemd.automount",
                   "x-systemd.requires=network.target", "noatime", "dev", "suid", "exec",
                   "default_permissions", "comment=hello")
        self.assertIn("m.gguf", os.listdir(self.mnt))

    def test_read_only_whatever_they_say(self):
        self.mount("rw")
        self.assertTrue(os.statvfs(self.mnt).f_flag & os.ST_RDONLY)

    def test_views(self):
        def views():
            return sorted(set(os.listdir(self.mnt)) - {"m.gguf"})

        self.mount("views=none")
        self.assertEqual(views(), [])
        self.assertEqual(os.stat(self.at("m.gguf@q8_0")).st_nlink, 1)  # still there
        self.unmount()
        self.mount("views=gguf@q8_0:gguf@f16")
        self.assertEqual(views(), ["m.gguf@f16", "m.gguf@q8_0"])
        self.unmount()
        self.mount("views=all")
        self.assertGreater(len(views()), 8)
        self.unmount()
        self.mount()
        self.assertEqual(len(views()), 3)

    def test_cache(self):
        self.mount(cache=True)
        self.read("m.gguf@q4_0")
        self.assertTrue(os.path.isdir(self.cache))
        self.assertTrue(status(self.mnt)["cache"]["in_use"])
        self.unmount()
        self.mount("cache_size=64M", cache=True)
        first = status(self.mnt)
        self.read("m.gguf@q4_0")
        then = status(self.mnt)
        self.assertEqual(first["cache"]["limit_bytes"], 64 << 20)
        self.assertGreater(then["cache"]["hits"], 0)
        self.assertEqual(then["conversions"]["chunks"], 0)

    def test_nocache(self):
        self.mount("nocache")
        self.assertFalse(status(self.mnt)["cache"]["in_use"])

    def test_relative_cache(self):
        self.addCleanup(mounting.umount, self.mnt)
        done = run(mounting.weightfs, "src", "mnt", "-o", "cache=cache", cwd=self.dir)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertTrue(os.path.isdir(self.cache))
        self.assertEqual(status(self.mnt)["source"], self.src)

    def test_threads(self):
        self.mount("threads=3")
        self.assertEqual(status(self.mnt)["conversions"]["threads"], 3)

    def test_owner_and_modes(self):
        os.mkdir(os.path.join(self.src, "d"))
        os.chmod(self.model, 0o644)
        self.mount("uid=1234", "gid=2345", "umask=027")
        for name, mode in (("m.gguf", 0o640), ("m.gguf@q8_0", 0o440), ("d", 0o750)):
            st = os.stat(self.at(name))
            self.assertEqual((st.st_uid, st.st_gid), (1234, 2345), name)
            self.assertEqual(stat.S_IMODE(st.st_mode), mode, name)

    def test_requantize(self):
        quantized = os.path.join(self.src, "q.gguf")
        done = run(mounting.weightfs, "convert", self.model + "@q8_0", quantized)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.mount()
        self.assertEqual(os.stat(self.at("q.gguf@q4_0")).st_size, 0)
        self.assertGreater(os.stat(self.at("q.gguf@q4_0+requantize")).st_size, 0)
        self.assertGreater(os.stat(self.at("q.gguf@f16")).st_size, 0)
        self.unmount()
        self.mount("requantize")
        self.assertGreater(os.stat(self.at("q.gguf@q4_0")).st_size, 0)

    def test_foreground_log(self):
        self.put("bad.gguf", b"GGUF" + bytes(100))
        p = subprocess.Popen([mounting.weightfs, self.src, self.mnt, "-f", "-o",
                              "nocache,log=info"], stderr=subprocess.PIPE, text=True)
        self.addCleanup(mounting.umount, self.mnt)
        self.assertTrue(mounting.wait_for(lambda: self.mnt in mounting.mounts()))
        self.assertEqual(os.stat(self.at("bad.gguf@q8_0")).st_size, 0)
        p.terminate()
        said = p.communicate(timeout=10)[1]
        self.assertIn("bad.gguf", said)
        self.assertEqual(p.returncode, 0)


@unittest.skipUnless(os.geteuid() == 0, "root alone may call mount")
class MountEight(Case):
    def within(self, script):
        """mount.fuse looks for the program in the system's folders: in a namespace of its own, so
        that nothing is installed."""
        self.put("a")
        lines = ["set -e", "mount -t tmpfs none /usr/local/sbin",
                 "ln -s '%s' /usr/local/sbin/weightfs" % mounting.weightfs, script]
        done = run("unshare", "-m", "sh", "-c", "\n".join(lines))
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout

    def test_mount_t_fuse_weightfs(self):
        said = self.within("""
            mount -t fuse.weightfs %s %s -o noauto,x-systemd.automount,_netdev,nocache
            ls %s; grep %s /proc/self/mounts; umount %s
            """ % (self.src, self.mnt, self.mnt, self.mnt, self.mnt))
        self.assertTrue(said.startswith("a\n%s %s fuse.weightfs ro," % (self.src, self.mnt)), said)

    def test_fstab(self):
        fstab = os.path.join(self.dir, "fstab")
        with open(fstab, "w") as f:
            f.write("%s %s fuse.weightfs noauto,user,ro,x-systemd.requires=a.b,nocache 0 0\n"
                    % (self.src, self.mnt))
        said = self.within("mount -T %s %s; ls %s; umount %s" % (fstab, self.mnt, self.mnt,
                                                                 self.mnt))
        self.assertEqual(said, "a\n")


if __name__ == "__main__":
    mounting.main()
