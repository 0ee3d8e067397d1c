/* SPDX-License-Identifier: Apache-2.0
 * formats/onnx/genai_folder.c - the folder that onnxruntime-genai opens: a decoder's graph, how it
 * is to be run, and the tokenizer, which is read from tokenizer.json alone. */
#include "formats/container.h"
#include "formats/folder.h"
#include "formats/json.h"
#include "formats/made_files.h"
#include "formats/onnx/genai_config.h"
#include "formats/onnx/onnx_from_hf.h"
#include "formats/onnx/onnx_plan.h"
#include "formats/onnx/onnx_view.h"
#include "formats/tokenizer/hf_json.h"
#include <errno.h>

#define MODEL_FILE "model.onnx"
#define DATA_FILE  MODEL_FILE ".data"

static int add_graph(const struct made_files *f, struct layout *l, uint32_t which) {
    struct onnx_graph g = { .arena = l->arena };
    const int rc = onnx_from_hf(&g, f->m, f->user, f->err);
    return rc < 0 ? rc : onnx_plan(l, &g, DATA_FILE, which, f->err);
}

/* --- genai_config.json --- */

/* Of a GGUF what `.hf@` has as generation_config.json. *own: to be freed. */
static int read_generation(const struct model *m, struct json **own, const struct json **out,
                           struct err *err) {
    struct buffer text = { 0 };
    *own = NULL;
    *out = m->folder ? m->folder->generation_config : NULL;
    if (m->folder)
        return 0;
    hf_generation_config_add(&text, &m->kvs);
    const int rc = text.failed ? err_set(err, -ENOMEM, "no memory for generation_config.json")
                               : json_parse(own, (struct str){ text.p, text.n }, err);
    buffer_fini(&text);
    *out = *own;
    return rc;
}

static int print_config(const struct made_files *f, struct layout *l, struct hf_source *src,
                        struct buffer *b) {
    const struct extras *x = f->user;
    struct onnx_graph g = { .arena = l->arena };
    struct json *own;
    struct genai_config c = { &g, src, NULL, MODEL_FILE, x->spec.contrib };
    int rc = onnx_from_hf(&g, f->m, x, f->err);
    if (rc < 0)
        return rc;
    if (g.failed)
        return err_set(f->err, -ENOMEM, "no memory for the graph");
    rc = read_generation(f->m, &own, &c.generation, f->err);
    if (rc == 0)
        rc = genai_config_add(b, &c, f->err);
    json_free(own);
    return rc;
}

static int add_config(const struct made_files *f, struct layout *l, uint32_t i) {
    struct hf_source src;
    struct buffer b = { 0 };
    (void)i;
    int rc = hf_source_open(&src, l->arena, f->m, f->err);
    if (rc == 0)
        rc = print_config(f, l, &src, &b);
    hf_source_close(&src);
    if (rc == 0)
        return made_files_text(f, l, &b);
    buffer_fini(&b);
    return rc;
}

/* --- the tokenizer --- */

/* Of a folder that has it as SentencePiece's file only: by way of what a GGUF has of it. */
static int add_tokenizer(const struct made_files *f, struct layout *l, uint32_t i) {
    struct form form = { .arena = l->arena };
    struct buffer b = { 0 };
    (void)i;
    int rc = form_gguf_from_hf(&form, f->m, OUTTYPE_AUTO, f->err);
    if (rc == 0)
        rc = hf_tokenizer_json_add(&b, &form.kvs, f->err);
    if (rc == 0)
        return made_files_text(f, l, &b);
    buffer_fini(&b);
    return rc;
}

static void list_made(struct made_files *f, struct arena *a, const struct model *m,
                      const struct extras *x, struct err *err) {
    *f = (struct made_files){ .arena = a, .m = m, .user = x, .err = err };
    made_files_add(f, STR("genai_config.json"), add_config, 0);
    made_files_add(f, STR(MODEL_FILE), add_graph, ONNX_FILE_MODEL);
    made_files_add(f, STR(DATA_FILE), add_graph, ONNX_FILE_DATA);
    if (m->container->kind == CONTAINER_GGUF)
        made_files_add_tokenizer(f);
    else if (m->folder && !folder_has(m->folder, "tokenizer.json") &&
             folder_has(m->folder, "tokenizer.model"))
        made_files_add(f, STR("tokenizer.json"), add_tokenizer, 0);
}

int genai_folder_plan(struct layout *l, const struct model *m, const struct extras *x,
                      struct err *err) {
    struct made_files files;
    list_made(&files, l->arena, m, x, err);
    return made_files_lay(&files, l, x->spec.file);
}

int genai_folder_files(struct file_list *out, struct arena *a, const struct model *m,
                       const struct extras *x, struct err *err) {
    struct made_files files;
    list_made(&files, a, m, x, err);
    return made_files_list(&files, out);
}
