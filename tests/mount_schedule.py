# SPDX-License-Identifier: Apache-2.0
"""Types that take long to write do not make a mount unpleasant: who reads a page, lists or leaves
does not wait for those who read all."""
import os
import random
import subprocess
import time

import mounting
from mounting import WAIT_S, Case, model, status, wait_for

SLOW, OTHER, QUICK = "m.gguf@iq3_s", "m.gguf@iq4_xs", "m.gguf@q4_k_m"
PAGE = 4096


class Schedule(Case):
    def setUp(self):
        super().setUp()
        made = os.path.join(mounting.top, "slow.gguf")
        if not os.path.exists(made):
            model(made, rows=1024, cols=2048, tensors=6)
        os.link(made, os.path.join(self.src, "m.gguf"))
        self.mount("threads=2")

    def start_readers(self, count=2):
        """Read the slow view from the front; a conversion is under way when it returns."""
        readers = []
        for i in range(count):
            readers.append(subprocess.Popen(
                ["dd", "if=" + self.at(SLOW), "of=/dev/null", "bs=1M", "skip=%d" % (2 * i)],
                stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL))
            self.addCleanup(self.stop, readers[-1])
        self.assertTrue(wait_for(lambda: status(self.mnt)["conversions"]["under_way"] > 0))
        return readers

    @staticmethod
    def stop(process):
        process.kill()
        process.wait()

    def pages(self, view, count):
        """Seconds that each of some pages takes, at random places, worst last."""
        took, rng = [], random.Random(7)
        fd = os.open(self.at(view), os.O_RDONLY)
        self.addCleanup(os.close, fd)
        os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_RANDOM)
        size = os.fstat(fd).st_size
        for _ in range(count):
            at = rng.randrange(size // 2, size - PAGE) // PAGE * PAGE
            begin = time.monotonic()
            self.assertEqual(len(os.pread(fd, PAGE, at)), PAGE)
            took.append(time.monotonic() - begin)
        return sorted(took)

    def test_a_page_costs_no_more_than_a_chunk(self):
        took = self.pages(SLOW, 1)[0]
        print("%.0f ms " % (1e3 * took), end="")
        self.assertLessEqual(status(self.mnt)["conversions"]["chunks"], 1)
        self.assertLess(status(self.mnt)["conversions"]["converted_bytes"], 256 << 10)

    def test_first_page(self):
        begin = time.monotonic()
        with open(self.at(QUICK), "rb", buffering=0) as f:
            f.read(PAGE)
        took = time.monotonic() - begin
        print("%.1f ms " % (1e3 * took), end="")
        self.assertLess(took, 0.1 * WAIT_S)

    def test_random_reader_beside_sequential_ones(self):
        readers = self.start_readers()
        took = self.pages(OTHER, 20)  # of the same view it might want the very page they wait for
        self.assertTrue(any(r.poll() is None for r in readers), "they were to be reading still")
        print("median %.0f, worst %.0f ms " % (1e3 * took[10], 1e3 * took[-1]), end="")
        self.assertLess(took[10], 0.25 * WAIT_S)
        self.assertLess(took[-1], 1.0 * WAIT_S)

    def test_sequential_reader_beside_random_ones(self):
        """Pages go first, but not for ever."""
        before = status(self.mnt)["conversions"]["chunks"]
        self.start_readers(1)
        end = time.monotonic() + 10 * WAIT_S
        while status(self.mnt)["conversions"]["chunks"] == before and time.monotonic() < end:
            self.pages(OTHER, 4)
        self.assertGreater(status(self.mnt)["conversions"]["chunks"], before)

    def test_metadata_does_not_wait(self):
        self.start_readers()
        worst = 0
        for spec in ("q8_0", "q5_0", "q6_k", "iq4_nl", "q3_k_m"):  # planned now
            begin = time.monotonic()
            os.stat(self.at("m.gguf@" + spec))
            os.listdir(self.mnt)
            status(self.mnt)
            worst = max(worst, time.monotonic() - begin)
        print("worst %.0f ms " % (1e3 * worst), end="")
        self.assertLess(worst, 0.5 * WAIT_S)

    def test_ahead_of_a_sequential_reader(self):
        self.start_readers(1)
        both = lambda: status(self.mnt)["conversions"]["under_way"] >= 2
        self.assertTrue(wait_for(both, 10 * WAIT_S), "one reader keeps one core busy only")

    def test_a_killed_reader_frees_the_cores(self):
        for reader in self.start_readers():
            self.stop(reader)
        killed = time.monotonic()
        idle = lambda: status(self.mnt)["conversions"]["under_way"] == 0
        self.assertTrue(wait_for(idle, 10 * WAIT_S))
        took = time.monotonic() - killed
        print("%.0f ms " % (1e3 * took), end="")
        self.assertLess(took, 1.0 * WAIT_S)
        chunks = status(self.mnt)["conversions"]["chunks"]
        time.sleep(0.2)
        self.assertEqual(status(self.mnt)["conversions"]["chunks"], chunks)


if __name__ == "__main__":
    mounting.main()
