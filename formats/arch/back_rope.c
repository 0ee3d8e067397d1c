/* SPDX-License-Identifier: Apache-2.0
 * formats/arch/back_rope.c - rotary positions of a GGUF as config.json has them. llama3's scaling
 * is a tensor there, of the factors that it makes: found again by trying what models use. */
#include "formats/arch/back.h"
#include "formats/arch/decoder.h"
#include "formats/json.h"
#include <errno.h>
#include <math.h>
#include <stdio.h>

enum { MAX_FREQS = 1 << 12 };

/* --- llama3 --- */

static int read_factors(struct back *w, const struct tensor *t, float *out) {
    if (t->dtype != DTYPE_F32 || t->elems > MAX_FREQS)
        return err_set(w->err, -ENOTSUP, "tensor %.*s is not a list of factors", STR_ARG(t->name));
    return source_pread(w->m->sources[t->src], out, t->bytes, t->off, w->err);
}

static bool fits(const float *factors, uint64_t n, float theta, const struct llama3 *s) {
    for (uint64_t i = 0; i < n; i++) {
        const float exponent = (float)(2 * i) / (float)(2 * n);
        const float freq = 1 / (float)pow(theta, exponent);
        if (fabsf(decoder_llama3_factor(s, freq) - factors[i]) > 1e-5f * factors[i])
            return false;
    }
    return true;
}

static bool find_llama3(const float *factors, uint64_t n, float theta, struct llama3 *s) {
    static const double contexts[] = { 8192, 4096, 16384, 32768, 2048, 1024, 512, 256, 128, 64 };
    *s = (struct llama3){ .factor = 1, .low = 1, .high = 4 };
    for (uint64_t i = 0; i < n; i++)
        s->factor = factors[i] > s->factor ? factors[i] : s->factor;
    for (size_t c = 0; c < sizeof contexts / sizeof *contexts; c++) {
        s->context = contexts[c];
        if (fits(factors, n, theta, s))
            return true;
    }
    return false;
}

static void add_llama3(struct back *w, const struct tensor *t, float theta) {
    float factors[MAX_FREQS];
    char text[256], numbers[3][32];
    struct llama3 s;
    const int rc = read_factors(w, t, factors);
    if (rc < 0)
        w->rc = w->rc ? w->rc : rc;
    else if (!find_llama3(factors, t->elems, theta, &s))
        back_fail(w, -ENOTSUP, "rope_freqs.weight is not what llama3's scaling makes");
    else
        snprintf(text, sizeof text,
                 "{\"rope_type\": \"llama3\", \"factor\": %s, \"low_freq_factor\": %s, "
                 "\"high_freq_factor\": %s, \"original_max_position_embeddings\": %.0f}",
                 back_float(numbers[0], (float)s.factor, 9),
                 back_float(numbers[1], (float)s.low, 9), back_float(numbers[2], (float)s.high, 9),
                 s.context);
    if (w->rc == 0)
        back_raw(w, "rope_scaling", text);
}

/* --- the rest --- */

void back_yarn(struct back *w, const char *more) {
    static const struct {
        const char *key, *name;
        float unit; /* of the pair, where @name counts ones; 0: of the row */
    } values[] = {
        { ".rope.scaling.original_context_length", "original_max_position_embeddings", 1 },
        { ".rope.scaling.yarn_ext_factor", "extrapolation_factor", 1 },
        { ".rope.scaling.yarn_attn_factor", "attention_factor", 1 },
        { ".rope.scaling.yarn_beta_fast", "beta_fast", 1 },
        { ".rope.scaling.yarn_beta_slow", "beta_slow", 1 },
        { ".rope.scaling.yarn_log_multiplier", "mscale", 0 }, /* llama.cpp has both in one */
        { ".rope.scaling.yarn_log_multiplier", "mscale_all_dim", 0 },
    };
    const float unit = w->how->log_unit > 0 ? w->how->log_unit : 0.1f;
    char text[640], number[32];
    float v = 1;
    uint64_t context;
    if (!back_says(w, ".rope.scaling.type", "yarn"))
        return;
    back_find_f32(w, ".rope.scaling.factor", &v);
    size_t at = (size_t)snprintf(text, sizeof text, "{\"rope_type\": \"yarn\", \"factor\": %s",
                                 back_float(number, v, 9));
    for (size_t i = 0; i < sizeof values / sizeof *values && at < sizeof text; i++)
        if (back_find_u64(w, values[i].key, &context))
            at += (size_t)snprintf(text + at, sizeof text - at, ", \"%s\": %llu", values[i].name,
                                   (unsigned long long)context);
        else if (back_find_f32(w, values[i].key, &v))
            at += (size_t)snprintf(
                text + at, sizeof text - at, ", \"%s\": %s", values[i].name,
                back_float(number, v / (values[i].unit > 0 ? values[i].unit : unit), 7));
    if (at < sizeof text)
        snprintf(text + at, sizeof text - at, "%s}", more);
    back_raw(w, "rope_scaling", text);
}

