/* SPDX-License-Identifier: Apache-2.0
 * tools/validate_tool.c - `weightfs validate`: is a model, or a view of one, sound? */
#include "formats/container.h"
#include "formats/onnx/onnx_view.h"
#include "fs/worker.h"
#include "tools/model_list.h"
#include "tools/text.h"
#include "tools/validate.h"
#include "tools/verbs.h"
#include <getopt.h>
#include <stdarg.h>

static const char help[] =
    "usage: weightfs validate [--json] FILE|FOLDER|DIR|DIR/NAME.FORMAT@TYPE\n"
    "\n"
    "Read all of a model, or of a view as a mount of DIR would show it, and check it: structure,\n"
    "offsets and sizes; that every number is finite (a mask of zeros and minus infinity may be);\n"
    "checksums, where the format has them; that the parts of the tokenizer belong together.\n"
    "Of a DIR that is no model itself each of the models in it, a line each.\n"
    "\n"
    "      --json         for scripts\n"
    "      --cache DIR    take chunks from a cache and leave new ones there (default: none)\n"
    "      --threads N    that read (default: one a core)\n"
    "      --requantize   a quantized view of a quantized source is wanted\n"
    "\n"
    "Exit status: 0 valid, 1 wrong usage, 2 not valid (one of them), or it cannot be read.\n";

enum { OPT_JSON = 256, OPT_CACHE, OPT_THREADS, OPT_REQUANTIZE };
static const struct option options[] = {
    { "json", no_argument, NULL, OPT_JSON },
    { "cache", required_argument, NULL, OPT_CACHE },
    { "threads", required_argument, NULL, OPT_THREADS },
    { "requantize", no_argument, NULL, OPT_REQUANTIZE },
    { "help", no_argument, NULL, 'h' },
    { 0 },
};

enum { CHECK_STRUCTURE, CHECK_VALUES, CHECK_CHECKSUMS, CHECK_TOKENIZER, N_CHECKS };
static const char *const NAMES[N_CHECKS] = { "structure", "values", "checksums", "tokenizer" };

enum result { RESULT_NONE, RESULT_OK, RESULT_BAD }; /* NONE: there is nothing to check */

struct report {
    enum result result[N_CHECKS];
    char detail[N_CHECKS][256];
    struct values values;
    const struct model *model; /* of the values; NULL: it could not be opened */
};

__attribute__((format(printf, 4, 5))) static void say(struct report *r, int check,
                                                      enum result result, const char *fmt, ...) {
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(r->detail[check], sizeof r->detail[check], fmt, ap);
    va_end(ap);
    r->result[check] = result;
}

static void check_values(struct report *r, const struct side *s, unsigned threads) {
    struct err err = { 0 };
    char numbers[TEXT_SIZE];
    struct values *v = &r->values;
    if (values_check(v, s, threads, &err) < 0) {
        say(r, CHECK_VALUES, RESULT_BAD, "%s", err.msg);
        return;
    }
    say(r, CHECK_VALUES, v->bad ? RESULT_BAD : RESULT_OK,
        "%s numbers, %llu NaN, %llu infinite; %llu tensors not looked at",
        text_count(v->numbers, numbers), (unsigned long long)v->all.nan,
        (unsigned long long)v->all.infinite, (unsigned long long)v->skipped);
}

static void check_archives(struct report *r, const struct side *s) {
    uint64_t checked, left_out;
    struct err err = { 0 };
    if (archives_check(s, &checked, &left_out, &err) < 0)
        say(r, CHECK_CHECKSUMS, RESULT_BAD, "%s", err.msg);
    else if (checked || left_out)
        say(r, CHECK_CHECKSUMS, RESULT_OK, "%llu right, %llu left out", (unsigned long long)checked,
            (unsigned long long)left_out);
    else
        say(r, CHECK_CHECKSUMS, RESULT_NONE, "none");
}

static void check_tokenizer(struct report *r, const struct side *s) {
    uint64_t tokens;
    struct err err = { 0 };
    if (side_check_tokenizer(s, &tokens, &err) < 0)
        say(r, CHECK_TOKENIZER, RESULT_BAD, "%s", err.msg);
    else if (tokens)
        say(r, CHECK_TOKENIZER, RESULT_OK, "%llu tokens", (unsigned long long)tokens);
    else
        say(r, CHECK_TOKENIZER, RESULT_NONE, "none that is known");
}

static void check_structure(struct report *r, const struct side *s) {
    uint64_t bytes = 0;
    char text[TEXT_SIZE];
    struct err err = { 0 };
    for (uint32_t i = 0; i < r->model->n_tensors; i++)
        bytes += r->model->tensors[i].bytes;
    if (ends_check(s, &err) < 0 || (r->model->onnx && onnx_check(r->model, &err) < 0))
        say(r, CHECK_STRUCTURE, RESULT_BAD, "%s", err.msg);
    else
        say(r, CHECK_STRUCTURE, RESULT_OK, "%s, %u tensors, %s", r->model->container->name,
            r->model->n_tensors, text_bytes(bytes, text));
}

static void check_all(struct report *r, const struct side *s) {
    r->model = s->model;
    check_structure(r, s);
    check_values(r, s, workers_threads(s->place.engine->workers));
    check_archives(r, s);
    check_tokenizer(r, s);
}

