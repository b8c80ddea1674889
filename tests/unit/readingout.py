"""Reads numbers out as people do, for the tests: written without looking at what finds them."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

from askfirst.model import Utterance, Word

DIGITS = {
    "en": ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"],
    "nb": ["null", "en", "to", "tre", "fire", "fem", "seks", "sju", "åtte", "ni"],
    "de": ["null", "eins", "zwei", "drei", "vier", "fünf", "sechs", "sieben", "acht", "neun"],
}
OTHER_DIGITS = {"en": {0: "oh"}, "nb": {7: "syv", 1: "én"}, "de": {2: "zwo"}}
TEENS = {
    "en": "ten eleven twelve thirteen fourteen fifteen sixteen seventeen eighteen nineteen",
    "nb": "ti elleve tolv tretten fjorten femten seksten sytten atten nitten",
    "de": "zehn elf zwölf dreizehn vierzehn fünfzehn sechzehn siebzehn achtzehn neunzehn",
}
TENS = {
    "en": "twenty thirty forty fifty sixty seventy eighty ninety",
    "nb": "tjue tretti førti femti seksti sytti åtti nitti",
    "nb-old": "tyve tredve førti femti seksti sytti åtti nitti",
    "de": "zwanzig dreißig vierzig fünfzig sechzig siebzig achtzig neunzig",
}
TWICE = {"en": "double", "nb": "dobbelt", "de": "doppel"}
THRICE = {"en": "triple", "nb": "trippel", "de": "dreimal die"}
FILLERS = {
    "en": ["eh", "um", "er", "okay", "dash", "let me see"],
    "nb": ["eh", "øh", "hm", "altså", "ja", "bindestrek"],
    "de": ["äh", "ähm", "also", "ja", "Strich", "Moment"],
}
LISTENING = {
    "en": ["yes", "mm", "go on", "okay, got that"],
    "nb": ["ja", "mm", "ja, fortsett", "den er god"],
    "de": ["ja", "mhm", "ja, weiter", "hab ich"],
}


def pair(value: int, language: str, chance: Random) -> str:
    """Two digits as one number; below ten it begins with a zero."""
    tens, unit = divmod(value, 10)
    words = DIGITS[language]
    if tens == 0:
        return f"{words[0]} {words[unit]}"
    if tens == 1:
        return TEENS[language].split()[unit]
    if language == "de":
        name = TENS["de"].split()[tens - 2]
        return name if unit == 0 else f"{'ein' if unit == 1 else words[unit]}und{name}"
    if language == "nb" and chance.random() < 0.5:
        name = TENS["nb-old"].split()[tens - 2]
        return name if unit == 0 else f"{words[unit]}og{name}"
    name = TENS[language].split()[tens - 2]
    if unit == 0:
        return name
    return f"{name}-{words[unit]}" if language == "en" else f"{name}{words[unit]}"


def spoken(digits: str, language: str, chance: Random) -> list[str]:
    """A number in words: single digits with doubles and triples, or pairs."""
    if chance.random() < 0.3:
        pairs = [digits[at : at + 2] for at in range(0, len(digits), 2)]
        return [
            pair(int(each), language, chance) if len(each) == 2 else DIGITS[language][int(each)]
            for each in pairs
        ]
    said, at = list[str](), 0
    while at < len(digits):
        digit, left = digits[at], digits[at:]
        word = DIGITS[language][int(digit)]
        if chance.random() < 0.3:
            word = OTHER_DIGITS[language].get(int(digit), word)
        count = len(left) - len(left.lstrip(digit))
        if count >= 3 and chance.random() < 0.5:
            said.append(f"{THRICE[language]} {word}")
            at += 3
        elif count >= 2 and chance.random() < 0.5:
            said.append(f"{TWICE[language]} {word}")
            at += 2
        else:
            said.append(word)
            at += 1
    return said


def written(digits: str, chance: Random) -> list[str]:
    """A number in digits, in groups of one to six; commas, hyphens or nothing between."""
    groups, at = list[str](), 0
    while at < len(digits):
        size = chance.randint(1, 6)
        groups.append(digits[at : at + size])
        at += size
    joint = chance.choice([" ", " ", ", ", "-", ","])
    return joint.join(groups).split()


def conversation(
    parts: Sequence[str], language: str, chance: Random
) -> tuple[list[Utterance], set[tuple[int, int]]]:
    """The parts said by one speaker: fillers between, cut into utterances, the other listening.

    Also says where each word of the parts stands: utterance and word.
    """
    said, meant = list[Utterance](), set[tuple[int, int]]()
    words, at_ms = list[Word](), 1_000
    for number, part in enumerate(parts):
        if number and chance.random() < 0.15:
            for filler in chance.choice(FILLERS[language]).split():
                words.append(Word(filler, at_ms, at_ms + 250, 0.9))
                at_ms += 300
        for word in part.split():
            meant.add((len(said), len(words)))
            words.append(Word(word, at_ms, at_ms + 250, 0.9))
            at_ms += 300
        if number + 1 < len(parts) and chance.random() < 0.2:
            said.append(utterance("contact", words))
            words, at_ms = [], at_ms + 1_200
            if chance.random() < 0.7:
                texts = chance.choice(LISTENING[language]).split()
                heard = [
                    Word(text, at_ms - 1_100 + 100 * at, at_ms - 1_010 + 100 * at, 0.9)
                    for at, text in enumerate(texts)
                ]
                said.append(utterance("agent", heard))
    said.append(utterance("contact", words))
    return said, meant


def utterance(speaker: str, words: Sequence[Word]) -> Utterance:
    """Words as the recogniser groups them."""
    text = " ".join(word.text for word in words)
    return Utterance(speaker, words[0].start_ms, words[-1].end_ms, text, tuple(words))


def sentence(text: str, speaker: str = "contact", from_ms: int = 1_000) -> Utterance:
    """A sentence with a word each 300 ms."""
    return utterance(
        speaker,
        [
            Word(word, from_ms + 300 * at, from_ms + 300 * at + 250, 0.9)
            for at, word in enumerate(text.split())
        ],
    )
