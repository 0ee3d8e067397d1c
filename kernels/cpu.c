/* SPDX-License-Identifier: Apache-2.0
 * kernels/cpu.c - what the CPU and the OS allow, less what WEIGHTFS_CPU forbids. */
#include "kernels/kernels.h"
#include <stdlib.h>
#include <string.h>

#ifdef __x86_64__
#include <cpuid.h>

/* Which register states the OS saves: the low half of XCR0. */
static unsigned saved_states(void) {
    unsigned lo, hi;
    __asm__("xgetbv" : "=a"(lo), "=d"(hi) : "c"(0));
    return lo;
}

enum { SAVED_AVX = 0x06, SAVED_AVX512 = 0xe6 }; /* XMM, YMM; and opmask, both parts of ZMM */

static unsigned cpu_has(void) {
    unsigned a, b, c, d, basic, cpu = 0;
    if (!__get_cpuid(1, &a, &b, &basic, &d) || !(basic & bit_OSXSAVE))
        return 0;
    if (!__get_cpuid_count(7, 0, &a, &b, &c, &d))
        return 0;
    const unsigned os = saved_states();
    if ((os & SAVED_AVX) == SAVED_AVX && (basic & bit_F16C) && (b & bit_AVX2))
        cpu |= CPU_AVX2;
    const unsigned avx512 = bit_AVX512F | bit_AVX512BW | bit_AVX512DQ | bit_AVX512VL;
    if (cpu && (os & SAVED_AVX512) == SAVED_AVX512 && (b & avx512) == avx512)
        cpu |= CPU_AVX512;
    return cpu;
}
#elif defined __aarch64__
/* It is part of the architecture, and every Linux for it has it. */
static unsigned cpu_has(void) {
    return CPU_NEON;
}
#else
static unsigned cpu_has(void) {
    return 0;
}
#endif

unsigned cpu_detect(void) {
    const char *limit = getenv("WEIGHTFS_CPU");
    unsigned mask = (unsigned)CPU_ALL;
    if (limit && !strcmp(limit, "none"))
        mask = 0;
    else if (limit && !strcmp(limit, "avx2"))
        mask = CPU_AVX2;
    return cpu_has() & mask;
}
