/* SPDX-License-Identifier: Apache-2.0
 * formats/plan.c - which form, which types, which writer: from a model and a spec to a layout. */
#include "formats/plan.h"
#include "formats/arch/arch_back.h"
#include "formats/container.h"
#include "formats/folder.h"
#include "formats/merge.h"
#include "formats/onnx/onnx_view.h"
#include "formats/packed.h"
#include "formats/quantize.h"
#include "formats/quantized/quantized.h"
#include "quant/codec.h"
#include <errno.h>

/* A file that is the view already. */
static bool is_own_type(const struct model *m, const struct spec *spec, enum container_kind kind) {
    return spec->type->file_type == FILE_AUTO && m->container->kind == kind && m->n_sources == 1 &&
           !spec->split;
}

static int plan_copy(struct layout *l, const struct model *m, struct err *err) {
    return layout_copy(l, 0, 0, source_ident(m->sources[0])->size, err);
}

static bool find_outtype(const struct ftype *type, enum outtype *out) {
    switch (type->file_type) {
    case FILE_AUTO:
        *out = OUTTYPE_AUTO;
        return true;
    case FILE_F32:
        *out = OUTTYPE_F32;
        return true;
    case FILE_F16:
        *out = OUTTYPE_F16;
        return true;
    case FILE_BF16:
        *out = OUTTYPE_BF16;
        return true;
    case FILE_Q8_0:
        *out = OUTTYPE_Q8_0;
        return true;
    default:
        *out = OUTTYPE_AUTO;
        return false;
    }
}

/* The outtype of the converter of folders that the view begins with. True where that is the view:
 * the others are quantized from it, and so are its own types where an option says how. */
static bool begin_folder(const struct extras *x, enum outtype *out) {
    if (!x->profile && !spec_is_special(&x->spec))
        return find_outtype(x->spec.type, out);
    *out = OUTTYPE_AUTO;
    if (x->spec.from)
        find_outtype(x->spec.from, out);
    return false;
}

/* The parts of a split GGUF as one file. */
static void join_parts(struct form *f) {
    kv_remove(&f->kvs, STR("split.no"));
    kv_remove(&f->kvs, STR("split.count"));
    kv_remove(&f->kvs, STR("split.tensors.count"));
}

static int form_gguf(struct form *f, const struct model *m, const struct extras *x,
                     struct err *err) {
    enum outtype out;
    int ret;
    switch (m->container->kind) {
    case CONTAINER_GGUF:
        if (x->spec.from || x->spec.pre[0] || spec_tells_converter(&x->spec))
            return err_set(err, -ENOTSUP,
                           "from=, pre=, fp8_as_q8 and fuse_* are for Hugging Face folders");
        ret = form_identity(f, m, err);
        if (ret < 0)
            return ret;
        if (x->spec.type->file_type != FILE_AUTO)
            return form_quantize(f, x, err);
        join_parts(f);
        return 0;
    case CONTAINER_FOLDER:
    case CONTAINER_ONNX: {
        bool is_final = begin_folder(x, &out);
        f->pre = x->spec.pre[0] ? x->spec.pre : NULL;
        f->how = (struct convert_options){ .fp8_as_q8 = x->spec.fp8_as_q8,
                                           .fuse_qkv = x->spec.fuse_qkv,
                                           .fuse_gate_up_exps = x->spec.fuse_gate_up_exps };
        if (!is_final && f->how.fp8_as_q8)
            return err_set(err, -ENOTSUP,
                           "fp8_as_q8: q8_0 is not quantized again, only f32, f16, "
                           "bf16, q8_0 and auto have it");
        ret = m->onnx ? onnx_form_gguf(f, m, out, err) : form_gguf_from_hf(f, m, out, err);
        return ret < 0 || is_final ? ret : form_quantize(f, x, err);
    }
    case CONTAINER_ADAPTER:
        if (!begin_folder(x, &out) || spec_tells_converter(&x->spec))
            return err_set(err, -ENOTSUP,
                           "adapters become f32, f16, bf16, q8_0 or auto, without options");
        return form_gguf_from_adapter(f, m, out, err);
    default:
        return err_set(err, -ENOTSUP, "a GGUF needs an architecture: no config.json beside it");
    }
}

/* What a tensor becomes in a safetensors file of the type @to; DTYPE_NONE: what it is. Quantized
 * ones have no type of their own there: f16, which holds their scales as they are. */