static void add_typed(struct back *w) {
    char key[128], text[96], number[32];
    struct str type;
    float factor = 1;
    snprintf(key, sizeof key, "%s.rope.scaling.type", w->arch->gguf);
    if (!kv_get_str(&w->m->kvs, key, &type) || str_is(type, "none"))
        return;
    back_find_f32(w, ".rope.scaling.factor", &factor);
    snprintf(text, sizeof text, "{\"rope_type\": \"linear\", \"factor\": %s}",
             back_float(number, factor, 9));
    if (str_is(type, "linear"))
        back_raw(w, "rope_scaling", text);
    else if (str_is(type, "yarn"))
        back_yarn(w, "");
    else
        back_fail(w, -ENOTSUP, "rotary positions of type \"%.*s\" have no way back", STR_ARG(type));
}

/* --- longrope --- */

/* A list of the tensor's numbers, as a member of an object. */
static int add_numbers(struct back *w, struct buffer *b, const char *name, const char *tensor) {
    const struct tensor *t = model_find(w->m, str_from(tensor));
    float factors[MAX_FREQS];
    char number[32];
    if (!t)
        return err_set(w->err, -EBADMSG, "tensor %s is missing", tensor);
    const int rc = read_factors(w, t, factors);
    if (rc < 0)
        return rc;
    buffer_z(b, ", \"");
    buffer_z(b, name);
    buffer_z(b, "\": [");
    for (uint64_t i = 0; i < t->elems; i++) {
        buffer_z(b, i ? ", " : "");
        buffer_z(b, back_float(number, factors[i], 9));
    }
    buffer_z(b, "]");
    return 0;
}

/* What the class cannot do without multiplies sines and cosines, as llama.cpp's factor does. */
static void add_factors_needed(struct back *w, struct buffer *b) {
    char number[32];
    float factor = 1;
    back_find_f32(w, ".rope.scaling.attn_factor", &factor);
    back_float(number, factor, 9);
    for (const char *s = w->cls ? w->cls->rope_numbers : NULL; s && *s; s += strspn(s, " ")) {
        const size_t n = strcspn(s, " ");
        buffer_z(b, ", \"");
        buffer_add(b, s, n);
        buffer_z(b, "\": ");
        buffer_z(b, number);
        s += n;
    }
}

static void add_longrope(struct back *w) {
    struct buffer b = { 0 };
    uint64_t context = 0;
    buffer_z(&b, "{\"rope_type\": \"longrope\"");
    int rc = add_numbers(w, &b, "short_factor", "rope_factors_short.weight");
    if (rc == 0)
        rc = add_numbers(w, &b, "long_factor", "rope_factors_long.weight");
    if (rc == 0 && (back_find_u64(w, ".rope.scaling.original_context_length", &context) ||
                    back_find_u64(w, ".context_length", &context))) { /* as llama.cpp takes it */
        buffer_z(&b, ", \"original_max_position_embeddings\": ");
        buffer_decimal(&b, context);
    }
    if (rc == 0)
        add_factors_needed(w, &b);
    buffer_add(&b, "}", 2); /* with the zero that ends it */
    if (rc == 0 && !b.failed)
        back_raw(w, "rope_scaling", b.p);
    else
        back_fail(w, rc < 0 ? rc : -ENOMEM, "%s", rc < 0 ? w->err->msg : "no memory");
    buffer_fini(&b);
}

/* Of each head the part that is rotated. */
static void add_part(struct back *w) {
    uint64_t dims = 0, heads = 0, hidden = 0;
    if (!w->cls || !(w->cls->partial_rotary_factor > 0) ||
        !back_find_u64(w, ".rope.dimension_count", &dims))
        return;
    uint64_t head = back_count(w, ".attention.key_length", 0, 0);
    if (!head && back_find_u64(w, ".embedding_length", &hidden) &&
        back_find_u64(w, ".attention.head_count", &heads) && heads)
        head = hidden / heads;
    if (head)
        back_fraction(w, "partial_rotary_factor", dims, head);
}

/* By what the row says. */
static bool is_said(const struct back *w) {
    for (unsigned i = 0; i < w->n; i++)
        if (str_is(w->written[i], "rope_parameters"))
            return true;
    return false;
}

void back_rope(struct back *w) {
    if (is_said(w))
        return;
    float theta = w->cls ? (float)w->cls->rope_theta : 10000;
    const struct tensor *freqs = model_find(w->m, STR("rope_freqs.weight"));
    if (back_find_f32(w, ".rope.freq_base", &theta) || w->cls) /* else its code's default */
        back_f32(w, "rope_theta", theta);
    add_part(w);
    if (back_has_tensor(w, "rope_factors_long.weight"))
        add_longrope(w);
    else if (freqs)
        add_llama3(w, freqs, theta);
    else
        add_typed(w);
    if (json_type(json_get(w->defaults, "rope_parameters")) ==
        JSON_OBJECT) /* a scaling of its own */
        back_raw(w, "rope_scaling", "{\"rope_type\": \"default\"}");
}
