/* SPDX-License-Identifier: Apache-2.0
 * formats/spec.c - reading and writing what stands behind the '@'. */
#include "formats/spec.h"
#include <ctype.h>
#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <strings.h>

static const struct {
    const char *name, *suffix;
    bool folder;
} formats[FORMAT_COUNT] = {
    [FORMAT_NONE] = { "", "", false },
    [FORMAT_GGUF] = { "gguf", ".gguf", false },
    [FORMAT_SAFETENSORS] = { "safetensors", ".safetensors", false },
    [FORMAT_TORCH] = { "pt", ".pt", false },
    [FORMAT_HF] = { "hf", ".hf", true },
    [FORMAT_ONNX] = { "onnx", ".onnx", false },
    [FORMAT_MMPROJ] = { "mmproj.gguf", ".mmproj.gguf", false },
    [FORMAT_GENAI] = { "genai", ".genai", true },
};

const char *format_name(enum format f) {
    return formats[f].name;
}

const char *format_suffix(enum format f) {
    return formats[f].suffix;
}

bool format_is_folder(enum format f) {
    return formats[f].folder;
}

bool format_is_graph(enum format f) {
    return f == FORMAT_ONNX || f == FORMAT_GENAI;
}

const struct ftype *format_type(enum format f, size_t i) {
    if (format_is_graph(f))
        return i < ftype_onnx_count ? &ftype_onnx_table[i] : NULL;
    return i < ftype_count ? &ftype_table[i] : NULL;
}

/* --- options: how each is set and what it is written as --- */

static bool copy_word(char out[SPEC_MAX_WORD], struct str s) {
    if (s.n == 0 || s.n >= SPEC_MAX_WORD || memchr(s.p, 0, s.n) || memchr(s.p, '/', s.n))
        return false;
    memcpy(out, s.p, s.n);
    out[s.n] = '\0';
    return true;
}

static bool set_dtype(enum dtype *out, struct str value) {
    *out = dtype_from_name(value.p, value.n);
    return *out != DTYPE_NONE && dtype_info[*out].gguf_id >= 0;
}

static bool set_opset(struct spec *s, struct str value) {
    s->opset = str_is(value, "17") ? 17 : str_is(value, "23") ? 23 : 0;
    return s->opset;
}

static bool set_block(struct spec *s, struct str value) {
    static const uint16_t sizes[] = { 16, 32, 64, 128, 256 };
    char text[8];
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        snprintf(text, sizeof text, "%u", sizes[i]);
        if (str_is(value, text))
            s->block = sizes[i];
    }
    return s->block;
}

static bool set_embedding(struct spec *s, struct str value) {
    return set_dtype(&s->embedding, value);
}

static bool set_output(struct spec *s, struct str value) {
    return set_dtype(&s->output, value);
}

static bool set_from(struct spec *s, struct str value) {
    s->from = ftype_find(value.p, value.n);
    return s->from && s->from->is_float;
}

static bool set_imatrix(struct spec *s, struct str value) {
    s->imatrix = true;
    return !value.p || copy_word(s->imatrix_file, value);
}

/* A name that llama.cpp may know: letters, digits, '-', '_' and '.'. */
static bool set_pre(struct spec *s, struct str value) {
    if (value.n == 0 || value.n >= sizeof s->pre)
        return false;
    for (size_t i = 0; i < value.n; i++)
        if (!isalnum((unsigned char)value.p[i]) && !strchr("-_.", value.p[i]))
            return false;
    memcpy(s->pre, value.p, value.n);
    s->pre[value.n] = 0;
    return true;
}

enum { SPLIT_M = 1000000, SPLIT_G = 1000000000 }; /* as llama-gguf-split has it */

static bool set_split(struct spec *s, struct str value) {
    uint64_t n = 0;
    size_t i = 0;
    for (; i < value.n && isdigit((unsigned char)value.p[i]); i++)
        if ((n = n * 10 + (uint64_t)(value.p[i] - '0')) > INT32_MAX)
            return false;
    if (n == 0 || i + 1 != value.n || !memchr("mMgG", value.p[i], 4))
        return false;
    s->split = n * (toupper((unsigned char)value.p[i]) == 'G' ? SPLIT_G : SPLIT_M);
    return true;
}

