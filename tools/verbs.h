/* SPDX-License-Identifier: Apache-2.0
 * tools/verbs.h - what tools/tools.c puts into its table: one function a file. */
#pragma once
#include "tools/tools.h"

int tool_cache(int argc, char **argv);
int tool_compare(int argc, char **argv);
int tool_convert(int argc, char **argv);
int tool_info(int argc, char **argv);
int tool_ls(int argc, char **argv);
int tool_status(int argc, char **argv);
int tool_types(int argc, char **argv);
int tool_validate(int argc, char **argv);
int tool_warm(int argc, char **argv);
