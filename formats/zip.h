/* SPDX-License-Identifier: Apache-2.0
 * formats/zip.h - the members of a zip archive, for readers that want to know where their bytes
 * lie. Stricter than unzip: whatever two parsers could read in two ways is refused. */
#pragma once
#include "formats/arena.h"
#include "formats/source.h"

struct zip_member {
    struct str name;
    uint64_t header;     /* place of the local header */
    uint64_t off, bytes; /* place of the data, as stored */
    uint64_t size;       /* bytes when unpacked; equals @bytes unless deflated */
    uint32_t crc;        /* of the unpacked bytes; 0 where the writer left it out */
    bool deflated;
};

struct zip {
    struct zip_member *members;  /* in the order of the directory */
    struct zip_member **by_name; /* sorted */
    uint32_t n;
};

enum {
    ZIP_MAX_DIRECTORY = 256 << 20, /* bytes */
    ZIP_MAX_MEMBERS = 1 << 20,
};

/* Read the directory at the end of @s and every local header. Neither data descriptors nor data
 * are read. All is put in @a. -EBADMSG for an archive that lies, -ENOTSUP for one that is
 * encrypted, spans disks or uses another method than stored and deflated. */
int zip_read(struct zip *out, struct source *s, struct arena *a, struct err *err);

const struct zip_member *zip_find(const struct zip *z, struct str name); /* NULL: none */

/* A small member as a whole, unpacked if need be: @*out is malloced. -EFBIG over @limit bytes. */
int zip_slurp(const struct zip_member *m, struct source *s, uint64_t limit, char **out,
              struct err *err);
