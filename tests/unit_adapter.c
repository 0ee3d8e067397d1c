/* SPDX-License-Identifier: Apache-2.0
 * tests/unit_adapter.c - LoRA adapters that lie about their ranks, shapes and base: each is a clear
 * error that names the tensor or the key. Good ones are compared in golden_beside.py. */
#include "tests/unit.h"
#include "formats/adapter.h"
#include "formats/container.h"
#include "formats/form.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static char dir[64];

static void run(const char *fmt, ...) {
    char command[1024];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(command, sizeof command, fmt, ap);
    va_end(ap);
    assert_int_equal(system(command), 0);
}

static int make_dir(void **state) {
    (void)state;
    snprintf(dir, sizeof dir, "/tmp/weightfs-adapter.XXXXXX");
    return mkdtemp(dir) ? 0 : -1;
}

static int remove_dir(void **state) {
    (void)state;
    run("rm -rf %s", dir);
    return 0;
}

static void write_file(const char *name, const void *bytes, size_t n) {
    char path[256];
    snprintf(path, sizeof path, "%s/%s", dir, name);
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    assert_int_equal(fwrite(bytes, 1, n, f), n);
    assert_int_equal(fclose(f), 0);
}

struct shape {
    const char *name;
    unsigned dims[3];
};

/* Tensors of f32 zeros. */
static void write_weights(const struct shape *tensors, unsigned n) {
    static char out[1 << 16];
    unsigned at = 0;
    size_t len = 8;
    memset(out, 0, sizeof out);
    for (unsigned i = 0; i < n; i++) {
        const unsigned *d = tensors[i].dims;
        char shape[48];
        unsigned bytes = 4 * d[0] * d[1];
        if (d[2]) {
            bytes *= d[2];
            snprintf(shape, sizeof shape, "%u,%u,%u", d[0], d[1], d[2]);
        } else {
            snprintf(shape, sizeof shape, "%u,%u", d[0], d[1]);
        }
        len += (size_t)snprintf(out + len, sizeof out - len,
                                "%s\"%s\":{\"dtype\":\"F32\",\"shape\":[%s],"
                                "\"data_offsets\":[%u,%u]}",
                                i ? "," : "{", tensors[i].name, shape, at, at + bytes);
        at += bytes;
    }
    out[len++] = '}';
    const uint64_t header = len - 8;
    memcpy(out, &header, sizeof header);
    assert_true(len + at <= sizeof out);
    write_file("a/adapter_model.safetensors", out, len + at);
}

/* What it is as a GGUF; *why says why not. */
static int convert(struct err *why) {
    struct arena a = { 0 };
    struct form f = { .arena = &a };
    struct root *root;
    struct model *m = NULL;
    assert_ok(root_open(&root, dir, err));
    int rc = model_open(&m, root, "a", why);
    if (rc == 0)
        rc = form_gguf_from_adapter(&f, m, OUTTYPE_F16, why);
    model_unref(m);
    root_close(root);
    arena_fini(&a);
    return rc;
}

#define BASE "\"base_model_name_or_path\":\"org/base\","
#define LORA "\"peft_type\":\"LORA\","
#define Q    "base_model.model.model.layers.0.self_attn.q_proj"
#define GOOD "{" BASE LORA "\"r\":2,\"lora_alpha\":4}"

