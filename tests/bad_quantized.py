# SPDX-License-Identifier: Apache-2.0
"""Quantized folders that are damaged: bad_quantized.py VIEW_CAT

Each is a variant of quantized.py with one part changed; its view must fail with a certain errno and a
message that names the method, or the tensor."""
import json
import os
import shutil
import subprocess
import sys
import tempfile

import numpy

import quantized

Q = "model.layers.0.self_attn.q_proj."


def drop(name):
    return lambda tensors, config: tensors.pop(Q + name)


def shape(name, *dims):
    def change(tensors, config):
        dtype, _, raw, file = tensors[Q + name]
        size = int(numpy.prod(dims)) * numpy.dtype(quantized.make.NP[dtype]).itemsize
        tensors[Q + name] = (dtype, list(dims), (raw * (1 + size // len(raw)))[:size], file)
    return change


def retype(name, dtype):
    def change(tensors, config):
        _, dims, raw, file = tensors[Q + name]
        itemsize = numpy.dtype(quantized.make.NP[dtype]).itemsize
        dims = [len(raw) // itemsize]
        tensors[Q + name] = (dtype, dims, raw, file)
    return change


def put(name, *values):
    def change(tensors, config):
        dtype, dims, raw, file = tensors[Q + name]
        x = numpy.frombuffer(raw, quantized.make.NP[dtype]).copy()
        x[:len(values)] = values
        tensors[Q + name] = (dtype, dims, x.tobytes(), file)
    return change


def say(**keys):
    return lambda tensors, config: config.update(keys)


def say_weights(**keys):
    return lambda tensors, config: config["config_groups"]["group_0"]["weights"].update(keys)


CASES = [
    ("gptq-2bit", drop("scales"), "EBADMSG gptq: tensor " + Q + "scales of weight"),
    ("gptq-2bit", drop("qzeros"), "EBADMSG gptq: tensor " + Q + "qzeros"),
    ("gptq-2bit", shape("scales", 3, 256), "EBADMSG gptq: tensor " + Q + "qzeros"),
    ("gptq-2bit", shape("scales", 4, 255), "EBADMSG gptq: tensor " + Q + "scales"),
    ("gptq-2bit", shape("scales", 4 * 256), "EBADMSG gptq: tensor"),
    ("gptq-2bit", shape("qzeros", 4, 15), "EBADMSG gptq: tensor " + Q + "qzeros"),
    ("gptq-2bit", shape("g_idx", 255), "EBADMSG gptq: tensor " + Q + "g_idx"),
    ("gptq-2bit", shape("qweight", 15, 256), "EBADMSG gptq: tensor " + Q + "g_idx"),
    ("gptq-2bit", retype("g_idx", "I64"), "EBADMSG gptq: tensor " + Q + "g_idx does not hold i32"),
    ("gptq-2bit", retype("qweight", "U8"), "EBADMSG gptq: tensor " + Q + "qweight"),
    ("gptq-2bit", put("g_idx", 0, 4), "EBADMSG gptq: tensor " + Q + "g_idx puts column 1 into group 4"),
    ("gptq-2bit", put("g_idx", -1), "EBADMSG gptq: tensor " + Q + "g_idx puts column 0"),
    ("gptq-2bit", put("g_idx", 2**31 - 1), "EBADMSG gptq: tensor " + Q + "g_idx puts column 0"),
    ("gptq-2bit", say(bits=3), "EOPNOTSUPP gptq: 3 bits"),
    ("gptq-2bit", say(bits="4"), "EOPNOTSUPP gptq: \"bits\""),
    ("gptq-2bit", say(bits=2**40), "EOPNOTSUPP gptq: \"bits\""),
    ("gptq-2bit", say(quant_method="hqq"), "EOPNOTSUPP config.json: \"quantization_config\": the method hqq"),
    ("gptq-no-index", say(group_size=-7), "EOPNOTSUPP gptq: \"group_size\""),
    ("gptq-no-index", say(group_size=64), "EBADMSG gptq: tensor model.layers.0.mlp.down_proj.scales"),
    ("awq-whole-columns", say(bits=8), "EOPNOTSUPP awq"),
    ("awq-whole-columns", say(version="gemv_fast"), "EOPNOTSUPP awq: the version gemv_fast"),
    ("awq-whole-columns", drop("qzeros"), "EBADMSG awq: tensor " + Q + "qzeros"),
    ("w4a16-zeros", drop("weight_shape"), "EBADMSG compressed-tensors: tensor " + Q + "weight_shape"),
    ("w4a16-zeros", put("weight_shape", 256, 264), "EBADMSG compressed-tensors: tensor " + Q),
    ("w4a16-zeros", put("weight_shape", -1, -1), "EBADMSG compressed-tensors: tensor " + Q),
    ("w4a16-zeros", put("weight_shape", 2**62, 2**62), "EBADMSG compressed-tensors: tensor " + Q),
    ("w4a16-zeros", put("weight_shape", 0, 256), "EBADMSG compressed-tensors: tensor " + Q),
    ("w4a16-zeros", shape("weight_zero_point", 31, 8), "EBADMSG compressed-tensors: tensor " + Q),
    ("w4a16-zeros", say_weights(num_bits=0), "EOPNOTSUPP compressed-tensors: \"num_bits\""),
    ("w4a16-zeros", say_weights(group_size=2**62), "EBADMSG compressed-tensors: tensor "),
    ("w4a16-zeros", say_weights(type="float"), "EOPNOTSUPP compressed-tensors: packed numbers"),
    ("w4a16-zeros", say(config_groups={}), "EOPNOTSUPP compressed-tensors: 0 \"config_groups\""),
    ("w4a16-zeros", say(format="marlin-24"), "EOPNOTSUPP config.json"),
    ("w4a16-actorder", put("weight_g_idx", 4), "EBADMSG compressed-tensors: tensor " + Q),
    ("fp8-ct-block", drop("weight"), "EBADMSG compressed-tensors: tensor " + Q + "weight_scale"),
    ("fp8-ct-block", shape("weight_scale", 4, 7), "EBADMSG compressed-tensors: tensor " + Q),
    ("fp8-block-96x80", say(weight_block_size=[0, 80]), "EOPNOTSUPP fp8: the block size"),
    ("fp8-block-96x80", say(weight_block_size=[1, 96, 80]), "EOPNOTSUPP fp8: the block size"),
    ("fp8-block-96x80", shape("weight_scale_inv", 3, 4, 1), "EBADMSG fp8: tensor " + Q),
    ("fp8-block-96x80", retype("weight_scale_inv", "I32"), "EOPNOTSUPP fp8: the block size"),
    ("fp8-block-96x80", drop("weight"), "EBADMSG fp8: tensor " + Q + "weight_scale_inv"),
    ("nvfp4-ct", shape("weight_scale", 256, 15), "EBADMSG compressed-tensors: tensor " + Q),
    ("nvfp4-ct", shape("weight_global_scale", 2), "EBADMSG compressed-tensors: tensor " + Q),
    ("nvfp4-ct", retype("weight_packed", "I32"), "EBADMSG compressed-tensors: tensor " + Q),
]


def check(tool, src, base, number, change, want):
    """The view's error, where it is another than wanted."""
    made, name = os.path.join(src, base), f"{base}-{number}"
    path = os.path.join(src, name)
    if not os.path.isdir(made):
        quantized.write(src, base)
    os.makedirs(path)
    tensors = quantized.load(made)
    for file in os.listdir(made):
        if not file.endswith(".safetensors"):
            shutil.copy(os.path.join(made, file), path)
    with open(os.path.join(path, "config.json"), "r+", encoding="utf-8") as f:
        full = json.load(f)
        change(tensors, full["quantization_config"])
        f.seek(0)
        f.truncate()
        json.dump(full, f)
    quantized.write_file(os.path.join(path, "model.safetensors"), tensors)
    p = subprocess.run([tool, src, name, "gguf@f16"], stdout=subprocess.DEVNULL,
                       stderr=subprocess.PIPE, text=True, check=False)
    shutil.rmtree(path)
    error = p.stderr.strip().replace(name + ": ", "", 1)
    return None if p.returncode == 1 and error.startswith(want) else \
        f"{base}: {error or p.returncode}, not {want}"


def main():
    bad = 0
    with tempfile.TemporaryDirectory() as tmp:
        for number, (base, change, want) in enumerate(CASES):
            line = check(sys.argv[1], tmp, base, number, change, want)
            bad += line is not None
            if line:
                print(line)
    print(f"{len(CASES)} damaged folders, {bad} differences")
    return bad > 0


if __name__ == "__main__":
    sys.exit(main())
