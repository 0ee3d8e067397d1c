/* SPDX-License-Identifier: Apache-2.0
 * tests/unit_merge.c - models with adapters: what no adapter changes is shared with the base's own
 * views; the bytes do not depend on how they are read; adapters that do not fit say so.
 * golden_merge.py compares the numbers. */
#include "tests/unit_dir.h"
#include "formats/merge.h"
#include "fs/engine.h"
#include "fs/render.h"
#include "quant/codec.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct engine *engine;

struct shape {
    const char *name;
    unsigned rows, cols;
};

static float number(unsigned i) {
    return (float)((i * 2654435761u) >> 12) / (1 << 20) - 0.5f;
}

/* A safetensors file of f32. */
static void write_weights(const char *file, const struct shape *tensors, unsigned n) {
    char path[128], header[2048] = "{";
    size_t len = 1, at = 0;
    for (unsigned i = 0; i < n; i++) {
        const size_t bytes = sizeof(float) * tensors[i].rows * tensors[i].cols;
        len += (size_t)snprintf(header + len, sizeof header - len,
                                "%s\"%s\":{\"dtype\":\"F32\",\"shape\":[%u,%u],"
                                "\"data_offsets\":[%zu,%zu]}",
                                i ? "," : "", tensors[i].name, tensors[i].rows, tensors[i].cols, at,
                                at + bytes);
        at += bytes;
    }
    header[len++] = '}';
    snprintf(path, sizeof path, "%s/%s", dir, file);
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    const uint64_t n_header = len;
    assert_int_equal(fwrite(&n_header, 1, 8, f), 8);
    assert_int_equal(fwrite(header, 1, len, f), len);
    for (unsigned i = 0; i < at / sizeof(float); i++) {
        const float x = number(i);
        assert_int_equal(fwrite(&x, sizeof x, 1, f), 1);
    }
    assert_int_equal(fclose(f), 0);
}

static void write_adapter(const char *name, const char *config, const struct shape *tensors,
                          unsigned n) {
    char file[96];
    run("mkdir -p %s/%s && printf '%%s' '%s' > %s/%s/adapter_config.json", dir, name, config, dir,
        name);
    snprintf(file, sizeof file, "%s/adapter_model.safetensors", name);
    write_weights(file, tensors, n);
}

static int start(void **state) {
    const struct engine_options options = { .cache_dir = "" };
    if (make_dir(state) < 0)
        return -1;
    static const struct shape base[] = { { "changed.weight", 300, 256 },
                                         { "same.weight", 300, 256 },
                                         { "wide.weight", 3, 8200 },
                                         { "mlp.experts.0.w2.weight", 2, 4 },
                                         { "mlp.experts.1.w2.weight", 2, 4 } };
    write_weights("base.safetensors", base, 5);
    assert_ok(engine_open(&engine, dir, &options, err));
    return 0;
}

static int stop(void **state) {
    engine_close(engine);
    return remove_dir(state);
}

#define LORA "\"peft_type\":\"LORA\",\"lora_alpha\":4,"

static struct view *open_view(const char *source) {
    struct spec spec;
    struct view *v = NULL;
    assert_ok(spec_parse(&spec, FORMAT_SAFETENSORS, STR("f16"), err));
    assert_ok(view_open(&v, engine, source, &spec, err));
    return v;
}

static const struct conversion *conversion_of(const struct view *v, const char *name) {
    for (uint32_t i = 0; i < v->layout.n; i++)
        if (v->layout.extents[i].kind == EXTENT_CONVERT &&
            str_is(v->layout.extents[i].convert->name, name))
            return v->layout.extents[i].convert;
    fail_msg("%s is not converted", name);
    return NULL;
}

static bool same_key(const struct view *a, const struct view *b, const char *name) {
    const struct conversion *x = conversion_of(a, name), *y = conversion_of(b, name);
    assert_true(x->cached == y->cached);
    return memcmp(&x->key, &y->key, sizeof x->key) == 0;
}

static void chunks_are_shared(void **state) {
    (void)state;
    static const struct shape small[] = { { "changed.lora_A.weight", 2, 256 },
                                          { "changed.lora_B.weight", 300, 2 } };
    write_adapter("one", "{" LORA "\"r\":2}", small, 2);
    write_adapter("two", "{" LORA "\"r\":2,\"use_rslora\":true}", small, 2);
    struct view *base = open_view("base.safetensors"), *one = open_view("base.safetensors//one");
    struct view *two = open_view("base.safetensors//two");
    assert_true(same_key(base, one, "same.weight"));
    assert_true(same_key(one, two, "same.weight"));
    assert_false(same_key(base, one, "changed.weight"));
    assert_false(same_key(one, two, "changed.weight"));
    view_unref(base);
    view_unref(one);
    view_unref(two);
}

/* All of it at once, and the same in pieces of all sizes. */
static void check_pieces(struct view *v, unsigned reads) {
    const size_t size = v->info.size;
    uint8_t *whole = malloc(size), *part = malloc(size);
    assert_ok(render_read(v, whole, size, 0, err));
    for (unsigned i = 0; i < reads; i++) {
        const size_t off = (size_t)(i * 2654435761u) % size;
        const size_t n = 1 + (size_t)(i * 40503u) % (size - off < 9000 ? size - off : 9000);
        assert_ok(render_read(v, part, n, off, err));
        assert_memory_equal(part, whole + off, n);
    }
    free(whole);
    free(part);
}

