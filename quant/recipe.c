/* SPDX-License-Identifier: Apache-2.0
 * quant/recipe.c - which type for which tensor: llama_tensor_get_type and what it calls in
 * src/llama-quant.cpp (llama.cpp 0c1e570). */
#include "quant/recipe.h"
#include "quant/recipe_names.h"
#include <string.h>

/* Conditions of a rule; all that are set must hold. i is the tensor's place among the n of its
 * role, for the feed-forward ones its layer among all layers. */
enum when {
    ALWAYS = 0,
    MORE = 1 << 0,      /* layers that matter more: use_more_bits */
    EIGHTH = 1 << 1,    /* i < n / 8 */
    SIXTEENTH = 1 << 2, /* i < n / 16 */
    MIDDLE = 1 << 3,    /* n / 8 <= i < 7 n / 8 */
    FIRST_2 = 1 << 4,   /* i < 2 */
    FIRST_4 = 1 << 5,
    GQA_4 = 1 << 6,     /* at least 4 heads share one k and v */
    EXPERTS_4 = 1 << 7, /* at least 4 experts */
    EXPERTS_8 = 1 << 8, /* just 8 */
    EXPERTS_NOT_8 = 1 << 9,
    FALCON = 1 << 10,
    NOT_FALCON = 1 << 11,
    IMATRIX = 1 << 12,
    NO_IMATRIX = 1 << 13
};

struct rule {
    uint64_t files; /* set of file types, a bit each */
    enum role role;
    unsigned when;
    enum dtype to;
};

#define F(type) (1ull << FILE_##type)
#define LOW     (F(IQ2_XXS) | F(IQ2_XS) | F(IQ2_S) | F(IQ2_M) | F(IQ1_S) | F(IQ1_M))

