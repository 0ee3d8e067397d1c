#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""quantize.py IN OUT TYPE THREADS: llama-quantize as llama-cpp-python carries it."""

import sys

import llama_cpp


def main(source, out, name, threads):
    params = llama_cpp.llama_model_quantize_default_params()
    params.ftype = getattr(llama_cpp, "LLAMA_FTYPE_MOSTLY_" + name.upper())
    params.nthread = int(threads)
    if llama_cpp.llama_model_quantize(source.encode(), out.encode(), params):
        sys.exit(f"llama_model_quantize failed for {name}")


if __name__ == "__main__":
    main(*sys.argv[1:])
