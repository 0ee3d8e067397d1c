/* SPDX-License-Identifier: Apache-2.0
 * formats/onnx/decoder_rope.c - the frequencies of rotary positions, each step in float32 and in
 * transformers' order. Source: transformers 5.23, modeling_rope_utils.py. */
#include "formats/onnx/onnx_decoder.h"
#include <errno.h>
#include <math.h>

static float plain(const struct decoder *d, const struct rope *r, uint64_t i) {
    const float exponent = (float)(2 * i) / (float)d->rotated;
    return (float)pow((float)(r->has_theta ? r->theta : 10000), exponent);
}

static void fill_plain(struct decoder *d, const struct rope *r) {
    for (uint64_t i = 0; i < d->rotated / 2; i++)
        d->inv_freq[i] = 1 / plain(d, r, i);
}

static void fill_linear(struct decoder *d, const struct rope *r) {
    for (uint64_t i = 0; i < d->rotated / 2; i++)
        d->inv_freq[i] = 1 / plain(d, r, i) / (float)rope_f64(r, "factor", 1);
}

/* llama3's scaling of one frequency. */
static float scale_llama3(const struct rope *r, float inv) {
    const double low = rope_f64(r, "low_freq_factor", 1), high = rope_f64(r, "high_freq_factor", 4);
    const double context = (double)r->context;
    const float factor = (float)rope_f64(r, "factor", 8);
    const float wave = (float)(2 * M_PI) / inv;
    if (wave < (float)(context / high))
        return inv;
    if (wave > (float)(context / low))
        return inv / factor;
    const float smooth = ((float)context / wave - (float)low) / (float)(high - low);
    return (1 - smooth) * (inv / factor) + smooth * inv;
}

static void fill_llama3(struct decoder *d, const struct rope *r) {
    for (uint64_t i = 0; i < d->rotated / 2; i++)
        d->inv_freq[i] = scale_llama3(r, 1 / plain(d, r, i));
}

/* --- yarn --- */

/* The place in a head where a wave turns @turns times in the context of the training. */
static double yarn_place(const struct decoder *d, const struct rope *r, double turns) {
    const double theta = r->has_theta ? r->theta : 10000;
    return (double)d->rotated * log((double)r->context / (turns * 2 * M_PI)) / (2 * log(theta));
}

static double yarn_mscale(double factor, double mscale) {
    return factor <= 1 ? 1 : 0.1 * mscale * log(factor) + 1;
}

/* A number that counts as absent where it is zero. */
static double rope_or(const struct rope *r, const char *key, double absent) {
    const double v = rope_f64(r, key, 0);
    return v == 0 ? absent : v;
}

static void fill_yarn(struct decoder *d, const struct rope *r) {
    const double factor =
        rope_f64(r, "factor", (double)d->positions / (double)(r->context ? r->context : 1));
    const double mscale = rope_f64(r, "mscale", 0), all = rope_f64(r, "mscale_all_dim", 0);
    const double both = mscale != 0 && all != 0
                            ? yarn_mscale(factor, mscale) / yarn_mscale(factor, all)
                            : yarn_mscale(factor, 1);
    double low = yarn_place(d, r, rope_or(r, "beta_fast", 32));
    double high = yarn_place(d, r, rope_or(r, "beta_slow", 1));
    bool truncate = true;
    json_bool(json_get(r->params, "truncate"), &truncate);
    low = fmax(truncate ? floor(low) : low, 0);
    high = fmin(truncate ? ceil(high) : high, (double)d->rotated - 1);
    high += low == high ? 0.001 : 0;
    for (uint64_t i = 0; i < d->rotated / 2; i++) {
        const float freq = plain(d, r, i);
        const float ramp = ((float)i - (float)low) / (float)(high - low);
        const float kept = 1 - fminf(fmaxf(ramp, 0), 1);
        d->inv_freq[i] = 1 / ((float)factor * freq) * (1 - kept) + 1 / freq * kept;
    }
    d->rope_scale = (float)rope_f64(r, "attention_factor", both);
}