/* The first rule that fits decides; without one the base type stays. */
static const struct rule rules[] = {
    { F(IQ2_XXS) | F(IQ2_XS) | F(IQ1_S) | F(IQ1_M), ROLE_EMBEDDING, ALWAYS, DTYPE_Q2_K },
    { F(IQ2_S) | F(IQ2_M) | F(IQ3_XXS), ROLE_EMBEDDING, ALWAYS, DTYPE_IQ3_S },
    { F(TQ1_0) | F(TQ2_0) | F(Q2_0), ROLE_EMBEDDING, ALWAYS, DTYPE_Q4_K },

    { LOW, ROLE_V, GQA_4, DTYPE_Q4_K },
    { LOW, ROLE_V, EXPERTS_4, DTYPE_Q4_K },
    { F(IQ2_S) | F(IQ2_M), ROLE_V, ALWAYS, DTYPE_IQ3_S },
    { LOW, ROLE_V, ALWAYS, DTYPE_Q2_K },
    { LOW, ROLE_K, EXPERTS_8, DTYPE_Q4_K },
    { F(IQ2_S) | F(IQ2_M), ROLE_DOWN, EIGHTH, DTYPE_IQ3_S },
    { LOW, ROLE_DOWN, EIGHTH, DTYPE_Q2_K },
    { LOW, ROLE_ATTN_OUTPUT, EXPERTS_8, DTYPE_Q5_K },
    { F(IQ1_S) | F(IQ1_M), ROLE_ATTN_OUTPUT, ALWAYS, DTYPE_IQ2_XXS },
    { F(IQ2_S) | F(IQ2_M), ROLE_ATTN_OUTPUT, ALWAYS, DTYPE_IQ3_S },

    { F(Q2_K) | F(Q2_K_S) | F(IQ3_XXS) | F(IQ3_XS) | F(IQ3_S), ROLE_V, GQA_4, DTYPE_Q4_K },
    { F(Q2_K), ROLE_V, ALWAYS, DTYPE_Q3_K },
    { F(IQ3_XXS), ROLE_V, NO_IMATRIX, DTYPE_IQ3_S },
    { F(IQ3_M), ROLE_V, ALWAYS, DTYPE_Q4_K },
    { F(Q3_K_M), ROLE_V, FIRST_2, DTYPE_Q5_K },
    { F(Q3_K_M), ROLE_V, ALWAYS, DTYPE_Q4_K },
    { F(Q3_K_L), ROLE_V, ALWAYS, DTYPE_Q5_K },
    { F(IQ4_NL) | F(IQ4_XS), ROLE_V, GQA_4, DTYPE_Q5_K },
    { F(Q4_K_M) | F(Q5_K_M), ROLE_V, MORE, DTYPE_Q6_K },
    { F(Q4_K_S), ROLE_V, FIRST_4, DTYPE_Q5_K },

    { ~LOW, ROLE_K, EXPERTS_8, DTYPE_Q8_0 },
    { F(IQ3_XS), ROLE_K, ALWAYS, DTYPE_IQ3_XXS },
    { F(IQ3_XXS), ROLE_K, ALWAYS, DTYPE_IQ2_S },
    { F(IQ3_XS), ROLE_Q, ALWAYS, DTYPE_IQ3_XXS },
    { F(IQ3_XXS), ROLE_Q, ALWAYS, DTYPE_IQ2_S },

    { F(Q2_K), ROLE_DOWN, ALWAYS, DTYPE_Q3_K },
    { F(Q2_K_S), ROLE_DOWN, EIGHTH, DTYPE_Q4_K },
    { F(IQ3_XXS), ROLE_DOWN, EIGHTH | NO_IMATRIX, DTYPE_Q4_K },
    { F(IQ3_XXS), ROLE_DOWN, NO_IMATRIX, DTYPE_Q3_K },
    { F(Q3_K_M), ROLE_DOWN, SIXTEENTH, DTYPE_Q5_K },
    { F(Q3_K_M), ROLE_DOWN, NOT_FALCON, DTYPE_Q4_K },
    { F(Q3_K_M), ROLE_DOWN, MORE, DTYPE_Q4_K },
    { F(IQ3_M), ROLE_DOWN, EIGHTH, DTYPE_Q4_K },
    { F(IQ3_M), ROLE_DOWN, EXPERTS_8 | MORE, DTYPE_Q4_K },
    { F(Q3_K_L), ROLE_DOWN, FALCON, DTYPE_Q4_K },
    { F(Q3_K_L), ROLE_DOWN, ALWAYS, DTYPE_Q5_K },
    { F(Q4_K_M), ROLE_DOWN, FALCON | SIXTEENTH, DTYPE_Q6_K },
    { F(Q4_K_M), ROLE_DOWN, FALCON | MORE, DTYPE_Q5_K },
    { F(Q4_K_M), ROLE_DOWN, NOT_FALCON | MORE, DTYPE_Q6_K },
    { F(IQ4_NL) | F(IQ4_XS), ROLE_DOWN, EIGHTH | NO_IMATRIX, DTYPE_Q5_K },
    { F(Q5_K_M), ROLE_DOWN, MORE, DTYPE_Q6_K },
    { F(Q4_K_S), ROLE_DOWN, EIGHTH | NOT_FALCON, DTYPE_Q5_K },
    { F(Q4_0), ROLE_DOWN, EIGHTH | IMATRIX, DTYPE_Q4_1 },
    { F(Q5_0), ROLE_DOWN, EIGHTH | IMATRIX, DTYPE_Q5_1 },

    { F(Q2_K) | F(IQ3_XS) | F(IQ3_XXS) | F(Q3_K_S) | F(Q3_K_M) | F(IQ4_NL) | F(Q4_K_S) | F(Q4_K_M) |
          F(IQ3_S) | F(IQ3_M) | F(IQ4_XS),
      ROLE_ATTN_OUTPUT, EXPERTS_8 | NOT_FALCON, DTYPE_Q5_K },
    { F(Q2_K), ROLE_ATTN_OUTPUT, EXPERTS_NOT_8 | NOT_FALCON, DTYPE_Q3_K },
    { F(IQ3_XXS), ROLE_ATTN_OUTPUT, EXPERTS_NOT_8 | NOT_FALCON, DTYPE_IQ3_S },
    { F(Q3_K_M) | F(IQ3_M), ROLE_ATTN_OUTPUT, EXPERTS_NOT_8 | NOT_FALCON, DTYPE_Q4_K },
    { F(Q3_K_L), ROLE_ATTN_OUTPUT, EXPERTS_NOT_8 | NOT_FALCON, DTYPE_Q5_K },
    { F(Q3_K_L), ROLE_ATTN_OUTPUT, FALCON, DTYPE_Q4_K },

    { F(IQ3_XS), ROLE_GATE, MIDDLE, DTYPE_IQ3_XXS },
    { F(IQ3_XS), ROLE_UP, MIDDLE, DTYPE_IQ3_XXS },
};

