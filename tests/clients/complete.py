#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""complete.py MODEL PROMPT: llama.cpp (xllamacpp) goes on with PROMPT for some tokens, always
with the likeliest one. In a process of its own: what a model leaves behind cannot matter."""

import sys

import xllamacpp


def main(model, prompt):
    params = xllamacpp.CommonParams()
    params.model.path = model
    params.n_ctx = 256
    params.n_parallel = 1
    params.warmup = False
    params.cpuparams.n_threads = 1  # the order of a sum depends on the number of threads
    server = xllamacpp.Server(params)
    request = {"prompt": prompt, "max_tokens": 24, "temperature": 0, "seed": 1}
    print(server.handle_completions(request)["choices"][0]["text"])


if __name__ == "__main__":
    main(*sys.argv[1:])
