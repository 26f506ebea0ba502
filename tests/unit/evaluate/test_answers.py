"""Ids of the examples of a split: the same whether they are made at once or part by part."""

import numpy as np
import pytest

from components.evaluate import answers
from components.evaluate.answers import AnsweredFile, AnswerReader, write_index
from compression.statistics.weights import mix, unique_ids


@pytest.mark.parametrize("at_a_time", [100, 10_000])
def test_ids_tell_repeats_apart_over_the_whole_split(tmp_path, monkeypatch, at_a_time):
    monkeypatch.setattr(answers, "CHUNK_ROWS", 64)
    monkeypatch.setattr(answers, "IDS_AT_A_TIME", at_a_time)
    monkeypatch.setattr(answers, "unique_ids", lambda keys: (largest.append(len(keys)), unique_ids(keys))[1])
    largest: list[int] = []
    keys = mix(np.arange(700, dtype=np.uint64) % np.uint64(450))
    files = []
    for name, part in (("a", keys[:300]), ("b", keys[300:])):
        writer = answers._ChunkWriter(f"{tmp_path}/{name}")
        for first in range(0, len(part), 50):
            rows = part[first : first + 50]
            writer.add(np.zeros((len(rows), 1), np.float32), rows)
        files.append(AnsweredFile(name, "", writer.close(), name, {"out": 1}))
    write_index(files[::-1], str(tmp_path), "model")
    made = np.concatenate([AnswerReader(str(tmp_path), file).take(0, file.records)[1] for file in files])
    assert (made == unique_ids(keys)).all()
    assert len(set(made.tolist())) == 700
    assert max(largest) <= 2 * at_a_time
    assert not list(tmp_path.rglob("digests*"))
