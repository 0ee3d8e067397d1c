# SPDX-License-Identifier: Apache-2.0
"""Archives of torch.save as views, read with zipfile and pickle alone; client_torch_load.py has torch
itself. Of ONNX models each tensor is the initializer that it came from."""

import json
import pickle
import shutil
import struct
import subprocess
import zipfile

import numpy as np
import onnx
import pytest
from client_onnx import DATA
from onnx import helper, numpy_helper

KINDS = {"FloatStorage": "<f4", "DoubleStorage": "<f8", "HalfStorage": "<f2", "BFloat16Storage": "<u2",
         "LongStorage": "<i8", "IntStorage": "<i4", "ShortStorage": "<i2", "CharStorage": "i1",
         "ByteStorage": "u1", "BoolStorage": "?", "ComplexFloatStorage": "<c8",
         "ComplexDoubleStorage": "<c16", "UntypedStorage": "u1", "uint16": "<u2", "uint32": "<u4",
         "uint64": "<u8", "float8_e4m3fn": "u1", "float8_e4m3fnuz": "u1", "float8_e5m2": "u1",
         "float8_e5m2fnuz": "u1", "float8_e8m0fnu": "u1"}
NAMES = ["cnn", "text", "external", "typed", "qdq"]
BIG = 5 << 30


def raw(file, info):
    """The bytes of a stored member: views have no checksums, which zipfile would look at."""
    file.seek(info.header_offset + 26)
    name, extra = struct.unpack("<HH", file.read(4))
    file.seek(name + extra, 1)
    return file.read(info.file_size)


class Reader(pickle.Unpickler):
    """{name: array}; storages that are larger than @most are left out, as their number of elements."""

    def __init__(self, path, most=1 << 30):
        self.file, self.most = open(path, "rb"), most
        self.members = {i.filename.partition("/")[2]: i for i in zipfile.ZipFile(path).infolist()}
        with zipfile.ZipFile(path) as archive, archive.open(self.members["data.pkl"].filename) as f:
            f._expected_crc = None
            super().__init__(f)
            self.tensors = self.load()

    def find_class(self, module, name):
        if (module, name) == ("torch._utils", "_rebuild_tensor_v2"):
            return self.rebuild
        if (module, name) == ("torch._utils", "_rebuild_tensor_v3"):
            return self.rebuild_untyped
        if (module, name) == ("collections", "OrderedDict"):
            return dict
        assert module in ("torch", "torch.storage") and name in KINDS, (module, name)
        return np.dtype(KINDS[name])

    def persistent_load(self, pid):
        kind, dtype, key, where, count = pid
        info = self.members[f"data/{key}"]
        assert (kind, where, info.file_size) == ("storage", "cpu", count * dtype.itemsize)
        return np.frombuffer(raw(self.file, info), dtype) if info.file_size <= self.most else count

    def rebuild(self, storage, offset, size, stride, *rest):
        if isinstance(storage, int):
            return storage
        steps = [s * storage.itemsize for s in stride]
        return np.lib.stride_tricks.as_strided(storage[offset:], size, steps)

    def rebuild_untyped(self, storage, offset, size, stride, grad, hooks, dtype, *rest):
        return self.rebuild(storage.view(dtype), offset, size, stride)


def stored(path):
    """{name: (shape, bytes)} of a safetensors file."""
    data = path.read_bytes()
    (n,) = struct.unpack("<Q", data[:8])
    header = json.loads(data[8 : 8 + n])
    header.pop("__metadata__", None)
    return {name: (tuple(t["shape"]), data[8 + n :][slice(*t["data_offsets"])])
            for name, t in header.items()}


@pytest.fixture(scope="module")
def torch_mount(mounting, tmp_path_factory):
    src = tmp_path_factory.mktemp("torch")
    for path in DATA.glob("*.onnx*"):
        shutil.copy(path, src)
    with open(src / "big.safetensors", "wb") as f:  # of which only the ends are on disk
        header = json.dumps({
            "big": dict(dtype="F16", shape=[BIG // 2], data_offsets=[0, BIG]),
            "tail": dict(dtype="F32", shape=[4], data_offsets=[BIG, BIG + 16]),
            "waves": dict(dtype="C64", shape=[2], data_offsets=[BIG + 16, BIG + 32])}).encode()
        f.write(struct.pack("<Q", len(header)) + header)
        f.seek(BIG, 1)
        f.write(np.arange(4, dtype="<f4").tobytes() + np.array([1 - 2j, 3j], "<c8").tobytes())
    return mounting(src, "nocache")


def same(got, want):
    return (got.dtype == want.dtype and got.shape == want.shape
            and np.ascontiguousarray(got).tobytes() == np.ascontiguousarray(want).tobytes())


@pytest.mark.parametrize("name", NAMES)
def test_tensors_of_an_onnx_model(torch_mount, name):
    got = Reader(torch_mount / f"{name}.pt@auto").tensors
    got = {k: (x.shape, np.ascontiguousarray(x).tobytes()) for k, x in got.items()}
    assert got == stored(DATA / f"{name}.safetensors")  # what make.py put into the graph


def test_complex_numbers(program, tmp_path):
    """From an ONNX model to an archive, and from that to another; safetensors has those of 64 bits."""
    arrays = {"wide": np.array([[1 + 2j, -3j]]), "narrow": np.array([4 - 5j], np.complex64)}
    graph = helper.make_graph(
        [helper.make_node("Identity", [n], [f"{n}_out"]) for n in arrays], "g", [],
        [helper.make_tensor_value_info(f"{n}_out", helper.np_dtype_to_tensor_dtype(x.dtype), x.shape)
         for n, x in arrays.items()], [numpy_helper.from_array(x, n) for n, x in arrays.items()])
    onnx.save(helper.make_model(graph, ir_version=8), tmp_path / "waves.onnx")
    for view, out in (("waves.pt@auto", "first.pt"), ("first.pt@f16", "second.pt")):
        subprocess.run([program, "convert", "-q", tmp_path / view, tmp_path / out], check=True)
        got = Reader(tmp_path / out).tensors
        assert got.keys() == arrays.keys() and all(same(got[n], x) for n, x in arrays.items())
    done = subprocess.run([program, "convert", tmp_path / "first.safetensors@auto", tmp_path / "s"],
                          capture_output=True, text=True)
    assert done.returncode == 2 and "wide: safetensors has no type c128" in done.stderr


@pytest.mark.parametrize("spec", ["f32", "f16"])
def test_float_types(torch_mount, spec):
    got = Reader(torch_mount / f"text.pt@{spec}").tensors
    kind = np.dtype({"f32": np.float32, "f16": np.float16}[spec])
    exact = Reader(torch_mount / "text.pt@auto").tensors
    assert got.keys() == exact.keys()
    for name, x in exact.items():
        assert same(got[name], x.astype(kind) if x.dtype.kind == "f" else x)


def test_checksums_are_true(torch_mount):
    assert zipfile.ZipFile(torch_mount / "text.pt@f16+crc").testzip() is None


def test_more_than_four_gigabytes(torch_mount):
    path = torch_mount / "big.pt@auto"
    sizes = {i.filename: i.file_size for i in zipfile.ZipFile(path).infolist()}
    assert sizes["archive/data/0"] == BIG and path.stat().st_size > BIG
    got = Reader(path, most=1 << 20).tensors
    assert got["big"] == BIG // 2
    assert same(got["tail"], np.arange(4, dtype=np.float32))
    assert same(got["waves"], np.array([1 - 2j, 3j], np.complex64))