/* For rows that are not whole blocks of the wanted type. */
static const struct {
    enum dtype from, to;
} fallbacks[] = {
    { DTYPE_IQ1_S, DTYPE_IQ4_NL },  { DTYPE_IQ1_M, DTYPE_IQ4_NL },  { DTYPE_IQ2_XXS, DTYPE_IQ4_NL },
    { DTYPE_IQ2_XS, DTYPE_IQ4_NL }, { DTYPE_IQ2_S, DTYPE_IQ4_NL },  { DTYPE_IQ3_XXS, DTYPE_IQ4_NL },
    { DTYPE_IQ3_S, DTYPE_IQ4_NL },  { DTYPE_IQ4_XS, DTYPE_IQ4_NL }, { DTYPE_Q2_0, DTYPE_Q4_0 },
    { DTYPE_Q2_K, DTYPE_Q4_0 },     { DTYPE_Q3_K, DTYPE_Q4_0 },     { DTYPE_TQ1_0, DTYPE_Q4_0 },
    { DTYPE_TQ2_0, DTYPE_Q4_0 },    { DTYPE_Q4_K, DTYPE_Q5_0 },     { DTYPE_Q5_K, DTYPE_Q5_1 },
    { DTYPE_Q6_K, DTYPE_Q8_0 },
};

enum { RECIPE_MAX_LAYERS = 512 }; /* LLAMA_MAX_LAYERS */

struct state {
    const struct ftype *type;
    const struct recipe_model *model;
    bool is_falcon, is_70b, is_tied, is_glm5_next;
    int n_layer, n_v;              /* totals */
    int i_v, i_down, i_gate, i_up; /* how many were met so far */
    int i, n;                      /* of the tensor at hand, for the rules */
    const char *reason;            /* of a refusal */
};

static uint64_t tensor_cols(const struct recipe_tensor *t) {
    return t->n_dims ? t->dims[t->n_dims - 1] : 1;
}

static bool is_70b(const struct recipe_model *m) {
    static const struct {
        const char *architecture;
        uint64_t n_layer;
    } known[] = {
        { "llama", 80 }, { "llama-embed", 80 }, { "qwen2", 80 },
        { "deci", 80 },  { "olmo", 80 },        { "jais2", 68 },
    };
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (!strcmp(m->architecture, known[i].architecture) &&
            m->n_layer - m->n_layer_nextn == known[i].n_layer)
            return strncmp(m->architecture, "llama", 5) ||
                   (m->n_head != m->n_head_kv && m->n_expert != 8);
    return false;
}

static bool in_more(int i, int n) {
    return i < n / 8 || i >= 7 * n / 8 || (i - n / 8) % 3 == 2;
}

