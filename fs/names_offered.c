/* SPDX-License-Identifier: Apache-2.0
 * fs/names_offered.c - which views of a model are listed, and how they are spelled. */
#include "fs/names_impl.h"
#include "formats/adapter.h"
#include "formats/form.h"
#include "formats/gguf_peek.h"
#include "formats/recent.h"
#include "fs/name_parse.h"
#include "quant/codec.h"
#include <stdio.h>

enum { LISTED_BY_DEFAULT = 3 };

/* In order of preference; the first three that can be made are listed. A model that is quantized
 * already is offered as floats only. */
static const char *const OFFERED[MODEL_KINDS][6] = {
    [MODEL_FOLDER] = { "gguf@q4_k_m", "gguf@q8_0", "gguf@f16", "gguf@q4_0" },
    [MODEL_GGUF] = { "gguf@q4_k_m", "gguf@q8_0", "safetensors@bf16", "gguf@q4_0" },
    [MODEL_SAFETENSORS] = { "safetensors@bf16", "safetensors@f16", "safetensors@f32" },
    [MODEL_TORCH] = { "safetensors@auto", "safetensors@bf16", "safetensors@f16" },
    [MODEL_ADAPTER] = { "gguf@f16", "gguf@f32", "gguf@q8_0" },
    [MODEL_ONNX] = { "onnx@fp16", "onnx@int8", "onnx@int4", "safetensors@auto" },
};
static const char *const OFFERED_QUANTIZED[] = { "gguf@f16", "safetensors@bf16", NULL };

bool names_parse_listed(struct str text, struct spec *out, struct err *err) {
    for (enum format f = FORMAT_NONE + 1; f < FORMAT_COUNT; f++) {
        const size_t n = strlen(format_name(f));
        if (text.n > n && text.p[n] == '@' && memcmp(text.p, format_name(f), n) == 0)
            return spec_parse(out, f, (struct str){ text.p + n + 1, text.n - n - 1 }, err) == 0;
    }
    return false;
}

static bool can_be_made(enum model_kind kind, const struct spec *s) {
    if ((kind == MODEL_SAFETENSORS || kind == MODEL_TORCH || kind == MODEL_ONNX) &&
        s->format == FORMAT_GGUF)
        return false; /* no architecture */
    if (s->format == FORMAT_ONNX && kind != MODEL_ONNX &&
        ((kind != MODEL_FOLDER && kind != MODEL_GGUF) || strcmp(s->type->name, "auto") == 0))
        return false; /* no graph, and none that it would have by itself */
    if (s->format == FORMAT_MMPROJ && kind != MODEL_FOLDER)
        return false;
    if (format_is_folder(s->format) && kind != MODEL_FOLDER && kind != MODEL_GGUF)
        return false; /* no config.json */
    if (kind == MODEL_ADAPTER && s->format == FORMAT_GGUF && !s->type->is_float &&
        s->type->base != DTYPE_Q8_0)
        return false; /* not what the converter makes */
    return s->type->base == DTYPE_NONE || codec_can_encode(s->type->base);
}

/* "model-Q4_K_M", "llama.iq2_xs": a file type is part of the name. */
static bool named_quantized(const char *name) {
    char lower[NAME_MAX + 1];
    size_t n = 0;
    for (; name[n]; n++)
        lower[n] = (char)(name[n] >= 'A' && name[n] <= 'Z' ? name[n] + 32 : name[n]);
    lower[n] = 0;
    for (size_t i = 0; i < ftype_count; i++) {
        const bool is_word = ftype_table[i].is_float || ftype_table[i].base == DTYPE_NONE;
        const char *hit = is_word ? NULL : strstr(lower, ftype_table[i].name);
        if (hit && hit > lower && strchr("-._@ ", hit[-1]))
            return true;
    }
    return false;
}

