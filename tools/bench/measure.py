# SPDX-License-Identifier: Apache-2.0
"""Ways to read a file, with the time each takes, and mounts to read from."""

import contextlib
import json
import mmap
import os
import random
import shutil
import subprocess
import threading
import time

MIB = 1 << 20


def sequential(path, limit=None):
    """Read from front to end by 1 MiB; (bytes, seconds)."""
    buf = bytearray(MIB)
    fd = os.open(path, os.O_RDONLY)
    start, done = time.perf_counter(), 0
    while limit is None or done < limit:
        n = os.readv(fd, [buf])
        if n == 0:
            break
        done += n
    seconds = time.perf_counter() - start
    os.close(fd)
    return done, seconds


def random_reads(path, block, count, seed=1):
    """@count reads of @block bytes at aligned random places; reads a second."""
    rng, buf = random.Random(seed), bytearray(block)
    size = os.stat(path).st_size
    places = [rng.randrange(size // block) * block for _ in range(count)]
    fd = os.open(path, os.O_RDONLY)
    os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_RANDOM)
    start = time.perf_counter()
    for at in places:
        os.preadv(fd, [buf], at)
    seconds = time.perf_counter() - start
    os.close(fd)
    return count / seconds


def mmap_walk(path):
    """Touch each page of a mapping once; (bytes, seconds)."""
    fd = os.open(path, os.O_RDONLY)
    size = os.fstat(fd).st_size
    with mmap.mmap(fd, size, mmap.MAP_SHARED, mmap.PROT_READ) as m:
        start = time.perf_counter()
        len(m[:: mmap.PAGESIZE])
        seconds = time.perf_counter() - start
    os.close(fd)
    return size, seconds


def first_bytes(path, count=65536):
    """stat, open and the first bytes; seconds."""
    start = time.perf_counter()
    os.stat(path)
    with open(path, "rb", buffering=0) as f:
        f.read(count)
    return time.perf_counter() - start


def command(args, **kw):
    start = time.perf_counter()
    subprocess.run(args, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, **kw)
    return time.perf_counter() - start


def bdi(mnt):
    dev = os.stat(mnt).st_dev
    return f"/sys/class/bdi/{os.major(dev)}:{os.minor(dev)}/read_ahead_kb"


def readahead_kb(mnt, kb=None):
    """What the kernel reads ahead in a mount; set it first when @kb is given and we may."""
    if kb is not None:
        with contextlib.suppress(OSError), open(bdi(mnt), "w") as f:
            f.write(str(kb))
    with open(bdi(mnt)) as f:
        return int(f.read())


class Mount:
    """A mount while a `with` lasts; `pid` is the process that serves it."""

    def __init__(self, args, mnt):
        self.args, self.mnt = args, mnt

    def __enter__(self):
        os.makedirs(self.mnt, exist_ok=True)
        self.process = subprocess.Popen(self.args, stdout=subprocess.DEVNULL)
        self.pid = self.process.pid
        for _ in range(3000):
            if os.path.ismount(self.mnt):
                return self
            if self.process.poll() is not None:
                break
            time.sleep(0.002)
        raise SystemExit(f"bench: {self.args[0]} did not mount")

    def __exit__(self, *_):
        for _ in range(100):
            if subprocess.run(["fusermount3", "-u", self.mnt], capture_output=True).returncode == 0:
                break
            time.sleep(0.1)
        else:
            subprocess.run(["fusermount3", "-uz", self.mnt], check=False)
        self.process.wait(60)


class Weightfs(Mount):
    """The program itself: it returns when the mount is ready, and its status tells its process."""

    def __enter__(self):
        os.makedirs(self.mnt, exist_ok=True)
        subprocess.run(self.args, check=True)
        self.pid = json.loads(os.getxattr(self.mnt, "user.weightfs.status"))["pid"]
        self.process = self
        return self

    def wait(self, seconds):
        """Until it has written what it had for the cache."""
        for _ in range(seconds * 100):
            if not os.path.exists(f"/proc/{self.pid}"):
                return
            time.sleep(0.01)


def anonymous_kb(pid):
    with open(f"/proc/{pid}/status") as f:
        return next(int(line.split()[1]) for line in f if line.startswith("RssAnon"))


class Watch(threading.Thread):
    """The most anonymous memory that a process has while a `with` lasts."""

    def __init__(self, pid):
        super().__init__(daemon=True)
        self.pid, self.most, self.stop = pid, 0, False

    def run(self):
        while not self.stop:
            self.most = max(self.most, anonymous_kb(self.pid))
            time.sleep(0.02)

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.stop = True
        self.join()


def drop(path):
    """Forget a plain file's pages."""
    fd = os.open(path, os.O_RDONLY)
    os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
    os.close(fd)


def remove(path):
    shutil.rmtree(path, ignore_errors=True)
