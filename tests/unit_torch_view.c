/* SPDX-License-Identifier: Apache-2.0
 * tests/unit_torch_view.c - pt views against what torch.save wrote (data/torch/make.py), byte for
 * byte but for the id of the file. argv[1]: the folder data/torch. */
#include "tests/unit.h"
#include "formats/buffer.h"
#include "formats/container.h"
#include "formats/inflate.h"
#include "formats/zip.h"
#include "fs/engine.h"
#include "fs/render.h"
#include <endian.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { ID_BYTES = 40 };

static const char *dir;

/* The whole view, malloced. */
static uint8_t *read_view(const char *src, const char *file, const char *text, uint64_t *size) {
    const struct engine_options options = { .cache_dir = "" };
    struct engine *e;
    struct view *v;
    struct spec spec;
    assert_ok(spec_parse(&spec, FORMAT_TORCH, str_from(text), err));
    assert_ok(engine_open(&e, src, &options, err));
    assert_ok(view_open(&v, e, file, &spec, err));
    *size = v->info.size;
    uint8_t *data = malloc(*size);
    assert_non_null(data);
    assert_ok(render_read(v, data, *size, 0, err));
    view_unref(v);
    engine_close(e);
    return data;
}

/* The digits of the id, which are the data of the last member. */
static void clear_id(uint8_t *data, uint64_t size) {
    const char name[] = ".data/serialization_id";
    uint8_t *at = memmem(data, size, name, sizeof name - 1);
    assert_non_null(at);
    const uint64_t id = ((uint64_t)(at - data) + 63 + sizeof name) / 64 * 64;
    assert_true(id + ID_BYTES < size);
    for (uint64_t i = id; i < id + ID_BYTES; i++) {
        assert_in_range(data[i], '0', '9');
        data[i] = '0';
    }
}

static void check_view(const char *type) {
    char name[64];
    uint64_t size;
    char *want;
    size_t n;
    struct root *root;
    snprintf(name, sizeof name, "view-%s.pt", type);
    assert_ok(root_open(&root, dir, err));
    assert_ok(source_slurp(root, name, 1 << 20, &want, &n, NULL, err));
    root_close(root);
    uint8_t *got = read_view(dir, "types.pt", type, &size);
    assert_int_equal(size, n);
    clear_id(got, size);
    clear_id((uint8_t *)want, n);
    assert_memory_equal(got, want, n);
    free(got);
    free(want);
}

static void test_types(void **state) {
    (void)state;
    check_view("f32");
    check_view("f16");
    check_view("bf16");
}

static void write_file(const char *folder, const char *name, const void *data, size_t n) {
    char path[256];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *f = fopen(path, "w");
    assert_true(f && fwrite(data, 1, n, f) == n && fclose(f) == 0);
}

/* A safetensors file of 1001 tensors: blk.I.w has I % 3 + 1 times the number I. */
static void make_many(const char *folder) {
    struct buffer json = { 0 }, file = { 0 };
    uint64_t off = 0;
    for (uint32_t i = 0; i < 1001; i++) {
        char text[160];
        const uint64_t n = i % 3 + 1;
        snprintf(text, sizeof text,
                 "%c\"blk.%u.w\":{\"dtype\":\"F32\",\"shape\":[%llu],\"data_offsets\":[%llu,%llu]}",
                 i ? ',' : '{', i, (unsigned long long)n, (unsigned long long)off,
                 (unsigned long long)(off + 4 * n));
        buffer_z(&json, text);
        off += 4 * n;
    }
    buffer_z(&json, "}");
    buffer_u64(&file, json.n);
    buffer_add(&file, json.p, json.n);
    for (uint32_t i = 0; i < 1001; i++) {
        const float value = (float)i;
        for (uint32_t k = 0; k < i % 3 + 1; k++)
            buffer_add(&file, &value, sizeof value);
    }
    assert_false(file.failed || json.failed);
    write_file(folder, "many.safetensors", file.p, file.n);
    buffer_fini(&json);
    buffer_fini(&file);
}

static void remove_dir(const char *folder) {
    char command[128];
    snprintf(command, sizeof command, "rm -rf %s", folder);
    assert_int_equal(system(command), 0);
}

/* Long memos, and pairs in two batches. */
static void test_many(void **state) {
    (void)state;
    char tmp[] = "/tmp/weightfs-torch.XXXXXX", want[64], path[256];
    uint64_t size;
    assert_non_null(mkdtemp(tmp));
    make_many(tmp);
    uint8_t *got = read_view(tmp, "many.safetensors", "auto", &size);
    clear_id(got, size);
    char line[64];
    snprintf(line, sizeof line, "%llu %08x\n", (unsigned long long)size, crc32_add(0, got, size));
    snprintf(path, sizeof path, "%s/many.txt", dir);
    FILE *f = fopen(path, "r");
    assert_true(f && fgets(want, sizeof want, f));
    fclose(f);
    assert_string_equal(line, want);
    free(got);
    remove_dir(tmp);
}

