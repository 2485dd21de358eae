"""High dynamic range brought down to what a page shows: curves for the pictures that are coded in PQ or HLG.

ITU-R BT.2100 for both signals, Report ITU-R BT.2390 (section 5.4.1, EETF) for the rolling off of what is brighter than
the page's white, Report ITU-R BT.2408 for the 203 cd/m2 that this white is.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType

_SAMPLES = 1024
_WHITE, _PEAK = 203.0, 1000.0  # cd/m2: of the page, and of the screens that such pictures are made on
_PQ_PEAK = 10_000.0
_M1, _M2 = 2610 / 16384, 2523 / 4096 * 128
_C1, _C2, _C3 = 3424 / 4096, 2413 / 4096 * 32, 2392 / 4096 * 32
_HLG_A, _HLG_B, _HLG_C = 0.17883277, 0.28466892, 0.55991073
_HLG_GAMMA = 1.2  # of a screen of 1000 cd/m2


def curve(transfer: int) -> Sequence[float] | None:
    """Linear light from 0 to the page's white at evenly spaced signals from 0 to 1; None for any other transfer.

    `transfer` is the number that ITU-T H.273 gives it.
    """
    light = _LIGHT.get(transfer)
    if light is None:
        return None
    return [rolled_off(light(step / (_SAMPLES - 1))) / _WHITE for step in range(_SAMPLES)]


def rolled_off(light: float) -> float:
    """Light in cd/m2 on a page that has but 203 of them; what is dark or of middling brightness stays as it is."""
    peak = _pq_signal(_PEAK)
    signal, most = min(1.0, _pq_signal(light) / peak), _pq_signal(_WHITE) / peak
    knee = 1.5 * most - 0.5
    if signal > knee:
        t = (signal - knee) / (1 - knee)
        signal = (2 * t**3 - 3 * t**2 + 1) * knee + (t**3 - 2 * t**2 + t) * (1 - knee) + (3 * t**2 - 2 * t**3) * most
    return pq_light(signal * peak)


def pq_light(signal: float) -> float:
    """The light in cd/m2 that a PQ signal stands for."""
    power = signal ** (1 / _M2)
    return float(_PQ_PEAK * (max(power - _C1, 0.0) / (_C2 - _C3 * power)) ** (1 / _M1))


def _pq_signal(light: float) -> float:
    power = (light / _PQ_PEAK) ** _M1
    return float(((_C1 + _C2 * power) / (1 + _C3 * power)) ** _M2)


def hlg_light(signal: float) -> float:
    """The light in cd/m2 that an HLG signal makes on a screen of 1000; of one channel, as if it were grey."""
    scene = signal**2 / 3 if signal <= 0.5 else (math.exp((signal - _HLG_C) / _HLG_A) + _HLG_B) / 12  # noqa: PLR2004
    return float(_PEAK * scene**_HLG_GAMMA)


_LIGHT: Mapping[int, Callable[[float], float]] = MappingProxyType({16: pq_light, 18: hlg_light})
