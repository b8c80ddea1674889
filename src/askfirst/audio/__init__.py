"""Audio as numbers: codecs, mixing, tones, containers. No I/O beyond bytes in and out."""
