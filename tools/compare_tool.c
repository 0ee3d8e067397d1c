/* SPDX-License-Identifier: Apache-2.0
 * tools/compare_tool.c - `weightfs compare`: what a conversion costs in precision. */
#include "formats/container.h"
#include "formats/packed.h"
#include "fs/worker.h"
#include "tools/compare.h"
#include "tools/text.h"
#include "tools/verbs.h"
#include <errno.h>
#include <getopt.h>
#include <string.h>

static const char help[] =
    "usage: weightfs compare [OPTION...] A B\n"
    "\n"
    "Tensor by tensor, what B has in the place of A's numbers: types, bits a weight as stored, "
    "root "
    "of the mean\n"
    "squared difference, largest difference, cosine, shape; and the same for all of them. A and B "
    "are "
    "models\n"
    "or views of any format; tensors are paired by name. A Hugging Face folder is compared with a "
    "GGUF\n"
    "as the GGUF that is made of it.\n"
    "\n"
    "      --json         for scripts\n"
    "      --cache DIR    take chunks of views from a cache, and leave new ones there (default: "
    "none)\n"
    "      --threads N    default: one a core\n"
    "      --requantize   make a quantized type from a quantized source\n"
    "\n"
    "Exit status: 0 compared, 1 wrong usage, 2 failed, or no tensor is on both sides.\n"
    "\n"
    "  weightfs compare models/tinylm models/tinylm.gguf@q4_k_m\n";

enum { OPT_JSON = 256, OPT_CACHE, OPT_THREADS, OPT_REQUANTIZE };
static const struct option options[] = {
    { "help", no_argument, NULL, 'h' },
    { "json", no_argument, NULL, OPT_JSON },
    { "cache", required_argument, NULL, OPT_CACHE },
    { "threads", required_argument, NULL, OPT_THREADS },
    { "requantize", no_argument, NULL, OPT_REQUANTIZE },
    { 0 },
};

static double bits(uint64_t bytes, uint64_t elems) {
    return elems ? 8.0 * (double)bytes / (double)elems : 0;
}

static double tensor_bits(const struct tensor *t) {
    return t ? bits(tensor_stored(t), t->elems) : 0;
}

static double bits_of(const struct model *m) {
    uint64_t bytes = 0, elems = 0;
    for (uint32_t i = 0; i < m->n_tensors; i++) {
        bytes += tensor_stored(&m->tensors[i]);
        elems += m->tensors[i].elems;
    }
    return bits(bytes, elems);
}

static const char *type_of(const struct tensor *t, char buf[STORED_TYPE_SIZE]) {
    return t ? tensor_stored_type(t, buf) : "-";
}

static const struct tensor *either(const struct pair *p) {
    return p->a ? p->a : p->b;
}

static const char *const STATES[] = {
    [PAIR_ONLY_A] = "only in A",
    [PAIR_ONLY_B] = "only in B",
    [PAIR_SHAPE] = "of another shape in B",
    [PAIR_TYPE] = "not compared",
};

static void print_sums(const struct sums *s) {
    printf("%10.4g %10.4g %10.7f", sums_rmse(s), s->max, sums_cosine(s));
    if (s->not_finite)
        printf("  %llu not finite", (unsigned long long)s->not_finite);
}

/* The slowest dimension first. */
static void print_shape(const char *before, const struct tensor *t) {
    fputs(before, stdout);
    for (uint32_t d = 0; d < t->n_dims; d++)
        printf("%s%llu", d ? ", " : "", (unsigned long long)t->dims[d]);
    putchar(']');
}

