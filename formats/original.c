/* SPDX-License-Identifier: Apache-2.0
 * formats/original.c - see original.h: the tensors. Source: transformers 4.57,
 * models/llama/convert_llama_weights_to_hf.py, and how save_pretrained cuts a model into files. */
#include "formats/original.h"
#include "formats/joined.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

enum cut { CUT_NOT, CUT_ROWS, CUT_COLUMNS, CUT_VOCAB /* rows since Llama 3, columns before */ };

/* In the order of LlamaForCausalLM; '#' is the block. */
static const struct part {
    const char *name, *hf;
    enum cut cut;
} parts[] = {
    { "tok_embeddings.weight", "model.embed_tokens.weight", CUT_VOCAB },
    { "layers.#.attention.wq.weight", "model.layers.#.self_attn.q_proj.weight", CUT_ROWS },
    { "layers.#.attention.wk.weight", "model.layers.#.self_attn.k_proj.weight", CUT_ROWS },
    { "layers.#.attention.wv.weight", "model.layers.#.self_attn.v_proj.weight", CUT_ROWS },
    { "layers.#.attention.wo.weight", "model.layers.#.self_attn.o_proj.weight", CUT_COLUMNS },
    { "layers.#.feed_forward.w1.weight", "model.layers.#.mlp.gate_proj.weight", CUT_ROWS },
    { "layers.#.feed_forward.w3.weight", "model.layers.#.mlp.up_proj.weight", CUT_ROWS },
    { "layers.#.feed_forward.w2.weight", "model.layers.#.mlp.down_proj.weight", CUT_COLUMNS },
    { "layers.#.attention_norm.weight", "model.layers.#.input_layernorm.weight", CUT_NOT },
    { "layers.#.ffn_norm.weight", "model.layers.#.post_attention_layernorm.weight", CUT_NOT },
    { "norm.weight", "model.norm.weight", CUT_NOT },
    { "output.weight", "lm_head.weight", CUT_ROWS },
};
enum { N_PARTS = sizeof parts / sizeof *parts, FIRST_OF_BLOCK = 1, LAST_OF_BLOCK = 9 };

/* A tensor of the whole model and where it belongs. */
struct place {
    struct tensor tensor;
    struct str hf; /* p is NULL: no part of the model as transformers has it */
    uint64_t block;
    uint32_t part, file; /* file: of those that save_pretrained writes */
};

static const struct part *find_part(struct str name, uint64_t *block) {
    *block = 0;
    for (uint32_t i = 0; i < N_PARTS; i++) {
        const char *mark = strchr(parts[i].name, '#');
        const struct str start = { parts[i].name, mark ? (size_t)(mark - parts[i].name) : 0 };
        if (!mark && str_is(name, parts[i].name))
            return &parts[i];
        if (!mark || !str_starts(name, start) || !str_ends(name, str_from(mark + 1)) ||
            name.n < strlen(parts[i].name))
            continue;
        const struct str digits = { name.p + start.n, name.n - strlen(parts[i].name) + 1 };
        bool ok = digits.n < 8;
        *block = 0;
        for (size_t k = 0; k < digits.n && ok; k++) {
            ok = digits.p[k] >= '0' && digits.p[k] <= '9';
            *block = 10 * *block + (uint64_t)(digits.p[k] - '0');
        }
        if (ok)
            return &parts[i];
    }
    return NULL;
}

static struct str hf_name(struct arena *a, const struct part *part, uint64_t block) {
    const char *mark = strchr(part->hf, '#');
    return mark ? arena_printf(a, "%.*s%llu%s", (int)(mark - part->hf), part->hf,
                               (unsigned long long)block, mark + 1)
                : arena_str(a, str_from(part->hf));
}

/* --- parts of several files --- */

static int by_name_and_file(const void *x, const void *y) {
    const struct tensor *a = *(const struct tensor *const *)x;
    const struct tensor *b = *(const struct tensor *const *)y;
    const int names = str_cmp(a->name, b->name);
    return names ? names : (a->src > b->src) - (a->src < b->src);
}

