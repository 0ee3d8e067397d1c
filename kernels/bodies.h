/* SPDX-License-Identifier: Apache-2.0
 * kernels/bodies.h - all encoders that portable code and GPU share, as lists for macros:
 * X(type, elements of a block), or X(type, members of a team). */
#pragma once
#include "kernels/fp4.h"
#include "kernels/iq4.h"
#include "kernels/q2_k.h"
#include "kernels/q3_k.h"
#include "kernels/q4_0.h"
#include "kernels/q4_1.h"
#include "kernels/q4_k.h"
#include "kernels/q5_0.h"
#include "kernels/q5_1.h"
#include "kernels/q6_k.h"
#include "kernels/q8_0.h"
#include "kernels/ternary.h"

/* T_block(struct T *b, const float *x) */
#define BODIES_PLAIN(X)   \
    X(q8_0, Q8_0_ELEMS)   \
    X(mxfp4, MXFP4_ELEMS) \
    X(nvfp4, NVFP4_ELEMS) \
    X(tq1_0, SUPER_ELEMS) \
    X(tq2_0, SUPER_ELEMS) \
    X(q1_0, Q1_0_ELEMS)   \
    X(q2_0, Q2_0_ELEMS)

/* That, and T_block_weighted(struct T *b, const float *x, const float *importance,
 * float mean_square) */
#define BODIES_WEIGHTED(X) \
    X(q4_0, Q4_0_ELEMS)    \
    X(q4_1, Q4_1_ELEMS)    \
    X(q5_0, Q5_0_ELEMS)    \
    X(q5_1, Q5_1_ELEMS)    \
    X(iq4_nl, IQ4_ELEMS)

/* The steps of team.h, and T_block(struct T *b, const float *x, const float *importance or NULL) */
#define BODIES_TEAM(X) \
    X(q2_k, Q2_K_SUBS) \
    X(q3_k, Q3_K_SUBS) \
    X(q4_k, Q4_K_SUBS) \
    X(q5_k, Q5_K_SUBS) \
    X(q6_k, Q6_K_SUBS) \
    X(iq4_xs, IQ4_XS_SUBS)