static bool holds(const struct state *s, unsigned when) {
    const struct recipe_model *m = s->model;
    uint64_t gqa = m->n_head_kv ? m->n_head / m->n_head_kv : 0;
    unsigned now = 0;
    now |= in_more(s->i, s->n) ? MORE : 0;
    now |= s->i < s->n / 8 ? EIGHTH : 0;
    now |= s->i < s->n / 16 ? SIXTEENTH : 0;
    now |= s->i >= s->n / 8 && s->i < 7 * s->n / 8 ? MIDDLE : 0;
    now |= s->i < 2 ? FIRST_2 : 0;
    now |= s->i < 4 ? FIRST_4 : 0;
    now |= gqa >= 4 ? GQA_4 : 0;
    now |= m->n_expert >= 4 ? EXPERTS_4 : 0;
    now |= m->n_expert == 8 ? EXPERTS_8 : EXPERTS_NOT_8;
    now |= s->is_falcon ? FALCON : NOT_FALCON;
    now |= m->has_imatrix ? IMATRIX : NO_IMATRIX;
    return (now & when) == when;
}

static bool is_low(const struct state *s) {
    return LOW >> s->type->file_type & 1;
}

/* Experts of one layer are tensors of their own in old files, so there the name tells the layer. */
static bool find_layer(struct state *s, const char *name, int counter) {
    s->i = counter;
    s->n = s->n_layer;
    if (s->model->n_expert <= 1 || is_low(s))
        return true;
    s->i = recipe_block(name);
    if (s->i >= 0 && s->i < s->n)
        return true;
    s->reason = "its layer cannot be told from its name";
    return false;
}

/* Where in its row of tensors the one at hand stands; counts it. */
static bool take_place(struct state *s, enum role role, const char *name) {
    s->i = s->n = 0;
    switch (role) {
    case ROLE_V:
        s->i = s->i_v++;
        s->n = s->n_v;
        return true;
    case ROLE_DOWN:
        return find_layer(s, name, s->i_down++);
    case ROLE_GATE:
        return is_low(s) || find_layer(s, name, s->i_gate++);
    case ROLE_UP:
        return is_low(s) || find_layer(s, name, s->i_up++);
    default:
        return true;
    }
}

static enum dtype choose_output(const struct state *s, const struct recipe_tensor *t) {
    enum dtype base = s->type->base;
    if (s->model->output != DTYPE_NONE)
        return s->model->output;
    if (s->type->file_type == FILE_MXFP4_MOE || s->is_falcon ||
        tensor_cols(t) % dtype_info[base].block_elems)
        return DTYPE_Q8_0;
    if ((LOW | F(IQ3_XXS)) >> s->type->file_type & 1)
        return DTYPE_Q5_K;
    return base == DTYPE_Q8_0 ? base : DTYPE_Q6_K;
}

/* Experts are MXFP4, all else is Q8_0. */
static enum dtype choose_mxfp4(const struct state *s, const struct recipe_tensor *t,
                               enum role role) {
    bool is_3d = t->n_dims >= 3 && t->dims[t->n_dims - 3] > 1;
    bool is_ffn = role == ROLE_UP || role == ROLE_GATE || role == ROLE_DOWN;
    /* There the projections of latent attention have three dimensions too. */
    bool is_expert = is_3d && (strcmp(s->model->architecture, "bailingmoe3") || is_ffn);
    return is_expert ? DTYPE_MXFP4 : DTYPE_Q8_0;
}

/* By the rules alone, whatever the length of a row. DTYPE_NONE: refused. */
static enum dtype choose(struct state *s, const struct recipe_tensor *t) {
    enum role role = recipe_role(t->name);
    if (s->is_glm5_next && (strstr(t->name, "attn_q_a") || strstr(t->name, "attn_q_b") ||
                            strstr(t->name, "nextn.eh_proj")))
        return DTYPE_Q8_0;
    if (role == ROLE_OUTPUT || (s->is_tied && role == ROLE_EMBEDDING))
        return choose_output(s, t);
    if (s->type->file_type == FILE_MXFP4_MOE)
        return choose_mxfp4(s, t, role);
    if (!take_place(s, role, t->name))
        return DTYPE_NONE;

