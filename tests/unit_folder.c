/* SPDX-License-Identifier: Apache-2.0
 * tests/unit_folder.c - Hugging Face folders that lie, miss files or never end: each is a clear
 * error that names the file. And what a good one is called. */
#include "tests/unit_dir.h"
#include "formats/container.h"
#include "formats/folder.h"
#include "formats/form.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* A file of the model folder. */
static void write_part(const char *name, const void *bytes, size_t n) {
    char path[128];
    snprintf(path, sizeof path, "m/%s", name);
    write_file(path, bytes, n);
}

static void write_text(const char *name, const char *text) {
    write_part(name, text, strlen(text));
}

/* One tensor of bf16 zeros, in one dimension or, with @rows, in two. */
static void write_matrix(const char *file, const char *tensor, unsigned rows, unsigned cols) {
    char header[512], shape[32], out[4096] = { 0 };
    const unsigned elems = rows ? rows * cols : cols;
    snprintf(shape, sizeof shape, rows ? "%u,%u" : "%.0u%u", rows, cols);
    int n = snprintf(header, sizeof header,
                     "{\"%s\":{\"dtype\":\"BF16\",\"shape\":[%s],\"data_offsets\":[0,%u]}}", tensor,
                     shape, 2 * elems);
    uint64_t len = (uint64_t)n;
    memcpy(out, &len, sizeof len);
    memcpy(out + 8, header, (size_t)n);
    write_part(file, out, 8 + (size_t)n + 2 * elems);
}

static void write_weights(const char *file, const char *tensor, unsigned elems) {
    write_matrix(file, tensor, 0, elems);
}

static const char config[] =
    "{\"architectures\":[\"LlamaForCausalLM\"],\"model_type\":\"llama\",\"hidden_size\":8,"
    "\"num_attention_heads\":2,\"num_hidden_layers\":1,\"vocab_size\":4}";
/* Pieces <unk> (unknown), <s> (control), a. */
static const char tokenizer[] = "\x0a\x0e\x0a\x05<unk>\x15\0\0\0\0\x18\x02"
                                "\x0a\x0c\x0a\x03<s>\x15\0\0\0\0\x18\x03"
                                "\x0a\x08\x0a\x01"
                                "a\x15\0\0\x80\xbf";

static void make_model(void) {
    run("rm -rf %s/m && mkdir %s/m", dir, dir);
    write_text("config.json", config);
    write_weights("model.safetensors", "model.norm.weight", 8);
    write_part("tokenizer.model", tokenizer, sizeof tokenizer - 1);
}

/* Read the folder and make its GGUF's header, with tokenizer.ggml.pre as @pre says; the error must
 * hold @part. */
static void expect_pre(const char *pre, int want, const char *part) {
    struct root *root;
    struct model *m;
    struct arena a = { 0 };
    struct form f = { .arena = &a, .pre = pre };
    struct str found;
    assert_ok(root_open(&root, dir, err));
    assert_ok(model_new(&m, STR("m"), err));
    struct err err = { 0 };
    int rc = folder_read(m, root, "m", &err);
    if (rc == 0)
        rc = form_gguf_from_hf(&f, m, OUTTYPE_AUTO, &err);
    if (rc != want || (part && !strstr(err.msg, part)))
        fail_msg("%d: %s; wanted %d: %s", rc, err.msg, want, part ? part : "success");
    if (rc == 0 && pre)
        assert_true(kv_get_str(&f.kvs, "tokenizer.ggml.pre", &found) && str_is(found, pre));
    arena_fini(&a);
    model_unref(m);
    root_close(root);
}

static void expect(int want, const char *part) {
    expect_pre(NULL, want, part);
}

static void test_good(void **state) {
    (void)state;
    make_model();
    expect(0, NULL);
}

