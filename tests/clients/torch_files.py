#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What torch reads and writes, as a process of its own: any torch from 1.13 on, without numpy. Prints
a pickle of {file: {name: (dtype, shape, bytes)}}.

    torch_files.py read FILE...      what torch.load finds (mapped, where this torch can); of
                                     FILE:DTYPE with all floats as DTYPE, which torch converts
    torch_files.py write FOLDER      files as people save them, and what is in each"""

import ctypes
import inspect
import os
import pickle
import sys
import warnings
from collections import OrderedDict

import torch

DTYPES = ["float64", "float32", "float16", "bfloat16", "int64", "int32", "int16", "int8", "uint8",
          "bool", "complex64", "complex128"]
NEWER = ["uint16", "uint32", "uint64", "float8_e4m3fn", "float8_e5m2"]


def described(t):
    t = (t.dequantize() if t.is_quantized else t).detach().contiguous()
    size = t.numel() * t.element_size()
    data = ctypes.string_at(t.data_ptr(), size) if size else b""
    return str(t.dtype).replace("torch.", ""), tuple(t.shape), data


def load(path):
    mapped = {"mmap": True} if "mmap" in inspect.signature(torch.load).parameters else {}
    return torch.load(path, weights_only=True, **mapped)


def types():
    torch.manual_seed(1)
    tensors = OrderedDict()
    for name in DTYPES + [n for n in NEWER if hasattr(torch, n)]:
        dtype, x = getattr(torch, name), torch.randn(3, 32, dtype=torch.float64)
        if dtype.is_complex:
            x = torch.complex(x, -x)
        elif not dtype.is_floating_point and dtype != torch.bool:
            x = (x.abs() * 20).to(torch.int64)
        tensors["type." + name] = (x > 0 if dtype == torch.bool else x).to(dtype)
    tensors["scalar"] = torch.tensor(2.5)
    tensors["none"] = torch.empty(0, 7)
    return tensors


def shared():
    """Of one storage: the whole, rows, the end; and a parameter that two modules have."""
    whole = torch.arange(60, dtype=torch.float32)
    tied = torch.nn.Embedding(5, 3)
    return {"whole": whole.view(6, 10), "rows": whole.view(6, 10)[2:5], "tail": whole[50:],
            "again": whole.view(6, 10), "in.weight": tied.weight, "out.weight": tied.weight}


def strided():
    return {"turned": torch.arange(12.0).reshape(3, 4).t(),
            "columns": torch.arange(40, dtype=torch.float16).reshape(5, 8)[:, 2:6],
            "channels_last": torch.randn(2, 3, 4, 5).to(memory_format=torch.channels_last),
            "every third": torch.arange(20, dtype=torch.float64)[1::3],
            "expanded": torch.tensor([7.0]).expand(3, 4),
            "corner": torch.arange(315, dtype=torch.int16).reshape(5, 7, 9)[1:4:2, ::3, 2:7]}


def quantized():
    x, channels = torch.randn(6, 3, 2, 2), torch.rand(6, dtype=torch.float64) / 9 + 0.01
    zeros = torch.full((6,), 130)
    wide = torch.randint(-(1 << 31), (1 << 31) - 1, (6, 40)).int()
    return {"signed": torch.quantize_per_tensor(x, 0.0371, 3, torch.qint8),
            "bytes": torch.quantize_per_tensor(x.flatten(), 0.02, 128, torch.quint8),
            "channels": torch.quantize_per_channel(x, channels, zeros - 130, 0, torch.qint8),
            "channels of bytes": torch.quantize_per_channel(x, channels, zeros, 0, torch.quint8),
            "zeros": torch.quantize_per_channel(x, channels, torch.arange(6), 0, torch.qint8),
            "second": torch.quantize_per_channel(x, channels[:3], zeros[:3], 1, torch.quint8),
            "last": torch.quantize_per_channel(x, channels[:2], torch.arange(2), 3, torch.qint8),
            "matrix": torch.quantize_per_channel(x.view(12, 6), channels, zeros + torch.arange(6), 1,
                                                 torch.quint8),
            "floats": torch.quantize_per_channel(x.view(12, 6), channels.float(), torch.rand(6) * 9, 1,
                                                 torch.quint8),
            "wide": torch._make_per_tensor_quantized_tensor(wide, 0.0371, -(1 << 30)),
            "wide channels": torch._make_per_channel_quantized_tensor(
                wide, channels, torch.randint(-(1 << 30), 1 << 30, (6,)), 0),
            "plain": x}


class Block(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.fc = torch.nn.Linear(5, 5)
        self.norm = torch.nn.BatchNorm1d(5)

    def forward(self, x):
        return self.norm(self.fc(x))


def checkpoint():
    """(what is in it, what of it is a model's weights)"""
    model = torch.nn.Sequential(Block(), Block())
    adam = torch.optim.Adam(model.parameters())
    model(torch.randn(4, 5)).sum().backward()
    adam.step()
    parallel = OrderedDict(("module." + name, t) for name, t in model.state_dict().items())
    return {"epoch": 3, "lr": 1e-3, "note": "x", "state_dict": parallel, "optimizer": adam.state_dict(),
            "best": None}, model.state_dict()


def write(folder):
    found = {}

    def save(name, whole, weights=None, **how):
        found[name] = {k: described(t) for k, t in (whole if weights is None else weights).items()}
        torch.save(whole, os.path.join(folder, name), **how)

    legacy = {"_use_new_zipfile_serialization": False}
    for make in (types, shared, strided, quantized):
        tensors = make()
        save(f"{make.__name__}.pt", tensors)
        save(f"{make.__name__}-legacy.pth", tensors, **legacy)
        save(f"{make.__name__}-protocol4.bin", tensors, pickle_protocol=4)
    whole, weights = checkpoint()
    save("checkpoint.ckpt", whole, weights)
    save("checkpoint-legacy.ckpt", whole, weights, **legacy)
    with warnings.catch_warnings():  # newer ones say that there is torch.export
        warnings.simplefilter("ignore")
        model = torch.nn.Sequential(Block(), Block()).eval()
        for name, script in (("scripted.pt", torch.jit.script(model)),
                             ("traced.pt", torch.jit.trace(model, torch.randn(2, 5)))):
            script.save(os.path.join(folder, name))
            found[name] = {k: described(t) for k, t in script.state_dict().items()}
    return found


def read(path):
    """An argument's tensors."""
    file, _, name = path.partition(":")
    dtype = getattr(torch, name) if name else None
    return {key: described(t.to(dtype) if dtype and t.is_floating_point() else t)
            for key, t in load(file).items()}


def main(command, *args):
    return write(*args) if command == "write" else {path: read(path) for path in args}


if __name__ == "__main__":
    sys.stdout.buffer.write(pickle.dumps(main(*sys.argv[1:])))