static const char *get_opset(const struct spec *s, char *buf) {
    snprintf(buf, SPEC_MAX_WORD, "%u", s->opset);
    return s->opset ? buf : NULL;
}

static const char *get_block(const struct spec *s, char *buf) {
    snprintf(buf, SPEC_MAX_WORD, "%u", s->block);
    return s->block ? buf : NULL;
}

static const char *get_embedding(const struct spec *s, char *buf) {
    (void)buf;
    return s->embedding ? dtype_info[s->embedding].name : NULL;
}

static const char *get_output(const struct spec *s, char *buf) {
    (void)buf;
    return s->output ? dtype_info[s->output].name : NULL;
}

static const char *get_from(const struct spec *s, char *buf) {
    (void)buf;
    return s->from ? s->from->name : NULL;
}

static const char *get_imatrix(const struct spec *s, char *buf) {
    (void)buf;
    return s->imatrix ? s->imatrix_file : NULL;
}

static const char *get_pre(const struct spec *s, char *buf) {
    (void)buf;
    return s->pre[0] ? s->pre : NULL;
}

static const char *get_split(const struct spec *s, char *buf) {
    const bool giga = s->split % SPLIT_G == 0;
    if (!s->split)
        return NULL;
    snprintf(buf, SPEC_MAX_WORD, "%llu%s",
             (unsigned long long)s->split / (giga ? SPLIT_G : SPLIT_M), giga ? "g" : "m");
    return buf;
}

enum takes { TAKES_NOTHING, TAKES_VALUE, MAY_TAKE_VALUE };

