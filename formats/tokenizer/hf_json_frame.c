/* SPDX-License-Identifier: Apache-2.0
 * formats/tokenizer/hf_json_frame.c - what stands around a text and a pair of texts, as the
 * post-processor of tokenizer.json. */
#include "formats/tokenizer/hf_json.h"

static const char marks[] = "[]|";

static size_t mark_of(char c) {
    return (size_t)(strchr(marks, c) - marks);
}

static void add_part(struct hf_writer *w, const struct hf_frame *f, char c, bool behind) {
    const bool text = c == 'A' || c == 'B';
    buffer_z(w->b, text ? "{\"Sequence\": {\"id\": " : "{\"SpecialToken\": {\"id\": ");
    if (text)
        buffer_z(w->b, c == 'A' ? "\"A\"" : "\"B\"");
    else
        buffer_json(w->b, f->texts[mark_of(c)]);
    buffer_z(w->b, ", \"type_id\": ");
    buffer_decimal(w->b, behind ? (uint64_t)f->second : 0);
    buffer_z(w->b, "}}");
}

static void add_parts(struct hf_writer *w, const struct hf_frame *f, const char *parts) {
    bool behind = false;
    buffer_z(w->b, "[");
    for (const char *p = parts; *p; p++) {
        behind = behind || *p == 'B';
        buffer_z(w->b, p == parts ? "" : ", ");
        add_part(w, f, *p, behind);
    }
    buffer_z(w->b, "]");
}

/* Two marks may be one token, which is listed once. */
static bool listed_before(const struct hf_frame *f, size_t mark) {
    for (size_t i = 0; i < mark; i++)
        if (strchr(f->pair, marks[i]) && f->ids[i] == f->ids[mark])
            return true;
    return false;
}

void hf_frame_add(struct hf_writer *w, const struct hf_frame *f) {
    const char *comma = "";
    if (strcmp(f->pair, "AB") == 0) {
        buffer_z(w->b, " \"post_processor\": null,\n");
        return;
    }
    buffer_z(w->b, " \"post_processor\": {\"type\": \"TemplateProcessing\", \"single\": ");
    add_parts(w, f, f->single);
    buffer_z(w->b, ", \"pair\": ");
    add_parts(w, f, f->pair);
    buffer_z(w->b, ", \"special_tokens\": {");
    for (size_t i = 0; marks[i]; i++) {
        if (!strchr(f->pair, marks[i]) || listed_before(f, i))
            continue;
        buffer_z(w->b, comma);
        buffer_json(w->b, f->texts[i]);
        buffer_z(w->b, ": {\"id\": ");
        buffer_json(w->b, f->texts[i]);
        buffer_z(w->b, ", \"ids\": [");
        buffer_decimal(w->b, f->ids[i]);
        buffer_z(w->b, "], \"tokens\": [");
        buffer_json(w->b, f->texts[i]);
        buffer_z(w->b, "]}");
        comma = ", ";
    }
    buffer_z(w->b, "}},\n");
}
