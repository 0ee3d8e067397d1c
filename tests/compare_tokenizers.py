# SPDX-License-Identifier: Apache-2.0
"""The tokenizer engine against Hugging Face's tokenizers: the same ids for texts made from a seed.

    compare_tokenizers.py TOKEN_IDS [DIR...]            with tokenizers 0.23 from PyPI, 20,000 texts
    compare_tokenizers.py --time TOKEN_IDS [DIR...]     seconds of each, one thread
    compare_tokenizers.py --write                       the golden file anew, by tokenizers
    compare_tokenizers.py --golden TOKEN_IDS            1,000 texts against that file; needs no package

DIR has a tokenizer.json; by default all of tests/data/corpus/tokenizers that have one, and those of
tests/data/tokenizers, which were trained for parts that these do not have. The golden
file holds, for each tokenizer and hundred texts, the first 16 digits of the SHA-256 of the ids."""
import hashlib
import os
import struct
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
CORPUS = [os.path.join(HERE, "data", "corpus", "tokenizers"), os.path.join(HERE, "data", "tokenizers")]
GOLDEN = os.path.join(HERE, "data", "token_ids.tsv")
TEXTS, GOLDEN_TEXTS, GROUP = 20000, 1000, 100

# Assigned in Unicode 13 and before, so that all libraries know them.
SCRIPTS = [
    (0x20, 0x7e), (0x20, 0x7e), (0x61, 0x7a), (0x41, 0x5a), (0xa1, 0x17f), (0x300, 0x36f), (0x391, 0x3a1),
    (0x3b1, 0x3c9), (0x410, 0x44f), (0x561, 0x586), (0x5d0, 0x5ea), (0x620, 0x64a), (0x660, 0x669),
    (0x905, 0x939), (0x93e, 0x94d), (0x966, 0x96f), (0x985, 0x98c), (0xe01, 0xe3a), (0xe40, 0xe4e),
    (0xf00, 0xf47), (0x10d0, 0x10f0), (0x1200, 0x1248), (0x1780, 0x17b3), (0x1e00, 0x1eff), (0x2010, 0x2027),
    (0x2030, 0x205e), (0x2070, 0x2071), (0x20a0, 0x20bf), (0x2100, 0x214f), (0x2190, 0x21ff), (0x2200, 0x22ff),
    (0x2460, 0x24ff), (0x2500, 0x257f), (0x2600, 0x26ff), (0x3001, 0x303f), (0x3041, 0x3096), (0x30a1, 0x30fa),
    (0x3105, 0x312f), (0x4e00, 0x9fa5), (0x4e00, 0x5000), (0xac00, 0xd7a3), (0xf900, 0xfa0d), (0xfe30, 0xfe44),
    (0xff01, 0xff5e), (0x1d400, 0x1d454), (0x1f300, 0x1f5ff), (0x1f600, 0x1f64f), (0x1f680, 0x1f6c5),
    (0x20000, 0x20100),
]
SPACES = [" ", "  ", "   ", "\t", "\n", "\n\n", "\r\n", " \n", "\n ", "\t\t", "\u00a0", "\u2003", "\u3000", "\u2028",
          "\x0b", "\x85", "    ", "        "]
WORDS = ["the", "The", "THE", "don't", "I'm", "we'LL", "it's", "they're", "I've", "he'd", "int", "return", "def",
         "import", "naïve", "Straße", "ﬁne", "İstanbul", "Ελλάδα", "привет", "你好", "世界", "こんにちは", "안녕하세요",
         "مرحبا", "שלום", "नमस्ते", "สวัสดี", "👩‍👩‍👧‍👦", "🇩🇪", "❤️", "e\u0301", "A\u030a", "Å", "½", "x²", "№5", "1e-5", "0x1F",
         "3.14", "1,000,000", "2024-01-31", "http://a.b/c?d=e&f=g", "foo_bar", "fooBar", "__init__", "->", "::", "//",
         "/*", "*/", "<|endoftext|>", "<s>", "</s>", "[CLS]", "[MASK]", "<|im_start|>", "<pad>", "\u200b", "\u200d",
         "\ufeff", "\u00ad", "\x00", "\x7f", "\ufffd"]
CODE = ["if (x == 0) {\n    return -1;\n}\n", "def f(a, b=None):\n\treturn a[b:]  # c\n",
        "<div class=\"a\">\n  <p>1 &lt; 2</p>\n</div>", "{\"k\": [1, 2.5, null], \"é\": \"\\u00e9\"}",
        "SELECT * FROM t WHERE a >= 'b';", "#include <stdio.h>\r\nint main(void)\r\n", "x = y**2 + z//3 % 7\n",
        "fn main() -> Result<(), E> { a?; }", "$ ls -la | grep '^d' > /dev/null 2>&1"]


