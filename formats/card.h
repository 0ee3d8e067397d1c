/* SPDX-License-Identifier: Apache-2.0
 * formats/card.h - the door to YAML (libyaml): the front matter of a model card, and files of our
 * own. */
#pragma once
#include "formats/arena.h"
#include "formats/err.h"

enum card_kind {
    CARD_ABSENT,
    CARD_NULL,
    CARD_TEXT,  /* a string */
    CARD_OTHER, /* a number, boolean or date: its text as it stands; or what is nested too deeply */
    CARD_LIST,
    CARD_MAP,
};

struct card_value {
    enum card_kind kind;
    uint32_t line; /* in its file, from 1 */
    struct str text;
    struct card_value *items; /* LIST, MAP; a list holds scalars and maps, a map scalars */
    struct str *keys;         /* MAP */
    uint32_t n, cap;
};

enum { CARD_MAX_ITEMS = 1 << 16 /* of one list or map */, CARD_MAX_DEPTH = 8 };

/* Parse the front matter of README.md, @text, into the map @*out (empty when it has none), in @a.
 * -EBADMSG with the line when it is not YAML. */
int card_parse(struct card_value *out, struct str text, struct arena *a, struct err *err);

/* A whole file, called @file in messages: the map @*out, where lists may hold lists and maps maps,
 * CARD_MAX_DEPTH of them. -EBADMSG with the line also when it is no map. */
int card_parse_file(struct card_value *out, const char *file, struct str text, struct arena *a,
                    struct err *err);

/* The value of @key, the last one where it stands twice; an ABSENT one when there is none. */
const struct card_value *card_get(const struct card_value *map, const char *key);
