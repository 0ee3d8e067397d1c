# SPDX-License-Identifier: Apache-2.0
"""Write mixtures.txt: what llama-quantize --dry-run chooses for models of real size.

usage: mixtures.py LLAMA_QUANTIZE GGUF... > mixtures.txt

Each GGUF may be a header whose data is a hole (mixtures_models.py). For each a line "model
ARCHITECTURE LAYERS EXPERTS HEADS KV_HEADS", a line "tensor NAME TYPE DIMS" (slowest first) for each
tensor with % in place of the block number and the blocks that have it, then for each file type a
line "type NAME NEEDS MOST" (does it need an importance matrix; which type do most tensors get) and
a line "to TYPE NAME [BLOCKS]" for each group of tensors that get another, but for f32 ones that
stay f32."""
import collections
import re
import subprocess
import sys

import gguf

TYPES = """Q4_0 Q4_1 Q5_0 Q5_1 Q8_0 F32 F16 BF16 Q2_K Q2_K_S Q3_K_S Q3_K_M Q3_K_L Q4_K_S Q4_K_M
Q5_K_S Q5_K_M Q6_K IQ1_S IQ1_M IQ2_XXS IQ2_XS IQ2_S IQ2_M IQ3_XXS IQ3_XS IQ3_S IQ3_M IQ4_NL IQ4_XS
TQ1_0 TQ2_0 MXFP4_MOE Q1_0 Q2_0""".split()


def ranges(blocks):
    out, blocks = [], sorted(blocks)
    for b in blocks:
        if out and out[-1][1] == b - 1:
            out[-1][1] = b
        else:
            out.append([b, b])
    return ",".join(f"{a}-{b}" if a != b else str(a) for a, b in out)


def split(name):
    m = re.match(r"blk\.(\d+)\.(.*)", name)
    return (f"blk.%.{m[2]}", int(m[1])) if m else (name, None)


def group(pairs):
    groups = {}
    for name, value in pairs:
        pattern, block = split(name)
        groups.setdefault((pattern, value), []).append(block)
    for (pattern, value), blocks in groups.items():
        yield pattern, value, "" if blocks == [None] else " " + ranges(blocks)


def dry_run(tool, path, kind):
    run = subprocess.run([tool, "--dry-run", "--allow-requantize", path, kind],
                         capture_output=True, text=True)
    text = run.stdout + run.stderr
    types = {}
    for m in re.finditer(r"\] +(\S+) +- \[[^\]]*\], type = +(\S+), "
                         r"size = .*?MiB(?: -> .*?\((\w+)\))?\n", text):
        types[m[1]] = (m[3] or m[2]).lower()
    return types if run.returncode == 0 else None, "will require an imatrix" in text


def main():
    for path in sys.argv[2:]:
        r = gguf.GGUFReader(path)
        arch = r.fields["general.architecture"].contents()

        def get(key):
            f = r.fields.get(f"{arch}.{key}")
            v = f.contents() if f else 0
            return v[0] if isinstance(v, list) else v

        heads = get("attention.head_count")
        print("model", arch, get("block_count"), get("expert_count"), heads,
              get("attention.head_count_kv") or heads)
        shapes = [(t.name, t.tensor_type.name.lower() + " " +
                   "x".join(str(int(d)) for d in reversed(t.shape))) for t in r.tensors]
        now = {t.name: t.tensor_type.name.lower() for t in r.tensors}
        for pattern, value, blocks in group(shapes):
            print("tensor", pattern, value + blocks)
        for kind in TYPES:
            types, needs = dry_run(sys.argv[1], path, kind)
            if types is None:
                print("type", kind.lower(), "refused")
                continue
            assert len(types) == len(shapes), (path, kind, len(types), len(shapes))
            changed = {n: t for n, t in types.items() if (t, now[n]) != ("f32", "f32")}
            most = collections.Counter(changed.values()).most_common(1)[0][0]
            print("type", kind.lower(), int(needs), most)
            for pattern, value, blocks in group((n, t) for n, t in changed.items() if t != most):
                print("to", value, pattern + blocks)


main()
