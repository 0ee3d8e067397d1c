/* SPDX-License-Identifier: Apache-2.0
 * tests/unit_onnx_large.c - ONNX files over 2 GB, which no protobuf library reads whole, and data
 * beyond 4 GiB of the file beside a model: sparse, and read. Offsets and lengths that do not fit.
 */
#include "tests/unit.h"
#include "fs/engine.h"
#include "fs/render.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { COLS = 1024 };
#define GIB ((uint64_t)1 << 30)

static char dir[] = "/tmp/weightfs-large.XXXXXX";

/* --- protobuf on the wire --- */

struct wire {
    uint8_t bytes[512];
    size_t n;
};

static void put_varint(struct wire *w, uint64_t v) {
    for (; v > 127; v >>= 7)
        w->bytes[w->n++] = (uint8_t)(v | 128);
    w->bytes[w->n++] = (uint8_t)v;
}

static void put_number(struct wire *w, unsigned field, uint64_t v) {
    put_varint(w, field << 3);
    put_varint(w, v);
}

/* A field of @len bytes, of which the first @n are @payload; the caller writes the others. */
static void put_bytes(struct wire *w, unsigned field, const void *payload, size_t n, uint64_t len) {
    put_varint(w, field << 3 | 2);
    put_varint(w, len);
    memcpy(w->bytes + w->n, payload, n);
    w->n += n;
}

static void put_text(struct wire *w, unsigned field, const char *text) {
    put_bytes(w, field, text, strlen(text), strlen(text));
}

static void put_pair(struct wire *tensor, const char *key, uint64_t value) {
    struct wire pair = { .n = 0 };
    char text[32];
    snprintf(text, sizeof text, "%llu", (unsigned long long)value);
    put_text(&pair, 1, key);
    put_text(&pair, 2, text);
    put_bytes(tensor, 13, pair.bytes, pair.n, pair.n);
}

/* An f32 tensor [rows][COLS]. */
static void put_tensor(struct wire *w, uint64_t rows) {
    put_number(w, 1, rows);
    put_number(w, 1, COLS);
    put_number(w, 2, 1);
    put_text(w, 8, "w");
}

/* A model with that one tensor, of which @rest more bytes follow. */
static void put_model(struct wire *w, const struct wire *tensor, uint64_t rest) {
    struct wire graph = { .n = 0 }, opset = { .n = 0 };
    put_number(&opset, 2, 17);
    put_bytes(&graph, 5, tensor->bytes, tensor->n, tensor->n + rest);
    put_number(w, 1, 8);
    put_bytes(w, 8, opset.bytes, opset.n, opset.n);
    put_bytes(w, 7, graph.bytes, graph.n, graph.n + rest);
}

/* --- files --- */

static int create(const char *name) {
    char path[128];
    snprintf(path, sizeof path, "%s/%s", dir, name);
    const int fd = open(path, O_CREAT | O_TRUNC | O_WRONLY, 0600);
    assert_true(fd >= 0);
    return fd;
}

static void put_float(int fd, uint64_t off, float v) {
    assert_int_equal(pwrite(fd, &v, sizeof v, (off_t)off), sizeof v);
}

static struct err why;

/* The view's error, told by @why, or 0 after its first and last number were looked at. */
static int look(const char *name, float first, float last, uint64_t bytes) {
    const struct engine_options options = { .cache_dir = "" };
    struct engine *e;
    struct view *v;
    struct spec spec;
    float got[2];
    assert_ok(spec_parse(&spec, FORMAT_SAFETENSORS, STR("f32"), err));
    assert_ok(engine_open(&e, dir, &options, err));
    why = (struct err){ 0 };
    const int rc = view_open(&v, e, name, &spec, &why);
    if (rc == 0) {
        assert_ok(render_read(v, (uint8_t *)&got[0], sizeof *got, v->info.size - bytes, err));
        assert_ok(render_read(v, (uint8_t *)&got[1], sizeof *got, v->info.size - sizeof *got, err));
        assert_true(got[0] == first && got[1] == last);
        view_unref(v);
    }
    engine_close(e);
    return rc;
}

/* --- tests --- */

static void a_file_over_2_gb(void **state) {
    (void)state;
    const uint64_t bytes = 3 * GIB;
    struct wire tensor = { .n = 0 }, model = { .n = 0 };
    put_tensor(&tensor, bytes / COLS / sizeof(float));
    put_varint(&tensor, 9 << 3 | 2);
    put_varint(&tensor, bytes);
    put_model(&model, &tensor, bytes);
    const int fd = create("inside.onnx");
    assert_int_equal(write(fd, model.bytes, model.n), model.n);
    put_float(fd, model.n, 7.5f);
    put_float(fd, model.n + bytes - sizeof(float), 9.25f);
    close(fd);
    assert_int_equal(look("inside.onnx", 7.5f, 9.25f, bytes), 0);
}

static int look_beside(uint64_t off, uint64_t len) {
    struct wire tensor = { .n = 0 }, location = { .n = 0 }, model = { .n = 0 };
    put_tensor(&tensor, COLS);
    put_text(&location, 1, "location");
    put_text(&location, 2, "far.data");
    put_bytes(&tensor, 13, location.bytes, location.n, location.n);
    put_pair(&tensor, "offset", off);
    put_pair(&tensor, "length", len);
    put_number(&tensor, 14, 1);
    put_model(&model, &tensor, 0);
    const int fd = create("far.onnx");
    assert_int_equal(write(fd, model.bytes, model.n), model.n);
    close(fd);
    return look("far.onnx", 2.5f, -3.5f, COLS * COLS * sizeof(float));
}

static void data_beyond_4_gib(void **state) {
    (void)state;
    const uint64_t bytes = COLS * COLS * sizeof(float), off = 5 * GIB;
    const int fd = create("far.data");
    put_float(fd, off, 2.5f);
    put_float(fd, off + bytes - sizeof(float), -3.5f);
    close(fd);
    assert_int_equal(look_beside(off, bytes), 0);
    const struct {
        uint64_t off, len;
        const char *why;
    } bad[] = {
        { off + 4, bytes, "beyond the end" },    { 0 - bytes, bytes, "beyond the end" },
        { 1ull << 63, bytes, "beyond the end" }, { off, bytes - 4, "another length" },
        { off, UINT64_MAX, "another length" },
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_int_equal(look_beside(bad[i].off, bad[i].len), -EBADMSG);
        assert_non_null(strstr(why.msg, bad[i].why));
    }
}

int main(void) {
    static const char *const files[] = { "inside.onnx", "far.onnx", "far.data" };
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_file_over_2_gb),
        cmocka_unit_test(data_beyond_4_gib),
    };
    if (!mkdtemp(dir))
        return 1;
    const int failed = cmocka_run_group_tests(tests, NULL, NULL);
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        char path[128];
        snprintf(path, sizeof path, "%s/%s", dir, files[i]);
        unlink(path);
    }
    rmdir(dir);
    return failed;
}