static const struct hostile {
    const char *config;
    struct shape tensors[3];
    int code;
    const char *message; /* a part of it; NULL: converted */
} cases[] = {
    { GOOD, { { Q ".lora_A.weight", { 2, 8 } }, { Q ".lora_B.weight", { 8, 2 } } }, 0, NULL },
    { "[]", { { Q ".lora_A.weight", { 2, 8 } } }, -EBADMSG, "adapter_config.json" },
    { "{", { { Q ".lora_A.weight", { 2, 8 } } }, -EBADMSG, "adapter_config.json" },
    { GOOD, { { Q ".lora_A.weight", { 2, 8 } } }, -EBADMSG, "there is no " Q ".lora_B.weight" },
    { GOOD, { { Q ".lora_B.weight", { 8, 2 } } }, -EBADMSG, "there is no " Q ".lora_A.weight" },
    { GOOD,
      { { Q ".lora_A.weight", { 2, 8 } }, { Q ".lora_B.weight", { 8, 3 } } },
      -EBADMSG,
      "rank 2, its partner has 3" },
    { GOOD,
      { { Q ".lora_A.weight", { 3, 8 } }, { Q ".lora_B.weight", { 8, 3 } } },
      -EBADMSG,
      "have rank 3, adapter_config.json says 2" },
    { GOOD,
      { { Q ".lora_A.weight", { 0, 8 } }, { Q ".lora_B.weight", { 8, 0 } } },
      -EBADMSG,
      "not a matrix" },
    { GOOD,
      { { Q ".lora_A.weight", { 2, 2, 4 } }, { Q ".lora_B.weight", { 2, 8, 2 } } },
      -ENOTSUP,
      "convolutions" },
    { "{" BASE LORA "\"r\":2}",
      { { Q ".lora_A.weight", { 2, 8 } }, { Q ".lora_B.weight", { 8, 2 } } },
      -EBADMSG,
      "\"lora_alpha\"" },
    { "{" BASE LORA "\"lora_alpha\":2}",
      { { Q ".lora_A.weight", { 2, 8 } }, { Q ".lora_B.weight", { 8, 2 } } },
      -EBADMSG,
      "\"r\"" },
    { "{" BASE LORA "\"r\":8,\"lora_alpha\":4,\"rank_pattern\":{\"q_proj\":2}}",
      { { Q ".lora_A.weight", { 2, 8 } }, { Q ".lora_B.weight", { 8, 2 } } },
      0,
      NULL },
    { "{" BASE LORA "\"r\":2,\"lora_alpha\":4,\"rank_pattern\":{\"(\":2}}",
      { { Q ".lora_A.weight", { 2, 8 } }, { Q ".lora_B.weight", { 8, 2 } } },
      -ENOTSUP,
      "a pattern" },
    { "{" BASE "\"peft_type\":\"LOHA\",\"r\":2,\"lora_alpha\":4}",
      { { Q ".lora_A.weight", { 2, 8 } }, { Q ".lora_B.weight", { 8, 2 } } },
      -ENOTSUP,
      "\"LOHA\"" },
    { "{" BASE LORA "\"r\":2,\"lora_alpha\":4,\"use_dora\":true}",
      { { Q ".lora_A.weight", { 2, 8 } }, { Q ".lora_B.weight", { 8, 2 } } },
      -ENOTSUP,
      "use_dora" },
    { GOOD, { { Q ".lora_magnitude_vector", { 1, 8 } } }, -ENOTSUP, "lora_magnitude_vector" },
    { GOOD,
      { { Q ".lora_A.weight", { 2, 8 } },
        { Q ".lora_B.weight", { 8, 2 } },
        { "base_model.model.lm_head.weight", { 4, 8 } } },
      -ENOTSUP,
      "whole tensors" },
    { GOOD, { { Q ".weight", { 8, 8 } } }, -EBADMSG, "changes nothing" },
    { GOOD,
      { { Q ".lora_A.weight", { 2, 8 } }, { Q ".lora_B.weight", { 7, 2 } } },
      -EBADMSG,
      "attention heads" },
    { GOOD,
      { { "base_model.model.model.layers.7.mlp.up_proj.lora_A.weight", { 2, 8 } },
        { "base_model.model.model.layers.7.mlp.up_proj.lora_B.weight", { 8, 2 } } },
      -EBADMSG,
      "1 layers only" },
    { GOOD,
      { { "base_model.model.model.odd.lora_A.weight", { 2, 8 } },
        { "base_model.model.model.odd.lora_B.weight", { 8, 2 } } },
      -ENOTSUP,
      "model.odd.weight has no place" },
    /* a base that is nowhere, that is the adapter itself, or that lies outside */
    { "{" LORA "\"r\":2,\"lora_alpha\":4}",
      { { Q ".lora_A.weight", { 2, 8 } }, { Q ".lora_B.weight", { 8, 2 } } },
      -ENODATA,
      "names no base" },
    { "{\"base_model_name_or_path\":\"org/a\"," LORA "\"r\":2,\"lora_alpha\":4}",
      { { Q ".lora_A.weight", { 2, 8 } }, { Q ".lora_B.weight", { 8, 2 } } },
      -ENODATA,
      "\"org/a\" is not here" },
    { "{\"base_model_name_or_path\":\"../..\"," LORA "\"r\":2,\"lora_alpha\":4}",
      { { Q ".lora_A.weight", { 2, 8 } }, { Q ".lora_B.weight", { 8, 2 } } },
      -ENODATA,
      "names no base" },
};

static void test_hostile(void **state) {
    (void)state;
    static const char config[] =
        "{\"architectures\":[\"LlamaForCausalLM\"],\"model_type\":\"llama\",\"hidden_size\":8,"
        "\"num_attention_heads\":2,\"num_hidden_layers\":1,\"vocab_size\":4}";
    run("mkdir %s/a %s/base", dir, dir);
    write_file("base/config.json", config, sizeof config - 1);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const struct hostile *c = &cases[i];
        struct err err = { 0 };
        unsigned n = 0;
        while (n < 3 && c->tensors[n].name)
            n++;
        write_file("a/adapter_config.json", c->config, strlen(c->config));
        write_weights(c->tensors, n);
        const int rc = convert(&err);
        if (rc != c->code || (c->message && !strstr(err.msg, c->message)))
            fail_msg("case %zu: %d, %s; wanted %d, %s", i, rc, err.msg, c->code, c->message);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_hostile) };
    return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