/* In alphabetical order, the order of spec_text. */
static const struct option {
    const char *name;
    enum takes takes;
    size_t flag; /* TAKES_NOTHING: where it stands in struct spec, a bool; others: set and get */
    bool (*set)(struct spec *s, struct str value);       /* value.p NULL: none was given */
    const char *(*get)(const struct spec *s, char *buf); /* NULL: not set; "": without a value */
    const char *form;
} options[] = {
#define FLAG(name) \
    { #name, TAKES_NOTHING, offsetof(struct spec, name), NULL, NULL, #name }
    FLAG(asym),
    { "block", TAKES_VALUE, 0, set_block, get_block, "block=16, 32, 64, 128 or 256" },
    FLAG(contrib),
    FLAG(crc),
    { "embedding", TAKES_VALUE, 0, set_embedding, get_embedding, "embedding=TYPE, as q8_0" },
    FLAG(fp8_as_q8),
    { "from", TAKES_VALUE, 0, set_from, get_from, "from=auto, f32, f16 or bf16" },
    FLAG(fuse_gate_up_exps),
    FLAG(fuse_qkv),
    { "imatrix", MAY_TAKE_VALUE, 0, set_imatrix, get_imatrix, "imatrix or imatrix=FILE" },
    FLAG(keep_io_types),
    FLAG(leave_output),
    { "opset", TAKES_VALUE, 0, set_opset, get_opset, "opset=17 or opset=23" },
    { "output", TAKES_VALUE, 0, set_output, get_output, "output=TYPE, as q8_0" },
    FLAG(per_channel),
    { "pre", TAKES_VALUE, 0, set_pre, get_pre, "pre=NAME, as llama-bpe" },
    FLAG(pure),
    FLAG(requantize),
    { "split", TAKES_VALUE, 0, set_split, get_split, "split=SIZE, as 500M or 2G" },
#undef FLAG
};
enum { N_OPTIONS = sizeof options / sizeof *options };

static bool *flag_of(struct spec *s, const struct option *o) {
    return o->takes == TAKES_NOTHING ? (bool *)((char *)s + o->flag) : NULL;
}

/* NULL: not set; "": without a value. */
static const char *option_get(const struct spec *s, const struct option *o, char *buf) {
    if (o->takes == TAKES_NOTHING)
        return *(const bool *)((const char *)s + o->flag) ? "" : NULL;
    return o->get(s, buf);
}

static bool option_set(struct spec *s, const struct option *o, struct str value) {
    bool *flag = flag_of(s, o);
    if (!flag)
        return (value.p || o->takes == MAY_TAKE_VALUE) && o->set(s, value);
    return !value.p && (*flag = true);
}

int spec_parse_option(struct spec *s, struct str text, struct err *err) {
    const char *equals = text.n ? memchr(text.p, '=', text.n) : NULL;
    const struct str name = { text.p, equals ? (size_t)(equals - text.p) : text.n };
    struct str value = { 0 };
    char buf[SPEC_MAX_WORD];
    if (equals)
        value = (struct str){ equals + 1, text.n - name.n - 1 };
    for (size_t i = 0; i < N_OPTIONS; i++) {
        const struct option *o = &options[i];
        if (strlen(o->name) != name.n || strncasecmp(o->name, name.p, name.n))
            continue;
        if (option_get(s, o, buf))
            return err_set(err, -ENOENT, "the option %s is there twice", o->name);
        if (!option_set(s, o, value))
            return err_set(err, -ENOENT, "%.*s: the option is %s", STR_ARG(text), o->form);
        return 0;
    }
    return err_set(err, -ENOENT, "%.*s is not an option", STR_ARG(text));
}

bool spec_is_special(const struct spec *s) {
    return s->pure || s->leave_output || s->output || s->embedding || s->from || s->imatrix;
}

bool spec_tells_converter(const struct spec *s) {
    return s->fp8_as_q8 || s->fuse_qkv || s->fuse_gate_up_exps;
}

void spec_merge(struct spec *s, const struct spec *more) {
    s->requantize |= more->requantize;
    s->pure |= more->pure;
    s->leave_output |= more->leave_output;
    s->fp8_as_q8 |= more->fp8_as_q8;
    s->fuse_qkv |= more->fuse_qkv;
    s->fuse_gate_up_exps |= more->fuse_gate_up_exps;
    s->output = s->output ? s->output : more->output;
    s->embedding = s->embedding ? s->embedding : more->embedding;
    s->from = s->from ? s->from : more->from;
    s->split = s->split ? s->split : more->split;
    if (!s->pre[0])
        memcpy(s->pre, more->pre, sizeof s->pre);
    if (!s->imatrix && more->imatrix) {
        s->imatrix = true;
        memcpy(s->imatrix_file, more->imatrix_file, sizeof s->imatrix_file);
    }
}

/* --- the whole --- */

/* The text up to the next '+', and what follows it. */
static struct str take_word(struct str *text) {
    const char *plus = text->n ? memchr(text->p, '+', text->n) : NULL;
    struct str word = { text->p, plus ? (size_t)(plus - text->p) : text->n };
    size_t used = word.n + (plus != NULL);
    *text = (struct str){ text->p + used, text->n - used };
    return word;
}

static bool has_type(enum format format, const struct ftype *type) {
    switch (format) {
    case FORMAT_GGUF:
    case FORMAT_ONNX:
        return true;
    case FORMAT_GENAI:
        return type->file_type != FILE_AUTO;
    case FORMAT_MMPROJ:
        return type->is_float || type->base == DTYPE_Q8_0;
    default:
        return type->is_float;
    }
}

/* A type, or else a name that a profile may have. */
static int parse_type(struct spec *s, struct str word, struct err *err) {
    s->type =
        format_is_graph(s->format) ? ftype_find_onnx(word.p, word.n) : ftype_find(word.p, word.n);
    if (s->type)
        return has_type(s->format, s->type) ? 0
                                            : err_set(err, -ENOENT, "%s does not have the type %s",
                                                      format_name(s->format), s->type->name);
    bool ok = s->format == FORMAT_GGUF && word.n && copy_word(s->profile, word);
    for (size_t i = 0; ok && i < word.n; i++)
        ok = isalnum((unsigned char)word.p[i]) || (i && strchr("._-", word.p[i]));
    s->type = ftype_find("auto", 4);
    return ok ? 0 : err_set(err, -ENOENT, "%.*s is not a type", STR_ARG(word));
}

static bool has_blocks(const struct spec *s) {
    switch (s->type->file_type) {
    case FILE_INT8:
        return s->block;
    case FILE_INT4:
    case FILE_INT4_F16:
    case FILE_INT8_F16:
        return true;
    default:
        return false;
    }
}

static bool is_half(const struct spec *s) {
    const enum file_type type = s->type->file_type;
    return type == FILE_INT4_F16 || type == FILE_INT8_F16 ||
           (format_is_graph(s->format) && type == FILE_F16);
}

/* What was asked for that does not go with the format or the type. */
static int check_options(const struct spec *s, struct err *err) {
    const bool split = s->split && s->format != FORMAT_HF;
    if (s->format != FORMAT_GGUF && (spec_is_special(s) || split))
        return err_set(
            err, -ENOENT, "%s views have no option but requantize%s", format_name(s->format),
            s->format == FORMAT_TORCH    ? " and crc"
            : s->format == FORMAT_HF     ? " and split"
            : format_is_graph(s->format) ? ", asym, block, contrib, keep_io_types, opset and "
                                           "per_channel"
                                         : "");
    if (s->format != FORMAT_GGUF && (s->pre[0] || spec_tells_converter(s)))
        return err_set(err, -ENOENT, "pre, fp8_as_q8 and fuse_* are for gguf views");
    if (s->format != FORMAT_TORCH && s->crc)
        return err_set(err, -ENOENT, "crc is for pt views: no other format has checksums");
    if (!format_is_graph(s->format) && (s->contrib || s->opset))
        return err_set(err, -ENOENT, "contrib and opset are for onnx views");
    if ((s->per_channel && s->type->file_type != FILE_INT8) || (s->per_channel && s->block))
        return err_set(err, -ENOENT, "per_channel is for int8 views of ONNX without blocks");
    if (s->keep_io_types && !is_half(s))
        return err_set(err, -ENOENT, "keep_io_types is for fp16, q4f16 and q8f16 views of ONNX");
    if ((s->block || s->asym) && !has_blocks(s))
        return err_set(err, -ENOENT, "block and asym are for int4, q4f16, q8f16 and int8+block=N");
    if (s->contrib && s->opset)
        return err_set(err, -ENOENT, "contrib has opset 17");
    if (s->type->file_type == FILE_AUTO && !s->profile[0] && spec_is_special(s))
        return err_set(err, -ENOENT,
                       "auto quantizes nothing: it has no option but those of folders and split");
    return 0;
}

int spec_parse(struct spec *out, enum format format, struct str text, struct err *err) {
    /* the canonical form may be a little longer */
    if (text.n >= SPEC_MAX_TEXT - 16 || (text.n && text.p[text.n - 1] == '+'))
        return err_set(err, -ENOENT, "a spec is TYPE or TYPE+OPTION, as q4_0 or q4_0+requantize");
    struct spec s = { .format = format };
    if (format == FORMAT_ONNX && str_ends(text, STR(".data"))) {
        s.data = true;
        text.n -= strlen(".data");
    }
    int ret = parse_type(&s, take_word(&text), err);
    while (ret == 0 && text.n)
        ret = spec_parse_option(&s, take_word(&text), err);
    if (ret == 0)
        ret = check_options(&s, err);
    if (ret == 0)
        *out = s;
    return ret;
}

/* A float type can be made from any source: the option changes nothing there. */
static bool is_idle(const struct spec *s, const struct option *o) {
    return o->takes == TAKES_NOTHING && o->flag == offsetof(struct spec, requantize) &&
           s->type->is_float && !s->profile[0] && !s->output && !s->embedding;
}

void spec_text(const struct spec *s, char *buf, size_t size) {
    size_t n = (size_t)snprintf(buf, size, "%s", s->profile[0] ? s->profile : s->type->name);
    for (size_t i = 0; i < N_OPTIONS && n < size; i++) {
        char value_buf[SPEC_MAX_WORD];
        const char *value = option_get(s, &options[i], value_buf);
        if (value && !is_idle(s, &options[i]))
            n += (size_t)snprintf(buf + n, size - n, "+%s%s%s", options[i].name, *value ? "=" : "",
                                  value);
    }
}