    enum dtype to = s->type->base;
    for (size_t i = 0; i < sizeof rules / sizeof *rules; i++)
        if (rules[i].role == role && rules[i].files >> s->type->file_type & 1 &&
            holds(s, rules[i].when)) {
            to = rules[i].to;
            break;
        }
    if (role == ROLE_V && !is_low(s)) {
        if (s->is_70b && (to == DTYPE_Q3_K || to == DTYPE_Q4_K))
            to = DTYPE_Q5_K;
        if (s->model->n_expert == 8)
            to = DTYPE_Q8_0;
    }
    return to;
}

/* A type whose blocks fit the row. DTYPE_NONE: refused. */
static enum dtype fit(struct state *s, const struct recipe_tensor *t, enum dtype to) {
    uint64_t cols = tensor_cols(t);
    if (cols % dtype_info[to].block_elems == 0)
        return to;
    enum dtype second = dtype_info[to].block_elems <= 32 ? to : DTYPE_NONE;
    for (size_t i = 0; i < sizeof fallbacks / sizeof *fallbacks; i++)
        if (fallbacks[i].from == to)
            second = fallbacks[i].to;
    if (second == DTYPE_NONE) {
        s->reason = "its rows do not fit the type, which has no fallback";
        return DTYPE_NONE;
    }
    return cols % dtype_info[second].block_elems ? DTYPE_F16 : second;
}

static void count(struct state *s, const struct recipe_tensor *tensors, size_t n) {
    s->is_tied = true;
    for (size_t i = 0; i < n; i++) {
        enum role role = recipe_role(tensors[i].name);
        s->n_v += role == ROLE_V;
        if (role == ROLE_OUTPUT)
            s->is_tied = false;
    }
}

/* What the user says of this very tensor, before any rule. */
static enum dtype find_wish(const struct state *s, const struct recipe_tensor *t) {
    const struct recipe_model *m = s->model;
    enum role role = recipe_role(t->name);
    /* The table of each layer follows the embedding unless a pattern means it. */
    bool is_named = t->wish != DTYPE_NONE && !strcmp(t->name, "per_layer_token_embd.weight");
    if (role == ROLE_EMBEDDING && !is_named)
        return m->embedding;
    return role == ROLE_OUTPUT ? m->output : DTYPE_NONE;
}

/* The type of a tensor that may be changed. DTYPE_NONE: refused. */
static enum dtype choose_type(struct state *s, const struct recipe_tensor *t) {
    enum dtype to = find_wish(s, t);
    if (to != DTYPE_NONE)
        return to;
    to = s->type->base;
    if (!dtype_is_quantized(to))
        return to;
    if (t->wish != DTYPE_NONE)
        to = t->wish;
    else if (!s->model->pure)
        to = choose(s, t);
    return to == DTYPE_NONE ? to : fit(s, t, to);
}

bool recipe_choose(const struct ftype *type, const struct recipe_model *model,
                   struct recipe_tensor *tensors, size_t n, struct recipe_fault *fault) {
    struct state s = { .type = type, .model = model, .is_70b = is_70b(model) };
    s.is_falcon = !strcmp(model->architecture, "falcon");
    s.is_glm5_next = !strcmp(model->architecture, "glm5-next");
    s.n_layer = model->n_layer > RECIPE_MAX_LAYERS ? RECIPE_MAX_LAYERS : (int)model->n_layer;
    count(&s, tensors, n);
    for (size_t i = 0; i < n; i++) {
        struct recipe_tensor *t = &tensors[i];
        t->to = t->dtype;
        t->needs_imatrix = false;
        if (!recipe_allows(model->architecture, t) ||
            (model->leave_output && !strcmp(t->name, "output.weight")))
            continue;
        t->to = choose_type(&s, t);
        if (t->to == DTYPE_NONE) {
            *fault = (struct recipe_fault){ i, s.reason };
            return false;
        }
        t->needs_imatrix = recipe_needs_imatrix(type, t->name, t->to);
    }
    return true;
}

int recipe_compare(const char *a, const char *b) {
    int block_a = recipe_block(a), block_b = recipe_block(b);
    if (block_a != block_b)
        return block_a < block_b ? -1 : 1;
    return strcmp(a, b);
}
