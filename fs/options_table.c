/* SPDX-License-Identifier: Apache-2.0
 * fs/options_table.c - what each option behind -o means. */
#include "fs/options_table.h"
#include "fs/gpu_batch.h"
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static bool number(const char *s, int base, uint64_t max, uint64_t *out, char **end) {
    if (*s < '0' || *s > '9')
        return false;
    errno = 0;
    *out = strtoull(s, end, base);
    return errno == 0 && *out <= max;
}

static bool plain_number(const char *s, int base, uint64_t max, uint64_t *out) {
    char *end;
    return number(s, base, max, out, &end) && !*end;
}

static bool refuse(char *why, const char *what) {
    snprintf(why, OPTION_WHY, "%s", what);
    return false;
}

/* The daemon leaves the folder it was started in. */
static bool set_cache(struct options *o, const char *value, char *why) {
    char cwd[PATH_MAX], *s = NULL;
    if (!*value)
        return refuse(why, "a folder is wanted; nocache is for none");
    if (*value == '/')
        s = strdup(value);
    else if (!getcwd(cwd, sizeof cwd) || asprintf(&s, "%s/%s", cwd, value) < 0)
        s = NULL;
    o->cache = options_own(o, s);
    return o->cache ? true : refuse(why, "no memory");
}

static bool set_nocache(struct options *o, const char *value, char *why) {
    (void)value, (void)why;
    o->cache = options_own(o, strdup(""));
    return o->cache != NULL;
}

static bool set_cache_size(struct options *o, const char *value, char *why) {
    static const char units[] = "KMGT";
    uint64_t n;
    char *end;
    if (!number(value, 10, UINT64_MAX >> 1, &n, &end))
        return refuse(why, "bytes are wanted, or a number with K, M, G or T");
    const char *unit = *end ? strchr(units, *end & ~0x20) : NULL;
    const unsigned shift = unit ? 10 * (unsigned)(unit - units + 1) : 0;
    if (unit)
        end++;
    if (*end || n == 0 || n > (UINT64_MAX >> 1) >> shift)
        return refuse(why, "bytes are wanted, or a number with K, M, G or T");
    o->engine.cache_bytes = n << shift;
    return true;
}

static bool set_threads(struct options *o, const char *value, char *why) {
    uint64_t n;
    if (!plain_number(value, 10, 1024, &n) || n == 0)
        return refuse(why, "a number from 1 to 1024 is wanted");
    o->engine.threads = (unsigned)n;
    return true;
}

static bool set_gpu(struct options *o, const char *value, char *why) {
    return gpu_batch_parse(value, &o->engine.gpu) ||
           refuse(why, "auto, off or the number of a device is wanted");
}

static bool set_views(struct options *o, const char *value, char *why) {
    struct err err = { 0 };
    struct names *n;
    o->names.views = options_own(o, strdup(value));
    if (!o->names.views)
        return false;
    if (names_new(&n, NULL, &o->names, &err) < 0)
        return refuse(why, err.msg);
    names_free(n);
    return true;
}

static bool set_names(struct options *o, const char *value, char *why) {
    if (strcmp(value, "at") == 0)
        o->names.style = NAMES_AT;
    else if (strcmp(value, "ext") == 0)
        o->names.style = NAMES_EXT;
    else if (strcmp(value, "hub") == 0)
        o->names.style = NAMES_HUB;
    else
        return refuse(why, "at, ext or hub is wanted");
    return true;
}

static bool set_layout(struct options *o, const char *value, char *why) {
    if (strcmp(value, "source") == 0)
        o->names.layout = LAYOUT_SOURCE;
    else if (strcmp(value, "flat") == 0)
        o->names.layout = LAYOUT_FLAT;
    else if (strcmp(value, "hub") == 0)
        o->names.layout = LAYOUT_HUB;
    else
        return refuse(why, "source, flat or hub is wanted");
    return true;
}

static bool set_uid(struct options *o, const char *value, char *why) {
    uint64_t n;
    if (!plain_number(value, 10, UINT32_MAX - 1, &n))
        return refuse(why, "a numeric user id is wanted");
    o->uid = (uid_t)n;
    o->set_uid = true;
    return true;
}

static bool set_gid(struct options *o, const char *value, char *why) {
    uint64_t n;
    if (!plain_number(value, 10, UINT32_MAX - 1, &n))
        return refuse(why, "a numeric group id is wanted");
    o->gid = (gid_t)n;
    o->set_gid = true;
    return true;
}

static bool set_umask(struct options *o, const char *value, char *why) {
    uint64_t n;
    if (!plain_number(value, 8, 0777, &n))
        return refuse(why, "an octal number up to 777 is wanted");
    o->umask = (mode_t)n;
    return true;
}

