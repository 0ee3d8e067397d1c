/* SPDX-License-Identifier: Apache-2.0
 * formats/tokenizer/rwkv_vocab.c - the vocabulary of RWKV "World": a text file, each line an id, a
 * literal of Python and its length in bytes. Source: conversion/base.py, _set_vocab_rwkv_world. */
#include "formats/tokenizer/special.h"
#include <errno.h>
#include <stdlib.h>

#define FILE_NAME "rwkv_vocab_v20230424.txt"

enum { DEFAULT_VOCAB = 65536, PARAGRAPH = 261 /* "\n\n", which ends a turn */ };

static int hex_digit(char c) {
    if (c >= '0' && c <= '9')
        return c - '0';
    c = (char)(c | 0x20);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static size_t put_utf8(char *out, uint32_t c) {
    static const unsigned char first[] = { 0, 0, 0xc0, 0xe0, 0xf0 };
    if (c < 0x80) {
        out[0] = (char)c;
        return 1;
    }
    const size_t n = c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
    for (size_t i = n - 1; i > 0; i--, c >>= 6)
        out[i] = (char)(0x80 | (c & 0x3f));
    out[0] = (char)(first[n] | c);
    return n;
}

/* One escape behind a backslash at *at. False: it is none. */
static bool take_escape(struct str s, size_t *at, bool bytes, char *out, size_t *len) {
    static const char from[] = "\\'\"ntrabfv", to[] = "\\'\"\n\t\r\a\b\f\v";
    const char c = s.p[(*at)++];
    const char *known = c ? strchr(from, c) : NULL;
    const size_t digits = c == 'x' ? 2 : c == 'u' ? 4 : c == 'U' ? 8 : 0;
    uint32_t v = 0;
    if (known) {
        out[(*len)++] = to[known - from];
        return true;
    }
    if (!digits || s.n - *at < digits)
        return false;
    for (size_t i = 0; i < digits; i++) {
        const int d = hex_digit(s.p[(*at)++]);
        if (d < 0)
            return false;
        v = 16 * v + (uint32_t)d;
    }
    if (bytes && digits == 2)
        out[(*len)++] = (char)v;
    else if (v <= 0x10ffff)
        *len += put_utf8(out + *len, v);
    return v <= 0x10ffff;
}

/* The bytes of a literal: text in UTF-8, or bytes. @out has room for as many as the literal has. */
static bool read_literal(struct str s, char *out, size_t *len) {
    const bool bytes = s.n && s.p[0] == 'b';
    size_t at = bytes;
    if (s.n < at + 2 || (s.p[at] != '\'' && s.p[at] != '"') || s.p[s.n - 1] != s.p[at])
        return false;
    s.n--;
    for (*len = 0, at++; at < s.n;) {
        if (s.p[at] != '\\') {
            out[(*len)++] = s.p[at++];
            continue;
        }
        at++;
        if (at == s.n || !take_escape(s, &at, bytes, out, len))
            return false;
    }
    return true;
}

/* Bytes as Python shows them between the quotes of a literal. */
static struct str show(struct arena *a, struct str bytes) {
    static const char hex[] = "0123456789abcdef";
    char *out = arena_alloc(a, 4 * bytes.n + 1, 1);
    const bool single = bytes.n && memchr(bytes.p, '\'', bytes.n) != NULL;
    const char quote = single && !memchr(bytes.p, '"', bytes.n) ? '"' : '\'';
    size_t n = 0;
    for (size_t i = 0; out && i < bytes.n; i++) {
        const char c = bytes.p[i];
        const char letter = c == '\n' ? 'n' : c == '\t' ? 't' : c == '\r' ? 'r' : c;
        if (letter != c || c == quote || c == '\\') {
            out[n++] = '\\';
            out[n++] = letter;
        } else if (c < ' ' || c == 0x7f) { /* bytes above 0x7f too, as char is signed */
            out[n++] = '\\';
            out[n++] = 'x';
            out[n++] = hex[(unsigned char)c >> 4];
            out[n++] = hex[(unsigned char)c & 15];
        } else {
            out[n++] = c;
        }
    }
    return (struct str){ out, n };
}

static int take_line(struct arch_work *w, struct vocab *v, struct str line, uint64_t id,
                     char *scratch) {
    const char *first = line.n ? memchr(line.p, ' ', line.n) : NULL;
    const char *last = first ? memrchr(line.p, ' ', line.n) : NULL;
    size_t len;
    char *end = NULL;
    if (id >= v->n)
        return err_set(w->err, -EBADMSG, FILE_NAME ": more tokens than config.json's %llu",
                       (unsigned long long)v->n);
    if (!first || first == last ||
        !read_literal((struct str){ first + 1, (size_t)(last - first - 1) }, scratch, &len) ||
        strtoull(last + 1, &end, 10) != len || (*end && *end != '\n' && *end != '\r'))
        return err_set(w->err, -EBADMSG,
                       FILE_NAME ": line %llu is not an id, a literal and its length",
                       (unsigned long long)id);
    v->texts[id] = show(w->form->arena, (struct str){ scratch, len });
    v->types[id] = TOKEN_NORMAL;
    return v->texts[id].p ? 0 : work_no_memory(w);
}

/* @text ends in a zero byte. */
static int take_lines(struct arch_work *w, struct vocab *v, struct str text) {
    char *scratch = malloc(text.n + 1);
    int rc = scratch ? 0 : work_no_memory(w);
    for (uint64_t id = 1; rc == 0 && text.n; id++) {
        const char *end = memchr(text.p, '\n', text.n);
        const size_t n = end ? (size_t)(end - text.p) : text.n;
        rc = take_line(w, v, (struct str){ text.p, n }, id, scratch);
        text.p += n + (end != NULL);
        text.n -= n + (end != NULL);
    }
    free(scratch);
    return rc;
}

/* models/templates/llama-cpp-rwkv-world.jinja of llama.cpp (MIT), which the converter writes where
 * the folder has none. */
static const char world_template[] =
    "{%- if not add_generation_prompt is defined -%}\n"
    "    {%- set add_generation_prompt = true -%}\n"
    "{%- endif -%}\n"
    "{%- set ns = namespace(system_prompt='') -%}\n"
    "{%- for message in messages -%}\n"
    "    {%- if message['role'] == 'system' -%}\n"
    "        {%- set ns.system_prompt = message['content'] -%}\n"
    "    {%- endif -%}\n"
    "{%- endfor -%}\n"
    "{{bos_token}}\n"
    "{%- if ns.system_prompt != '' -%}\n"
    "{{- 'System: ' + ns.system_prompt + '\\n\\n' -}}\n"
    "{%- endif -%}\n"
    "{%- for message in messages -%}\n"
    "    {%- if message['role'] == 'user' -%}\n"
    "        {{- 'User: ' + message['content']|trim + '\\n\\n' -}}\n"
    "    {%- endif -%}\n"
    "    {%- if message['role'] == 'assistant' and message['content'] is  not none -%}\n"
    "        {%- set content = message['content'] -%}\n"
    "        {%- if '</think>' in content -%}\n"
    "            {%- set content = content.split('</think>')[-1] -%}\n"
    "        {%- endif -%}\n"
    "        {{- 'Assistant: ' + content|trim + '\\n\\n' -}}\n"
    "    {%- endif -%}\n"
    "{%- endfor -%}\n"
    "{%- if add_generation_prompt -%}\n"
    "    {{- 'Assistant:' -}}\n"
    "    {%- if enable_thinking is defined and enable_thinking is false %}\n"
    "        {{- ' <think>\\n</think>' }}\n"
    "    {%- endif %}\n"
    "    {%- if enable_thinking is defined and enable_thinking is true %}\n"
    "        {{- ' <think>' }}\n"
    "    {%- endif %}\n"
    "{%- endif -%}";

static int add_world(struct arch_work *w, struct str text) {
    static const struct named_token tokens[] = {
        { .kind = "eot", .id = PARAGRAPH },
        { .kind = "bos", .id = 0, .replace = true },
        { .kind = "eos", .id = 0, .replace = true },
        { 0 },
    };
    struct vocab v;
    uint64_t n = DEFAULT_VOCAB;
    int rc = hf_config_u64(&w->config, "vocab_size", &n, w->err);
    if (rc >= 0 && n == 0)
        rc = err_set(w->err, -EBADMSG, "config.json: \"vocab_size\" is zero");
    if (rc >= 0)
        rc = vocab_init(&v, w, n, false);
    if (rc < 0)
        return rc;
    v.texts[0] = STR("<s>");
    v.types[0] = TOKEN_CONTROL;
    rc = take_lines(w, &v, text);
    if (rc == 0)
        rc = vocab_add(w, &v, "rwkv", NULL);
    if (rc == 0)
        rc = special_add_own(w, NULL, 0, false, tokens);
    if (rc == 0 && !kv_find(&w->form->kvs, STR("tokenizer.chat_template")))
        rc = work_str(w, "tokenizer.chat_template", str_from(world_template));
    return rc;
}

static int rwkv_add(struct arch_work *w) {
    char *text = NULL;
    size_t n;
    if (!folder_has(w->folder, FILE_NAME))
        return 0;
    int rc = folder_slurp(w->folder, FILE_NAME, FOLDER_MAX_TOKENIZER, &text, &n, w->err);
    if (rc == 0)
        rc = add_world(w, (struct str){ text, n });
    free(text);
    return rc < 0 ? rc : 1;
}

const struct tokenizer_kind tokenizer_rwkv = { FILE_NAME, rwkv_add };
