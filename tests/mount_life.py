# SPDX-License-Identifier: Apache-2.0
"""How a mount begins and ends: readiness, signals, killed mounts, ordinary users."""
import errno
import os
import shutil
import signal
import socket
import subprocess
import unittest

import mounting
from mounting import Case, alive, model, run, status, umount, wait_for


class Life(Case):
    def setUp(self):
        super().setUp()
        model(os.path.join(self.src, "m.gguf"))

    def pid(self):
        return status(self.mnt)["pid"]

    def is_dead(self):
        try:
            os.statvfs(self.mnt)
        except OSError as e:
            return e.errno == errno.ENOTCONN
        return False

    def test_ready_when_it_returns(self):
        for _ in range(20):
            self.mount()
            self.assertEqual(self.read("m.gguf")[:4], b"GGUF")
            umount(self.mnt)

    def test_signals_end_it(self):
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            self.mount(cache=True)
            self.read("m.gguf@q4_0")
            pid = self.pid()
            os.kill(pid, number)
            self.assertTrue(wait_for(lambda: not alive(pid)), number)
            self.assertNotIn(self.mnt, mounting.mounts())

    def test_a_signal_under_load(self):
        self.mount("threads=1")
        fd = os.open(self.at("m.gguf@q4_0"), os.O_RDONLY)
        os.read(fd, 10)
        pid = self.pid()
        os.kill(pid, signal.SIGTERM)
        self.assertTrue(wait_for(lambda: not alive(pid)))
        self.assertErrno(errno.ENOTCONN, os.close, fd)
        self.assertNotIn(self.mnt, mounting.mounts())

    def test_fusermount_ends_it(self):
        self.mount()
        pid = self.pid()
        self.assertEqual(run("fusermount3", "-u", self.mnt).returncode, 0)
        self.assertTrue(wait_for(lambda: not alive(pid)))

    def test_exit_status_in_the_foreground(self):
        p = subprocess.Popen([mounting.weightfs, self.src, self.mnt, "-f", "-o", "nocache"])
        self.addCleanup(umount, self.mnt)
        self.assertTrue(wait_for(lambda: self.mnt in mounting.mounts()))
        os.listdir(self.mnt)
        p.terminate()
        self.assertEqual(p.wait(10), 0)
        self.assertNotIn(self.mnt, mounting.mounts())

    def test_a_killed_mount_is_cleared(self):
        for _ in range(3):
            self.mount(cache=True)
            self.read("m.gguf@q4_0")
            pid = self.pid()
            os.kill(pid, signal.SIGKILL)
            self.assertTrue(wait_for(self.is_dead))
        self.mount(cache=True)
        self.assertEqual(mounting.mounts().count(self.mnt), 1)
        self.assertEqual(self.read("m.gguf@q4_0"), self.converted("m.gguf@q4_0"))

    def test_what_was_cached_survives_a_kill(self):
        self.mount(cache=True)
        self.read("m.gguf@q4_0")
        self.unmount()
        self.mount(cache=True)
        self.read("m.gguf@q4_0")
        pid = self.pid()
        os.kill(pid, signal.SIGKILL)
        self.assertTrue(wait_for(self.is_dead))
        self.mount(cache=True)
        self.read("m.gguf@q4_0")
        self.assertEqual(status(self.mnt)["conversions"]["chunks"], 0)

    def test_notify_socket(self):
        path = os.path.join(self.dir, "notify")
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as s:
            s.bind(path)
            s.settimeout(10)
            self.addCleanup(umount, self.mnt)
            env = dict(os.environ, NOTIFY_SOCKET=path)
            run(mounting.weightfs, self.src, self.mnt, "-o", "nocache", env=env, check=True)
            said = s.recv(200).decode().split("\n")
            self.assertEqual(said[:2], ["READY=1", "MAINPID=%d" % self.pid()])
            umount(self.mnt)
            self.assertEqual(s.recv(200), b"STOPPING=1\n")

    def test_nothing_of_the_caller_is_held(self):
        p = subprocess.Popen([mounting.weightfs, self.src, self.mnt, "-o", "nocache"],
                             stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        self.addCleanup(umount, self.mnt)
        self.assertEqual(p.communicate(timeout=10)[0], b"")  # ends only when all have closed it
        self.assertEqual(p.returncode, 0)
        pid = self.pid()
        self.assertEqual(os.readlink("/proc/%d/cwd" % pid), "/")
        for fd in "012":
            self.assertEqual(os.readlink("/proc/%d/fd/%s" % (pid, fd)), "/dev/null")


@unittest.skipUnless(os.geteuid() == 0 and shutil.which("setpriv"), "needs root, to be a user")
class OrdinaryUser(Case):
    def as_user(self, script):
        """As nobody, with a /dev/fuse that is open to all, as Debian's is; in a namespace, so that
        the machine's own is left alone."""
        os.chmod(self.dir, 0o777)
        os.chown(self.mnt, 65534, 65534)
        device = os.path.join(self.dir, "fuse")
        lines = ["set -e", "mknod %s c 10 229" % device, "chmod 666 %s" % device,
                 "mount --bind %s /dev/fuse" % device,
                 "exec setpriv --reuid 65534 --regid 65534 --clear-groups sh -ec '%s'" % script]
        return run("unshare", "-m", "sh", "-c", "\n".join(lines),
                   env=dict(os.environ, W=mounting.weightfs, SRC=self.src, MNT=self.mnt,
                            DIR=self.dir, HOME=self.dir, XDG_CACHE_HOME=self.dir + "/xdg"))

    def setUp(self):
        super().setUp()
        os.chmod(self.dir, 0o755)
        model(os.path.join(self.src, "m.gguf"))
        self.put("secret.gguf")
        os.chmod(os.path.join(self.src, "secret.gguf"), 0o600)
        self.want = self.converted("m.gguf@q4_0")

    def test_mounts_and_unmounts(self):
        done = self.as_user("""
            $W $SRC $MNT
            cat $MNT/m.gguf@q4_0 > $DIR/got
            if cat $MNT/secret.gguf 2>/dev/null; then echo leak; fi
            test -d $DIR/xdg/weightfs
            fusermount3 -u $MNT
            test -z "$(ls $MNT)"
            """)
        self.assertEqual((done.returncode, done.stdout), (0, ""), done.stderr)
        with open(os.path.join(self.dir, "got"), "rb") as f:
            self.assertEqual(f.read(), self.want)

    def test_a_source_that_may_not_be_read_is_32(self):
        os.mkdir(os.path.join(self.dir, "closed"), 0o700)
        done = self.as_user("$W $DIR/closed $MNT -o nocache || echo $?")
        self.assertEqual(done.stdout, "32\n", done.stderr)
        self.assertIn("closed: Permission denied", done.stderr)

    def test_clears_a_killed_mount(self):
        done = self.as_user("""
            $W $SRC $MNT -f & sleep 0.1
            while ! ls $MNT/m.gguf 2>/dev/null; do sleep 0.05; done
            kill -9 $!
            wait $! || true
            ! ls $MNT 2>/dev/null
            $W $SRC $MNT
            ls $MNT/m.gguf
            fusermount3 -u $MNT
            """)
        self.assertEqual(done.returncode, 0, done.stderr)

    def test_allow_other_needs_leave(self):
        done = self.as_user("$W $SRC $MNT -o allow_other || echo $?")
        with open("/etc/fuse.conf") as f:
            if "user_allow_other\n" in f.readlines():
                self.skipTest("fuse.conf gives it")
        self.assertEqual(done.stdout, "32\n", done.stderr)
        self.assertIn("allow_other", done.stderr)

    def test_allow_other_keeps_modes(self):
        os.chmod(os.path.join(self.src, "m.gguf"), 0o640)
        model(os.path.join(self.src, "open.gguf"))
        self.mount("allow_other")
        user = ["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups", "cat"]
        for name, code in (("m.gguf", 1), ("m.gguf@q4_0", 1), ("open.gguf", 0),
                           ("open.gguf@q4_0", 0), ("secret.gguf", 1)):
            got = subprocess.run(user + [self.at(name)], stdout=subprocess.DEVNULL,
                                 stderr=subprocess.DEVNULL, check=False).returncode
            self.assertEqual(got, code, name)

    def test_without_allow_other_no_one_else(self):
        self.mount()
        done = run("setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups", "ls",
                   self.mnt)
        self.assertNotEqual(done.returncode, 0)


if __name__ == "__main__":
    mounting.main()
