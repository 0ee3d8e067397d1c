# SPDX-License-Identifier: Apache-2.0
"""Ordinary programs on a view: cp, cmp, dd, mmap, many readers. The bytes are those which
`weightfs convert` writes without a mount."""

import concurrent.futures
import mmap
import os
import random
import subprocess

import pytest

VIEWS = ["tinylm.gguf@q4_0", "tinylm.gguf@bf16", "single.gguf@q8_0", "single.safetensors@f32"]


@pytest.mark.parametrize("view", VIEWS)
def test_size_is_known_before_a_read(mount, models, convert, view):
    assert os.stat(mount / view).st_size == os.path.getsize(convert(models / view))


@pytest.mark.parametrize("view", VIEWS)
def test_cmp_and_cp(mount, models, convert, view, tmp_path):
    want = convert(models / view)
    subprocess.run(["cmp", mount / view, want], check=True)
    subprocess.run(["cp", mount / view, tmp_path / "copy"], check=True)
    subprocess.run(["cmp", tmp_path / "copy", want], check=True)


@pytest.mark.parametrize("block", [1021, 4097, 65537, 1000003])
@pytest.mark.parametrize("flags", ["", "direct"])
def test_dd_with_odd_blocks(mount, models, convert, block, flags):
    view = VIEWS[0]
    args = ["dd", f"if={mount / view}", f"bs={block}", "status=none"]
    if flags:
        args.append(f"iflag={flags}")
    got = subprocess.run(args, check=True, capture_output=True).stdout
    assert got == convert(models / view).read_bytes()


@pytest.mark.parametrize("view", VIEWS)
def test_mmap(mount, models, convert, view):
    want = convert(models / view).read_bytes()
    with open(mount / view, "rb") as f:
        with mmap.mmap(f.fileno(), 0, prot=mmap.PROT_READ) as m:
            for off in range(len(want) - 1, 0, -65521):  # backwards: no readahead helps
                assert m[off] == want[off]
            assert m[:] == want


@pytest.mark.parametrize("view", VIEWS)
def test_eight_readers_at_random_offsets(mount, models, convert, view):
    want = convert(models / view).read_bytes()

    def read(seed):
        rng = random.Random(seed)
        fd = os.open(mount / view, os.O_RDONLY)
        try:
            for _ in range(200):
                off = rng.randrange(len(want))
                n = rng.choice([1, 4096, 65536, 300000])
                if os.pread(fd, n, off) != want[off : off + n]:
                    return off
        finally:
            os.close(fd)

    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        assert list(pool.map(read, range(8))) == [None] * 8


def test_a_view_cannot_be_written(mount):
    for view in VIEWS:
        with pytest.raises(OSError):
            open(mount / view, "r+b")
        with pytest.raises(OSError):
            os.unlink(mount / view)
