/* SPDX-License-Identifier: Apache-2.0
 * formats/sampling.c - see sampling.h. Source: gguf-py/gguf/metadata.py (llama.cpp 0c1e570). */
#include "formats/sampling.h"
#include "formats/authorship.h"
#include <errno.h>

enum kind { KIND_STR, KIND_I32, KIND_F32 };

/* In the order in which they are written. */
static const struct sampling {
    const char *key;
    enum kind kind;
    const char *name, *other; /* in generation_config.json; @other where @name is not there */
} samplings[] = {
    { "general.sampling.sequence", KIND_STR, "sequence", NULL },
    { "general.sampling.top_k", KIND_I32, "top_k", NULL },
    { "general.sampling.top_p", KIND_F32, "top_p", NULL },
    { "general.sampling.min_p", KIND_F32, "min_p", NULL },
    { "general.sampling.xtc_probability", KIND_F32, "xtc_probability", NULL },
    { "general.sampling.xtc_threshold", KIND_F32, "xtc_threshold", NULL },
    { "general.sampling.temp", KIND_F32, "temperature", NULL },
    { "general.sampling.penalty_last_n", KIND_I32, "penalty_last_n", NULL },
    { "general.sampling.penalty_repeat", KIND_F32, "penalty_repeat", "repetition_penalty" },
    { "general.sampling.mirostat", KIND_I32, "mirostat", NULL },
    { "general.sampling.mirostat_tau", KIND_F32, "mirostat_tau", NULL },
    { "general.sampling.mirostat_eta", KIND_F32, "mirostat_eta", NULL },
};

static const char *const wanted[] = {
    [KIND_STR] = "a string", [KIND_I32] = "an integer of 32 bits", [KIND_F32] = "a number"
};

/* 1: the value is of another kind. An empty text is not written. */
static int put(struct form *f, const struct sampling *s, const struct json *value,
               struct err *err) {
    struct str text;
    int64_t i;
    double d;
    bool ok = true;
    if (s->kind == KIND_STR && json_str(value, &text))
        ok = !text.n || kv_set_str(&f->kvs, f->arena, s->key, text);
    else if (s->kind == KIND_I32 && json_i64(value, &i) && i == (int32_t)i)
        ok = kv_set_i32(&f->kvs, f->arena, s->key, (int32_t)i);
    else if (s->kind == KIND_F32 && json_f64(value, &d))
        ok = kv_set_f32(&f->kvs, f->arena, s->key, (float)d);
    else
        return 1;
    return ok ? 0 : err_set(err, -ENOMEM, "%s: no memory", s->key);
}

int sampling_add(struct form *f, const struct json *config, struct err *err) {
    for (size_t i = 0; i < sizeof samplings / sizeof *samplings; i++) {
        const struct sampling *s = &samplings[i];
        const struct json *value = json_get(config, s->name);
        if (!value && s->other)
            value = json_get(config, s->other);
        const bool beside = authorship_get(f->authorship, s->key, &value);
        const int rc = json_is_null(value) ? 0 : put(f, s, value, err);
        if (rc == 1 && beside)
            return authorship_bad(f->authorship, s->key, wanted[s->kind], err);
        if (rc == 1)
            return err_set(err, -EBADMSG, "generation_config.json: \"%s\" is not %s", s->name,
                           wanted[s->kind]);
        if (rc < 0)
            return rc;
    }
    return 0;
}
