/* SPDX-License-Identifier: Apache-2.0
 * tests/fuzz_imatrix.c - fuzz target: importance matrices, GGUF and the older kind. */
#include "tests/fuzz.h"
#include "formats/imatrix.h"
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct err err = { 0 };
    struct imatrix *x;
    const char *path = fuzz_file("model.imatrix.gguf", data, size);
    const int ret = imatrix_open(&x, fuzz_root(), path, &err);
    if (ret < 0) {
        if (err.code != ret || !err.msg[0])
            abort();
        return 0;
    }
    for (uint32_t i = 0; i < x->n; i++) {
        const struct imatrix_entry *e = imatrix_find(x, x->entries[i].name);
        if (!e || !str_eq(e->name, x->entries[i].name))
            abort();
    }
    imatrix_close(x);
    return 0;
}
