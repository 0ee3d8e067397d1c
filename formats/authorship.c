/* SPDX-License-Identifier: Apache-2.0
 * formats/authorship.c - see authorship.h. */
#include "formats/authorship.h"
#include "formats/cleanup.h"
#include "formats/source.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

static int parse(struct authorship *a, struct str text, struct err *err) {
    const int rc = json_parse(&a->doc, text, err);
    if (rc == 0 && json_type(a->doc) != JSON_OBJECT)
        return err_set(err, -EBADMSG, "it is no object of keys and values");
    return rc;
}

int authorship_open(struct authorship **out, struct root *root, const char *path, struct err *err) {
    const char *slash = strrchr(path, '/');
    auto_free char *text = NULL;
    size_t n = 0;
    int rc = source_slurp(root, path, AUTHORSHIP_MAX_FILE, &text, &n, NULL, err);
    if (rc < 0)
        return rc;
    struct authorship *a = calloc(1, sizeof *a);
    if (!a)
        return err_set(err, -ENOMEM, "%s: no memory", path);
    snprintf(a->file, sizeof a->file, "%s", slash ? slash + 1 : path);
    rc = parse(a, (struct str){ text, n }, err);
    if (rc < 0) {
        err_prefix(err, a->file);
        authorship_close(a);
        return rc;
    }
    *out = a;
    return 0;
}

void authorship_close(struct authorship *a) {
    if (a)
        json_free(a->doc);
    free(a);
}

bool authorship_get(const struct authorship *a, const char *key, const struct json **value) {
    if (!a)
        return false;
    for (struct json_iter it = json_iter(a->doc); json_next(&it);)
        if (str_is(it.key, key)) {
            *value = it.value;
            return true;
        }
    return false;
}

int authorship_bad(const struct authorship *a, const char *key, const char *wanted,
                   struct err *err) {
    return err_set(err, -EBADMSG, "%s: \"%s\" is not %s", a->file, key, wanted);
}
