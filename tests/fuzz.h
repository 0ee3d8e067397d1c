/* SPDX-License-Identifier: Apache-2.0
 * tests/fuzz.h - what fuzz targets share: an input as a file, and all that may be done with it. */
#pragma once
#include <stddef.h>
#include <stdint.h>

/* libFuzzer calls it; fuzz_replay.c does where there is no engine. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The folder that inputs are written to, and a file in it with an input; returns @name. */
struct root *fuzz_root(void);
const char *fuzz_file(const char *name, const uint8_t *data, size_t size);

/* As fuzz_model, of a folder whose file @name the input is; the others are those of a small Llama,
 * or of an adapter to it. */
void fuzz_folder(const char *name, const uint8_t *data, size_t size);

/* Write the input to a file called @name, open it as a model, look at everything that a header
 * can say, and plan views of it. Aborts when something that always holds does not. */
void fuzz_model(const char *name, const uint8_t *data, size_t size);
