/* SPDX-License-Identifier: Apache-2.0
 * tools/convert_tool.c - `weightfs convert`: a view as an ordinary file. */
#include "tools/convert_tool.h"
#include "fs/gpu_batch.h"
#include "formats/onnx/onnx_view.h"
#include "tools/output.h"
#include "tools/progress.h"
#include "tools/pump.h"
#include "tools/text.h"
#include "tools/verbs.h"
#include <errno.h>
#include <getopt.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char help[] =
    "usage: weightfs convert [OPTION...] DIR/NAME.FORMAT@TYPE OUT\n"
    "\n"
    "Write a view to OUT, an ordinary file: the bytes that a mount of DIR shows. OUT appears when\n"
    "it is complete; a folder gets a file of the view's name; - is stdout. A view that is a\n"
    "folder becomes one. The data file of an ONNX model is written beside it, under the name that\n"
    "the model knows.\n"
    "\n"
    "  -f, --force           replace OUT if it exists\n"
    "  -q, --quiet           no progress\n"
    "      --range OFF:LEN   only these bytes of the view (K, M, G: powers of 1024)\n"
    "      --cache DIR       take chunks from a cache and leave new ones there (default: none)\n"
    "      --threads N       that convert (default: one a core)\n"
    "      --gpu WHICH       auto, off, or the number of a CUDA device (default: auto)\n"
    "      --requantize      make a quantized type from a quantized source\n"
    "\n"
    "Exit status: 0 done, 1 wrong usage, 2 failed.\n"
    "\n"
    "  weightfs convert models/tinylm.gguf@q4_0 tinylm-q4_0.gguf\n";

enum { OPT_RANGE = 256, OPT_CACHE, OPT_THREADS, OPT_GPU, OPT_REQUANTIZE };
static const struct option options[] = {
    { "force", no_argument, NULL, 'f' },
    { "quiet", no_argument, NULL, 'q' },
    { "help", no_argument, NULL, 'h' },
    { "range", required_argument, NULL, OPT_RANGE },
    { "cache", required_argument, NULL, OPT_CACHE },
    { "threads", required_argument, NULL, OPT_THREADS },
    { "gpu", required_argument, NULL, OPT_GPU },
    { "requantize", no_argument, NULL, OPT_REQUANTIZE },
    { 0 },
};

static bool parse_range(struct convert *c, const char *text) {
    char first[32];
    const char *colon = strchr(text, ':');
    if (!colon || (size_t)(colon - text) >= sizeof first)
        return false;
    memcpy(first, text, (size_t)(colon - text));
    first[colon - text] = 0;
    c->range = true;
    return text_parse_bytes(first, &c->off) && text_parse_bytes(colon + 1, &c->len);
}

/* TOOL_OK to go on, -1 when --help was answered, else a status. */
static int parse(struct convert *c, int argc, char **argv) {
    int opt;
    *c = (struct convert){ .engine.cache_dir = "" };
    opterr = 0;
    while ((opt = getopt_long(argc, argv, "fqh", options, NULL)) != -1) {
        switch (opt) {
        case 'f':
            c->force = true;
            break;
        case 'q':
            c->quiet = true;
            break;
        case 'h':
            fputs(help, stdout);
            return -1;
        case OPT_RANGE:
            if (!parse_range(c, optarg))
                return text_usage("convert", "--range wants OFF:LEN, not %s", optarg);
            break;
        case OPT_CACHE:
            c->engine.cache_dir = optarg;
            break;
        case OPT_THREADS:
            if (!text_parse_threads(optarg, &c->engine.threads))
                return text_usage("convert", "--threads wants a number, not %s", optarg);
            break;
        case OPT_GPU:
            if (!gpu_batch_parse(optarg, &c->engine.gpu))
                return text_usage("convert", "--gpu wants auto, off or a number, not %s", optarg);
            break;
        case OPT_REQUANTIZE:
            c->engine.requantize = true;
            break;
        default:
            return text_option("convert", argv);
        }
    }
    if (argc - optind != 2)
        return text_usage("convert", "it takes a view and a name for the file");
    c->view = argv[optind];
    c->out = argv[optind + 1];
    return TOOL_OK;
}

struct sink {
    struct output *out;
    struct progress *progress;
    uint64_t done;
};

static int sink_write(void *user, const void *bytes, size_t n, struct err *err) {
    struct sink *s = user;
    const int rc = output_write(s->out, bytes, n, err);
    s->done += n;
    progress_step(s->progress, s->done);
    return rc;
}

int convert_view(struct convert *c, struct view *v, const char *name, struct err *err) {
    struct output out;
    struct progress progress;
    if (!c->range)
        c->len = v->info.size;
    if (c->off > v->info.size || c->len > v->info.size - c->off)
        return err_set(err, -EINVAL, "the range is not within the view's %llu bytes",
                       (unsigned long long)v->info.size);
    int rc = output_open(&out, c->out, name, c->len, c->force, err);
    if (rc < 0)
        return rc;
    progress_init(&progress, name, c->len, c->quiet);
    struct sink sink = { &out, &progress, 0 };
    rc = pump_run(v, c->off, c->len, sink_write, &sink, err);
    if (rc == 0)
        rc = output_commit(&out, err);
    output_fini(&out);
    progress_fini(&progress, sink.done);
    return rc;
}

/* The data file of an ONNX model goes where the model went, under the name that stands in it. */
static int convert_data(struct convert *c, const struct place *p, struct err *err) {
    struct spec spec = p->spec;
    struct err none = { 0 };
    struct arena a = { 0 };
    struct stat st;
    struct view *v;
    spec.data = true;
    int rc = view_open(&v, p->engine, p->source, &spec, &none);
    if (rc < 0) /* the model's view could be opened: this one has no bytes */
        return rc == -ENOTSUP ? 0 : err_set(err, rc, "%s", none.msg);
    const struct str name = onnx_data_name(&a, v->model, &spec);
    const char *slash = strrchr(c->out, '/');
    const int n = slash ? (int)(slash + 1 - c->out) : 0;
    const struct str folder = stat(c->out, &st) == 0 && S_ISDIR(st.st_mode)
                                  ? str_from(c->out)
                                  : arena_printf(&a, "%.*s.", n, c->out);
    struct convert data = *c;
    data.out = folder.p;
    rc = name.p && folder.p ? convert_view(&data, v, name.p, err)
                            : err_set(err, -ENOMEM, "no memory");
    view_unref(v);
    arena_fini(&a);
    return rc;
}

int tool_convert(int argc, char **argv) {
    struct convert c;
    struct place p;
    struct view *v = NULL;
    struct err err = { 0 };
    int rc = parse(&c, argc, argv);
    if (rc)
        return rc < 0 ? TOOL_OK : rc;
    rc = place_open(&p, c.view, &c.engine, &err);
    if (rc < 0)
        return text_fail("convert", &err);
    if (!p.is_view)
        rc = err_set(&err, -EINVAL, "%s exists: it is a file, not a view; cp copies it", c.view);
    const bool folder = format_is_folder(p.spec.format) && !*p.spec.file;
    if (rc == 0 && folder)
        rc = convert_folder(&c, &p, &err);
    if (rc == 0 && !folder)
        rc = place_view(&v, &p, &p.spec, &err);
    if (rc == 0 && !folder)
        rc = convert_view(&c, v, p.name, &err);
    if (rc == 0 && p.spec.format == FORMAT_ONNX && !p.spec.data && !c.range && strcmp(c.out, "-"))
        rc = convert_data(&c, &p, &err);
    view_unref(v);
    place_close(&p);
    return rc < 0 ? text_fail("convert", &err) : TOOL_OK;
}
