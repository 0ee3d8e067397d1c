/* SPDX-License-Identifier: Apache-2.0
 * tests/token_ids.c - the tokenizer engine alone: TOKENIZER.JSON encodes the texts of stdin (each a
 * length in four bytes, little endian, and its UTF-8) and writes the ids of each as a line. With
 * --time the lines are left out, and the seconds that encoding took go to stderr. */
#include "formats/tokenizer/text_encoder.h"
#include <endian.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static void fail(const struct err *err) {
    fprintf(stderr, "%s (%d)\n", err->msg, err->code);
    exit(1);
}

static struct str slurp(FILE *f) {
    size_t n = 0, cap = 1 << 20;
    char *p = malloc(cap);
    while (p && (n += fread(p + n, 1, cap - n, f)) == cap)
        p = realloc(p, cap *= 2);
    if (!p)
        exit(2);
    return (struct str){ p, n };
}

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void encode_all(struct text_encoder *e, struct str in, bool timed) {
    struct err err = { 0 };
    const double start = now();
    while (in.n >= 4) {
        struct arena scratch = { 0 };
        struct ids ids;
        uint32_t n;
        memcpy(&n, in.p, 4);
        n = le32toh(n);
        if (n > in.n - 4)
            exit(2);
        if (text_encode(e, (struct str){ in.p + 4, n }, &ids, &scratch, &err) < 0)
            fail(&err);
        for (size_t i = 0; i < ids.n && !timed; i++)
            printf("%s%u", i ? " " : "", ids.items[i]);
        if (!timed)
            putchar('\n');
        in.p += 4 + n;
        in.n -= 4 + n;
        arena_fini(&scratch);
    }
    if (timed)
        fprintf(stderr, "%.3f\n", now() - start);
}

int main(int argc, char **argv) {
    static struct cached_word cache[WORD_CACHE_SLOTS];
    const bool timed = argc == 3 && strcmp(argv[1], "--time") == 0;
    struct arena a = { 0 };
    struct err err = { 0 };
    struct json *tokenizer;
    struct word_model model;
    struct added added;
    FILE *f = argc == 2 + timed ? fopen(argv[1 + timed], "rb") : NULL;
    if (!f) {
        fprintf(stderr, "usage: token_ids [--time] TOKENIZER.JSON < TEXTS\n");
        return 2;
    }
    const struct str text = slurp(f);
    fclose(f);
    int rc = json_parse(&tokenizer, text, &err);
    const struct json *spec = rc == 0 ? json_get(tokenizer, "model") : NULL;
    if (rc == 0)
        rc = word_model_init(&model, spec, spec, &a, &err);
    const struct added_source from = { .list = json_get(tokenizer, "added_tokens"),
                                       .list_first = true,
                                       .normalizer = json_get(tokenizer, "normalizer") };
    if (rc == 0)
        rc = added_read(&added, &from, model.vocab, &a, &err);
    if (rc < 0)
        fail(&err);
    const struct str in = slurp(stdin);
    struct text_encoder e = {
        .steps = tokenizer,
        .processor = json_get(tokenizer, "post_processor"),
        .model = &model,
        .added = &added,
        .cache = cache,
    };
    encode_all(&e, in, timed);
    text_encoder_fini(&e);
    free((void *)in.p);
    json_free(tokenizer);
    free((void *)text.p);
    arena_fini(&a);
    return 0;
}
