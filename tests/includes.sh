#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Who may include whom (docs/architecture.md), third-party headers only in their door, and file
# names that occur once. Run from anywhere; says each breach on a line.
cd "$(dirname "$0")/.." || exit 1
bad=0
breach() {
    echo "$1"
    bad=1
}

# folder ALLOWED FILES...: an #include "x/..." in FILES must match ALLOWED, a pattern of grep -E.
folder() {
    allowed=$1
    shift
    found=$(grep -HnE '^ *# *include +"' "$@" 2>/dev/null |
        grep -vE "include +\"($allowed)") && breach "$found"
}

# door HEADER FILES: <HEADER> (a pattern) is included only in FILES (a pattern).
door() {
    found=$(git grep -nE "^ *# *include +<$1" -- '*.c' '*.h' '*.cu' '*.cuh' |
        grep -vE "^($2):") && breach "$found"
}

files() { git ls-files "$@"; }

folder 'kernels/' $(files 'kernels/*.[ch]' 'kernels/*.cu' 'kernels/*.cuh')
folder 'quant/|kernels/' $(files 'quant/*.[ch]')
folder 'formats/|quant/' $(files 'formats/*.[ch]')
mount='fs/(main|options|ops|node|xattr|dir|mount)[a-z_]*\.[ch]'
folder 'fs/|formats/|quant/|kernels/kernels.h' $(files 'fs/*.[ch]' | grep -vE "^$mount")
folder 'fs/|formats/|quant/|tools/tools.h' $(files 'fs/*.[ch]' | grep -E "^$mount")
folder 'tools/|fs/|formats/|quant/' $(files 'tools/*.[ch]')

door 'lmdb\.h' 'fs/cache[a-z_]*\.[ch]'
door '(fuse|fuse3)' 'fs/[a-z_]*\.[ch]|tools/bench/[a-z_]*\.c'
door 'xxhash\.h' 'formats/hash\.c'
door 'json' 'formats/json[a-z_]*\.c'
door 'yaml\.h' 'formats/card\.c'
door 'sha2\.h' 'formats/tokenizer/pre_name\.c'
door 'zlib\.h' 'formats/zip\.c'
door 'pcre2\.h' 'formats/[a-z_/]*regex[a-z_]*\.c'
door '(immintrin|x86intrin|cpuid|arm_neon)\.h' 'kernels/.*'
door '(cuda|cublas|cblas)' 'kernels/.*'

twice=$(git ls-files '*.c' '*.h' | sed 's|.*/||' | sort | uniq -d)
[ -z "$twice" ] || breach "file names that occur twice: $twice"
exit $bad
