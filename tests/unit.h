/* SPDX-License-Identifier: Apache-2.0
 * tests/unit.h - what every unit test includes: cmocka and the headers that it expects before. */
#pragma once
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

/* How much longer things may take with a sanitizer. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define UNIT_SLOWNESS 20
#else
#define UNIT_SLOWNESS 1
#endif

/* The call succeeds; otherwise its message is shown. */
#define assert_ok(call)                                    \
    do {                                                   \
        struct err err_ = { 0 }, *err = &err_;             \
        int ret_ = (call);                                 \
        if (ret_ < 0)                                      \
            fail_msg("%s: %d, %s", #call, ret_, err_.msg); \
    } while (0)
