/* SPDX-License-Identifier: Apache-2.0
 * formats/onnx/onnx_describe.c - what people ask of an ONNX model, as pairs: opsets, producer,
 * inputs and outputs with types and shapes. */
#include "formats/onnx/onnx_graph.h"
#include "formats/onnx/onnx_model.h"
#include <errno.h>
#include <stdio.h>

/* "pixels: float32[batch, 3, 224, 224]" */
static struct str value_text(struct arena *a, const Onnx__ValueInfoProto *v) {
    const Onnx__TypeProto__Tensor *t = v->type ? v->type->tensor_type : NULL;
    const Onnx__TensorShapeProto *shape = t ? t->shape : NULL;
    struct buffer b = { 0 };
    buffer_z(&b, v->name ? v->name : "");
    buffer_z(&b, ": ");
    buffer_z(&b, t ? onnx_type_name(t->elem_type) : "no tensor");
    buffer_z(&b, shape ? "[" : "");
    for (size_t i = 0; shape && i < shape->n_dim; i++) {
        const Onnx__TensorShapeProto__Dimension *d = shape->dim[i];
        char number[24] = "?";
        const char *text = number;
        if (d->value_case == ONNX__TENSOR_SHAPE_PROTO__DIMENSION__VALUE_DIM_VALUE)
            snprintf(number, sizeof number, "%lld", (long long)d->dim_value);
        else if (d->value_case == ONNX__TENSOR_SHAPE_PROTO__DIMENSION__VALUE_DIM_PARAM &&
                 d->dim_param)
            text = d->dim_param;
        buffer_z(&b, i ? ", " : "");
        buffer_z(&b, text);
    }
    buffer_z(&b, shape ? "]" : "");
    const struct str s =
        b.failed ? (struct str){ NULL, 0 } : arena_str(a, (struct str){ b.p, b.n });
    buffer_fini(&b);
    return s;
}

/* Before IR version 4 the initializers were inputs too. */
static bool add_values(struct model *m, const char *key, Onnx__ValueInfoProto *const *values,
                       size_t n, bool skip_inits) {
    struct str *texts = arena_array(&m->arena, struct str, n);
    size_t used = 0;
    bool ok = texts != NULL;
    for (size_t i = 0; ok && i < n; i++) {
        if (skip_inits && values[i]->name && model_find(m, str_from(values[i]->name)))
            continue;
        texts[used] = value_text(&m->arena, values[i]);
        ok = texts[used++].p != NULL;
    }
    return ok && kv_set_strs(&m->kvs, &m->arena, key, texts, used);
}

static bool add_opsets(struct model *m, const Onnx__ModelProto *p) {
    bool ok = true;
    for (size_t i = 0; ok && i < p->n_opset_import; i++) {
        const Onnx__OperatorSetIdProto *o = p->opset_import[i];
        const bool standard = !o->domain || !*o->domain || strcmp(o->domain, "ai.onnx") == 0;
        const struct str key =
            standard ? STR("opset") : arena_printf(&m->arena, "opset.%s", o->domain);
        ok = key.p && kv_set_u64(&m->kvs, &m->arena, key.p, (uint64_t)o->version);
    }
    return ok;
}

static bool add_properties(struct model *m, const Onnx__ModelProto *p) {
    bool ok = true;
    for (size_t i = 0; ok && i < p->n_metadata_props; i++) {
        const Onnx__StringStringEntryProto *e = p->metadata_props[i];
        const struct str key = arena_printf(&m->arena, "metadata.%s", e->key ? e->key : "");
        ok = key.p && kv_set_str(&m->kvs, &m->arena, key.p, str_from(e->value ? e->value : ""));
    }
    return ok;
}

int onnx_describe(struct model *m, const Onnx__ModelProto *p, struct err *err) {
    const char *name = p->producer_name ? p->producer_name : "";
    const char *version = p->producer_version ? p->producer_version : "";
    const struct str producer =
        arena_printf(&m->arena, "%s%s%s", name, *version ? " " : "", version);
    const Onnx__GraphProto *g = p->graph;
    const bool ok = producer.p && add_opsets(m, p) &&
                    kv_set_u64(&m->kvs, &m->arena, "ir_version", (uint64_t)p->ir_version) &&
                    kv_set_str(&m->kvs, &m->arena, "producer", producer) &&
                    add_values(m, "inputs", g->input, g->n_input, p->ir_version < 4) &&
                    add_values(m, "outputs", g->output, g->n_output, false) && add_properties(m, p);
    return ok ? 0 : err_set(err, -ENOMEM, "no memory for the model");
}