/* A tokenizer whose pre-tokenizer llama.cpp does not know. */
static void test_pre(void **state) {
    (void)state;
    make_model();
    run("rm %s/m/tokenizer.model", dir);
    write_text(
        "tokenizer.json",
        "{\"model\":{\"type\":\"BPE\",\"vocab\":{\"a\":0,\"b\":1,\"ab\":2},\"merges\":[\"a b\"]},"
        "\"pre_tokenizer\":{\"type\":\"ByteLevel\"}}");
    expect(-ENOTSUP, "pre=NAME");
    expect_pre("llama-bpe", 0, NULL);
    expect(-ENOTSUP, "pre=NAME"); /* what was named once is not remembered */
}

static void test_config(void **state) {
    static char deep[200001];
    (void)state;
    make_model();
    memset(deep, '[', sizeof deep - 1);
    write_text("config.json", deep);
    expect(-EBADMSG, "config.json");
    write_text("config.json", "[]");
    expect(-EBADMSG, "config.json: not an object");
    write_text("config.json", "{\"architectures\":[\"NoSuchModel\"]}");
    expect(-ENOTSUP, "\"NoSuchModel\" is not known");
    write_text("config.json", "{\"architectures\":[\"LlamaForCasualLM\"]}");
    expect(-ENOTSUP, "the nearest is LlamaForCausalLM");
    write_text("config.json", "{\"architectures\":[\"NoSuchModel\"]}");
    write_matrix("model.safetensors", "model.embed_tokens.weight", 4, 8);
    expect(-ENOTSUP, "\"NoSuchModel\" is not known");
    write_text("config.json", "{}");
    expect(-EBADMSG, "\"architectures\"");
    write_text("config.json", "{\"architectures\":[\"LlamaForCausalLM\"]}");
    expect(-EBADMSG, "no \"n_layers\"");
    write_text("config.json", "{\"architectures\":[\"LlamaForCausalLM\"],\"model_type\":\"llama\","
                              "\"num_hidden_layers\":99999999}");
    expect(-EBADMSG, "layers are too many");
    write_text("config.json", "{\"architectures\":[\"LlamaForCausalLM\"],\"model_type\":\"llama\","
                              "\"vocab_size\":\"many\",\"num_hidden_layers\":1,\"hidden_size\":8,"
                              "\"num_attention_heads\":2}");
    expect(-EBADMSG, "\"vocab_size\" is not a count");
    write_text("config.json", "{\"architectures\":[\"LlamaForCausalLM\"],\"model_type\":\"llama\","
                              "\"vocab_size\":4000000000}");
    expect(-EBADMSG, "too large");
    write_text("config.json", "{\"architectures\":[\"LlamaForCausalLM\"],\"model_type\":\"llama\","
                              "\"quantization_config\":{\"quant_method\":\"aqlm\"}}");
    expect(-ENOTSUP, "aqlm");
    run("rm %s/m/config.json", dir);
    expect(-ENOENT, "config.json");
    run("mkfifo %s/m/config.json", dir);
    expect(-EINVAL, "config.json: not a regular file");
    run("rm %s/m/config.json && truncate -s 8E %s/m/config.json 2>/dev/null || "
        "truncate -s 1T %s/m/config.json",
        dir, dir, dir);
    expect(-EFBIG, "config.json");
    run("rm %s/m/config.json && ln -s config.json %s/m/config.json", dir, dir);
    expect(-EINVAL, "config.json");
}