/* @of: one of each file, in order. */
static int join(struct model *m, struct place *out, const struct tensor *const *of, uint32_t n,
                bool rows_of_vocab, struct err *err) {
    const struct str name = of[0]->name;
    const struct part *part = find_part(name, &out->block);
    if (n != m->n_sources)
        return err_set(err, -EBADMSG, "tensor %.*s: %u of the %u files have it", STR_ARG(name), n,
                       m->n_sources);
    out->tensor = *of[0];
    out->part = part ? (uint32_t)(part - parts) : N_PARTS;
    if (part) {
        out->hf = hf_name(&m->arena, part, out->block);
        if (!out->hf.p)
            return err_set(err, -ENOMEM, "no memory");
    }
    if (!part || part->cut == CUT_NOT || n == 1)
        return 0;
    struct joined *j = arena_new(&m->arena, struct joined);
    if (!j)
        return err_set(err, -ENOMEM, "no memory");
    *j = (struct joined){ of, n,
                          part->cut == CUT_COLUMNS || (part->cut == CUT_VOCAB && !rows_of_vocab) };
    return joined_tensor(&out->tensor, j)
               ? 0
               : err_set(err, -EBADMSG, "tensor %.*s: its parts do not fit together",
                         STR_ARG(name));
}

/* --- the order in a folder of transformers --- */

static int by_model(const void *x, const void *y) {
    const struct place *a = x, *b = y;
#define RANK(p) ((p)->part < FIRST_OF_BLOCK ? 0 : (p)->part <= LAST_OF_BLOCK ? 1 : 2)
    if (RANK(a) != RANK(b))
        return RANK(a) - RANK(b);
#undef RANK
    if (a->block != b->block)
        return a->block < b->block ? -1 : 1;
    return (a->part > b->part) - (a->part < b->part);
}

static int by_file(const void *x, const void *y) {
    const struct place *a = x, *b = y;
    if (a->file != b->file)
        return a->file < b->file ? -1 : 1;
    return str_cmp(a->hf.p ? a->hf : a->tensor.name, b->hf.p ? b->hf : b->tensor.name);
}

/* save_pretrained begins another file where one would have more than 5 GB, two bytes a number. */
static void cut_into_files(struct place *places, uint32_t n) {
    const uint64_t most = 5000000000;
    uint64_t bytes = 0;
    uint32_t file = 0;
    qsort(places, n, sizeof *places, by_model);
    for (uint32_t i = 0; i < n; i++) {
        const uint64_t more = places[i].tensor.elems < most ? 2 * places[i].tensor.elems : most;
        if (bytes && bytes + more > most) {
            bytes = 0;
            file++;
        }
        bytes += more;
        places[i].file = places[i].hf.p ? file : UINT32_MAX;
    }
    qsort(places, n, sizeof *places, by_file);
}

int original_join(struct model *m, struct err *err) {
    const struct tensor **sorted = arena_array(&m->arena, const struct tensor *, m->n_tensors + 1);
    struct place *places = calloc((size_t)m->n_tensors + 1, sizeof *places);
    struct tensor *whole = arena_array(&m->arena, struct tensor, m->n_tensors + 1);
    bool rows_of_vocab = false;
    uint32_t n = 0;
    int rc = sorted && places && whole ? 0 : err_set(err, -ENOMEM, "no memory");
    if (rc == 0)
        rc = original_is_tiktoken(m->folder, &rows_of_vocab, err);
    for (uint32_t i = 0; rc == 0 && i < m->n_tensors; i++)
        sorted[i] = &m->tensors[i];
    if (rc == 0)
        qsort(sorted, m->n_tensors, sizeof *sorted, by_name_and_file);
    for (uint32_t i = 0, count; rc == 0 && i < m->n_tensors; i += count) {
        for (count = 1;
             i + count < m->n_tensors && str_eq(sorted[i]->name, sorted[i + count]->name);)
            count++;
        rc = join(m, &places[n++], sorted + i, count, rows_of_vocab, err);
    }
    if (rc == 0) {
        cut_into_files(places, n);
        for (uint32_t i = 0; i < n; i++)
            whole[i] = places[i].tensor;
        m->tensors = whole;
        m->n_tensors = n;
    }
    free(places);
    return rc;
}
