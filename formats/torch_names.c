/* SPDX-License-Identifier: Apache-2.0
 * formats/torch_names.c - the names that a file of PyTorch may hold: those that
 * torch/_weights_only_unpickler.py (2.15) allows, and of TorchScript. */
#include "formats/torch.h"

/* One row a type: its storage class, where it has one, and its dtype. */
static const struct {
    const char *storage, *dtype;
    enum dtype type; /* DTYPE_NONE: known to PyTorch only */
} types[] = {
    { "FloatStorage", "float32", DTYPE_F32 },
    { "DoubleStorage", "float64", DTYPE_F64 },
    { "HalfStorage", "float16", DTYPE_F16 },
    { "BFloat16Storage", "bfloat16", DTYPE_BF16 },
    { "LongStorage", "int64", DTYPE_I64 },
    { "IntStorage", "int32", DTYPE_I32 },
    { "ShortStorage", "int16", DTYPE_I16 },
    { "CharStorage", "int8", DTYPE_I8 },
    { "ByteStorage", "uint8", DTYPE_U8 },
    { "BoolStorage", "bool", DTYPE_BOOL },
    { "ComplexFloatStorage", "complex64", DTYPE_C64 },
    { "ComplexDoubleStorage", "complex128", DTYPE_C128 },
    { "QInt8Storage", "qint8", DTYPE_NONE },
    { "QUInt8Storage", "quint8", DTYPE_NONE },
    { "QInt32Storage", "qint32", DTYPE_NONE },
    { "QUInt4x2Storage", "quint4x2", DTYPE_NONE },
    { "QUInt2x4Storage", "quint2x4", DTYPE_NONE },
    { "UntypedStorage", NULL, DTYPE_NONE },
    { NULL, "uint16", DTYPE_U16 },
    { NULL, "uint32", DTYPE_U32 },
    { NULL, "uint64", DTYPE_U64 },
    { NULL, "float8_e4m3fn", DTYPE_F8_E4M3 },
    { NULL, "float8_e5m2", DTYPE_F8_E5M2 },
    { NULL, "float8_e4m3fnuz", DTYPE_F8_E4M3FNUZ },
    { NULL, "float8_e5m2fnuz", DTYPE_F8_E5M2FNUZ },
    { NULL, "float8_e8m0fnu", DTYPE_F8_E8M0 },
    { NULL, "float4_e2m1fn_x2", DTYPE_NONE },
    { NULL, "complex32", DTYPE_NONE },
    { NULL, "bcomplex32", DTYPE_NONE },
    { NULL, "bits8", DTYPE_NONE },
    { NULL, "bits16", DTYPE_NONE },
    { NULL, "bits1x8", DTYPE_NONE },
    { NULL, "bits2x4", DTYPE_NONE },
    { NULL, "bits4x2", DTYPE_NONE },
};
enum { TYPES = sizeof types / sizeof *types };

/* What may stand in a pickle beside types, storages and classes of TorchScript. */
static const char *const allowed[] = {
    "collections.OrderedDict",
    "collections.Counter",
    "torch.Size",
    "torch.Tensor",
    "torch.device",
    "torch.nn.parameter.Parameter",
    "torch.serialization._get_layout",
    "torch.per_tensor_affine",
    "torch.per_tensor_symmetric",
    "torch.per_channel_affine",
    "torch.per_channel_symmetric",
    "torch.per_channel_affine_float_qparams",
    "torch._tensor._rebuild_from_type_v2",
    "torch._utils._rebuild_parameter",
    "torch._utils._rebuild_parameter_with_state",
    "torch._utils._rebuild_qtensor",
    "torch._utils._rebuild_tensor",
    "torch._utils._rebuild_tensor_v2",
    "torch._utils._rebuild_tensor_v3",
    "torch._utils._rebuild_sparse_tensor",
    "torch._utils._rebuild_meta_tensor_no_storage",
    "torch._utils._rebuild_wrapper_subclass",
    "torch._utils._rebuild_device_tensor_from_numpy",
    "torch._utils._rebuild_device_tensor_from_cpu_tensor",
    "_codecs.encode",
    "builtins.bytearray",
    "builtins.set",
    "builtins.complex",
    "__builtin__.bytearray", /* Python 2's names of the same */
    "__builtin__.set",
    "__builtin__.complex",
};

