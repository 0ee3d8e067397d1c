/* SPDX-License-Identifier: Apache-2.0
 * formats/spec.h - what stands behind the '@': "q4_0", "q4_k_m+imatrix", "my_profile". */
#pragma once
#include "formats/err.h"
#include "formats/str.h"
#include "quant/recipe.h"
#include <stdbool.h>

enum format {
    FORMAT_NONE,
    FORMAT_GGUF,
    FORMAT_SAFETENSORS,
    FORMAT_TORCH,
    FORMAT_HF,
    FORMAT_ONNX,
    FORMAT_MMPROJ, /* a GGUF of the projector alone */
    FORMAT_GENAI,  /* a folder for ONNX Runtime's generate(): an ONNX graph and a tokenizer */
    FORMAT_COUNT
};

enum {
    SPEC_MAX_TEXT = 256, /* bytes with the NUL */
    SPEC_MAX_PRE = 32,   /* of a pre-tokenizer's name; likewise */
    SPEC_MAX_WORD = 128  /* of an option's value, of a profile's name; likewise */
};

/* Options mean what those of llama-quantize mean; docs/profiles.md has them all. */
struct spec {
    enum format format;
    const struct ftype *type;    /* a row of quant/recipe.h's table; never NULL; of a profile: auto,
                                  * until formats/extras.h has read it */
    char profile[SPEC_MAX_WORD]; /* in the place of a type; empty: none */

    bool requantize; /* a quantized source may be quantized again */
    bool pure, leave_output;
    enum dtype output, embedding; /* DTYPE_NONE: by the type's rules */
    const struct ftype *from;     /* folders: the outtype that is quantized; NULL: auto */
    bool fp8_as_q8, fuse_qkv, fuse_gate_up_exps; /* folders: as formats/form.h has them */
    char pre[SPEC_MAX_PRE];           /* folders: tokenizer.ggml.pre; empty: found by its hash */
    bool imatrix;                     /* use importance data */
    char imatrix_file[SPEC_MAX_WORD]; /* empty: NAME.imatrix.gguf or NAME.imatrix.dat */

    bool crc;           /* PyTorch: true checksums in the archive */
    bool per_channel;   /* ONNX, int8: a scale for each output of a product */
    uint32_t block;     /* ONNX: numbers that share a scale; 0: 32, or int8 that is not in blocks */
    bool keep_io_types; /* ONNX, float16: inputs and outputs stay float32 */
    bool asym;          /* ONNX, in blocks: each has a zero point */
    bool data;          /* ONNX: the data file beside the model, "NAME.onnx@SPEC.data" */
    bool contrib;       /* ONNX graphs that are built: operators of com.microsoft */
    uint32_t opset;     /* likewise: of standard operators; 0: the default */

    uint64_t split;       /* bytes of tensors a part; 0: one file */
    uint32_t part, parts; /* part: 1 to parts; 0: the whole */

    char file[SPEC_MAX_WORD]; /* of a view that is a folder: the file in it; empty: all of them */
};

const char *format_name(enum format f);   /* "gguf": the name's part before the '@' */
const char *format_suffix(enum format f); /* ".gguf": of ordinary files */
bool format_is_folder(enum format f);     /* a view of it is a folder of files */
bool format_is_graph(enum format f);      /* of ONNX: with its types and options */

/* The types that a view of @f may have: the @i-th of a table of all; NULL behind the last. Those
 * that @f does not have are in it too: spec_parse knows. */
const struct ftype *format_type(enum format f, size_t i);

/* Parse TYPE[+OPTION...] or PROFILE[+OPTION...]; letters in either case, but for the names of
 * profiles and files. Whether there is such a profile is not looked at. -ENOENT with a reason when
 * it is not well formed, or asks for what @format does not have. */
int spec_parse(struct spec *out, enum format format, struct str text, struct err *err);

/* One option alone, as "pure" or "output=q8_0", into @s; -ENOENT likewise. */
int spec_parse_option(struct spec *s, struct str text, struct err *err);

/* The one spelling of a spec, as listed and hashed: lower case, aliases resolved, options in
 * alphabetical order; without the part of a split, the file of a folder, and ".data". Fits
 * SPEC_MAX_TEXT. */
void spec_text(const struct spec *s, char *buf, size_t size);

/* Does anything but the type say how it is to be quantized? */
bool spec_is_special(const struct spec *s);

/* Is there an option of the converter of folders? */
bool spec_tells_converter(const struct spec *s);

/* Add what @more asks for and @s leaves open. */
void spec_merge(struct spec *s, const struct spec *more);
