/* SPDX-License-Identifier: Apache-2.0
 * tests/unit_onnx.c - ONNX files that the onnx package made (data/onnx/make.py): their weights as a
 * safetensors view are what the safetensors package wrote of the module's. Hostile ones
 * (data/bad_onnx.py) are refused with a certain errno and a reason, soon. argv[1]: the folder data.
 */
#include "tests/unit_hostile.h"
#include "formats/onnx/onnx.pb-c.h"
#include "fs/engine.h"
#include "fs/render.h"
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static const char *data;
static struct root *root;

/* --- what is read --- */

/* The whole view of data/onnx/NAME.onnx, malloced. */
static uint8_t *read_view(const char *name, enum format format, const char *type, uint64_t *size) {
    const struct engine_options options = { .cache_dir = "" };
    char path[64];
    struct engine *e;
    struct view *v;
    struct spec spec;
    assert_ok(spec_parse(&spec, format, str_from(type), err));
    assert_ok(engine_open(&e, data, &options, err));
    snprintf(path, sizeof path, "onnx/%s.onnx", name);
    assert_ok(view_open(&v, e, path, &spec, err));
    uint8_t *bytes = malloc(v->info.size);
    assert_non_null(bytes);
    assert_ok(render_read(v, bytes, v->info.size, 0, err));
    *size = v->info.size;
    view_unref(v);
    engine_close(e);
    return bytes;
}

static void check_weights(const char *name) {
    char path[64], *want;
    uint64_t size;
    size_t n;
    snprintf(path, sizeof path, "onnx/%s.safetensors", name);
    assert_ok(source_slurp(root, path, 1 << 20, &want, &n, NULL, err));
    uint8_t *got = read_view(name, FORMAT_SAFETENSORS, "auto", &size);
    assert_int_equal(size, n);
    assert_memory_equal(got, want, n);
    free(got);
    free(want);
}

static void test_weights(void **state) {
    (void)state;
    check_weights("cnn");
    check_weights("text");
    check_weights("typed");
    check_weights("external");
    check_weights("qdq");
}

static const Onnx__TensorProto *find_tensor(const Onnx__GraphProto *g, const char *name) {
    for (size_t i = 0; i < g->n_initializer; i++)
        if (!strcmp(g->initializer[i]->name, name))
            return g->initializer[i];
    return NULL;
}

/* As many nodes as ONNX Runtime's tool made (data/onnx/make_ort.py), and the same numbers. Nodes by
 * name and place are compared in clients/client_onnx.py. */
static void check_tool(const char *name, const char *type) {
    char path[64], *want;
    uint64_t size;
    size_t n, compared = 0, constants = 0;
    snprintf(path, sizeof path, "onnx/ort/%s@%s.onnx", name, type);
    assert_ok(source_slurp(root, path, 1 << 20, &want, &n, NULL, err));
    uint8_t *bytes = read_view(name, FORMAT_ONNX, type, &size);
    Onnx__ModelProto *tool = onnx__model_proto__unpack(NULL, n, (const uint8_t *)want);
    Onnx__ModelProto *ours = onnx__model_proto__unpack(NULL, size, bytes);
    assert_true(tool && ours);
    for (size_t i = 0; i < tool->graph->n_node; i++) /* large ones are initializers here */
        constants += !strcmp(tool->graph->node[i]->op_type, "Constant");
    assert_int_equal(ours->graph->n_node, tool->graph->n_node - constants);
    assert_int_equal(ours->graph->n_initializer, tool->graph->n_initializer + constants);
    for (size_t i = 0; i < tool->graph->n_initializer; i++) {
        const Onnx__TensorProto *t = tool->graph->initializer[i];
        const Onnx__TensorProto *o = find_tensor(ours->graph, t->name);
        if (!o || o->data_type != t->data_type || o->n_dims != t->n_dims || !o->has_raw_data)
            fail_msg("%s@%s: %s is another tensor", name, type, t->name);
        if (!t->has_raw_data)
            continue;
        assert_int_equal(o->raw_data.len, t->raw_data.len);
        if (memcmp(o->raw_data.data, t->raw_data.data, t->raw_data.len))
            fail_msg("%s@%s: %s has other numbers", name, type, t->name);
        compared++;
    }
    assert_true(2 * compared > tool->graph->n_initializer);
    onnx__model_proto__free_unpacked(tool, NULL);
    onnx__model_proto__free_unpacked(ours, NULL);
    free(bytes);
    free(want);
}

