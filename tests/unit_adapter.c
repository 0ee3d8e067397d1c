/* SPDX-License-Identifier: Apache-2.0
 * tests/unit_adapter.c - LoRA adapters that lie about their ranks, shapes and base, and projectors
 * whose configuration does not fit: each is a clear error that names the tensor or the key. Good
 * ones are compared in golden_beside.py. */
#include "tests/unit_dir.h"
#include "formats/adapter.h"
#include "formats/container.h"
#include "formats/form.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct shape {
    const char *name;
    unsigned dims[5]; /* up to the first 0 behind the second */
};

/* Tensors of f32 zeros. */
static void write_weights(const char *file, const struct shape *tensors, unsigned n) {
    static char out[1 << 16];
    unsigned at = 0;
    size_t len = 8;
    memset(out, 0, sizeof out);
    for (unsigned i = 0; i < n; i++) {
        const unsigned *d = tensors[i].dims;
        char shape[64];
        unsigned bytes = 4 * d[0] * d[1];
        int at_shape = snprintf(shape, sizeof shape, "%u,%u", d[0], d[1]);
        for (unsigned k = 2; k < 5 && d[k]; k++) {
            bytes *= d[k];
            at_shape += snprintf(shape + at_shape, sizeof shape - (size_t)at_shape, ",%u", d[k]);
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
    write_file(file, out, len + at);
}

typedef int form_fn(struct form *f, const struct model *m, enum outtype out, struct err *err);

/* What the folder is as a GGUF; *why says why not. @first: of what it begins with. */
static int convert(const char *folder, form_fn *form, char first[64], struct err *why) {
    struct arena a = { 0 };
    struct form f = { .arena = &a };
    struct root *root;
    struct model *m = NULL;
    assert_ok(root_open(&root, dir, err));
    int rc = model_open(&m, root, folder, why);
    if (rc == 0)
        rc = form(&f, m, OUTTYPE_F16, why);
    if (rc == 0)
        snprintf(first, 64, "%.*s", STR_ARG(f.targets[0].name));
    model_unref(m);
    root_close(root);
    arena_fini(&a);
    return rc;
}

static unsigned count(const struct shape *tensors, unsigned most) {
    unsigned n = 0;
    while (n < most && tensors[n].name)
        n++;
    return n;
}

#define BASE "\"base_model_name_or_path\":\"org/base\","
#define LORA "\"peft_type\":\"LORA\","
#define Q    "base_model.model.model.layers.0.self_attn.q_proj"
#define X    "base_model.model.model.layers.0.mlp.experts"
#define EXPERTS \
    "{" BASE LORA "\"r\":2,\"lora_alpha\":4,\"target_parameters\":[\"experts.down_proj\"]}"
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
      -EBADMSG,
      "use_dora" },
    { GOOD, { { Q ".lora_magnitude_vector", { 1, 8 } } }, -ENOTSUP, "lora_magnitude_vector" },
    { GOOD,
      { { Q ".lora_A.weight", { 2, 8 } },
        { Q ".lora_B.weight", { 8, 2 } },
        { Q ".lora_magnitude_vector", { 7, 1 } } },
      -EBADMSG,
      "each of 8 rows" },
    { GOOD,
      { { Q ".lora_A.weight", { 2, 8 } },
        { Q ".lora_B.weight", { 8, 2 } },
        { Q ".lora_magnitude_vector", { 8, 1 } } },
      -ENOTSUP,
      "DoRA has no place in a GGUF" },
    { GOOD,
      { { Q ".lora_A.weight", { 2, 8 } },
        { Q ".lora_B.weight", { 8, 2 } },
        { Q ".lora_B.bias", { 7 } } },
      -EBADMSG,
      "not a bias of 8 rows" },
    { GOOD,
      { { X ".base_layer.lora_A.weight", { 4, 8 } }, { X ".base_layer.lora_B.weight", { 8, 4 } } },
      -ENOTSUP,
      "\"target_parameters\"" },
    { EXPERTS,
      { { X ".lora_A.weight", { 5, 8 } }, { X ".lora_B.weight", { 8, 5 } } },
      -EBADMSG,
      "have rank 5, adapter_config.json says 2" },
    { EXPERTS,
      { { X ".lora_A.weight", { 4, 8 } }, { X ".lora_B.weight", { 8, 4 } } },
      -EBADMSG,
      "experts.0.w2.weight: config.json has no \"num_local_experts\"" },
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
        char first[64];
        write_file("a/adapter_config.json", c->config, strlen(c->config));
        write_weights("a/adapter_model.safetensors", c->tensors, count(c->tensors, 3));
        const int rc = convert("a", form_gguf_from_adapter, first, &err);
        if (rc != c->code || (c->message && !strstr(err.msg, c->message)))
            fail_msg("case %zu: %d, %s; wanted %d, %s", i, rc, err.msg, c->code, c->message);
    }
}