static bool is_valid(const struct report *r) {
    for (int i = 0; i < N_CHECKS; i++)
        if (r->result[i] == RESULT_BAD)
            return false;
    return true;
}

static bool has_faults(const struct report *r, uint32_t tensor) {
    const struct tensor_faults *f = &r->values.faults[tensor];
    return f->nan || f->infinite;
}

static void print_text(const struct report *r, const char *path) {
    printf("%s: %s\n", path, is_valid(r) ? "valid" : "not valid");
    for (int i = 0; i < N_CHECKS; i++) {
        if (!*r->detail[i])
            continue;
        printf("  %-4s %-10s  ", r->result[i] == RESULT_BAD ? "BAD" : "", NAMES[i]);
        text_plain(stdout, str_from(r->detail[i]));
        putchar('\n');
    }
    for (uint32_t i = 0; r->values.faults && i < r->model->n_tensors; i++) {
        if (!has_faults(r, i))
            continue;
        printf("       %llu NaN, %llu infinite in ", (unsigned long long)r->values.faults[i].nan,
               (unsigned long long)r->values.faults[i].infinite);
        text_plain(stdout, r->model->tensors[i].name);
        puts(values_bad(&r->values.faults[i]) ? "" : ", a mask");
    }
}

/* @path NULL: there is only one. */
static void print_json(const struct report *r, const char *path) {
    static const char *const results[] = { "none", "ok", "bad" };
    const char *comma = "";
    putchar('{');
    if (path) {
        printf("\"path\": ");
        text_json(stdout, str_from(path));
        printf(",\n ");
    }
    printf("\"valid\": %s", is_valid(r) ? "true" : "false");
    for (int i = 0; i < N_CHECKS; i++) {
        if (!*r->detail[i])
            continue;
        printf(",\n \"%s\": {\"result\": \"%s\", \"detail\": ", NAMES[i], results[r->result[i]]);
        text_json(stdout, str_from(r->detail[i]));
        printf("}");
    }
    printf(",\n \"nan\": %llu, \"infinite\": %llu, \"numbers\": %llu, \"not_finite\": [",
           (unsigned long long)r->values.all.nan, (unsigned long long)r->values.all.infinite,
           (unsigned long long)r->values.numbers);
    for (uint32_t i = 0; r->values.faults && i < r->model->n_tensors; i++) {
        if (!has_faults(r, i))
            continue;
        printf("%s\n  {\"name\": ", comma);
        text_json(stdout, r->model->tensors[i].name);
        printf(", \"nan\": %llu, \"infinite\": %llu}", (unsigned long long)r->values.faults[i].nan,
               (unsigned long long)r->values.faults[i].infinite);
        comma = ",";
    }
    printf("]}");
}

/* The first thing that is wrong. */
static void print_line(const struct report *r, const char *path) {
    int bad = 0;
    while (bad < N_CHECKS && r->result[bad] != RESULT_BAD)
        bad++;
    text_plain(stdout, str_from(path));
    printf(": %s", bad < N_CHECKS ? "not valid: " : "valid\n");
    if (bad == N_CHECKS)
        return;
    printf("%s: ", NAMES[bad]);
    text_plain(stdout, str_from(r->detail[bad]));
    putchar('\n');
}

/* --- one, or each of a folder --- */

/* @several: this is one of them. */
static bool validate(const char *path, const struct engine_options *o, bool json, bool several) {
    struct report r = { .model = NULL };
    struct err err = { 0 };
    struct side s;
    if (side_open(&s, path, o, &err) == 0)
        check_all(&r, &s);
    else
        say(&r, CHECK_STRUCTURE, RESULT_BAD, "%s", err.msg);
    if (json) {
        print_json(&r, several ? path : NULL);
        fputs(several ? "" : "\n", stdout);
    } else {
        (several ? print_line : print_text)(&r, path);
    }
    fflush(stdout);
    values_free(&r.values);
    side_close(&s);
    return is_valid(&r);
}

static int validate_all(const struct model_list *l, const struct engine_options *o, bool json) {
    bool valid = true;
    for (size_t i = 0; i < l->n; i++) {
        if (json)
            fputs(i ? ",\n" : "[", stdout);
        valid = validate(l->paths[i], o, json, true) && valid;
    }
    if (json)
        puts("]");
    return valid ? TOOL_OK : TOOL_FAILED;
}

int tool_validate(int argc, char **argv) {
    struct engine_options o = { .cache_dir = "" };
    struct err err = { 0 };
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
            return text_option("validate", argv);
        else if (!text_parse_threads(optarg, &o.threads))
            return text_usage("validate", "--threads wants a number, not %s", optarg);
    }
    if (argc - optind != 1)
        return text_usage("validate", "it takes one model or view");
    struct model_list l;
    if (model_list_open(&l, argv[optind], &err) < 0)
        return text_fail("validate", &err);
    int rc;
    if (l.n)
        rc = validate_all(&l, &o, json);
    else
        rc = validate(argv[optind], &o, json, false) ? TOOL_OK : TOOL_FAILED;
    model_list_close(&l);
    return rc;
}
