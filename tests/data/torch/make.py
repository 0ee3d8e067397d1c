# SPDX-License-Identifier: Apache-2.0
"""Writes the files beside it, with PyTorch 2.15.0: what torch.save and torch.jit.save make of small
models, what must be read from them (expected.txt), and what their views must be (view-*.pt)."""
import io
import os
import sys
import warnings
import zlib
from collections import OrderedDict

import torch

HERE = os.path.dirname(os.path.abspath(__file__))
NAMES = {
    torch.float64: "f64", torch.float32: "f32", torch.float16: "f16", torch.bfloat16: "bf16",
    torch.int64: "i64", torch.int32: "i32", torch.int16: "i16", torch.int8: "i8",
    torch.uint8: "u8", torch.uint16: "u16", torch.uint32: "u32", torch.uint64: "u64",
    torch.bool: "bool", torch.complex64: "c64", torch.float8_e4m3fn: "f8_e4m3",
    torch.float8_e5m2: "f8_e5m2",
}
expected = []


def expect(file, tensors):
    for name, t in tensors.items():
        c = t.detach().contiguous()
        raw = bytes(c.reshape(-1).view(torch.uint8).numpy()) if c.numel() else b""
        shape = "x".join(str(n) for n in t.shape) or "scalar"
        expected.append(f"{file}\t{name}\t{NAMES[t.dtype]}\t{shape}\t{zlib.crc32(raw):08x}\n")


def path(name):
    return os.path.join(HERE, name)


def types():
    g = torch.Generator().manual_seed(1)
    d = OrderedDict()
    for dtype, name in NAMES.items():
        n = torch.randn(3, 32, generator=g, dtype=torch.float64)
        if dtype == torch.bool:
            t = n > 0
        elif dtype.is_complex:
            t = torch.complex(n.float(), -n.float())
        elif dtype.is_floating_point:
            t = (n * 3).to(dtype)
        else:
            t = (n.abs() * 20).to(torch.int64).to(dtype)
        d["type." + name] = t
    d["scalar"] = torch.tensor(2.5)
    d["none"] = torch.empty(0, 7)
    d["deep"] = torch.arange(24, dtype=torch.float32).reshape(2, 1, 3, 1, 4)
    return d


def shared():
    whole = torch.arange(60, dtype=torch.float32)
    return {"whole": whole.view(6, 10), "rows": whole.view(6, 10)[2:5], "tail": whole[50:],
            "again": whole.view(6, 10), "column": whole[3:4].view(1, 1),
            "one": torch.nn.Parameter(whole[:4].clone())}


def nested():
    model = torch.nn.Sequential(torch.nn.Linear(4, 3), torch.nn.BatchNorm1d(3))
    opt = torch.optim.Adam(model.parameters())
    model(torch.ones(2, 4)).sum().backward()
    opt.step()
    wrapped = OrderedDict(("module." + k, v) for k, v in model.state_dict().items())
    return model.state_dict(), {"epoch": 3, "lr": 1e-3, "name": "x", "optimizer": opt.state_dict(),
                                "state_dict": wrapped, "done": True, "best": None}


class Inner(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.fc = torch.nn.Linear(5, 2)
        self.register_buffer("steps", torch.tensor([1, 2, 3]))
        self.scales = [torch.ones(2), torch.zeros(1)]

    def forward(self, x):
        return self.fc(x) * 2


class Outer(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = torch.nn.ModuleList([Inner(), Inner()])

    def forward(self, x):
        for layer in self.layers:
            x = x + layer(x).sum()
        return x


def save_view(name, tensors):
    torch.serialization.set_crc32_options(False)
    out = io.BytesIO()  # so that the archive is called "archive"
    torch.save(tensors, out)
    torch.serialization.set_crc32_options(True)
    if name:
        with open(path(name), "wb") as f:
            f.write(out.getvalue())
    return out.getvalue()


def convert(tensors, dtype):
    return {k: v.to(dtype).clone() if v.is_floating_point() else v for k, v in tensors.items()}


def main():
    torch.manual_seed(0)
    d = types()
    torch.save(d, path("types.pt"))
    expect("types.pt", d)
    for name in ("f32", "f16", "bf16"):
        dtype = {v: k for k, v in NAMES.items()}[name]
        save_view(f"view-{name}.pt", convert(d, dtype))

    # Too large to be kept: size and CRC-32, with the digits of the id as zeros.
    many = {f"blk.{i}.w": torch.full((i % 3 + 1,), i, dtype=torch.float32) for i in range(1001)}
    data = save_view(None, many)
    at = data.index(b"Z" * 8, data.index(b"serialization_id")) // 64 * 64 + 64
    data = data[:at] + b"0" * 40 + data[at + 40:]
    with open(path("many.txt"), "w") as f:
        f.write(f"{len(data)} {zlib.crc32(data):08x}\n")

    d = shared()
    torch.save(d, path("shared.pth"))
    expect("shared.pth", d)
    torch.save(d, path("legacy.bin"), _use_new_zipfile_serialization=False)
    expect("legacy.bin", d)
    for name, zipped in (("protocol4.pt", True), ("protocol4.bin", False)):
        torch.save(d, path(name), pickle_protocol=4, _use_new_zipfile_serialization=zipped)
        expect(name, d)

    d, whole = nested()
    torch.save(whole, path("nested.ckpt"))
    expect("nested.ckpt", d)
    torch.save([torch.ones(2), {"a": torch.zeros(1, dtype=torch.int8), "b": [torch.ones(1)]}],
               path("list.pt"))
    expect("list.pt", {"0": torch.ones(2), "1.a": torch.zeros(1, dtype=torch.int8),
                       "1.b.0": torch.ones(1)})

    d = {"t": torch.arange(12, dtype=torch.float32).reshape(3, 4).t(),
         "cols": torch.arange(40, dtype=torch.float16).reshape(5, 8)[:, 2:6],
         "last": torch.arange(48, dtype=torch.int32).reshape(2, 3, 2, 4).permute(0, 3, 1, 2),
         "every": torch.arange(20, dtype=torch.float64)[1::3],
         "spread": torch.tensor([7.0]).expand(3, 4),
         "steps": torch.arange(5 * 7 * 9, dtype=torch.int16).reshape(5, 7, 9)[1:4:2, ::3, 2:7],
         "flags": (torch.arange(24) % 3 == 0).reshape(4, 6).t()[1:5],
         "large": torch.arange(260 * 260, dtype=torch.int32).fmod(251).to(torch.uint8)
                  .reshape(260, 260).t()}
    torch.save(d, path("strided.pt"))
    expect("strided.pt", d)

    model = Outer()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.jit.script(model).save(path("script.pt"))
    d = {}
    for i in range(2):
        layer = model.layers[i]  # attributes in the order of TorchScript: modules last
        d[f"layers.{i}.steps"] = layer.steps
        d[f"layers.{i}.scales.0"], d[f"layers.{i}.scales.1"] = layer.scales
        d[f"layers.{i}.fc.weight"], d[f"layers.{i}.fc.bias"] = layer.fc.weight, layer.fc.bias
    expect("script.pt", d)
    with open(path("expected.txt"), "w") as f:
        f.writelines(expected)


if __name__ == "__main__":
    sys.exit(main())
