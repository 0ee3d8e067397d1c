/* SPDX-License-Identifier: Apache-2.0
 * tests/fuzz_spec.c - fuzz target: specs. One that parses has a spelling, which parses to the same.
 */
#include "tests/fuzz.h"
#include "formats/spec.h"
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    for (enum format f = FORMAT_GGUF; f < FORMAT_COUNT; f++) {
        struct spec s, again;
        char text[SPEC_MAX_TEXT], twice[SPEC_MAX_TEXT];
        if (spec_parse(&s, f, (struct str){ (const char *)data, size }, NULL) < 0)
            continue;
        spec_text(&s, text, sizeof text);
        if (spec_parse(&again, f, str_from(text), NULL) < 0 || again.type != s.type)
            abort();
        spec_text(&again, twice, sizeof twice);
        if (strcmp(text, twice))
            abort();
    }
    return 0;
}
