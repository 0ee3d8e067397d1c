/* SPDX-License-Identifier: Apache-2.0
 * formats/tokenizer/pre_name.c - see pre_name.h. The hash covers vocabulary, merges,
 * pre-tokenizer, normalizer and post-processor, so nothing less than encoding the text gives it.
 * Text and hashes: conversion/base.py, get_vocab_base_pre (llama.cpp 0c1e570). */
#include "formats/tokenizer/pre_name.h"
#include "formats/tokenizer/pre_hashes.h"
#include <errno.h>
#include <sha2.h>
#include <stdio.h>

/* SHA-256 of the ids as Python prints a list, in hexadecimal digits. */
static bool hash_ids(const struct ids *ids, char hex[SHA256_DIGEST_STRING_LENGTH]) {
    SHA2_CTX ctx;
    SHA256Init(&ctx);
    SHA256Update(&ctx, (const uint8_t *)"[", 1);
    for (size_t i = 0; i < ids->n; i++) {
        char text[16];
        const int n = snprintf(text, sizeof text, "%s%u", i ? ", " : "", ids->items[i]);
        SHA256Update(&ctx, (const uint8_t *)text, (size_t)n);
    }
    SHA256Update(&ctx, (const uint8_t *)"]", 1);
    return SHA256End(&ctx, hex);
}

int pre_name(const char **out, struct text_encoder *encoder, struct arena *a, struct err *err) {
    char hex[SHA256_DIGEST_STRING_LENGTH];
    struct ids ids;
    int rc = text_encode(encoder, str_from(pre_text), &ids, a, err);
    if (rc == 0 && !hash_ids(&ids, hex))
        rc = err_set(err, -ENOMEM, "tokenizer.json: encoding");
    for (size_t i = pre_hash_count; rc == 0 && i-- > 0;) /* the last one counts */
        if (strcmp(pre_hashes[i].sha256, hex) == 0) {
            *out = pre_hashes[i].name;
            return 0;
        }
    return rc < 0 ? rc
                  : err_set(err, -ENOTSUP,
                            "tokenizer.json: llama.cpp knows no pre-tokenizer whose test has the "
                            "hash %s; name one with pre=NAME in the spec",
                            hex);
}
