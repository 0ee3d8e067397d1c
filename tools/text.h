/* SPDX-License-Identifier: Apache-2.0
 * tools/text.h - words for people, JSON for scripts. */
#pragma once
#include "formats/err.h"
#include "formats/str.h"
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

enum { TEXT_SIZE = 32 };

/* "1.9 GiB" into @buf, which is returned. */
const char *text_bytes(uint64_t bytes, char buf[TEXT_SIZE]);
/* "3.9 M" parameters. */
const char *text_count(uint64_t n, char buf[TEXT_SIZE]);

/* A size as the options take it: a number, with K, M, G or T (powers of 1024) behind it. */
bool text_parse_bytes(const char *text, uint64_t *out);

/* A number of threads, 1 to 1024. */
bool text_parse_threads(const char *text, unsigned *out);

/* A string as JSON, quotes included. Bytes that are no UTF-8 become U+FFFD. */
void text_json(FILE *f, struct str s);
/* A string for a terminal: control characters become '?'. */
void text_plain(FILE *f, struct str s);

/* "weightfs VERB: message" on stderr; returns TOOL_FAILED. */
int text_fail(const char *verb, const struct err *err);
/* The same with a line on where help is found; returns TOOL_USAGE. */
int text_usage(const char *verb, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* After getopt returned '?' with opterr 0. */
int text_option(const char *verb, char *const *argv);
