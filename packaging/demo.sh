# SPDX-License-Identifier: Apache-2.0
# `bootstrap demo`: a small model, mounted and read by llama.cpp. Sourced by packaging/bootstrap.

need_fuse
say "Building weightfs"
build release -Dbuildtype=release -Dtests=disabled -Dcuda=disabled
venv
program=$out/release/weightfs
mnt=$(mktemp -d "${TMPDIR:-/tmp}/weightfs-demo.XXXXXX")
mounts+=("$mnt")
trap 'unmount_all; rmdir "$mnt" 2>/dev/null' EXIT
models=tests/data/models

show() {
    local word line='$'
    for word; do # as one would type it
        case $word in *[!A-Za-z0-9_@%+=:,./-]*) word=${word@Q} ;; esac
        line+=" $word"
    done
    printf '\n%s\n' "$line"
    "$@"
}

show build/release/weightfs "$models" "$mnt" -o "cache=$out/demo-cache"
say "  (a trained model of 3.9 M parameters: a Hugging Face folder, 7.9 MB in bf16)"
show ls -l "$mnt"
show getfattr -d -m '^user\.weightfs\.(architecture|parameters|bits_per_weight|source)' \
    --absolute-names "$mnt/tinylm.gguf@q4_k_m"
printf '\n$ sha256sum %s\n' "$mnt/tinylm.gguf@q4_k_m"
sum=$(sha256sum "$mnt/tinylm.gguf@q4_k_m")
say "$sum"
case $sum in
bf1f7214558631ee63653f62061b0a6ad36d2e00f32a3a295b094d68f7f93e71*)
    say "  (to the byte what llama.cpp's convert_hf_to_gguf.py and llama-quantize write)"
    ;;
*) die "these are not the bytes that llama.cpp writes" ;;
esac

prompt="Return a new list"
printf '\nllama.cpp maps %s and goes on with "%s":\n' "$mnt/tinylm.gguf@q4_k_m" "$prompt"
"$out/venv/bin/python" -B tests/clients/complete.py "$mnt/tinylm.gguf@q4_k_m" "$prompt" \
    2>"$out/logs/demo-llama.log" | sed '/^$/d; s/^/    /' ||
    die "llama.cpp could not read the view; what it said is in build/logs/demo-llama.log"

show fusermount3 -u "$mnt"
rmdir "$mnt"
trap unmount_all EXIT
cat <<END

That was it; nothing is mounted any more. With models of your own:

    build/release/weightfs ~/models /mnt/models
    llama-cli -m /mnt/models/NAME.gguf@q4_0

README.md has more, docs/using.md how to set it up for good.
END
