/* SPDX-License-Identifier: Apache-2.0
 * formats/inflate.c - see inflate.h. */
#include "formats/inflate.h"
#include <limits.h>
#include <zlib.h>

uint32_t crc32_add(uint32_t crc, const void *p, size_t n) {
    return (uint32_t)crc32_z(crc, p, n);
}

bool inflate_raw(const void *p, size_t n, void *dst, size_t size) {
    z_stream z = { .next_in = (Bytef *)p, .next_out = dst };
    if (n > UINT_MAX || size > UINT_MAX || inflateInit2(&z, -MAX_WBITS) != Z_OK)
        return false;
    z.avail_in = (uInt)n;
    z.avail_out = (uInt)size;
    const int rc = inflate(&z, Z_FINISH);
    inflateEnd(&z);
    return rc == Z_STREAM_END && z.avail_in == 0 && z.avail_out == 0;
}
