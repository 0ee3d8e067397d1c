/* SPDX-License-Identifier: Apache-2.0
 * tests/unit.h - what every unit test includes: cmocka and the headers that it expects before. */
#pragma once
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

/* The call succeeds; otherwise its message is shown. */
#define assert_ok(call)                                    \
    do {                                                   \
        struct err err_ = { 0 }, *err = &err_;             \
        int ret_ = (call);                                 \
        if (ret_ < 0)                                      \
            fail_msg("%s: %d, %s", #call, ret_, err_.msg); \
    } while (0)