static enum dtype safetensors_type(const struct target *t, enum dtype to) {
    const enum dtype from = t->dtype;
    if (to == DTYPE_NONE && t->expr->op == EXPR_TENSOR && t->expr->tensor->packed)
        return packed_type(t->expr->tensor->packed);
    if (to == DTYPE_NONE && t->expr->op == EXPR_TENSOR && t->expr->tensor->merged)
        return t->expr->tensor->merged->type;
    if (dtype_is_quantized(from))
        return to == DTYPE_NONE ? DTYPE_F16 : to;
    return to != DTYPE_NONE && dtype_is_float(from) ? to : from;
}

/* The names, shapes and order of Hugging Face. */
static int form_hf(struct form *f, const struct model *m, enum dtype to, bool hf, struct err *err) {
    if (m->folder && m->folder->layout && hf)
        return err_set(err, -ENOTSUP,
                       "a folder without config.json becomes no folder of transformers");
    if (m->folder && to != DTYPE_NONE) { /* else as they are, whatever that is */
        int ret = quantized_check(m->folder->config, err);
        if (ret < 0)
            return ret;
    }
    if (m->container->kind == CONTAINER_GGUF) {
        struct err unknown = {
            0
        }; /* no table for all tensors: GGUF's own names, which no class has */
        int ret = hf ? arch_config_check(m, &unknown) : 0;
        if (ret == 0)
            ret = form_hf_from_gguf(f, m, &unknown);
        if (ret != -ENOTSUP || hf)
            return ret < 0 ? err_set(err, ret, "%s", unknown.msg) : 0;
    }
    return form_identity(f, m, err);
}

int form_safetensors(struct form *f, const struct model *m, const struct spec *spec,
                     struct err *err) {
    int ret = form_hf(f, m, spec->type->base, spec->format == FORMAT_HF, err);
    if (ret < 0)
        return ret;
    if (m->container->kind != CONTAINER_SAFETENSORS)
        f->metadata = STR("{\"format\":\"pt\"}");
    for (uint32_t i = 0; i < f->n_targets; i++) {
        struct target *t = &f->targets[i];
        enum dtype to = safetensors_type(t, spec->type->base);
        if (to != t->dtype && (!codec_can_decode(t->dtype) || !codec_can_encode(to)))
            return err_set(err, -ENOTSUP, "%.*s: %s cannot be converted to %s", STR_ARG(t->name),
                           dtype_info[t->dtype].name, dtype_info[to].name);
        t->dtype = to;
    }
    return 0;
}

int plan_view(struct layout *l, const struct model *m, const struct extras *x, struct err *err) {
    const struct spec *spec = &x->spec;
    struct form f = { .arena = l->arena, .authorship = x->authorship };
    int ret;
    switch (spec->format) {
    case FORMAT_GGUF:
        if (spec->part && !spec->split)
            return err_set(err, -ENOTSUP, "the profile says nothing of parts: add +split=SIZE");
        if (is_own_type(m, spec, CONTAINER_GGUF))
            return plan_copy(l, m, err);
        ret = form_gguf(&f, m, x, err);
        if (ret == 0 && spec->split)
            ret = form_take_part(&f, spec, err);
        return ret < 0 ? ret : gguf_plan(l, &f, err);
    case FORMAT_SAFETENSORS:
        if (is_own_type(m, spec, CONTAINER_SAFETENSORS))
            return plan_copy(l, m, err);
        ret = form_safetensors(&f, m, spec, err);
        return ret < 0 ? ret : safetensors_plan(l, &f, err);
    case FORMAT_TORCH: /* never a copy: what others saved may need more to be loaded */
        ret = form_safetensors(&f, m, spec, err);
        return ret < 0 ? ret : torch_plan(l, &f, spec->crc, err);
    case FORMAT_MMPROJ: {
        enum outtype out;
        find_outtype(spec->type, &out);
        ret = form_mmproj_from_hf(&f, m, out, err);
        return ret < 0 ? ret : gguf_plan(l, &f, err);
    }
    case FORMAT_HF:
        return hf_folder_plan(l, m, x, err);
    case FORMAT_ONNX:
        return onnx_view(l, m, x, err);
    case FORMAT_GENAI:
        return genai_folder_plan(l, m, x, err);
    default:
        return err_set(err, -ENOTSUP, "no such format");
    }
}

int plan_files(struct file_list *out, struct arena *a, const struct model *m,
               const struct extras *x, struct err *err) {
    switch (x->spec.format) {
    case FORMAT_HF:
        return hf_folder_files(out, a, m, x, err);
    case FORMAT_GENAI:
        return genai_folder_files(out, a, m, x, err);
    default:
        return err_set(err, -ENOTDIR, "%s views are files", format_name(x->spec.format));
    }
}
