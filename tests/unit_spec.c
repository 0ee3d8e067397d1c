/* SPDX-License-Identifier: Apache-2.0
 * tests/unit_spec.c - what may stand behind the '@', and its one spelling. */
#include "tests/unit.h"
#include "formats/spec.h"
#include <errno.h>

static void test_good(void **state) {
    (void)state;
    static const struct {
        enum format format;
        const char *text, *canonical;
    } rows[] = {
        { FORMAT_GGUF, "q4_0", "q4_0" },
        { FORMAT_GGUF, "Q4_K", "q4_k_m" },
        { FORMAT_GGUF, "fp16", "f16" },
        { FORMAT_GGUF, "AUTO", "auto" },
        { FORMAT_GGUF, "iq4_xs+Requantize", "iq4_xs+requantize" },
        { FORMAT_GGUF, "f16+requantize", "f16" },
        { FORMAT_GGUF, "f16+output=Q4_K+requantize", "f16+output=q4_k+requantize" },
        { FORMAT_GGUF, "q4_0+PURE+Output=Q8_0+embedding=fp16",
          "q4_0+embedding=f16+output=q8_0+pure" },
        { FORMAT_GGUF, "q4_0+leave_output+from=fp32", "q4_0+from=f32+leave_output" },
        { FORMAT_GGUF, "iq1_s+imatrix", "iq1_s+imatrix" },
        { FORMAT_GGUF, "iq1_s+imatrix=Mine.dat", "iq1_s+imatrix=Mine.dat" },
        { FORMAT_GGUF, "q4_0+split=2000M", "q4_0+split=2g" },
        { FORMAT_GGUF, "auto+split=1500m", "auto+split=1500m" },
        { FORMAT_GGUF, "F16+pre=llama-bpe", "f16+pre=llama-bpe" },
        { FORMAT_GGUF, "q4_0+pure+PRE=a.b_C", "q4_0+pre=a.b_C+pure" },
        { FORMAT_GGUF, "auto+Fuse_QKV+fp8_as_q8", "auto+fp8_as_q8+fuse_qkv" },
        { FORMAT_GGUF, "Mine-1.2", "Mine-1.2" },
        { FORMAT_GGUF, "mine+requantize", "mine+requantize" },
        { FORMAT_SAFETENSORS, "BF16", "bf16" },
        { FORMAT_SAFETENSORS, "fp32", "f32" },
        { FORMAT_ONNX, "f32", "fp32" },
        { FORMAT_ONNX, "Q4", "int4" },
        { FORMAT_ONNX, "fp16.data", "fp16" },
        { FORMAT_ONNX, "quantized+Per_Channel", "int8+per_channel" },
        { FORMAT_ONNX, "fp32+Contrib", "fp32+contrib" },
        { FORMAT_ONNX, "int4+block=64+ASYM", "int4+asym+block=64" },
        { FORMAT_ONNX, "q8+block=16", "int8+block=16" },
        { FORMAT_ONNX, "q8f16+keep_io_types", "q8f16+keep_io_types" },
        { FORMAT_ONNX, "f16+opset=23", "fp16+opset=23" },
        { FORMAT_HF, "bf16+split=500M", "bf16+split=500m" },
        { FORMAT_GENAI, "q4+contrib", "int4+contrib" },
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct spec s, again;
        char text[SPEC_MAX_TEXT];
        assert_ok(spec_parse(&s, rows[i].format, str_from(rows[i].text), err));
        assert_int_equal(s.format, rows[i].format);
        spec_text(&s, text, sizeof text);
        assert_string_equal(text, rows[i].canonical);
        assert_ok(spec_parse(&again, rows[i].format, str_from(text), err));
        char same[SPEC_MAX_TEXT];
        spec_text(&again, same, sizeof same);
        assert_string_equal(same, text);
    }
}