class Numbers:
    """Whole numbers from a seed, the same everywhere."""

    def __init__(self, seed):
        self.state = seed

    def below(self, n):
        self.state = (self.state * 6364136223846793005 + 1442695040888963407) & (1 << 64) - 1
        return (self.state >> 33) % n

    def of(self, items):
        return items[self.below(len(items))]


def piece(r):
    kind = r.below(12)
    if kind < 3:
        return r.of(WORDS) + r.of(["", " "])
    if kind < 4:
        return r.of(SPACES) * (1 + r.below(3))
    if kind < 5:
        return r.of(CODE)
    if kind < 6:
        return "".join(chr(0x30 + r.below(10)) for _ in range(1 + r.below(9)))
    if kind < 7 and r.below(8) == 0:
        a, b = r.of(SCRIPTS)
        return chr(a + r.below(b - a + 1)) * (1 + r.below(400))
    if kind < 8:
        return "".join(chr(0x21 + r.below(94)) for _ in range(1 + r.below(6)))
    a, b = r.of(SCRIPTS)
    return "".join(chr(a + r.below(b - a + 1)) for _ in range(1 + r.below(12))) + r.of(["", "", " "])


def texts(n):
    r = Numbers(20240131)
    return ["".join(piece(r) for _ in range(r.below(14))) for _ in range(n)]


def folders(dirs):
    names = dirs or [os.path.join(c, d) for c in CORPUS for d in sorted(os.listdir(c))]
    return [d for d in names if os.path.exists(os.path.join(d, "tokenizer.json"))]


def ours(program, folder, data, *options):
    stdin = b"".join(struct.pack("<I", len(s)) + s for s in (t.encode() for t in data))
    p = subprocess.run([program, *options, os.path.join(folder, "tokenizer.json")], input=stdin, check=True,
                       capture_output=True)
    return p.stderr.decode() if options else p.stdout.decode().split("\n")[:-1]


def theirs(folder, data):
    from tokenizers import Tokenizer
    t = Tokenizer.from_file(os.path.join(folder, "tokenizer.json"))
    t.no_truncation()
    t.no_padding()
    return [" ".join(map(str, t.encode(s).ids)) for s in data]


def compare(program, dirs):
    data, bad = texts(TEXTS), 0
    for folder in folders(dirs):
        differ = [i for i, (a, b) in enumerate(zip(ours(program, folder, data), theirs(folder, data))) if a != b]
        print(f"{os.path.basename(folder)}: {len(data)} texts, {len(differ)} differ", flush=True)
        for i in differ[:3]:
            print("   ", ascii(data[i]))
        bad += len(differ)
    return bad > 0


def measure(program, dirs):
    from tokenizers import Tokenizer
    os.environ["RAYON_NUM_THREADS"] = "1"
    data = texts(TEXTS)
    size = sum(len(s.encode()) for s in data) / 1e6
    for folder in folders(dirs):
        t = Tokenizer.from_file(os.path.join(folder, "tokenizer.json"))
        start = time.process_time()
        for s in data:
            t.encode(s)
        other = time.process_time() - start
        own = float(ours(program, folder, data, "--time"))
        print(f"{os.path.basename(folder)}: {size / own:.1f} MB/s, tokenizers {size / other:.1f}: x {other / own:.2f}",
              flush=True)
    return 0


def digests(lines):
    return [hashlib.sha256("\n".join(lines[i:i + GROUP]).encode()).hexdigest()[:16] for i in range(0, len(lines), GROUP)]


def write():
    data = texts(GOLDEN_TEXTS)
    with open(GOLDEN, "w", encoding="utf-8") as f:
        for folder in folders([]):
            print(os.path.basename(folder), *digests(theirs(folder, data)), sep="\t", file=f)
    return 0


def golden(program):
    data, bad = texts(GOLDEN_TEXTS), 0
    with open(GOLDEN, encoding="utf-8") as f:
        rows = {n: d for n, *d in (line.rstrip("\n").split("\t") for line in f)}
    for folder in folders([]):
        name = os.path.basename(folder)
        for i, (a, b) in enumerate(zip(digests(ours(program, folder, data)), rows[name])):
            if a != b:
                bad += 1
                print(f"{name}: texts {i * GROUP} to {(i + 1) * GROUP} have other ids")
    print(f"{len(rows)} tokenizers, {bad} differences")
    return bad > 0


def main():
    if sys.argv[1] == "--write":
        return write()
    if sys.argv[1] == "--golden":
        return golden(sys.argv[2])
    if sys.argv[1] == "--time":
        return measure(sys.argv[2], sys.argv[3:])
    return compare(sys.argv[1], sys.argv[2:])


if __name__ == "__main__":
    sys.exit(main())
