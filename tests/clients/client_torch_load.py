# SPDX-License-Identifier: Apache-2.0
"""torch opens views, and what torch saved is read: Debian's python3-torch in a process of its own, and
the one of this environment where there is one. Bytes of every tensor, both ways."""

import json
import pathlib
import pickle
import shutil
import struct
import subprocess
import sys
import zipfile

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
from torches import pythons

TORCHES = pythons()
TORCH_FILES = pathlib.Path(__file__).with_name("torch_files.py")
MODELS = TORCH_FILES.parents[1] / "data" / "models"
DTYPES = {"f32": "float32", "f16": "float16", "bf16": "bfloat16"}
OF_SAFETENSORS = {"F64": "float64", "F32": "float32", "F16": "float16", "BF16": "bfloat16",
                  "I64": "int64", "I32": "int32", "I16": "int16", "I8": "int8", "U8": "uint8",
                  "BOOL": "bool", "C64": "complex64", "U16": "uint16", "U32": "uint32",
                  "U64": "uint64", "F8_E4M3": "float8_e4m3fn", "F8_E5M2": "float8_e5m2"}
WRITTEN = ["types.pt", "types-legacy.pth", "types-protocol4.bin", "shared.pt", "shared-legacy.pth",
           "shared-protocol4.bin", "strided.pt", "strided-legacy.pth", "strided-protocol4.bin",
           "quantized.pt", "quantized-legacy.pth", "checkpoint.ckpt", "checkpoint-legacy.ckpt", "scripted.pt", "traced.pt"]
SOURCES = ["folder", "gguf", "safe", "torch", "onnx"]
BIG = 5 << 30

pytestmark = pytest.mark.skipif(not TORCHES, reason="no Python here has torch")


def torch_files(python, *args):
    """What torch_files.py prints: {file: {name: (dtype, shape, bytes)}}."""
    done = subprocess.run([python, "-B", "-s", TORCH_FILES, *args], capture_output=True, timeout=120)
    assert done.returncode == 0, done.stderr.decode()[-2000:]
    return pickle.loads(done.stdout)


def stored(path):
    """The same of a safetensors file, by its header alone."""
    data = pathlib.Path(path).read_bytes()
    (n,) = struct.unpack("<Q", data[:8])
    header = json.loads(data[8 : 8 + n])
    header.pop("__metadata__", None)
    return {name: (OF_SAFETENSORS[t["dtype"]], tuple(t["shape"]),
                   data[8 + n :][slice(*t["data_offsets"])]) for name, t in header.items()}


@pytest.fixture(scope="module", params=TORCHES)
def python(request):
    return TORCHES[request.param]


@pytest.fixture(scope="module")
def saved(python, program, tmp_path_factory):
    """Of each file that torch saved: what is in it, its archive as torch reads it, and its
    safetensors, which do not have all types."""
    folder, out = (tmp_path_factory.mktemp(name) for name in ("saved", "views"))
    written = torch_files(python, "write", folder)
    for name in WRITTEN:
        stem = name.rpartition(".")[0]
        subprocess.run([program, "convert", folder / f"{stem}.pt@auto", out / f"{stem}.pt"], check=True)
        subprocess.run([program, "convert", folder / f"{stem}.safetensors@auto", out / stem],
                       check="types" not in stem, capture_output=True)
    for spec in DTYPES:
        subprocess.run([program, "convert", folder / f"types.pt@{spec}", out / f"{spec}.pt"], check=True)
    casts = [f"{folder}/types.pt:{dtype}" for dtype in DTYPES.values()]
    found = torch_files(python, "read", *out.glob("*.pt"), *casts)
    return out, written, {pathlib.Path(path).name: tensors for path, tensors in found.items()}


