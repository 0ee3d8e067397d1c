/* SPDX-License-Identifier: Apache-2.0
 * formats/arch/nearest.c - the known class whose name is most like one that is not known. */
#include "formats/arch/work.h"

enum { NAME_MAX_LENGTH = 96 };

/* Levenshtein's distance; UINT_MAX for long names. */
static unsigned distance(struct str a, struct str b) {
    unsigned row[NAME_MAX_LENGTH + 1];
    if (a.n > NAME_MAX_LENGTH || b.n > NAME_MAX_LENGTH)
        return UINT32_MAX;
    for (unsigned k = 0; k <= b.n; k++)
        row[k] = k;
    for (unsigned i = 0; i < a.n; i++) {
        unsigned diagonal = row[0];
        row[0] = i + 1;
        for (unsigned k = 0; k < b.n; k++) {
            const unsigned change = diagonal + (a.p[i] != b.p[k]);
            const unsigned insert = (row[k] < row[k + 1] ? row[k] : row[k + 1]) + 1;
            diagonal = row[k + 1];
            row[k + 1] = change < insert ? change : insert;
        }
    }
    return row[b.n];
}

struct str nearest_class(struct str name) {
    struct str best = { NULL, 0 };
    unsigned least = (unsigned)(name.n < NAME_MAX_LENGTH ? name.n / 2 : 0); /* else they differ */
    for (const struct family *const *f = families; *f; f++)
        for (const struct arch *a = (*f)->archs; a->gguf; a++)
            for (const char *s = a->classes; *s; s += strspn(s, " ")) {
                const struct str word = { s, strcspn(s, " ") };
                const unsigned d = distance(name, word);
                if (d < least) {
                    least = d;
                    best = word;
                }
                s += word.n;
            }
    return best;
}