static void test_shards(void **state) {
    (void)state;
    make_model();
    run("cd %s/m && mv model.safetensors model-00001-of-00003.safetensors", dir);
    expect(-ENOENT, "model-00002-of-00003.safetensors is missing");
    run("rm %s/m/model*", dir);
    expect(-ENOENT, "model.safetensors");
    write_text("pytorch_model.bin", "PK");
    expect(-EBADMSG, "pytorch_model.bin");
    write_text("model.safetensors.index.json", "{\"weight_map\":{\"a\":\"../x.safetensors\"}}");
    expect(-EBADMSG, "not in this folder");
    write_text("model.safetensors.index.json", "{\"weight_map\":{\"a\":\"none.safetensors\"}}");
    expect(-ENOENT, "none.safetensors");
    write_text("model.safetensors.index.json", "{\"weight_map\":[]}");
    expect(-EBADMSG, "weight_map");
    write_weights("w.safetensors", "b", 4);
    write_text("model.safetensors.index.json", "{\"weight_map\":{\"a\":\"w.safetensors\"}}");
    expect(-EBADMSG, "w.safetensors has no tensor a");
    write_weights("v.safetensors", "b", 4);
    write_text("model.safetensors.index.json",
               "{\"weight_map\":{\"a\":\"w.safetensors\",\"b\":\"v.safetensors\"}}");
    expect(-EBADMSG, "tensor b occurs twice");
}

static void test_tensors(void **state) {
    static const struct {
        const char *name, *message;
        int rc;
    } cases[] = {
        { "model.layers.1.input_layernorm.weight", "has 1 layers only", -EBADMSG },
        { "model.layers.0.self_attn.what.weight", "has no place", -ENOTSUP },
        { "model.layers.00.input_layernorm.weight", "has no place", -ENOTSUP },
        { "model.layers.0.block_sparse_moe.experts.0.w1.weight", "num_local_experts", -EBADMSG },
        { "model.layers.0.self_attn.q_proj.bias", "no tensor model.embed_tokens.weight", -EBADMSG },
        { "vision_tower.x", "no tensor of a text model", -EBADMSG },
        { "model.rotary_emb.inv_freq", "no tensor of a text model", -EBADMSG },
    };
    (void)state;
    make_model();
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        write_weights("model.safetensors", cases[i].name, 8);
        expect(cases[i].rc, cases[i].message);
    }
    write_weights("model.safetensors", "model.layers.0.self_attn.k_proj.bias", 6);
    expect(-EBADMSG, "attention heads");
}

