"""Paired, alternating rounds: the machine drifts, so only ratios within a round count."""

import sys
import time


def alternate(rivals, count, warm=1, label=""):
    """Calls each rival once per round, in turn forwards and backwards; the first `warm` rounds
    (processes start, caches fill) do not count. name -> list of what the calls returned."""
    samples = {name: [] for name in rivals}
    for number in range(-warm, count):
        order = list(rivals) if number % 2 else list(reversed(rivals))
        began = time.monotonic()
        for name in order:
            value = rivals[name]()
            if number >= 0:
                samples[name].append(value)
        progress(f"{label} {'warm-up' if number < 0 else f'{number + 1} of {count}'} "
                 f"({time.monotonic() - began:.1f} s)")
    return samples


def progress(text):
    print(text, file=sys.stderr, flush=True)


def ratios(ours, theirs):
    return [one / other for one, other in zip(ours, theirs)]


def column(samples, key):
    return [sample[key] for sample in samples]
