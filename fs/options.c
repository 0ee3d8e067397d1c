/* SPDX-License-Identifier: Apache-2.0
 * fs/options.c - taking the command line of a mount apart. */
#include "fs/options.h"
#include "fs/options_table.h"
#include "tools/tools.h"
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { HELP_COLUMN = 24 };

char *options_own(struct options *o, char *s) {
    if (s && o->n_owned == sizeof o->owned / sizeof *o->owned) {
        free(s);
        s = NULL;
    }
    if (s)
        o->owned[o->n_owned++] = s;
    return s;
}

void options_fini(struct options *o) {
    while (o->n_owned > 0)
        free(o->owned[--o->n_owned]);
}

static void print_row(const struct option_row *r) {
    int n = printf("  %s%s", r->name, r->value ? r->value : "");
    for (const char *line = r->help; line;) {
        const char *end = strchr(line, '\n');
        printf("%*s%.*s\n", HELP_COLUMN - n, "", end ? (int)(end - line) : (int)strlen(line), line);
        line = end ? end + 1 : NULL;
        n = 0;
    }
}

static void print_help(void) {
    puts("usage: weightfs SRC MNT [-o OPTION[,OPTION...]] [-f] [-d] [-V] [-h]\n"
         "       weightfs VERB ...\n"
         "\n"
         "Mounts a folder of models: every file of SRC, and beside it, converted when it is\n"
         "read, each form of each model: model.gguf@q4_0, model.safetensors@bf16, ...\n"
         "SRC: a folder of models, a model folder, a hub cache, or one file.\n"
         "\n"
         "  -f   stay in the foreground, messages on stderr\n"
         "  -d   as -f, and show every request\n"
         "  -V   version\n"
         "  -h   this text\n"
         "\n"
         "Options behind -o [default]:");
    for (const struct option_row *r = option_table; r->name; r++) {
        if (r->help)
            print_row(r);
    }
    puts("Those that mount(8) and fstab add (ro, noauto, user, x-systemd.*, ...) are accepted.\n"
         "\n"
         "Verbs; `weightfs VERB --help` tells more:");
    for (const struct tool *t = tools; t->name; t++)
        printf("  %-*s%s\n", HELP_COLUMN - 2, t->name, t->help);
    puts("\n"
         "Exit status: 0 mounted, 1 wrong usage, 2 system error, 32 the mount failed,\n"
         "as SRC or MNT will not do.\n"
         "To unmount: fusermount3 -u MNT, or umount MNT.");
}

static bool usage(const char *fmt, const char *what, const char *why) {
    fprintf(stderr, "weightfs: ");
    fprintf(stderr, fmt, what, why);
    fprintf(stderr, "; see `weightfs --help`\n");
    return false;
}

/* The names that systemd, udisks and others put into fstab for themselves. */
static bool for_others(const char *opt) {
    return strncmp(opt, "x-", 2) == 0 || strncmp(opt, "X-", 2) == 0;
}

static bool parse_option(struct options *o, const char *opt) {
    char why[OPTION_WHY] = "no memory";
    if (!*opt || for_others(opt))
        return true;
    for (const struct option_row *r = option_table; r->name; r++) {
        const size_t n = strlen(r->name);
        const char *value = r->name[n - 1] == '=' ? opt + n : NULL;
        if (value ? strncmp(opt, r->name, n) != 0 : strcmp(opt, r->name) != 0)
            continue;
        if (!r->set || r->set(o, value, why))
            return true;
        return usage("-o %s: %s", opt, why);
    }
    return usage("unknown option: -o %s%s", opt, "");
}

/* At commas, but for those behind a backslash, as libfuse and mount.fuse have it. */
static bool parse_list(struct options *o, const char *list) {
    char *copy = options_own(o, strdup(list)), *from = copy, *to = copy, *opt = copy;
    if (!copy)
        return usage("%s%s", "no memory", "");
    for (;; from++) {
        if (*from == '\\' && from[1]) {
            *to++ = *++from;
        } else if (*from == ',' || !*from) {
            const bool last = !*from;
            *to = 0;
            if (!parse_option(o, opt))
                return false;
            if (last)
                return true;
            opt = to = from + 1;
        } else {
            *to++ = *from;
        }
    }
}

static bool parse_places(struct options *o, int argc, char **argv) {
    if (argc < 1)
        return usage("SRC and MNT are missing%s%s", "", "");
    if (argc < 2)
        return usage("%s: no such command, and as SRC it lacks a MNT%s", argv[0], "");
    if (argc > 2)
        return usage("too much: %s%s", argv[2], "");
    o->src = argv[0];
    o->mnt = argv[1];
    return true;
}

/* When it was called as mount.fuse.weightfs, mount(8)'s own letters are known too. */
static const char *letters_for(const char *program) {
    const char *slash = strrchr(program, '/');
    return strncmp(slash ? slash + 1 : program, "mount.", 6) == 0 ? "o:fdVhnsvt:" : "o:fdVh";
}

bool options_parse(struct options *o, int argc, char **argv, enum exit_status *status) {
    static const struct option longs[] = { { "help", no_argument, NULL, 'h' },
                                           { "version", no_argument, NULL, 'V' },
                                           { 0 } };
    *o = (struct options){ .log = LOG_LEVEL_WARNING };
    *status = STATUS_USAGE;
    opterr = 0;
    int c;
    while ((c = getopt_long(argc, argv, letters_for(argv[0]), longs, NULL)) != -1) {
        switch (c) {
        case 'o':
            if (!parse_list(o, optarg))
                return false;
            break;
        case 'd':
            o->debug = true;
            o->foreground = true;
            break;
        case 'f':
            o->foreground = true;
            break;
        case 'h':
            print_help();
            *status = STATUS_OK;
            return false;
        case 'V':
            puts("weightfs " WEIGHTFS_VERSION);
            *status = STATUS_OK;
            return false;
        case '?':
            return usage("unknown option, or one without its value: %s%s", argv[optind - 1], "");
        default: /* mount(8)'s letters mean nothing here */
            break;
        }
    }
    if (!parse_places(o, argc - optind, argv + optind))
        return false;
    o->engine.cache_dir = o->cache;
    return true;
}