/* Tensors come as they lie in the file, not by their names. */
static void test_order(void **state) {
    (void)state;
    static const struct shape tensors[] = {
        { Q ".lora_B.weight", { 8, 2 } },
        { Q ".lora_A.weight", { 2, 8 } },
        { "base_model.model.lm_head.lora_A.weight", { 2, 8 } },
        { "base_model.model.lm_head.lora_B.weight", { 4, 2 } },
    };
    struct err err = { 0 };
    char first[64];
    write_file("a/adapter_config.json", GOOD, strlen(GOOD));
    write_weights("a/adapter_model.safetensors", tensors, 4);
    assert_int_equal(convert("a", form_gguf_from_adapter, first, &err), 0);
    assert_string_equal(first, "blk.0.attn_q.weight.lora_a");
}

/* --- projectors --- */

#define MEAN "{\"image_mean\":[0.5,0.5,0.5],\"image_std\":[1,1,1]}"
#define VISION(arch, type, more, vision)                                          \
    "{\"architectures\":[\"" arch "\"],\"model_type\":\"" type                    \
    "\",\"hidden_size\":8,\"text_config\":{\"hidden_size\":8}" more               \
    ",\"vision_config\":{\"image_size\":28,\"patch_size\":14,\"hidden_size\":8,"  \
    "\"intermediate_size\":16,\"num_hidden_layers\":2,\"num_attention_heads\":2," \
    "\"depth\":2,\"num_heads\":2" vision "}}"
#define QWEN2(vision) \
    VISION("Qwen2VLForConditionalGeneration", "qwen2_vl", "", ",\"embed_dim\":8" vision)
#define QWEN2_5(vision) VISION("Qwen2_5_VLForConditionalGeneration", "qwen2_5_vl", "", vision)
#define QWEN3(vision)   VISION("Qwen3VLForConditionalGeneration", "qwen3_vl", "", vision)
#define LLAVA(more) \
    VISION("LlavaForConditionalGeneration", "llava", more, ",\"model_type\":\"clip_vision_model\"")
#define PIXTRAL(vision) \
    VISION("LlavaForConditionalGeneration", "llava", "", ",\"model_type\":\"pixtral\"" vision)
#define INTERN(more)                    \
    VISION(                             \
        "InternVLChatModel", "x", more, \
        ",\"architectures\":[\"InternVisionModel\"],\"layer_norm_eps\":1,\"hidden_act\":\"gelu\"")
#define NORM                              \
    {                                     \
        "visual.blocks.0.norm1.weight", { \
            1, 8                          \
        }                                 \
    }

