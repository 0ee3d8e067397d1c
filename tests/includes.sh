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
    found=$(grep -nE "^ *# *include +<$1" $(files) | grep -vE "^($2):") && breach "$found"
}

# files [FOLDER]: C and CUDA in it, or in all of them.
files() {
    find ${1:-kernels quant formats fs tools tests} -name '*.[ch]' -o -name '*.cu' -o -name '*.cuh'
}

folder 'kernels/' $(files kernels)
folder 'quant/|kernels/' $(files quant)
folder 'formats/|quant/' $(files formats)
mount='fs/(main|options|ops|node|xattr|dir|mount)[a-z_]*\.[ch]'
folder 'fs/|formats/|quant/|kernels/(kernels|gpu).h' $(files fs | grep -vE "^$mount")
folder 'fs/|formats/|quant/|tools/tools.h' $(files fs | grep -E "^$mount")
folder 'tools/|fs/|formats/|quant/' $(files tools)

door 'lmdb\.h' 'fs/cache[a-z_]*\.[ch]'
door '(fuse|fuse3)' 'fs/[a-z_]*\.[ch]|tools/bench/[a-z_]*\.c'
door 'xxhash\.h' 'formats/hash\.c'
door 'json' 'formats/json[a-z_]*\.c'
door 'yaml\.h' 'formats/card\.c'
door 'sha2\.h' 'formats/tokenizer/pre_name\.c'
door 'utf8proc\.h' 'formats/tokenizer/normalize\.c'
door 'zlib\.h' 'formats/inflate\.c'
door 'protobuf-c' 'formats/onnx/[a-z_]*\.[ch]'
door 'pcre2\.h' 'formats/[a-z_/]*regex[a-z_]*\.c'
door '(immintrin|x86intrin|cpuid|arm_neon)\.h' 'kernels/.*'
door '(cuda|cublas|cblas)' 'kernels/.*'

twice=$(files | sed 's|.*/||' | sort | uniq -d)
[ -z "$twice" ] || breach "file names that occur twice: $twice"
exit $bad
