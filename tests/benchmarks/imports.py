"""What importing costs, each time in a new process."""

from __future__ import annotations

import json
import subprocess

from tests.benchmarks.environments import ROOT
from tests.benchmarks.fleet import Bench, PeerFailed, clean_environment, installed_python, interleave
from tests.benchmarks.report import Goal, Section, at_most, comparison, median, ratio

STATEMENTS = {
    "floor": "import httpx",
    "floor:httpx2": "import httpx2",
    "openai": "import openai",
    "anthropic": "import anthropic",
    "google-genai": "import google.genai",
    "aisuite": "import aisuite",
    "litellm": "import litellm",
    "pydantic-ai": "import pydantic_ai, pydantic_ai.models.openai, pydantic_ai.models.anthropic",
    "chatlas": "import chatlas",
    "langchain": "import langchain_openai",
    "us": "import convoscope_jupyter as cv",
    "us:session": "import convoscope_jupyter as cv; cv.Session('demo:echo', store=':memory:').ask('Hello')",
    "us:chat": "import convoscope_jupyter as cv; cv.Chat('demo:echo', store=':memory:')",
    "us:openai": "import convoscope_jupyter as cv; cv.OpenAI().load()",
}
"""Of aisuite: it loads a provider's SDK with its first request, as ours does."""

_SDKS = ("openai", "anthropic", "google.genai", "httpx", "httpx2", "litellm")

_SCRIPT = """
import json, sys, time
def rss_mib():
    try:
        with open("/proc/self/statm") as statm:
            return int(statm.read().split()[1]) * 4096 / 2**20
    except OSError:
        return 0.0
modules, rss, cpu_s, wall_s = len(sys.modules), rss_mib(), time.process_time(), time.perf_counter()
exec(sys.argv[1])
cpu_s, wall_s = time.process_time() - cpu_s, time.perf_counter() - wall_s
print(json.dumps({
    "cpu_ms": cpu_s * 1e3, "wall_ms": wall_s * 1e3, "rss_mib": rss_mib() - rss,
    "modules": len(sys.modules) - modules, "sdks": [name for name in sys.argv[2].split() if name in sys.modules],
}))
import os
sys.stdout.flush()
os._exit(0)
"""


def measure(bench: Bench) -> Section:
    """Everybody's imports, and that ours loads no SDK."""
    rounds = 3 if bench.quick else 5
    sdks: set[str] = set()

    def once(name: str) -> dict[str, float]:
        command = [str(installed_python(name)), "-c", _SCRIPT, STATEMENTS[name], " ".join(_SDKS)]
        done = subprocess.run(
            command,
            cwd=ROOT,
            env=clean_environment(bench.home),
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        if done.returncode:
            raise PeerFailed((done.stderr.strip().splitlines() or ["it failed"])[-1][:120])
        figures = json.loads(done.stdout.splitlines()[-1])
        loaded = figures.pop("sdks")
        if name == "us":
            sdks.update(loaded)
        return dict(figures)

    figures, failed = interleave(STATEMENTS, rounds, once)
    ours = figures.get("us")
    added_mib = median(each["rss_mib"] for each in ours) if ours else None
    keys = (("cpu_ms", "CPU ms"), ("rss_mib", "RSS added MiB"), ("modules", "new modules"))
    return Section(
        title="Importing",
        method=f"New processes, {rounds} of each in turn, the interpreter's own start not counted, bytecode cached. "
        "`us` is `import convoscope_jupyter`; `us:session` with a session and an answer of the offline demo; `us:chat` "
        "with a chat made; `us:openai` with the OpenAI SDK loaded, which happens in the background once a route names "
        "it. aisuite also loads SDKs later.",
        tables=[comparison(figures, failed, key=key, unit=unit, bases=["openai"], caption=unit) for key, unit in keys],
        goals=[
            at_most("import, CPU", 0.15, ratio(figures, "us", "openai", "cpu_ms"), than="`import openai`"),
            at_most("import, RSS added", 20, added_mib, unit=" MiB"),
            Goal(
                what="import, SDKs and HTTP clients loaded",
                goal="none",
                measured=", ".join(sorted(sdks)) or "none" if ours else "not measured",
                met=not sdks if ours else None,
            ),
        ],
    )
