/* SPDX-License-Identifier: Apache-2.0
 * tests/fuzz_model.c - a file from a fuzzer, alone or in a folder with others: opened as a model,
 * looked at, planned. */
#include "tests/fuzz.h"
#include "formats/container.h"
#include "formats/plan.h"
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static char dir[64];
static struct root *root;

struct wish {
    enum format format;
    const char *spec;
};

static void remove_dir(void) {
    char command[96];
    root_close(root);
    snprintf(command, sizeof command, "rm -rf %s", dir);
    if (system(command) != 0)
        perror(command);
}

/* In memory where that is possible: a file system on a disk is slow. */
static void make_dir(void) {
    snprintf(dir, sizeof dir, "%s/weightfs-fuzz.XXXXXX",
             access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
    if (!mkdtemp(dir) || root_open(&root, dir, NULL) < 0)
        abort();
    atexit(remove_dir);
}

static void look_at(const struct model *m) {
    char text[256];
    for (uint32_t i = 0; i < m->kvs.n; i++)
        kv_text(&m->kvs.items[i], 4, text, sizeof text);
    for (uint32_t i = 0; i < m->n_tensors; i++) {
        const struct tensor *t = &m->tensors[i];
        if (model_find(m, t->name) != t ||
            (!t->packed && t->off + t->bytes > source_ident(m->sources[t->src])->size))
            abort();
    }
}

/* Where an expression leads must lie within its leaf. */
static void look_at_conversion(const struct conversion *c) {
    const uint64_t elems = c->scaling ? c->expr->rows * c->expr->cols : c->elems;
    for (uint64_t at = 0; at < elems;) {
        struct expr_run run;
        expr_run(c->expr, at, elems - at, &run);
        if (run.count == 0 || run.leaf_elem + run.count > run.leaf->rows * run.leaf->cols)
            abort();
        at += run.count;
        if (at > 1 << 16)
            break;
    }
}

static void check_layout(const struct layout *l) {
    uint64_t end = 0;
    for (uint32_t i = 0; i < l->n; i++) {
        const struct extent *e = &l->extents[i];
        if (e->off != end || !e->len || layout_find(l, e->off + e->len - 1) != e)
            abort();
        end += e->len;
        if (e->kind == EXTENT_CONVERT)
            look_at_conversion(e->convert);
    }
    if (end != l->size)
        abort();
}

static void plan(const struct model *m, enum format format, const char *text) {
    struct arena arena = { 0 };
    struct layout l = { .arena = &arena };
    struct err err = { 0 };
    struct extras x = { .imatrix = NULL };
    if (spec_parse(&x.spec, format, str_from(text), NULL) < 0)
        abort();
    int ret = plan_view(&l, m, &x, &err);
    if (ret == 0)
        check_layout(&l);
    else if (err.code != ret || !err.msg[0])
        abort();
    arena_fini(&arena);
}

struct root *fuzz_root(void) {
    if (!root)
        make_dir();
    return root;
}

const char *fuzz_file(const char *name, const uint8_t *data, size_t size) {
    static char path[128];
    fuzz_root();
    snprintf(path, sizeof path, "%s/%s", dir, name);
    int fd = open(path, O_CREAT | O_TRUNC | O_WRONLY, 0600);
    if (fd < 0 || write(fd, data, size) != (ssize_t)size || close(fd) < 0)
        abort();
    return name;
}

/* @wishes ends with one that has no spec. */
static void open_and_plan(const char *name, const struct wish *wishes) {
    struct err err = { 0 };
    struct model *m;
    int ret = model_open(&m, root, name, &err);
    if (ret < 0) {
        if (err.code != ret || !err.msg[0])
            abort();
        return;
    }
    look_at(m);
    for (const struct wish *w = wishes; w->spec; w++)
        plan(m, w->format, w->spec);
    model_unref(m);
}

void fuzz_model(const char *name, const uint8_t *data, size_t size) {
    static const struct wish wishes[] = {
        { FORMAT_GGUF, "auto" },
        { FORMAT_GGUF, "q4_k_m+requantize" },
        { FORMAT_GGUF, "f16" },
        { FORMAT_SAFETENSORS, "bf16" },
        { FORMAT_TORCH, "f16" },
        { FORMAT_ONNX, "fp32" },
        { FORMAT_ONNX, "fp16" },
        { FORMAT_ONNX, "q4f16+keep_io_types" },
        { FORMAT_ONNX, "int8+asym+block=256" },
        { FORMAT_ONNX, "int8+per_channel" },
        { 0 },
    };
    open_and_plan(fuzz_file(name, data, size), wishes);
}

/* --- a folder --- */

static const char config[] =
    "{\"architectures\":[\"LlamaForCausalLM\"],\"model_type\":\"llama\",\"hidden_size\":4,"
    "\"num_hidden_layers\":1,\"num_attention_heads\":2,\"num_key_value_heads\":1,"
    "\"intermediate_size\":4,\"vocab_size\":4,\"max_position_embeddings\":8,"
    "\"rms_norm_eps\":1e-5,\"tie_word_embeddings\":true}";

#define TENSOR(name, shape, begin, end) \
    "\"" name "\":{\"dtype\":\"BF16\",\"shape\":" shape ",\"data_offsets\":[" begin "," end "]}"
#define LAYER "model.layers.0."
static const char weights[] = "{" TENSOR("model.embed_tokens.weight", "[4,4]", "0", "32") "," //
    TENSOR("model.norm.weight", "[4]", "32", "40") ","                                        //
    TENSOR(LAYER "self_attn.q_proj.weight", "[4,4]", "40", "72") ","                          //
    TENSOR(LAYER "self_attn.k_proj.weight", "[2,4]", "72", "88") "}";
static const char adapter_weights[] =
    "{" TENSOR("base_model.model." LAYER "self_attn.q_proj.lora_A.weight", "[1,4]", "0", "8") "," //
    TENSOR("base_model.model." LAYER "self_attn.q_proj.lora_B.weight", "[4,1]", "8", "16") "}";

static void add_text(const char *name, const char *text) {
    fuzz_file(name, (const uint8_t *)text, strlen(text));
}

static void add_weights(const char *name, const char *header) {
    uint8_t file[1024] = { 0 };
    const uint64_t n = strlen(header);
    memcpy(file, &n, sizeof n); /* little-endian, as all machines that fuzz */
    memcpy(file + sizeof n, header, n);
    fuzz_file(name, file, sizeof n + n + 88);
}

static void make_folder(void) {
    char path[96];
    fuzz_root();
    snprintf(path, sizeof path, "%s/m", dir);
    if (mkdir(path, 0700) < 0)
        abort();
    add_text("m/config.json", config);
    add_weights("m/model.safetensors", weights);
}

void fuzz_folder(const char *name, const uint8_t *data, size_t size) {
    static const struct wish wishes[] = {
        { FORMAT_GGUF, "f16" },    { FORMAT_GGUF, "f16+pre=default" },
        { FORMAT_GGUF, "q4_k_m" }, { FORMAT_SAFETENSORS, "f16" },
        { FORMAT_ONNX, "fp16" },   { 0 },
    };
    const bool adapter = !strcmp(name, "adapter_config.json");
    char path[128];
    if (!root)
        make_folder();
    if (adapter)
        add_weights("m/adapter_model.safetensors", adapter_weights);
    snprintf(path, sizeof path, "m/%s", name);
    fuzz_file(path, data, size);
    open_and_plan("m", wishes);
}
