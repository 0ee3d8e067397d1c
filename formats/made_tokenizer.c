/* SPDX-License-Identifier: Apache-2.0
 * formats/made_tokenizer.c - the small files about tokens that a folder made of a GGUF has. */
#include "formats/made_files.h"
#include "formats/tokenizer/hf_json.h"

static int add_tokenizer(const struct made_files *f, struct layout *l, uint32_t i) {
    struct buffer b = { 0 };
    (void)i;
    const int rc = hf_tokenizer_json_add(&b, &f->m->kvs, f->err);
    if (rc == 0)
        return made_files_text(f, l, &b);
    buffer_fini(&b);
    return rc;
}

static int add_tokenizer_config(const struct made_files *f, struct layout *l, uint32_t i) {
    struct buffer b = { 0 };
    (void)i;
    hf_tokenizer_config_add(&b, &f->m->kvs);
    return made_files_text(f, l, &b);
}

static int add_generation_config(const struct made_files *f, struct layout *l, uint32_t i) {
    struct buffer b = { 0 };
    (void)i;
    hf_generation_config_add(&b, &f->m->kvs);
    return made_files_text(f, l, &b);
}

void made_files_add_tokenizer(struct made_files *f) {
    made_files_add(f, STR("generation_config.json"), add_generation_config, 0);
    made_files_add(f, STR("tokenizer.json"), add_tokenizer, 0);
    made_files_add(f, STR("tokenizer_config.json"), add_tokenizer_config, 0);
}
