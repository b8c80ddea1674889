"""How many words a recogniser got wrong."""

from __future__ import annotations

from whisper_normalizer.english import EnglishTextNormalizer


def word_errors(said: str, recognised: str) -> tuple[int, int]:
    """Least number of changed, missing and added words, and the number of words said."""
    normalise = EnglishTextNormalizer()
    wanted, found = normalise(said).split(), normalise(recognised).split()
    row = list(range(len(found) + 1))
    for i, word in enumerate(wanted, 1):
        corner, row[0] = row[0], i
        for j, other in enumerate(found, 1):
            corner, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, corner + (word != other))
    return row[-1], len(wanted)
