/* SPDX-License-Identifier: Apache-2.0
 * tools/info.c - `weightfs info`: what a model, or a view of one, consists of. */
#include "tools/describe.h"
#include "tools/place.h"
#include "tools/text.h"
#include "tools/verbs.h"
#include <getopt.h>

static const char help[] =
    "usage: weightfs info [-v] [--json] FILE|FOLDER|DIR/NAME.FORMAT@TYPE\n"
    "\n"
    "Format, architecture, parameters, tensors, bits a weight and metadata of a model, or of a "
    "view\n"
    "as a mount of DIR would show it. No weight is read.\n"
    "\n"
    "  -v, --verbose      list every tensor\n"
    "      --json         for scripts\n"
    "      --requantize   a quantized view of a quantized source is wanted\n"
    "\n"
    "Exit status: 0 done, 1 wrong usage, 2 it cannot be read or made; the reason is on stderr.\n";

static const struct option options[] = {
    { "verbose", no_argument, NULL, 'v' },
    { "json", no_argument, NULL, 'j' },
    { "requantize", no_argument, NULL, 'r' },
    { "help", no_argument, NULL, 'h' },
    { 0 },
};

static int run(const char *path, const struct engine_options *o, const struct describe *how,
               struct err *err) {
    struct place p;
    struct model *m = NULL;
    struct view *v = NULL;
    int rc = place_open(&p, path, o, err);
    if (rc < 0)
        return rc;
    if (p.is_view) {
        const struct spec spec = place_weights(&p);
        rc = place_view(&v, &p, &spec, err);
        if (rc == 0)
            rc = describe_view(how, path, v, err);
    } else {
        rc = place_model(&m, &p, err);
        if (rc == 0)
            describe_model(how, path, m, NULL);
    }
    model_unref(m);
    view_unref(v);
    place_close(&p);
    return rc;
}

int tool_info(int argc, char **argv) {
    struct engine_options engine = { .cache_dir = "", .threads = 1 };
    struct describe how = { 0 };
    struct err err = { 0 };
    int opt;
    opterr = 0;
    while ((opt = getopt_long(argc, argv, "vh", options, NULL)) != -1) {
        switch (opt) {
        case 'v':
            how.tensors = true;
            break;
        case 'j':
            how.json = true;
            break;
        case 'r':
            engine.requantize = true;
            break;
        case 'h':
            fputs(help, stdout);
            return TOOL_OK;
        default:
            return text_option("info", argv);
        }
    }
    if (argc - optind != 1)
        return text_usage("info", "it takes one model or view");
    return run(argv[optind], &engine, &how, &err) < 0 ? text_fail("info", &err) : TOOL_OK;
}
