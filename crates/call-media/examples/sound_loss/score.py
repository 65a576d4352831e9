"""PESQ (wide band) and STOI of what sound_loss wrote: score.py SPEECH.wav FOLDER. Needs numpy, scipy, pesq, pystoi."""

import sys
from pathlib import Path

import numpy
from pesq import pesq
from pystoi import stoi
from scipy.io import wavfile
from scipy.signal import resample_poly


def read(path):
    rate, samples = wavfile.read(path)
    return resample_poly(samples.astype(numpy.float64) / 32768, 16_000, rate)


said = read(sys.argv[1])
print("| pattern | way | PESQ | STOI |\n|---|---|---|---|")
for path in sorted(Path(sys.argv[2]).glob("*.wav")):
    heard = read(path)
    length = min(len(said), len(heard))
    # PESQ is made for a few seconds at a time.
    pieces = range(0, length - 8 * 16_000, 8 * 16_000)
    parts = [(said[at : at + 8 * 16_000], heard[at : at + 8 * 16_000]) for at in pieces]
    quality = numpy.mean([pesq(16_000, one, other, "wb") for one, other in parts])
    pattern, way = path.stem.split("-", 1)
    print(f"| {pattern} | {way} | {quality:.2f} | {stoi(said[:length], heard[:length], 16_000):.3f} |", flush=True)
