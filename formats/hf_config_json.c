/* SPDX-License-Identifier: Apache-2.0
 * formats/hf_config_json.c - config.json of a folder that is a view: that of the source, with the
 * type that the weights then have; of a GGUF what its table says. */
#include "formats/arch/arch_back.h"
#include "formats/container.h"
#include "formats/folder.h"
#include "formats/hf_folder.h"
#include "formats/json.h"
#include <errno.h>

/* What PyTorch calls the type of weights; NULL: they keep theirs. */
static const char *torch_name(const struct spec *spec) {
    switch (spec->type->base) {
    case DTYPE_F32:
        return "float32";
    case DTYPE_F16:
        return "float16";
    case DTYPE_BF16:
        return "bfloat16";
    default:
        return NULL;
    }
}

/* transformers writes "dtype" since 4.56, "torch_dtype" before, and reads both. */
static bool is_dtype(struct str key) {
    return str_is(key, "dtype") || str_is(key, "torch_dtype");
}

static void add_member(struct buffer *b, struct str key, const struct json *value,
                       const char *dtype, unsigned depth) {
    json_print_line(b, depth);
    buffer_json(b, key);
    buffer_z(b, ": ");
    if (is_dtype(key) && dtype)
        buffer_json(b, str_from(dtype));
    else
        json_print(b, value, depth);
}

/* The parts of a model of several kinds may say their type too. */
static bool has_dtype(const struct json *object) {
    return json_get(object, "dtype") || json_get(object, "torch_dtype");
}

/* @plain: weights that were quantized are so no longer. */
static void add_object(struct buffer *b, const struct json *object, const char *dtype, bool plain,
                       unsigned depth) {
    const char *comma = "";
    buffer_z(b, "{");
    for (struct json_iter it = json_iter(object); json_next(&it);) {
        if (plain && str_is(it.key, "quantization_config"))
            continue;
        buffer_z(b, comma);
        comma = ",";
        if (json_type(it.value) == JSON_OBJECT && has_dtype(it.value)) {
            json_print_line(b, depth + 1);
            buffer_json(b, it.key);
            buffer_z(b, ": ");
            add_object(b, it.value, dtype, plain, depth + 1);
        } else {
            add_member(b, it.key, it.value, dtype, depth + 1);
        }
    }
    if (depth == 0 && dtype && !has_dtype(object)) {
        buffer_z(b, comma);
        add_member(b, STR("torch_dtype"), NULL, dtype, 1);
    }
    json_print_line(b, depth);
    buffer_z(b, "}");
}

/* Weights of a quantized checkpoint that are read as plain ones. */
static bool is_unpacked(const struct model *m) {
    for (uint32_t i = 0; i < m->n_tensors; i++)
        if (m->tensors[i].packed)
            return true;
    return false;
}

int hf_config_json_add(struct buffer *b, struct arena *a, const struct model *m,
                       const struct spec *spec, struct err *err) {
    const char *dtype = torch_name(spec);
    if (m->container->kind == CONTAINER_GGUF)
        return arch_config_add(b, a, m, dtype, err);
    if (!m->folder)
        return err_set(err, -ENOTSUP, "a Hugging Face folder needs a config.json");
    const bool quantized =
        json_type(json_get(m->folder->config, "quantization_config")) == JSON_OBJECT;
    const bool unpacked = quantized && is_unpacked(m);
    if (dtype && quantized && !unpacked)
        return err_set(err, -ENOTSUP,
                       "config.json: \"quantization_config\": the weights stay as "
                       "they are, in hf@auto");
    add_object(b, m->folder->config, dtype ? dtype : unpacked ? "float32" : NULL, unpacked, 0);
    buffer_z(b, "\n");
    return 0;
}
