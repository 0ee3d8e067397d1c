/* SPDX-License-Identifier: Apache-2.0
 * formats/inflate.h - the door to zlib: checksums and small members of archives. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* CRC-32 as zip has it, of what came before (@crc; 0 at first) and @n more bytes. */
uint32_t crc32_add(uint32_t crc, const void *p, size_t n);

/* Unpack raw deflate: true if @n bytes give exactly @size bytes, and nothing is left over. */
bool inflate_raw(const void *p, size_t n, void *dst, size_t size);