/* Its first bytes say so. */
static bool holds_quantized(const struct names *n, const struct found_model *m) {
    struct recent *recent = root_recent(n->root);
    const struct recent_key key = recent_key(recent, RECENT_KNOWN, m->path);
    bool quantized = false;
    uint32_t type;
    if (recent_get(recent, &key, &quantized, sizeof quantized))
        return quantized;
    const bool found = gguf_peek_file_type(n->root, m->path, &type);
    for (size_t i = 0; found && i < ftype_count; i++)
        if (ftype_table[i].base != DTYPE_NONE && (uint32_t)ftype_table[i].file_type == type)
            quantized = !ftype_table[i].is_float;
    recent_put(recent, &key, &quantized, sizeof quantized);
    return quantized;
}

static size_t offered(const struct names *n, const struct found_model *m,
                      struct spec out[LISTED_BY_DEFAULT]) {
    const bool quantized =
        m->kind == MODEL_GGUF && (named_quantized(m->name) || holds_quantized(n, m));
    const char *const *text = quantized ? OFFERED_QUANTIZED : OFFERED[m->kind];
    size_t count = 0;
    for (; *text && count < LISTED_BY_DEFAULT; text++)
        if (names_parse_listed(str_from(*text), &out[count], NULL) &&
            can_be_made(m->kind, &out[count]))
            count++;
    return count;
}

/* Of a model that is a folder, by its config.json. */
struct known {
    bool architecture, projector;
};

static struct known look_at_config(const struct names *n, const struct found_model *m) {
    struct recent *recent = root_recent(n->root);
    const struct recent_key key = recent_key(recent, RECENT_KNOWN, m->path);
    struct known known;
    if (!recent_get(recent, &key, &known, sizeof known)) {
        known.architecture = form_knows_folder(n->root, m->path);
        known.projector = form_knows_projector(n->root, m->path);
        recent_put(recent, &key, &known, sizeof known);
    }
    return known;
}

/* What `ls` shows should open: an architecture that is not known has no GGUF. */
static struct known know(const struct names *n, const struct found_model *m) {
    char base[PATH_MAX];
    switch (m->kind) {
    case MODEL_FOLDER:
        return look_at_config(n, m);
    case MODEL_ADAPTER:
        return (struct known){
            adapter_find_base(n->root, m->path, base) && form_knows_folder(n->root, base), false
        };
    default:
        return (struct known){ true, false };
    }
}

/* The view, and the file with its weights, where a graph is built that has them beside it under the
 * name that formats/onnx/onnx_view.c writes into it. */
static int emit_one(const struct names *n, const struct found_model *m, const struct spec *spec,
                    view_emit *emit, void *user) {
    const char *slash = strrchr(m->path, '/'), *file = slash ? slash + 1 : m->path;
    struct spec data = *spec;
    char name[NAME_MAX + 1];
    data.data = true;
    const bool built =
        spec->format == FORMAT_ONNX && (m->kind == MODEL_FOLDER || m->kind == MODEL_GGUF);
    int rc = 0;
    if (name_format(str_from(m->name), spec, n->style, name, sizeof name))
        rc = emit(user, name, m, spec);
    if (rc == 0 && built &&
        name_format(str_from(m->kind == MODEL_GGUF ? file : m->name), &data, NAMES_AT, name,
                    sizeof name))
        rc = emit(user, name, m, &data);
    return rc;
}

int names_each_view(const struct names *n, const struct found_model *m, view_emit *emit,
                    void *user) {
    struct spec own[LISTED_BY_DEFAULT + 1];
    const struct spec *specs = n->views ? n->views : own;
    size_t count = n->views ? n->n_views : n->list_none ? 0 : offered(n, m, own);
    const struct known known = count ? know(n, m) : (struct known){ false, false };
    if (known.projector && !n->views &&
        names_parse_listed(STR("mmproj.gguf@f16"), &own[count], NULL))
        count++;
    int rc = 0;
    for (size_t i = 0; i < count && rc == 0; i++)
        if (can_be_made(m->kind, &specs[i]) &&
            (known.architecture || specs[i].format != FORMAT_GGUF) &&
            (known.projector || specs[i].format != FORMAT_MMPROJ))
            rc = emit_one(n, m, &specs[i], emit, user);
    return rc;
}
