"""Stops with a clear sentence when this Python cannot carry the project. Runs on any Python 3."""

import importlib.util
import sys

MINIMUM = (3, 11)

if sys.version_info < MINIMUM:
    sys.exit(
        "convoscope needs Python {}.{} or newer, and this is {}.{}. Name another one: make PYTHON=python3.12 …".format(
            *MINIMUM, *sys.version_info[:2]
        )
    )
if importlib.util.find_spec("venv") is None or importlib.util.find_spec("ensurepip") is None:
    sys.exit(
        "This Python cannot make virtual environments. On Debian and Ubuntu: apt-get install python{}.{}-venv".format(
            *sys.version_info[:2]
        )
    )
