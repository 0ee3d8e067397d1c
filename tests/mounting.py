# SPDX-License-Identifier: Apache-2.0
"""What the tests of the mount share: small models made from nothing, and mounts that are always
taken off again. Debian's python3 alone; the program is the first argument or $WEIGHTFS."""
import atexit
import ctypes
import os
import shutil
import struct
import subprocess
import sys
import tempfile
import time
import unittest

SKIP = 77
# Within a second a change of SRC must be seen; a machine that is busy with more gets more.
WAIT_S = 1.0 * max(1.0, os.getloadavg()[0] / (os.cpu_count() or 1))
weightfs = os.environ.get("WEIGHTFS", "weightfs")
top = None  # of everything that a test writes


# --- models ---

def gguf(path, tensors, arch="llama", pairs=()):
    """A GGUF v3 of float tensors: (name, rows, cols, bytes of f32)."""
    def text(s):
        return struct.pack("<Q", len(s)) + s.encode()

    pairs = [("general.architecture", arch)] + list(pairs)
    head = b"GGUF" + struct.pack("<IQQ", 3, len(tensors), len(pairs))
    for key, value in pairs:
        head += text(key)
        if isinstance(value, str):
            head += struct.pack("<I", 8) + text(value)
        else:
            head += struct.pack("<II", 4, value)
    off, body = 0, b""
    for name, rows, cols, data in tensors:
        assert len(data) == 4 * rows * cols
        head += text(name) + struct.pack("<IQQIQ", 2, cols, rows, 0, off)
        body += data + bytes(-len(data) % 32)
        off = len(body)
    head += bytes(-len(head) % 32)
    with open(path, "wb") as f:
        f.write(head + body)


def floats(n, seed=1):
    """n numbers, the same on every machine, as f32 bytes."""
    out, x = bytearray(), seed * 2654435761 & 0xffffffff
    for _ in range(n):
        x = (x * 1664525 + 1013904223) & 0xffffffff
        out += struct.pack("<f", (x >> 8) / (1 << 24) - 0.5)
    return bytes(out)


def model(path, rows=1024, cols=256, seed=1, tensors=2, **kw):
    unit = floats(cols, seed)
    data = [bytes(unit[4 * (r % cols):] + unit[:4 * (r % cols)]) for r in range(rows)]
    names = ["token_embd.weight"] + ["blk.%d.ffn_up.weight" % i for i in range(tensors - 1)]
    gguf(path, [(name, rows, cols, b"".join(data)) for name in names], **kw)


def safetensors(path, rows=4, cols=64, seed=1):
    data = floats(rows * cols, seed)
    head = b'{"a.weight":{"dtype":"F32","shape":[%d,%d],"data_offsets":[0,%d]}}' % (
        rows, cols, len(data))
    head += b" " * (-len(head) % 8)
    with open(path, "wb") as f:
        f.write(struct.pack("<Q", len(head)) + head + data)


# --- mounts ---

def run(*args, **kw):
    kw.setdefault("timeout", 60)
    return subprocess.run(args, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, text=True, **kw)


def mounts():
    with open("/proc/self/mounts") as f:
        return [line.split()[1].replace("\\040", " ") for line in f]


def umount(mnt):
    libc = ctypes.CDLL(None, use_errno=True)
    while mnt in mounts():
        if os.geteuid() != 0:
            subprocess.run(["fusermount3", "-u", "-z", "-q", mnt], check=False)
        elif libc.umount2(mnt.encode(), 2) < 0:  # MNT_DETACH
            break


def wait_for(condition, seconds=30.0):
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(0.02)
    return True


def alive(pid):
    try:
        with open("/proc/%d/stat" % pid) as f:
            return f.read().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def status(mnt):
    import json
    return json.loads(os.getxattr(mnt, "user.weightfs.status"))


class Case(unittest.TestCase):
    """A folder of its own with src/ and mnt/; what it mounts is taken off in the end."""

    def setUp(self):
        self.dir = tempfile.mkdtemp(dir=top)
        self.src = os.path.join(self.dir, "src")
        self.mnt = os.path.join(self.dir, "mnt")
        self.cache = os.path.join(self.dir, "cache")
        os.mkdir(self.src)
        os.mkdir(self.mnt)
        self.addCleanup(shutil.rmtree, self.dir, ignore_errors=True)

    def start(self, *options, src=None, mnt=None, cache=False):
        """Returns what the program said; cleans up whether or not it mounted."""
        options = list(options) + (["cache=" + self.cache] if cache else ["nocache"])
        mnt = mnt or self.mnt
        self.addCleanup(umount, mnt)
        return run(weightfs, src or self.src, mnt, "-o", ",".join(options))

    def mount(self, *options, **kw):
        done = self.start(*options, **kw)
        self.assertEqual(done.returncode, 0, done.stderr)

    def unmount(self, mnt=None):
        """And waits until the process has gone, so that its cache is closed."""
        pid = status(mnt or self.mnt)["pid"]
        umount(mnt or self.mnt)
        self.assertTrue(wait_for(lambda: not alive(pid)), "the process stays")

    def put(self, name, data=b""):
        path = os.path.join(self.src, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as f:
            f.write(data)
        return path

    def at(self, *names):
        return os.path.join(self.mnt, *names)

    def read(self, *names):
        with open(self.at(*names), "rb") as f:
            return f.read()

    def converted(self, view, *options, src=None):
        """The view as `weightfs convert` writes it: made by the same engine without a mount."""
        out = os.path.join(self.dir, "converted")
        if os.path.exists(out):
            os.remove(out)
        done = run(weightfs, "convert", os.path.join(src or self.src, view), out, *options)
        self.assertEqual(done.returncode, 0, done.stderr)
        with open(out, "rb") as f:
            return f.read()

    def assertErrno(self, number, call, *args, **kw):
        with self.assertRaises(OSError) as caught:
            call(*args, **kw)
        self.assertEqual(caught.exception.errno, number, os.strerror(caught.exception.errno))


def clean():
    for mnt in mounts():
        if top and mnt.startswith(top + "/"):
            umount(mnt)
    shutil.rmtree(top, ignore_errors=True)


def main():
    global weightfs, top
    if len(sys.argv) > 1 and not sys.argv[1].startswith("-"):
        weightfs = os.path.abspath(sys.argv.pop(1))
    if not os.path.exists("/dev/fuse") or not shutil.which("fusermount3"):
        print("skipped: /dev/fuse or fusermount3 is missing")
        sys.exit(SKIP)
    top = os.path.realpath(tempfile.mkdtemp(prefix="weightfs-test-"))
    os.chmod(top, 0o755)
    atexit.register(clean)
    unittest.main(module="__main__", verbosity=2)
