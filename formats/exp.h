/* SPDX-License-Identifier: Apache-2.0
 * formats/exp.h - the exponential function of the program that the converter computes with. */
#pragma once

/* Where |x| is at most 87 the bits are torch's, at most 0.56 ulp from the truth; beyond, the
 * nearest. */
float exp_f32(float x);
