/* SPDX-License-Identifier: Apache-2.0
 * formats/onnx/onnx_nbits_shape.c - see onnx_nbits_shape.h. */
#include "formats/onnx/onnx_nbits_shape.h"

enum { INT64 = ONNX__TENSOR_PROTO__DATA_TYPE__INT64, MAX_INPUTS = 4 };

/* Names of values get the prefix, but for these. */
static const char X[] = "x", FROM[] = "from", TO[] = "to";

/* [1] * max(rank - max(rank of x, 2), 0) + x.shape[:-1] + [cols] */
static const struct step {
    const char *op, *in[MAX_INPUTS], *out, *name;
} steps[] = {
    { "Shape", { X }, "a_shape", "shape_a" },
    { "Shape", { "a_shape" }, "a_shape_of_shape", "shape_of_a_shape" },
    { "Gather", { "a_shape_of_shape", "zero" }, "a_rank", "gather_rank" },
    { "Max", { "a_rank", "two" }, "a_rank_eff", "max_rank_eff" },
    { "Sub", { "rank_b", "a_rank_eff" }, "extra_raw", "sub" },
    { "Max", { "extra_raw", "zero" }, "extra_count", "max" },
    { "Reshape", { "extra_count", "one_vec" }, "extra_count_vec", "reshape_extra" },
    { "ConstantOfShape", { "extra_count_vec" }, "extra_ones", "const_ones" },
    { "Sub", { "a_rank", "one" }, "a_rank_m1", "sub_one" },
    { "Reshape", { "a_rank_m1", "one_vec" }, "a_rank_m1_vec", "reshape_rank_m1" },
    { "Slice",
      { "a_shape", "zero_vec", "a_rank_m1_vec", "zero_vec" },
      "a_prefix_shape",
      "slice_a_prefix" },
    { "Concat", { "extra_ones", "a_prefix_shape", "n_vec" }, "target_shape", "concat_target" },
    { "Reshape", { FROM, "target_shape" }, TO, "reshape_out" },
};

static const char *value_name(struct onnx_graph *g, const struct onnx_reshape *r,
                              const char *name) {
    return name == X      ? r->x
           : name == FROM ? r->from
           : name == TO   ? r->to
                          : onnx_text(g, "%s_%s", r->prefix, name);
}

static void add_constants(struct onnx_graph *g, const struct onnx_reshape *r) {
    const struct {
        const char *name;
        int64_t value;
        size_t n_dims;
    } constants[] = { { "zero", 0, 0 },    { "one", 1, 0 },          { "two", 2, 0 },
                      { "one_vec", 1, 1 }, { "rank_b", r->rank, 0 }, { "n_vec", r->cols, 1 },
                      { "zero_vec", 0, 1 } };
    const int64_t single = 1;
    for (size_t i = 0; i < sizeof constants / sizeof *constants; i++)
        onnx_scope_add(g, r->scope,
                       onnx_make_constant(g, value_name(g, r, constants[i].name), INT64, &single,
                                          constants[i].n_dims, &constants[i].value,
                                          sizeof constants[i].value));
}

void onnx_restore_shape(struct onnx_graph *g, const struct onnx_reshape *r,
                        Onnx__NodeProto ***nodes, size_t *n, size_t *cap) {
    const int64_t one = 1;
    add_constants(g, r);
    for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) {
        const struct step *s = &steps[i];
        const char *in[MAX_INPUTS + 1] = { NULL };
        for (size_t j = 0; j < MAX_INPUTS && s->in[j]; j++)
            in[j] = value_name(g, r, s->in[j]);
        Onnx__NodeProto *node =
            onnx_make_node(g, "", s->op, onnx_text(g, "%s_%s", r->prefix, s->name), in,
                           ONNX_NAMES(value_name(g, r, s->out)));
        if (!strcmp(s->op, "ConstantOfShape"))
            onnx_attr_number(g, node, "value", INT64, &one, sizeof one);
        if (!strcmp(s->op, "Concat"))
            onnx_attr_int(g, node, "axis", 0);
        onnx_list_add(g, nodes, n, cap, node);
    }
}