static void test_tokenizer(void **state) {
    char cut[sizeof tokenizer];
    (void)state;
    make_model();
    for (size_t n = 0; n + 1 < sizeof tokenizer; n++) { /* cut at every byte: never a crash */
        memcpy(cut, tokenizer, n);
        write_part("tokenizer.model", cut, n);
        if (n != 16 && n != 30)
            expect(-EBADMSG, "tokenizer.model");
    }
    write_part("tokenizer.model", "\x0b", 1); /* a group */
    expect(-EBADMSG, "tokenizer.model");
    write_part("tokenizer.model", "\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 11);
    expect(-EBADMSG, "tokenizer.model");
    run("rm %s/m/tokenizer.model", dir);
    expect(-ENOTSUP, "tokenizer.model");
    run("truncate -s 1G %s/m/tokenizer.model", dir);
    expect(-EFBIG, "tokenizer.model");
    make_model();
    write_text("tokenizer_config.json", "{\"added_tokens_decoder\":{\"-1\":{\"content\":\"x\"}}}");
    expect(-EBADMSG, "added_tokens_decoder");
    write_text("tokenizer_config.json", "{\"added_tokens_decoder\":{\"99\":{\"content\":\"x\"}}}");
    expect(0, NULL);
    write_text("added_tokens.json", "{\"x\":\"y\"}");
    expect(-EBADMSG, "added_tokens.json");
}

/* A byte-level tokenizer.json around the parts that the cases change. */
static void write_bpe(const char *pre, const char *normalizer, const char *vocab,
                      const char *merges) {
    char text[2048];
    snprintf(text, sizeof text,
             "{\"normalizer\":%s,\"pre_tokenizer\":%s,\"post_processor\":null,"
             "\"decoder\":{\"type\":\"ByteLevel\"},\"added_tokens\":[],"
             "\"model\":{\"type\":\"BPE\",\"vocab\":%s,\"merges\":%s}}",
             normalizer, pre, vocab, merges);
    write_text("tokenizer.json", text);
}

#define SPLIT(regex) "{\"type\":\"Split\",\"pattern\":{\"Regex\":\"" regex "\"}}"

static void test_bpe(void **state) {
    static const struct {
        const char *pre, *normalizer, *vocab, *merges, *message;
        int rc;
    } cases[] = {
        { "null", "null", "{\"a\":0,\"b\":1,\"ab\":2}", "[\"a b\"]", "no pre-tokenizer", -ENOTSUP },
        { SPLIT("("), "null", "{\"a\":0}", "[]", "pattern", -ENOTSUP },
        { SPLIT("((.*)*)*~"), "null", "{\"a\":0}", "[]", "", -ENOTSUP },
        { SPLIT(""), "null", "{\"a\":0}", "[]", "no pre-tokenizer", -ENOTSUP },
        { "{\"type\":\"Zzz\"}", "null", "{\"a\":0}", "[]", "\"Zzz\"", -ENOTSUP },
        { "{\"type\":7}", "null", "{\"a\":0}", "[]", "pre-tokenizer", -EBADMSG },
        { "null", "{\"type\":\"Zzz\"}", "{\"a\":0}", "[]", "\"Zzz\"", -ENOTSUP },
        { "null", "null", "[1]", "[]", "vocab", -EBADMSG },
        { "null", "null", "{\"a\":-1}", "[]", "id of \"a\"", -EBADMSG },
        { "null", "null", "{\"a\":0}", "[\"a a\"]", "merge 0", -EBADMSG },
        { "null", "null", "{\"a\":0}", "[7]", "merge 0", -EBADMSG },
    };
    (void)state;
    make_model();
    run("rm %s/m/tokenizer.model", dir);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        write_bpe(cases[i].pre, cases[i].normalizer, cases[i].vocab, cases[i].merges);
        expect(cases[i].rc, cases[i].message);
    }
    write_text("tokenizer.json", "{");
    expect(-EBADMSG, "tokenizer.json");
    run("truncate -s 1G %s/m/tokenizer.json", dir);
    expect(-EFBIG, "tokenizer.json");
}

static void assert_name(const char *path, const char *want) {
    struct arena a = { 0 };
    struct root *root;
    struct str name;
    assert_ok(root_open(&root, dir, err));
    assert_true(folder_name(&a, root, path, &name));
    assert_int_equal(name.n, strlen(want));
    assert_memory_equal(name.p, want, name.n);
    arena_fini(&a);
    root_close(root);
}

static void test_names(void **state) {
    (void)state;
    assert_name("a/b-7B", "b-7B");
    assert_name("", strrchr(dir, '/') + 1);
    assert_name("models--org--Tiny-1B/snapshots/0123abcd", "Tiny-1B");
    assert_name("models--gpt2/snapshots/0123abcd", "gpt2");
    assert_name("x--org--Tiny/snapshots/0123abcd", "0123abcd");
}

static void test_identity(void **state) {
    struct hash128 before, after;
    int64_t mtime;
    struct root *root;
    (void)state;
    make_model();
    assert_ok(root_open(&root, dir, err));
    assert_ok(folder_hash(root, "m", &before, &mtime, err));
    assert_ok(folder_hash(root, "m", &after, &mtime, err));
    assert_memory_equal(&before, &after, sizeof before);
    write_text("README.md", "---\nlicense: mit\n---\n"); /* a file that was absent */
    assert_ok(folder_hash(root, "m", &after, &mtime, err));
    assert_memory_not_equal(&before, &after, sizeof before);
    root_close(root);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_good),     cmocka_unit_test(test_pre),
        cmocka_unit_test(test_config),   cmocka_unit_test(test_shards),
        cmocka_unit_test(test_tensors),  cmocka_unit_test(test_tokenizer),
        cmocka_unit_test(test_bpe),      cmocka_unit_test(test_names),
        cmocka_unit_test(test_identity),
    };
    return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
