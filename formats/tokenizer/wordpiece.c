/* SPDX-License-Identifier: Apache-2.0
 * formats/tokenizer/wordpiece.c - see wordpiece.h. Source: tokenizers 0.23, src/models/wordpiece.
 */
#include "formats/tokenizer/wordpiece.h"
#include <errno.h>

enum { MAX_PIECE = 1024 /* bytes; no vocabulary has longer ones */ };

int wordpiece_init(struct wordpiece *p, const struct json *model, const struct json *settings,
                   struct arena *a, struct err *err) {
    struct str unk = STR("[UNK]");
    *p = (struct wordpiece){ .prefix = STR("##"), .max_chars = 100 };
    (void)json_str(json_get(settings, "unk_token"), &unk);
    (void)json_str(json_get(settings, "continuing_subword_prefix"), &p->prefix);
    (void)json_u64(json_get(settings, "max_input_chars_per_word"), &p->max_chars);
    int rc = token_map_read(&p->vocab, json_get(model, "vocab"), a, err);
    if (rc == 0)
        p->has_unk = token_map_get(&p->vocab, unk, &p->unk);
    return rc;
}

static bool starts_character(char c) {
    return ((unsigned char)c & 0xc0) != 0x80;
}

/* The longest piece at @at of @word: its id and end. False: none. */
static bool find_piece(const struct wordpiece *p, struct str word, size_t at, size_t *end,
                       uint32_t *id) {
    char piece[MAX_PIECE];
    const size_t lead = at ? p->prefix.n : 0;
    size_t n = word.n - at;
    if (lead >= sizeof piece)
        return false;
    if (n > sizeof piece - lead)
        n = sizeof piece - lead;
    memcpy(piece, p->prefix.p, lead);
    memcpy(piece + lead, word.p + at, n);
    for (; n > 0; n--) {
        if (at + n < word.n && !starts_character(word.p[at + n]))
            continue;
        if (token_map_get(&p->vocab, (struct str){ piece, lead + n }, id)) {
            *end = at + n;
            return true;
        }
    }
    return false;
}

bool wordpiece_encode(const struct wordpiece *p, struct str word, struct ids *out,
                      struct arena *a) {
    const size_t before = out->n;
    size_t chars = 0;
    for (size_t i = 0; i < word.n; i++)
        chars += starts_character(word.p[i]);
    for (size_t at = 0; at < word.n;) {
        uint32_t id;
        if (chars > p->max_chars || !find_piece(p, word, at, &at, &id)) {
            out->n = before; /* a word that is not known in full is unk */
            return !p->has_unk || ids_add(out, a, p->unk);
        }
        if (!ids_add(out, a, id))
            return false;
    }
    return true;
}
