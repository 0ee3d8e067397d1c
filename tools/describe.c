/* SPDX-License-Identifier: Apache-2.0
 * tools/describe.c - what `weightfs info` prints. */
#include "tools/describe.h"
#include "formats/container.h"
#include "formats/folder.h"
#include "formats/json.h"
#include "formats/merge.h"
#include "formats/packed.h"
#include "tools/metadata.h"
#include "tools/text.h"
#include "tools/view_model.h"

struct sums {
    uint64_t params, bytes;        /* elements of all tensors; bytes they take in the file */
    uint64_t by_type[DTYPE_COUNT]; /* tensors */
};

static struct sums sums_of(const struct model *m) {
    struct sums s = { 0 };
    for (uint32_t i = 0; i < m->n_tensors; i++) {
        const struct tensor *t = &m->tensors[i];
        s.params += t->elems;
        s.bytes += tensor_stored(t);
        s.by_type[t->dtype]++;
    }
    return s;
}

static double bits(const struct sums *s) {
    return s->params ? 8.0 * (double)s->bytes / (double)s->params : 0;
}

struct str describe_architecture(const struct model *m) {
    struct str s = { "", 0 };
    if (kv_get_str(&m->kvs, "general.architecture", &s) || !m->folder)
        return s;
    const struct json *config = m->folder->config;
    if (!json_str(json_at(json_get(config, "architectures"), 0), &s))
        json_str(json_get(config, "model_type"), &s);
    return s;
}

static void print_types(const struct sums *s) {
    const char *comma = "";
    for (int t = 0; t < DTYPE_COUNT; t++) {
        if (s->by_type[t])
            printf("%s%s %llu", comma, dtype_info[t].name, (unsigned long long)s->by_type[t]);
        if (s->by_type[t])
            comma = ", ";
    }
    putchar('\n');
}

static void print_text(const struct describe *how, const char *path, const struct model *m,
                       const struct view *v) {
    const struct sums s = sums_of(m);
    char buf[TEXT_SIZE], source[PATH_MAX];
    printf("%s\n", path);
    printf("  format        %s\n", m->container->name);
    const struct str arch = describe_architecture(m);
    if (arch.n) {
        fputs("  architecture  ", stdout);
        text_plain(stdout, arch);
        putchar('\n');
    }
    printf("  parameters    %s\n", text_count(s.params, buf));
    printf("  tensors       %u, %s: ", m->n_tensors, text_bytes(s.bytes, buf));
    print_types(&s);
    printf("  bits/weight   %.2f\n", bits(&s));
    if (v) {
        printf("  size          %s", text_bytes(v->info.size, buf));
        merge_text(v->source, source);
        printf("; made from %s; %s of it kept in the cache\n", *v->source ? source : "this folder",
               text_bytes(v->layout.convert, buf));
    }
    metadata_text(m);
    for (uint32_t i = 0; how->tensors && i < m->n_tensors; i++) {
        const struct tensor *t = &m->tensors[i];
        char type[STORED_TYPE_SIZE];
        printf("%s  %-8s ", i ? "" : "tensors\n", tensor_stored_type(t, type));
        for (uint32_t d = 0; d < t->n_dims; d++)
            printf("%s%llu", d ? "x" : "", (unsigned long long)t->dims[d]);
        printf("%s  ", t->n_dims ? "" : "scalar");
        text_plain(stdout, t->name);
        putchar('\n');
    }
}

static void json_tensors(const struct model *m) {
    printf(",\n \"tensor_list\": [");
    for (uint32_t i = 0; i < m->n_tensors; i++) {
        const struct tensor *t = &m->tensors[i];
        printf("%s\n  {\"name\": ", i ? "," : "");
        text_json(stdout, t->name);
        char type[STORED_TYPE_SIZE];
        printf(", \"type\": \"%s\", \"shape\": [", tensor_stored_type(t, type));
        for (uint32_t d = 0; d < t->n_dims; d++)
            printf("%s%llu", d ? ", " : "", (unsigned long long)t->dims[d]);
        printf("], \"bytes\": %llu, \"file\": %u, \"offset\": %llu}", (unsigned long long)t->bytes,
               t->src, (unsigned long long)t->off);
    }
    printf("]");
}

static void print_json(const struct describe *how, const char *path, const struct model *m,
                       const struct view *v) {
    const struct sums s = sums_of(m);
    const char *comma = "";
    printf("{\"path\": ");
    text_json(stdout, str_from(path));
    printf(",\n \"format\": \"%s\", \"architecture\": ", m->container->name);
    text_json(stdout, describe_architecture(m));
    printf(",\n \"parameters\": %llu, \"tensors\": %u, \"tensor_bytes\": %llu,"
           " \"bits_per_weight\": %.4f",
           (unsigned long long)s.params, m->n_tensors, (unsigned long long)s.bytes, bits(&s));
    printf(",\n \"types\": {");
    for (int t = 0; t < DTYPE_COUNT; t++) {
        if (!s.by_type[t])
            continue;
        printf("%s\"%s\": %llu", comma, dtype_info[t].name, (unsigned long long)s.by_type[t]);
        comma = ", ";
    }
    printf("}");
    if (v) {
        char spec[SPEC_MAX_TEXT], source[PATH_MAX];
        spec_text(&v->spec, spec, sizeof spec);
        printf(",\n \"spec\": \"%s@%s\", \"size\": %llu, \"cacheable_bytes\": %llu, \"source\": ",
               format_name(v->spec.format), spec, (unsigned long long)v->info.size,
               (unsigned long long)v->layout.convert);
        merge_text(v->source, source);
        text_json(stdout, str_from(source));
    }
    metadata_json(m);
    if (how->tensors)
        json_tensors(m);
    printf("}\n");
}

void describe_model(const struct describe *how, const char *path, const struct model *m,
                    const struct view *v) {
    (how->json ? print_json : print_text)(how, path, m, v);
}

int describe_view(const struct describe *how, const char *path, struct view *v, struct err *err) {
    struct view_model r;
    const int rc = view_model_open(&r, v, err);
    if (rc < 0)
        return rc;
    describe_model(how, path, r.model, v);
    view_model_close(&r);
    return 0;
}