static bool set_log(struct options *o, const char *value, char *why) {
    static const char *const levels[] = { "error", "warning", "info", "debug" };
    for (unsigned i = 0; i < sizeof levels / sizeof *levels; i++) {
        if (strcmp(value, levels[i]) == 0) {
            o->log = (enum log_level)i;
            return true;
        }
    }
    return refuse(why, "error, warning, info or debug is wanted");
}

#define SET_FLAG(field)                                                        \
    static bool set_##field(struct options *o, const char *value, char *why) { \
        (void)value, (void)why;                                                \
        o->field = true;                                                       \
        return true;                                                           \
    }
SET_FLAG(allow_other)
SET_FLAG(allow_root)
SET_FLAG(auto_unmount)
SET_FLAG(noexec)

static bool set_requantize(struct options *o, const char *value, char *why) {
    (void)value, (void)why;
    o->engine.requantize = true;
    return true;
}

/* clang-format off */
const struct option_row option_table[] = {
    { "cache=", "DIR", "where converted data is kept [/var/cache/weightfs for root,\n"
      "else $XDG_CACHE_HOME/weightfs or ~/.cache/weightfs]", set_cache },
    { "cache_size=", "BYTES", "what the cache may grow to, K M G T allowed [the smaller\n"
      "of 20G and a fifth of the free disk]", set_cache_size },
    { "nocache", NULL, "convert anew on every read that memory cannot serve [off]", set_nocache },
    { "threads=", "N", "threads that convert [one a core]", set_threads },
    { "gpu=", "WHICH", "auto: a CUDA device helps, if there is one; off; or N: device N\n"
      "[auto]", set_gpu },
    { "views=", "LIST", "views that `ls` shows for each model, joined by ':', for\n"
      "example gguf@q4_0:safetensors@bf16; or none, or all\n"
      "[at most three that fit]", set_views },
    { "names=", "STYLE", "at: NAME.gguf@q4_0; ext: NAME@q4_0.gguf; hub: NAME-Q4_0.gguf\n"
      "[at]", set_names },
    { "layout=", "TREE", "source: as SRC, views beside their models; flat: all views\n"
      "and GGUF files in one folder; hub: ORG/MODEL/FILE [source]", set_layout },
    { "requantize", NULL, "quantize sources that are quantized already [off]", set_requantize },
    { "allow_other", NULL, "other users may read, as far as the modes of SRC let them\n"
      "[only who mounts]", set_allow_other },
    { "allow_root", NULL, "root may read too [off]", set_allow_root },
    { "auto_unmount", NULL, "unmount when the process is killed [off]", set_auto_unmount },
    { "uid=", "N", "owner of everything [as in SRC]", set_uid },
    { "gid=", "N", "group of everything [as in SRC]", set_gid },
    { "umask=", "OCTAL", "permission bits that nothing has [0]", set_umask },
    { "log=", "LEVEL", "error, warning, info or debug; to stderr with -f, else to\n"
      "syslog [warning]", set_log },
    { "noexec", NULL, "nothing here may be executed [off]", set_noexec },
    /* What fstab, mount(8) and fusermount3 may add. The mount is read-only, nosuid and nodev
     * whatever they say, and permissions are always checked by the kernel. */
#define NO_EFFECT(name) { name, NULL, NULL, NULL }
    NO_EFFECT("ro"), NO_EFFECT("rw"), NO_EFFECT("defaults"), NO_EFFECT("default_permissions"),
    NO_EFFECT("dev"), NO_EFFECT("nodev"), NO_EFFECT("suid"), NO_EFFECT("nosuid"),
    NO_EFFECT("exec"), NO_EFFECT("auto"), NO_EFFECT("noauto"), NO_EFFECT("user"),
    NO_EFFECT("user="), NO_EFFECT("nouser"), NO_EFFECT("users"), NO_EFFECT("owner"),
    NO_EFFECT("group"), NO_EFFECT("nofail"), NO_EFFECT("_netdev"), NO_EFFECT("atime"),
    NO_EFFECT("noatime"), NO_EFFECT("diratime"), NO_EFFECT("nodiratime"), NO_EFFECT("relatime"),
    NO_EFFECT("norelatime"), NO_EFFECT("strictatime"), NO_EFFECT("nostrictatime"),
    NO_EFFECT("lazytime"), NO_EFFECT("nolazytime"), NO_EFFECT("sync"), NO_EFFECT("async"),
    NO_EFFECT("dirsync"), NO_EFFECT("mand"), NO_EFFECT("nomand"), NO_EFFECT("iversion"),
    NO_EFFECT("noiversion"), NO_EFFECT("silent"), NO_EFFECT("loud"), NO_EFFECT("nonempty"),
    NO_EFFECT("comment="), NO_EFFECT("helper="), NO_EFFECT("uhelper="),
    { 0 },
};
/* clang-format on */