static void test_tools(void **state) {
    (void)state;
    static const char *const types[] = { "fp16", "int4", "q4f16", "int8", "int8+per_channel" };
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        check_tool("cnn", types[i]);
        check_tool("text", types[i]);
    }
    check_tool("edges", "fp16");
}

static void check_pair(const struct model *m, const char *key, const char *want) {
    char text[256];
    kv_text(kv_find(&m->kvs, str_from(key)), 8, text, sizeof text);
    assert_string_equal(text, want);
}

static void test_described(void **state) {
    (void)state;
    struct model *m;
    assert_ok(model_open(&m, root, "onnx/cnn.onnx", err));
    check_pair(m, "opset", "17");
    check_pair(m, "producer", "make.py 1");
    check_pair(m, "inputs", "[pixels: float32[batch, 3, 16, 16]]");
    check_pair(m, "outputs",
               "[scores: float32[batch, 10], top: float32[batch, 3], which: int64[batch, 3]]");
    model_unref(m);
}

/* --- what is refused --- */

/* Files that are refused otherwise than with -EBADMSG. */
static const struct hostile others[] = {
    { "big-attribute.onnx", -ENOTSUP },        { "dims-nine-big.onnx", -ENOTSUP },
    { "type-unknown-big.onnx", -ENOTSUP },     { "location-dotdot.onnx", -EACCES },
    { "location-inner-dotdot.onnx", -EACCES }, { "location-ends-dotdot.onnx", -EACCES },
    { "location-absolute.onnx", -EACCES },     { "location-empty.onnx", -EACCES },
    { "location-absent.onnx", -ENOENT },       { "location-folder.onnx", -EINVAL },
    { "location-symlink.onnx", -EACCES },      { "location-parent-symlink.onnx", -EACCES },
    { "location-fifo.onnx", -EINVAL },
};

/* A copy of the folder, with what cannot be checked in. */
static void make_bad(char dir[]) {
    char command[512];
    assert_non_null(mkdtemp(dir));
    snprintf(
        command, sizeof command,
        "cp '%s'/bad_onnx/* %s && cd %s && mkfifo fifo && ln -s /etc/passwd link && ln -s /etc up",
        data, dir, dir);
    assert_int_equal(system(command), 0);
}

static void test_bad(void **state) {
    (void)state;
    char dir[] = "/tmp/weightfs-onnx.XXXXXX", command[64];
    struct root *there;
    make_bad(dir);
    assert_ok(root_open(&there, dir, err));
    const unsigned n = hostile_check(there, "", ".onnx", others, sizeof others / sizeof *others);
    root_close(there);
    snprintf(command, sizeof command, "rm -r %s", dir);
    assert_int_equal(system(command), 0);
    assert_true(n > 60);
}

/* Every file that is cut short is refused, wherever the cut. */
static void check_truncated(const char *name) {
    char dir[] = "/tmp/weightfs-onnx.XXXXXX", path[64], *text;
    struct root *there;
    size_t n;
    assert_non_null(mkdtemp(dir));
    assert_ok(root_open(&there, dir, err));
    assert_ok(source_slurp(root, name, 1 << 20, &text, &n, NULL, err));
    snprintf(path, sizeof path, "%s/a.onnx", dir);
    FILE *f = fopen(path, "w");
    assert_true(f && fwrite(text, 1, n, f) == n && fclose(f) == 0);
    while (n-- > 0) {
        struct err err = { 0 };
        struct model *m;
        assert_int_equal(truncate(path, (off_t)n), 0);
        const int ret = model_open(&m, there, "a.onnx", &err);
        if (ret != -EBADMSG || !err.msg[0])
            fail_msg("%s cut to %zu bytes: %d %s", name, n, ret, err.msg);
    }
    free(text);
    root_close(there);
    unlink(path);
    rmdir(dir);
}

static void test_truncated(void **state) {
    (void)state;
    check_truncated("bad_onnx/good-big.onnx");
    check_truncated("onnx/cnn.onnx");
}

int main(int argc, char **argv) {
    assert_int_equal(argc, 2);
    data = argv[1];
    assert_int_equal(root_open(&root, data, NULL), 0);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_weights),   cmocka_unit_test(test_tools),
        cmocka_unit_test(test_described), cmocka_unit_test(test_bad),
        cmocka_unit_test(test_truncated),
    };
    const int failed = cmocka_run_group_tests(tests, NULL, NULL);
    root_close(root);
    return failed;
}