static void print_text(const struct comparison *c) {
    printf("%-8s %-8s %6s %6s %10s %10s %10s  tensor\n", "A", "B", "bits", "bits", "RMSE", "max",
           "cosine");
    for (uint32_t i = 0; i < c->n; i++) {
        const struct pair *p = &c->pairs[i];
        char a[STORED_TYPE_SIZE], b[STORED_TYPE_SIZE];
        printf("%-8s %-8s %6.2f %6.2f ", type_of(p->a, a), type_of(p->b, b), tensor_bits(p->a),
               tensor_bits(p->b));
        if (p->state == PAIR_COMPARED)
            print_sums(&p->sums);
        else
            printf("%32s", STATES[p->state]);
        fputs("  ", stdout);
        text_plain(stdout, either(p)->name);
        print_shape(" [", either(p));
        putchar('\n');
    }
    printf("%-17s %6.2f %6.2f ", "all", bits_of(c->a->model), bits_of(c->b->model));
    print_sums(&c->total);
    putchar('\n');
}

static void json_side(const char *key, const struct tensor *t) {
    printf(", \"type_%s\": ", key);
    char buf[STORED_TYPE_SIZE];
    printf(t ? "\"%s\"" : "null", t ? type_of(t, buf) : "");
    printf(", \"bits_%s\": %.4f", key, tensor_bits(t));
}

static void json_sums(const struct sums *s) {
    printf(", \"elements\": %llu, \"not_finite\": %llu, \"rmse\": %.9g, \"max\": %.9g,"
           " \"cosine\": %.12g",
           (unsigned long long)s->n, (unsigned long long)s->not_finite, sums_rmse(s), s->max,
           sums_cosine(s));
}

static void print_json(const struct comparison *c) {
    printf("{\"tensors\": [");
    for (uint32_t i = 0; i < c->n; i++) {
        const struct pair *p = &c->pairs[i];
        printf("%s\n  {\"name\": ", i ? "," : "");
        text_json(stdout, either(p)->name);
        json_side("a", p->a);
        json_side("b", p->b);
        print_shape(", \"shape\": [", either(p));
        if (p->state == PAIR_COMPARED)
            json_sums(&p->sums);
        else
            printf(", \"state\": \"%s\"", STATES[p->state]);
        printf("}");
    }
    printf("],\n \"all\": {\"bits_a\": %.4f, \"bits_b\": %.4f", bits_of(c->a->model),
           bits_of(c->b->model));
    json_sums(&c->total);
    printf("}}\n");
}

static bool is_gguf(const struct side *s) {
    return s->model->container->kind == CONTAINER_GGUF;
}

static int compare(struct side *a, struct side *b, bool json, struct err *err) {
    struct comparison c = { .a = NULL };
    int rc = 0;
    if (is_gguf(a) != is_gguf(b))
        rc = side_as_gguf(is_gguf(a) ? b : a, err);
    if (rc == 0)
        rc = compare_pair(&c, a, b, err);
    if (rc == 0)
        rc = compare_run(&c, workers_threads(a->place.engine->workers), err);
    if (rc == 0)
        (json ? print_json : print_text)(&c);
    const bool none = rc == 0 && c.total.n == 0;
    compare_free(&c);
    return none ? err_set(err, -ENOENT, "no tensor of A is in B") : rc;
}

int tool_compare(int argc, char **argv) {
    struct engine_options o = { .cache_dir = "" };
    bool json = false;
    int opt;
    opterr = 0;
    while ((opt = getopt_long(argc, argv, "h", options, NULL)) != -1) {
        if (opt == 'h')
            return fputs(help, stdout), TOOL_OK;
        if (opt == OPT_JSON)
            json = true;
        else if (opt == OPT_CACHE)
            o.cache_dir = optarg;
        else if (opt == OPT_REQUANTIZE)
            o.requantize = true;
        else if (opt != OPT_THREADS)
            return text_option("compare", argv);
        else if (!text_parse_threads(optarg, &o.threads))
            return text_usage("compare", "--threads wants a number, not %s", optarg);
    }
    if (argc - optind != 2)
        return text_usage("compare", "it takes two models or views");
    struct side a, b = { .view = NULL };
    struct err err = { 0 };
    int rc = side_open(&a, argv[optind], &o, &err);
    if (rc == 0)
        rc = side_open(&b, argv[optind + 1], &o, &err);
    if (rc == 0)
        rc = compare(&a, &b, json, &err);
    side_close(&b);
    side_close(&a);
    return rc < 0 ? text_fail("compare", &err) : TOOL_OK;
}
