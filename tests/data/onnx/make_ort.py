# SPDX-License-Identifier: Apache-2.0
"""What the tools of ONNX Runtime (1.32) make of the models beside this file: make_ort.py. Needs
onnx, onnxruntime, onnx_ir and sympy."""
import pathlib

import onnx
from onnxruntime.quantization import quantize_dynamic
from onnxruntime.quantization.matmul_nbits_quantizer import MatMulNBitsQuantizer
from onnxruntime.transformers.float16 import convert_float_to_float16

DIR = pathlib.Path(__file__).parent


def nbits(model):
    q = MatMulNBitsQuantizer(model, bits=4, block_size=32, is_symmetric=True)
    q.process()
    return q.model.model


onnx.save(convert_float_to_float16(onnx.load(DIR / "edges.onnx")), DIR / "ort" / "edges@fp16.onnx")
for name in "cnn", "text":
    source, out = DIR / f"{name}.onnx", DIR / "ort" / name
    onnx.save(nbits(onnx.load(source)), f"{out}@int4.onnx")
    onnx.save(convert_float_to_float16(onnx.load(source)), f"{out}@fp16.onnx")
    onnx.save(nbits(convert_float_to_float16(onnx.load(source))), f"{out}@q4f16.onnx")
    quantize_dynamic(source, f"{out}@int8.onnx")
    quantize_dynamic(source, f"{out}@int8+per_channel.onnx", per_channel=True)
