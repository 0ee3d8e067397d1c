/* SPDX-License-Identifier: Apache-2.0
 * tools/status.c - `weightfs status`: what a mount says of itself in user.weightfs.status. */
#include "formats/cleanup.h"
#include "formats/json.h"
#include "tools/text.h"
#include "tools/verbs.h"
#include <errno.h>
#include <getopt.h>
#include <string.h>
#include <sys/xattr.h>

static const char help[] =
    "usage: weightfs status [--json] MNT\n"
    "\n"
    "What a mount does: views open, hits and misses, conversions under way, cache, errors, "
    "memory.\n"
    "\n"
    "      --json   as the mount gives it, for scripts\n"
    "\n"
    "Exit status: 0 done, 1 wrong usage, 2 MNT is no mount of weightfs, or it does not answer.\n";

static const struct option options[] = {
    { "json", no_argument, NULL, 'j' },
    { "help", no_argument, NULL, 'h' },
    { 0 },
};

enum { INDENT = 2, COLUMN = 24 };

static bool key_ends(struct str key, const char *end) {
    return str_ends(key, str_from(end));
}

static void print_scalar(struct str key, const struct json *v) {
    char buf[TEXT_SIZE];
    uint64_t u;
    double d;
    bool b;
    struct str s;
    if (json_u64(v, &u) && (key_ends(key, "bytes") || key_ends(key, "rss")))
        printf("%s\n", text_bytes(u, buf));
    else if (json_u64(v, &u) && key_ends(key, "_ns"))
        printf("%.1f s\n", (double)u / 1e9);
    else if (json_u64(v, &u))
        printf("%llu\n", (unsigned long long)u);
    else if (json_f64(v, &d))
        printf("%.3g\n", d);
    else if (json_bool(v, &b))
        puts(b ? "yes" : "no");
    else if (json_str(v, &s)) {
        text_plain(stdout, s);
        putchar('\n');
    } else
        puts("-");
}

/* Underscores are for scripts; units have gone into the value. */
static void print_key(struct str key, int indent) {
    if (key_ends(key, "_bytes"))
        key.n -= 6;
    else if (key_ends(key, "_ns"))
        key.n -= 3;
    printf("%*s", indent, "");
    for (size_t i = 0; i < key.n; i++)
        putchar(key.p[i] == '_' ? ' ' : key.p[i]);
    putchar(':');
}

static void print_object(const struct json *object, int indent) {
    for (struct json_iter it = json_iter(object); json_next(&it);) {
        print_key(it.key, indent);
        if (json_type(it.value) == JSON_OBJECT) {
            putchar('\n');
            print_object(it.value, indent + INDENT);
        } else {
            const int used = indent + (int)it.key.n + 1;
            printf("%*s", used < COLUMN ? COLUMN - used : 1, "");
            print_scalar(it.key, it.value);
        }
    }
}

static int print_status(const char *mnt, bool json, struct err *err) {
    const char *const name = "user.weightfs.status";
    const size_t size = 1 << 16; /* what an attribute may have */
    auto_free char *text = malloc(size);
    if (!text)
        return err_set(err, -ENOMEM, "no memory");
    const ssize_t n = getxattr(mnt, name, text, size);
    if (n < 0 && (errno == ENODATA || errno == ENOTSUP))
        return err_set(err, -errno, "%s is not the root of a mount of weightfs", mnt);
    if (n < 0 && errno == ENOTCONN)
        return err_set(
            err, -errno,
            "%s: its process has ended without unmounting; mount again, which clears it, "
            "or take it off with `fusermount3 -u`",
            mnt);
    if (n < 0)
        return err_set(err, -errno, "%s: %s", mnt, strerror(errno));
    const struct str status = { text, (size_t)n };
    if (json) {
        fwrite(status.p, 1, status.n, stdout);
        if (!str_ends(status, STR("\n")))
            putchar('\n');
        return 0;
    }
    struct json *doc;
    const int rc = json_parse(&doc, status, err);
    if (rc < 0)
        return rc;
    print_object(doc, 0);
    json_free(doc);
    return 0;
}

int tool_status(int argc, char **argv) {
    struct err err = { 0 };
    bool json = false;
    int opt;
    opterr = 0;
    while ((opt = getopt_long(argc, argv, "h", options, NULL)) != -1) {
        if (opt == 'j')
            json = true;
        else if (opt == 'h')
            return fputs(help, stdout), TOOL_OK;
        else
            return text_option("status", argv);
    }
    if (argc - optind != 1)
        return text_usage("status", "it takes one mount");
    return print_status(argv[optind], json, &err) < 0 ? text_fail("status", &err) : TOOL_OK;
}
