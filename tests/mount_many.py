# SPDX-License-Identifier: Apache-2.0
"""A folder of a thousand models: the first `ls` and `ls -l` are quick and convert nothing."""
import os
import time

import mounting
from mounting import Case, gguf, run, status

MODELS = 1000
LIMIT_S = 4.0  # of the mount's CPU time for `ls -l`, which does not depend on what else runs;
#               on a quiet machine it is a tenth of that


class Many(Case):
    def setUp(self):
        super().setUp()
        data = mounting.floats(32)
        for i in range(MODELS):
            gguf(os.path.join(self.src, "model-%04d.gguf" % i),
                 [("token_embd.weight", 1, 32, data)],
                 pairs=[("general.name", "n" * 700)])

    def cpu(self):
        with open("/proc/%d/stat" % status(self.mnt)["pid"]) as f:
            ticks = f.read().rpartition(")")[2].split()[11:13]
        return sum(map(int, ticks)) / os.sysconf("SC_CLK_TCK")

    def timed(self, *args):
        """Seconds of the mount's CPU time, and what the command says."""
        begin = self.cpu()
        done = run(*args)
        self.assertEqual(done.returncode, 0, done.stderr)
        return self.cpu() - begin, done.stdout.splitlines()

    def test_ls(self):
        self.mount()
        took, lines = self.timed("ls", self.mnt)
        self.assertGreater(len(lines), 3 * MODELS)
        state = status(self.mnt)
        self.assertEqual(state["views"]["in_memory"], 0)  # nothing was planned
        long_took, lines = self.timed("ls", "-l", self.mnt)
        self.assertGreater(len(lines), 3 * MODELS)
        self.assertFalse([line for line in lines if line.split()[4:5] == ["0"]])
        print("ls %.2f s, ls -l %.2f s of CPU " % (took, long_took), end="")
        self.assertLess(long_took, LIMIT_S)
        state = status(self.mnt)
        self.assertEqual((state["conversions"]["chunks"], state["views"]["reads"]), (0, 0))
        if "ASAN_OPTIONS" not in os.environ:  # which takes memory of its own
            self.assertLess(state["memory"]["rss_anon_bytes"], 256 << 20)

    def test_sizes_persist(self):
        self.mount(cache=True)
        self.timed("ls", "-l", self.mnt)
        self.unmount()
        self.mount(cache=True)
        took, _ = self.timed("ls", "-l", self.mnt)
        print("ls -l after a remount %.2f s of CPU " % took, end="")
        self.assertEqual(status(self.mnt)["views"]["in_memory"], 0)
        self.assertLess(took, LIMIT_S)

    def test_inodes_are_forgotten(self):
        self.mount()
        self.timed("ls", "-l", self.mnt)
        self.assertGreater(status(self.mnt)["memory"]["inodes"], MODELS)
        for name in os.listdir(self.src):
            os.unlink(os.path.join(self.src, name))
        self.assertTrue(mounting.wait_for(lambda: not os.listdir(self.mnt)))
        time.sleep(mounting.WAIT_S)
        for i in range(MODELS):
            self.assertFalse(os.path.exists(self.at("model-%04d.gguf" % i)))
        self.assertLess(status(self.mnt)["memory"]["inodes"], 4 * MODELS - 500)


if __name__ == "__main__":
    mounting.main()
