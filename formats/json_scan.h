/* SPDX-License-Identifier: Apache-2.0
 * formats/json_scan.h - what goes before the JSON parser: is this text JSON as Python writes it,
 * and may it be parsed within bounds? */
#pragma once
#include "formats/err.h"
#include "formats/str.h"
#include <stdint.h>

/* What the parser may use for one document. Those with the largest tokenizers (two million values)
 * need 250 MB. */
#define JSON_MAX_COST (400ull << 20)

/* 0 and the number of members of all objects together, or -EBADMSG with the byte offset; -EFBIG
 * when the parser would need more than JSON_MAX_COST bytes. Accepted are RFC 8259 and NaN, Infinity
 * and -Infinity; all text must be UTF-8. No recursion, no allocation. */
int json_scan(struct str text, uint64_t *members, struct err *err);
