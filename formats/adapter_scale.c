/* SPDX-License-Identifier: Apache-2.0
 * formats/adapter_scale.c - the factor that stands before a product of two matrices: PEFT's, by
 * adapter_config.json (peft/tuners/lora/layer.py), and that of adapters in GGUF, as
 * src/llama-adapter.h of llama.cpp has it. */
#include "formats/adapter_impl.h"
#include "formats/cleanup.h"
#include "formats/json.h"
#include "formats/tokenizer/regex.h"
#include <errno.h>
#include <math.h>

enum { MAX_MATRICES = 65536 };

/* The value of the first pattern that fits the module's name to its end. 1: found. */
static int find_pattern(const struct pairing *p, const char *patterns, struct str module,
                        const struct json **out) {
    const struct json *list = json_get(p->m->adapter->config, patterns);
    for (struct json_iter it = json_iter(list); json_next(&it);) {
        struct regex *re;
        size_t start = 0, end;
        const struct str text = arena_printf(p->arena, "\\A(?:.*\\.)?(?:%.*s)$", STR_ARG(it.key));
        int rc = text.p ? regex_new(&re, text, REGEX_ECMASCRIPT, p->err)
                        : err_set(p->err, -ENOMEM, "no memory for the adapter");
        if (rc < 0)
            return rc;
        rc = regex_find(re, module, &start, &end, p->err);
        regex_free(re);
        *out = it.value;
        if (rc)
            return rc;
    }
    return 0;
}

static int peft_value(const struct pairing *p, const char *patterns, const char *key,
                      struct str module, double *out) {
    const struct json *v = NULL;
    int rc = find_pattern(p, patterns, module, &v);
    if (rc < 0)
        return rc;
    if (!json_f64(rc ? v : json_get(p->m->adapter->config, key), out) || !isfinite(*out))
        return err_set(p->err, -EBADMSG, "adapter_config.json: \"%s\" of %.*s is not a number",
                       rc ? patterns : key, STR_ARG(module));
    return 0;
}

int adapter_peft_scale(const struct pairing *p, struct str module, uint64_t rank, bool packed,
                       struct lora_pair *pair) {
    double alpha = 0, r = 0;
    bool root = false;
    int rc = peft_value(p, "rank_pattern", "r", module, &r);
    if (rc == 0)
        rc = peft_value(p, "alpha_pattern", "lora_alpha", module, &alpha);
    if (rc < 0)
        return rc;
    const uint64_t one = r >= 1 && r <= (double)rank ? (uint64_t)r : 0;
    const uint64_t n = one && (double)one == r && rank % one == 0 ? rank / one : 0;
    if (n != 1 && !(packed && n && n <= MAX_MATRICES))
        return err_set(p->err, -EBADMSG,
                       "%.*s: its matrices have rank %llu, adapter_config.json says %g",
                       STR_ARG(module), (unsigned long long)rank, r);
    json_bool(json_get(p->m->adapter->config, "use_rslora"), &root);
    pair->scale = alpha / (root ? sqrt(r) : r);
    pair->experts = n > 1 ? n : 0;
    return 0;
}

int adapter_gguf_scale(const struct pairing *p, struct lora_pair *pair) {
    double alpha;
    if (!kv_get_f64(&p->m->kvs, "adapter.lora.alpha", &alpha) || !isfinite(alpha))
        return err_set(p->err, -EBADMSG, "adapter.lora.alpha is missing, or not a number");
    pair->scale = alpha == 0 ? 1 : alpha / (double)pair->b->cols;
    return 0;
}