/* With +crc each member's checksum is that of its bytes, and the file is read back as the tensors
 * that it was made from. */
static void test_crc(void **state) {
    (void)state;
    char tmp[] = "/tmp/weightfs-torch.XXXXXX";
    struct arena a = { 0 };
    struct root *root;
    struct source *s;
    struct model *m;
    struct zip z;
    uint64_t size;
    assert_non_null(mkdtemp(tmp));
    uint8_t *data = read_view(dir, "types.pt", "bf16+crc", &size);
    write_file(tmp, "a.pt", data, size);
    assert_ok(root_open(&root, tmp, err));
    assert_ok(source_open(&s, root, "a.pt", err));
    assert_ok(zip_read(&z, s, &a, err));
    for (uint32_t i = 0; i < z.n; i++) {
        const struct zip_member *x = &z.members[i];
        uint32_t descriptor;
        assert_int_equal(x->off % 64, 0);
        assert_int_equal(x->crc, crc32_add(0, data + x->off, x->bytes));
        memcpy(&descriptor, data + x->off + x->bytes + 4, sizeof descriptor);
        assert_int_equal(x->bytes ? le32toh(descriptor) : 0, x->crc);
    }
    assert_ok(model_open(&m, root, "a.pt", err));
    assert_int_equal(m->n_tensors, 19);
    model_unref(m);
    source_close(s);
    root_close(root);
    arena_fini(&a);
    free(data);
    remove_dir(tmp);
}

static void check_bytes(const struct model *m, const char *name, const char *crc) {
    const struct tensor *t = model_find(m, str_from(name));
    char got[16];
    if (!t || t->strides)
        fail_msg("%s is not there, or not in order", name);
    uint8_t *data = malloc(t->bytes + 1);
    assert_non_null(data);
    assert_ok(source_pread(m->sources[t->src], data, t->bytes, t->off, err));
    snprintf(got, sizeof got, "%08x", crc32_add(0, data, t->bytes));
    if (strcmp(got, crc))
        fail_msg("%s has other bytes", name);
    free(data);
}

/* Elements that do not lie in order in the source do in the view, whatever their type. */
static void test_strided(void **state) {
    (void)state;
    char tmp[] = "/tmp/weightfs-torch.XXXXXX", path[256], line[256];
    struct root *root;
    struct model *m;
    uint64_t size;
    unsigned n = 0;
    assert_non_null(mkdtemp(tmp));
    uint8_t *data = read_view(dir, "strided.pt", "auto", &size);
    write_file(tmp, "a.pt", data, size);
    assert_ok(root_open(&root, tmp, err));
    assert_ok(model_open(&m, root, "a.pt", err));
    snprintf(path, sizeof path, "%s/expected.txt", dir);
    FILE *f = fopen(path, "r");
    assert_non_null(f);
    while (fgets(line, sizeof line, f)) {
        char name[64], crc[16];
        if (sscanf(line, "strided.pt\t%63s\t%*s\t%*s\t%15s", name, crc) != 2)
            continue;
        check_bytes(m, name, crc);
        n++;
    }
    assert_int_equal(n, m->n_tensors);
    fclose(f);
    model_unref(m);
    root_close(root);
    free(data);
    remove_dir(tmp);
}

/* The specs that pt views have, and the option that is theirs. */
static void test_spec(void **state) {
    (void)state;
    struct spec s;
    char text[SPEC_MAX_TEXT];
    assert_int_equal(spec_parse(&s, FORMAT_TORCH, STR("q8_0"), NULL), -ENOENT);
    assert_int_equal(spec_parse(&s, FORMAT_TORCH, STR("f16+pure"), NULL), -ENOENT);
    assert_int_equal(spec_parse(&s, FORMAT_SAFETENSORS, STR("f16+crc"), NULL), -ENOENT);
    assert_int_equal(spec_parse(&s, FORMAT_GGUF, STR("q8_0+crc"), NULL), -ENOENT);
    assert_ok(spec_parse(&s, FORMAT_TORCH, STR("FP16+CRC"), err));
    spec_text(&s, text, sizeof text);
    assert_string_equal(text, "f16+crc");
}

int main(int argc, char **argv) {
    assert_int_equal(argc, 2);
    dir = argv[1];
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_types),   cmocka_unit_test(test_many), cmocka_unit_test(test_crc),
        cmocka_unit_test(test_strided), cmocka_unit_test(test_spec),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