static void pieces_are_equal(void **state) {
    (void)state;
    static const struct shape small[] = { { "changed.lora_A.weight", 3, 256 },
                                          { "changed.lora_B.weight", 300, 3 } };
    static const struct shape lengths[] = { { "changed.lora_A.weight", 3, 256 },
                                            { "changed.lora_B.weight", 300, 3 },
                                            { "changed.lora_magnitude_vector", 300, 1 } };
    /* more of A than is held at once */
    static const struct shape wide[] = { { "wide.lora_A.weight", 600, 8200 },
                                         { "wide.lora_B.weight", 3, 600 } };
    write_adapter("small", "{" LORA "\"r\":3}", small, 2);
    write_adapter("wide", "{" LORA "\"r\":600}", wide, 2);
    write_adapter("dora", "{" LORA "\"r\":3,\"use_dora\":true}", lengths, 3);
    struct view *v = open_view("base.safetensors//small");
    check_pieces(v, 300);
    view_unref(v);
    v = open_view("base.safetensors//dora//small");
    check_pieces(v, 300);
    view_unref(v);
    v = open_view("base.safetensors//wide");
    check_pieces(v, 6);
    const struct merged *m = conversion_of(v, "wide.weight")->expr->tensor->merged;
    float got[2], a, want;
    uint8_t half[4];
    const struct conversion *c = conversion_of(v, "wide.weight");
    assert_int_equal(m->n, 1);
    /* the element behind the first window, by the formula */
    const unsigned row = 2, col = 7000;
    double sum = 0;
    for (unsigned k = 0; k < 600; k++) {
        a = number(k * 8200 + col);
        sum += (double)number(600 * 8200 + row * 600 + k) * a;
    }
    want = (float)((double)number(2 * 300 * 256 + row * 8200 + col) + 4.0 / 600 * sum);
    for (uint32_t i = 0; i < v->layout.n; i++)
        if (v->layout.extents[i].kind == EXTENT_CONVERT && v->layout.extents[i].convert == c)
            assert_ok(render_read(v, half, sizeof half,
                                  v->layout.extents[i].off + 2 * (row * 8200 + col), err));
    assert_int_equal(codec_decode(&engine->kernels, DTYPE_F16, got, half, 2), 0);
    assert_true(got[0] > want - 0.001f && got[0] < want + 0.001f);
    view_unref(v);
}

static void refused(const char *source, int code, const char *message) {
    struct spec spec;
    struct view *v = NULL;
    struct err why = { 0 };
    assert_ok(spec_parse(&spec, FORMAT_SAFETENSORS, STR("f16"), err));
    const int rc = view_open(&v, engine, source, &spec, &why);
    if (rc != code || !strstr(why.msg, message))
        fail_msg("%s: %d, %s; wanted %d, %s", source, rc, why.msg, code, message);
}

static void others_say_why(void **state) {
    (void)state;
    static const struct shape narrow[] = { { "changed.lora_A.weight", 2, 255 },
                                           { "changed.lora_B.weight", 300, 2 } };
    static const struct shape missing[] = { { "nowhere.lora_A.weight", 2, 256 },
                                            { "nowhere.lora_B.weight", 300, 2 } };
    static const struct shape whole[] = { { "changed.lora_A.weight", 2, 256 },
                                          { "changed.lora_B.weight", 300, 2 },
                                          { "same.weight", 5, 5 } };
    static const struct shape four[] = { { "mlp.experts.lora_A.weight", 4, 4 },
                                         { "mlp.experts.lora_B.weight", 2, 4 } };
#define DOWN "\"target_parameters\":[\"experts.down_proj\"],"
    write_adapter("four", "{" LORA DOWN "\"r\":1}", four, 2);
    write_adapter("two-of-two", "{" LORA DOWN "\"r\":2}", four, 2);
    view_unref(open_view("base.safetensors//two-of-two"));
    refused("base.safetensors//four", -EBADMSG, "the base has not 4 experts");
    write_adapter("narrow", "{" LORA "\"r\":2}", narrow, 2);
    write_adapter("missing", "{" LORA "\"r\":2}", missing, 2);
    write_adapter("whole", "{" LORA "\"r\":2}", whole, 3);
    refused("base.safetensors//narrow", -EBADMSG,
            "narrow changes changed.weight as 300 x 255, it is 300 x 256");
    refused("base.safetensors//missing", -EBADMSG, "missing changes nowhere.weight, which base");
    refused("base.safetensors//whole", -EBADMSG, "whole has a same.weight of another shape");
    refused("base.safetensors//base.safetensors", -ENOTSUP, "base is no adapter");
    refused("narrow//whole", -ENOTSUP, "narrow is no model");
    refused("base.safetensors//gone", -ENOENT, "gone");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(chunks_are_shared),
        cmocka_unit_test(pieces_are_equal),
        cmocka_unit_test(others_say_why),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