static const char *const script_allowed[] = {
    "torch.jit._pickle.build_intlist",        "torch.jit._pickle.build_tensorlist",
    "torch.jit._pickle.build_doublelist",     "torch.jit._pickle.build_boollist",
    "torch.jit._pickle.build_tensor_from_id", "torch.jit._pickle.restore_type_tag",
};

/* Is "MODULE.NAME" @full? */
static bool is_name(struct str module, struct str name, const char *full) {
    const struct str f = str_from(full);
    return f.n == module.n + 1 + name.n && str_starts(f, module) && f.p[module.n] == '.' &&
           str_ends(f, name);
}

static bool is_listed(struct str module, struct str name, const char *const *list, size_t n) {
    for (size_t i = 0; i < n; i++)
        if (is_name(module, name, list[i]))
            return true;
    return false;
}

/* The part of @global behind a module that has storages. */
static bool storage_name(struct str global, struct str *name) {
    static const char *const modules[] = { "torch.cuda.", "torch.storage.", "torch." };
    for (size_t i = 0; i < sizeof modules / sizeof *modules; i++) {
        const struct str m = str_from(modules[i]);
        if (!str_starts(global, m))
            continue;
        *name = (struct str){ global.p + m.n, global.n - m.n };
        return true;
    }
    return false;
}

bool torch_storage_dtype(struct str global, enum dtype *dtype) {
    struct str name;
    if (!storage_name(global, &name))
        return false;
    for (int i = 0; i < TYPES; i++)
        if (types[i].storage && str_is(name, types[i].storage)) {
            *dtype = types[i].type;
            return true;
        }
    return false;
}

bool torch_quantized_dtype(struct str global, enum dtype *dtype) {
    static const struct {
        const char *storage;
        enum dtype type;
    } rows[] = { { "QInt8Storage", DTYPE_I8 },
                 { "QUInt8Storage", DTYPE_U8 },
                 { "QInt32Storage", DTYPE_I32 } };
    struct str name;
    for (size_t i = 0; storage_name(global, &name) && i < sizeof rows / sizeof *rows; i++)
        if (str_is(name, rows[i].storage)) {
            *dtype = rows[i].type;
            return true;
        }
    return false;
}

static bool is_dtype(struct str name, int i) {
    return types[i].dtype && str_is(name, types[i].dtype);
}

bool torch_dtype(struct str global, enum dtype *dtype) {
    const struct str module = STR("torch.");
    if (!str_starts(global, module))
        return false;
    for (int i = 0; i < TYPES; i++)
        if (is_dtype((struct str){ global.p + module.n, global.n - module.n }, i)) {
            *dtype = types[i].type;
            return true;
        }
    return false;
}

const char *torch_dtype_name(enum dtype dtype, bool *is_new) {
    for (int i = 0; i < TYPES; i++)
        if (types[i].type == dtype && dtype != DTYPE_NONE) {
            *is_new = !types[i].storage;
            return *is_new ? types[i].dtype : types[i].storage;
        }
    return NULL;
}

static bool is_storage_module(struct str module) {
    return str_is(module, "torch") || str_is(module, "torch.cuda") ||
           str_is(module, "torch.storage");
}

bool torch_allows(struct str module, struct str name) {
    if (is_listed(module, name, allowed, sizeof allowed / sizeof *allowed))
        return true;
    for (int i = 0; i < TYPES; i++)
        if ((types[i].storage && is_storage_module(module) && str_is(name, types[i].storage)) ||
            (str_is(module, "torch") && is_dtype(name, i)))
            return true;
    return false;
}

bool torch_allows_script(struct str module, struct str name) {
    return torch_allows(module, name) || str_is(module, "__torch__") ||
           str_starts(module, STR("__torch__.")) ||
           is_listed(module, name, script_allowed, sizeof script_allowed / sizeof *script_allowed);
}

const char *torch_usual_key(uint32_t i) {
    static const char *const keys[] = {
        "state_dict", "model_state_dict", "model_state", "model",  "module",
        "net",        "weights",          "params_ema",  "params", NULL,
    };
    return keys[i];
}

const char *torch_usual_prefix(uint32_t i) {
    static const char *const prefixes[] = {
        "module.",    /* DataParallel, DistributedDataParallel */
        "_orig_mod.", /* torch.compile */
        NULL,
    };
    return prefixes[i];
}