@pytest.fixture(scope="module")
def sources(program, tmp_path_factory):
    """tinylm as each kind of source: its weights are bf16."""
    src = tmp_path_factory.mktemp("sources")
    shutil.copytree(MODELS / "tinylm", src / "folder")
    for name, view in (("gguf.gguf", "gguf@bf16"), ("safe.safetensors", "safetensors@auto"),
                       ("torch.pt", "pt@auto"), ("onnx.onnx", "onnx@fp32")):
        subprocess.run([program, "convert", src / f"folder.{view}", src / name], check=True)
    return src


@pytest.fixture(scope="module")
def opened(python, sources, mounting):
    """What torch finds in all views of tinylm, and what it makes itself of the weights."""
    mnt = mounting(sources, "nocache,views=none")
    views = {(source, spec): f"{mnt}/{source}.pt@{spec}" for source in SOURCES
             for spec in [*DTYPES, "auto", "f16+crc"]}
    cast = {spec: f"{sources}/torch.pt:{dtype}" for spec, dtype in DTYPES.items()}
    found = torch_files(python, "read", *views.values(), *cast.values())
    return tuple({key: found[path] for key, path in paths.items()} for paths in (views, cast))


def test_the_weights_are_those_of_the_folder(opened, sources):
    _, want = opened
    assert want["bf16"] == stored(sources / "folder" / "model.safetensors")


@pytest.mark.parametrize("spec", [*DTYPES, "f16+crc"])
@pytest.mark.parametrize("source", SOURCES)
def test_views_are_what_torch_would_cast(opened, source, spec):
    found, want = opened
    got, want = found[source, spec], want[spec.removesuffix("+crc")]
    if source == "onnx":  # has numbers of the graph too
        got = {name: t for name, t in got.items() if name in want}
    assert got == want


@pytest.mark.parametrize("source", SOURCES)
def test_types_stay_as_they_are(opened, source):
    found, want = opened
    if source == "onnx":
        assert found[source, "auto"] == found[source, "f32"]
    elif source == "gguf":  # vectors are f32 there
        assert {d for d, _, _ in found[source, "auto"].values()} == {"bfloat16", "float32"}
    else:
        assert found[source, "auto"] == want["bf16"]


def test_checksums_of_views(sources, mounting):
    mnt = mounting(sources, "nocache,views=none")
    for source in SOURCES:
        assert zipfile.ZipFile(mnt / f"{source}.pt@f16+crc").testzip() is None


@pytest.mark.parametrize("name", WRITTEN)
def test_what_torch_saved_is_read(saved, name):
    """As an archive again, which torch opens; and as safetensors, whose header says what there is."""
    out, written, found = saved
    stem = name.rpartition(".")[0]
    assert list(found[f"{stem}.pt"].items()) == list(written[name].items())
    if "types" in stem:
        assert "type.complex128" in written[name] and not (out / stem).exists()
    else:
        assert stored(out / stem) == written[name]


@pytest.mark.parametrize("spec", DTYPES)
def test_floats_that_torch_saved_are_cast_as_torch_does(saved, spec):
    _, _, found = saved
    assert found[f"{spec}.pt"] == found[f"types.pt:{DTYPES[spec]}"]


@pytest.mark.skipif("own" not in TORCHES, reason="Debian's torch does not map files")
def test_torch_maps_more_than_four_gigabytes(mounting, tmp_path):
    import torch

    with open(tmp_path / "big.safetensors", "wb") as f:  # of which only the ends are on disk
        header = json.dumps({
            "big": dict(dtype="F16", shape=[BIG // 2], data_offsets=[0, BIG]),
            "tail": dict(dtype="F32", shape=[4], data_offsets=[BIG, BIG + 16])}).encode()
        f.write(struct.pack("<Q", len(header)) + header)
        f.seek(BIG, 1)
        f.write(struct.pack("<4f", *range(4)))
    got = torch.load(mounting(tmp_path, "nocache") / "big.pt@auto", mmap=True, weights_only=True)
    assert got["big"].shape == (BIG // 2,) and not got["big"][-1000:].any()
    assert torch.equal(got["tail"], torch.arange(4.0))