/* --- longrope --- */

static void fill_by_factors(struct decoder *d, const struct rope *r, const char *key, float *out) {
    const struct json *factors = json_get(r->params, key);
    if (json_len(factors) != d->rotated / 2)
        net_fail(&d->n, -EBADMSG, "config.json: \"%s\" has not %llu numbers", key,
                 (unsigned long long)d->rotated / 2);
    for (uint64_t i = 0; out && i < d->rotated / 2; i++) {
        double factor = 0;
        if (!json_f64(json_at(factors, i), &factor))
            net_fail(&d->n, -EBADMSG, "config.json: \"%s\" is no list of numbers", key);
        out[i] = 1 / ((float)factor * plain(d, r, i));
    }
}

static void fill_longrope(struct decoder *d, const struct rope *r) {
    const double factor =
        rope_f64(r, "factor", (double)d->positions / (double)(r->context ? r->context : 1));
    const double both = factor <= 1 ? 1 : sqrt(1 + log(factor) / log((double)r->context));
    d->inv_freq_long = arena_array(d->n.g->arena, float, d->rotated / 2 + 1);
    d->n.g->failed |= !d->inv_freq_long;
    d->rope_context = r->context;
    fill_by_factors(d, r, "short_factor", d->inv_freq);
    fill_by_factors(d, r, "long_factor", d->inv_freq_long);
    d->rope_scale = (float)rope_f64(r, "attention_factor", both);
    if (r->context == 0 || r->context > 1 << 30)
        net_fail(&d->n, -EBADMSG, "config.json: a context of %llu", (unsigned long long)r->context);
}

/* --- all --- */

static const struct {
    const char *type;
    void (*fill)(struct decoder *d, const struct rope *r);
    bool context; /* counts from the context of the training */
} kinds[] = {
    { "default", fill_plain, false },    { "linear", fill_linear, false },
    { "llama3", fill_llama3, true },     { "yarn", fill_yarn, true },
    { "longrope", fill_longrope, true }, { "su", fill_longrope, true }, /* its first name */
};

/* How many numbers of a head are rotated. */
static void read_part(struct decoder *d, const struct rope *r) {
    d->rotated = d->dim;
    if (!r->has_partial || r->partial == 1)
        return;
    if (!d->family->partial)
        net_fail(&d->n, -ENOTSUP, "config.json: a %s has no heads that are rotated in part",
                 d->family->model_type);
    else if (!(r->partial > 0 && r->partial < 1))
        net_fail(&d->n, -EBADMSG, "config.json: \"partial_rotary_factor\" is %g", r->partial);
    else
        d->rotated = (uint64_t)((double)d->dim * r->partial);
    if (d->rotated == 0 || d->rotated % 2)
        net_fail(&d->n, -EBADMSG, "config.json: heads are rotated in %llu numbers",
                 (unsigned long long)d->rotated);
}

void decoder_read_rope(struct decoder *d) {
    struct rope r = { 0 };
    void (*fill)(struct decoder *, const struct rope *) = NULL;
    net_remember(&d->n, rope_read(&r, &d->n.src->config, d->n.err));
    const struct str type = r.type.p ? r.type : STR("default");
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (str_is(type, kinds[i].type) && (r.has_context || !kinds[i].context))
            fill = kinds[i].fill;
    if (!fill)
        net_fail(&d->n, -ENOTSUP, "config.json: rotary positions of type \"%.*s\" are not written",
                 STR_ARG(type));
    read_part(d, &r);
    d->inv_freq = arena_array(d->n.g->arena, float, d->rotated / 2 + 1);
    d->rope_scale = 1;
    if (!d->inv_freq)
        d->n.g->failed = true;
    else if (fill)
        fill(d, &r);
    d->fused_rotary = d->seqlens && !d->inv_freq_long && d->rotated == d->dim;
}