static void test_bad(void **state) {
    (void)state;
    static const struct {
        enum format format;
        const char *text;
    } rows[] = {
        { FORMAT_GGUF, "" },
        { FORMAT_GGUF, "+" },
        { FORMAT_GGUF, "q4_0+" },
        { FORMAT_GGUF, "+requantize" },
        { FORMAT_GGUF, "q4_0 " },
        { FORMAT_GGUF, "f16+contrib" },
        { FORMAT_HF, "q4_0" },
        { FORMAT_ONNX, "fp32+opset=18" },
        { FORMAT_ONNX, "fp32+contrib+opset=23" },
        { FORMAT_GGUF, "q4_0,q5_0" },
        { FORMAT_GGUF, "q4_0+requantize+requantize" },
        { FORMAT_GGUF, "q4_0+what" },
        { FORMAT_GGUF, "q4_0++requantize" },
        { FORMAT_GGUF, "q4_0+pure=1" },
        { FORMAT_GGUF, "q4_0+pure+PURE" },
        { FORMAT_GGUF, "q4_0+output" },
        { FORMAT_GGUF, "q4_0+output=" },
        { FORMAT_GGUF, "q4_0+output=u8" },
        { FORMAT_GGUF, "q4_0+from=q8_0" },
        { FORMAT_GGUF, "q4_0+imatrix=" },
        { FORMAT_GGUF, "q4_0+imatrix=a/b" },
        { FORMAT_GGUF, "q4_0+split=0M" },
        { FORMAT_GGUF, "q4_0+split=5" },
        { FORMAT_GGUF, "q4_0+split=5K" },
        { FORMAT_GGUF, "q4_0+split=99999999999G" },
        { FORMAT_GGUF, "auto+pure" },
        { FORMAT_GGUF, "auto+fuse_qkv=1" },
        { FORMAT_SAFETENSORS, "f16+fuse_qkv" },
        { FORMAT_ONNX, "fp16+fp8_as_q8" },
        { FORMAT_GGUF, "mine two" },
        { FORMAT_GGUF, ".mine" },
        { FORMAT_SAFETENSORS, "q4_0" },
        { FORMAT_SAFETENSORS, "mine" },
        { FORMAT_SAFETENSORS, "f16+pure" },
        { FORMAT_SAFETENSORS, "f16+split=1G" },
        { FORMAT_SAFETENSORS, "f16.data" },
        { FORMAT_ONNX, "q4_k_m" },
        { FORMAT_GENAI, "auto" },
        { FORMAT_GENAI, "int4+split=1G" },
        { FORMAT_ONNX, "fp16+per_channel" },
        { FORMAT_ONNX, "fp16+block=32" },
        { FORMAT_ONNX, "int4+block=33" },
        { FORMAT_ONNX, "int4+block=4294967328" },
        { FORMAT_ONNX, "int8+asym" },
        { FORMAT_ONNX, "int8+block=32+per_channel" },
        { FORMAT_ONNX, "int4+keep_io_types" },
        { FORMAT_SAFETENSORS, "f16+keep_io_types" },
        { FORMAT_GGUF, "q4_0+block=32" },
        { FORMAT_GGUF, "q8_0+per_channel" },
        { FORMAT_ONNX, "fp16.data.data" },
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct err err = { 0 };
        struct spec s;
        assert_int_equal(spec_parse(&s, rows[i].format, str_from(rows[i].text), &err), -ENOENT);
        assert_true(err.msg[0]);
    }
    char longest[SPEC_MAX_TEXT + 1];
    struct spec s;
    memset(longest, 'q', sizeof longest);
    assert_int_equal(spec_parse(&s, FORMAT_GGUF, (struct str){ longest, sizeof longest }, NULL),
                     -ENOENT);
}

static void test_text_fits(void **state) {
    (void)state;
    for (size_t i = 0; i < ftype_count; i++) {
        struct spec s = { .format = FORMAT_GGUF, .type = &ftype_table[i], .requantize = true };
        char small[8], text[SPEC_MAX_TEXT];
        spec_text(&s, small, sizeof small);
        assert_true(strlen(small) < sizeof small);
        spec_text(&s, text, sizeof text);
        struct spec again;
        assert_ok(spec_parse(&again, FORMAT_GGUF, str_from(text), err));
        assert_ptr_equal(again.type, s.type);
        assert_int_equal(again.requantize, !s.type->is_float);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_good),
        cmocka_unit_test(test_bad),
        cmocka_unit_test(test_text_fits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