static const struct projector {
    const char *config, *preprocessor;
    struct shape tensor;
    int code;
    const char *message;
} projectors[] = {
    { QWEN2(""), MEAN, NORM, 0, NULL },
    { "{\"architectures\":[\"LlamaForCausalLM\"]}", MEAN, NORM, -ENOTSUP, "vision_config" },
    { VISION("OddModel", "odd", "", ""), MEAN, NORM, -ENOTSUP, "\"OddModel\"" },
    { QWEN2(""), "{}", NORM, -EBADMSG, "\"image_mean\"" },
    { QWEN2(""), "{\"image_mean\":[0.5,null]}", NORM, -EBADMSG, "\"image_mean\"" },
    { QWEN2(""), "[", NORM, -EBADMSG, "preprocessor_config.json" },
    { QWEN2(""), MEAN, { "visual.blocks.2.norm1.weight", { 1, 8 } }, -EBADMSG, "2 layers only" },
    { QWEN2(""), MEAN, { "visual.odd.weight", { 1, 8 } }, -ENOTSUP, "visual.odd.weight" },
    { QWEN2(""), MEAN, { "lm_head.weight", { 1, 8 } }, -EBADMSG, "no tensor of a projector" },
    { QWEN2(""), MEAN, { "visual.blocks.0.attn.qkv.weight", { 8, 8 } }, -EBADMSG, "in one" },
    { QWEN2(""), MEAN, { "visual.patch_embed.proj.weight", { 8, 3, 14, 14 } }, -EBADMSG, "frames" },
    { QWEN2(""),
      MEAN,
      { "visual.patch_embed.proj.weight", { 8, 3, 3, 2, 2 } },
      -EBADMSG,
      "frames" },
    { QWEN2_5(",\"fullatt_block_indexes\":[0,2,3]"), MEAN, NORM, -EBADMSG, "evenly" },
    { QWEN2_5(",\"fullatt_block_indexes\":[]"), MEAN, NORM, -EBADMSG, "fullatt" },
    { QWEN3(",\"deepstack_visual_indexes\":[9]"), MEAN, NORM, -EBADMSG, "deepstack" },
    { QWEN3(",\"deepstack_visual_indexes\":[1]"),
      MEAN,
      { "visual.deepstack_merger_list.1.norm.weight", { 1, 8 } },
      -EBADMSG,
      "has 1 blocks only" },
    { LLAVA(",\"vision_feature_layer\":7"),
      MEAN,
      { "multi_modal_projector.linear_1.weight", { 8, 8 } },
      -EBADMSG,
      "vision_feature_layer" },
    { LLAVA(",\"vision_feature_select_strategy\":\"full\""),
      MEAN,
      { "multi_modal_projector.linear_1.weight", { 8, 8 } },
      -ENOTSUP,
      "\"full\"" },
    { PIXTRAL(",\"hidden_act\":\"tanh\""),
      MEAN,
      { "multi_modal_projector.linear_1.weight", { 8, 8 } },
      -ENOTSUP,
      "\"tanh\"" },
    { PIXTRAL(""),
      MEAN,
      { "vision_tower.transformer.layers.0.attention.q_proj.weight", { 6, 8 } },
      -EBADMSG,
      "attention heads" },
    { INTERN(",\"downsample_ratio\":0"),
      MEAN,
      { "mlp1.0.weight", { 1, 8 } },
      -EBADMSG,
      "downsample_ratio" },
};

static void test_projectors(void **state) {
    (void)state;
    run("mkdir %s/p", dir);
    for (size_t i = 0; i < sizeof projectors / sizeof *projectors; i++) {
        const struct projector *c = &projectors[i];
        struct err err = { 0 };
        char first[64];
        write_file("p/config.json", c->config, strlen(c->config));
        write_file("p/preprocessor_config.json", c->preprocessor, strlen(c->preprocessor));
        write_weights("p/model.safetensors", &c->tensor, 1);
        const int rc = convert("p", form_mmproj_from_hf, first, &err);
        if (rc != c->code || (c->message && !strstr(err.msg, c->message)))
            fail_msg("projector %zu: %d, %s; wanted %d, %s", i, rc, err.msg, c->code, c->message);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_hostile),
                                        cmocka_unit_test(test_order),
                                        cmocka_unit_test(test_projectors) };
    return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
