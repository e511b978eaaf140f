"""What the methods section of a paper says of a conversation: who answered, with what, when, at what cost; pure."""

from __future__ import annotations

import contextlib
import hashlib
import importlib.metadata
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from convoscope_jupyter._host_markdown import host_markdown
from convoscope_jupyter._text import dollars
from convoscope_jupyter.context import display_safe
from convoscope_jupyter.messages import Attempt, Conversation, Cost, Response, ResponseStatus, Turn

NOT_REPORTED = "not reported"
_COLUMNS = (
    "model asked",
    "version that answered",
    "answers",
    "attempts",
    "temperature",
    "max. output tokens",
    "first, UTC",
    "last, UTC",
    "input tokens",
    "output tokens",
    "cost",
)
_HASH_DIGITS = 12
_DAY_OF_PRICE = re.compile(r"(.*), price for (\d{4}-\d{2}-\d{2})", re.DOTALL)


@dataclass(frozen=True, slots=True, kw_only=True)
class MethodsRow:
    """One model in one version with one set of parameters."""

    model: str
    """The model that was asked, `provider:name`."""
    version: str | None
    """The exact version that the provider says answered; `None` when it said nothing."""
    temperature: float | None
    """As it was asked for; `None` when none was, or none is on record."""
    max_output_tokens: int | None
    answers: int
    """Answers that are whole, broken off or stopped after their first word."""
    attempts: int
    """Every time it was asked, answered or not."""
    first_at: datetime
    last_at: datetime
    input_tokens: int | None
    """Sum of what was reported; `None` when nothing was."""
    output_tokens: int | None
    uncounted_attempts: int
    """Attempts that are not in the sums of tokens, or only in part."""
    cost: Cost


@dataclass(frozen=True, slots=True, kw_only=True)
class Methods:
    """A paragraph and a table about a conversation, from its receipts. `str` gives both, in Markdown."""

    text: str
    """The paragraph. What is not on record is said to be not reported."""
    rows: tuple[MethodsRow, ...]
    """The table, in the order in which the models were first asked."""

    def __str__(self) -> str:
        if not self.rows:
            return self.text
        lines = [_COLUMNS, ("---",) * len(_COLUMNS), *map(_cells, self.rows)]
        return "\n".join([self.text, "", *(f"| {' | '.join(map(_in_a_cell, line))} |" for line in lines)])

    def _repr_markdown_(self) -> str:
        return host_markdown(str(self))


def methods(conversation: Conversation, *, versions: Mapping[str, str]) -> Methods:
    """Describe a conversation: all its turns, siblings too.

    Args:
        conversation: From a session, a store or a file.
        versions: Of this package and of the SDKs, by name, as they are installed now.

    Returns:
        Paragraph and table.
    """
    turns = [turn for turn in conversation.turns if turn.responses]
    responses = [response for turn in turns for response in turn.responses]
    tried = [attempt for response in responses for attempt in response.attempts if not attempt.held_back]
    software = ", ".join(f"{name} {version}" for name, version in versions.items())
    if not tried and not any(response.text for response in responses):
        return Methods(
            text=f"No model was asked in this conversation. Software when this was written: {software}.", rows=()
        )
    sentences = [
        _extent(conversation.turns, responses, tried),
        _answered_by(responses),
        _parameters(tried),
        _instructions(conversation.system),
        _tokens(tried),
        _cost(tried),
        _fallbacks(responses),
        _retries(responses),
        _endings(responses),
        f"Software when this was written: {software}; not reported for each answer.",
    ]
    return Methods(text=" ".join(_one_line(sentence) for sentence in sentences if sentence), rows=_rows(responses))


def installed_versions(names: Iterable[str]) -> dict[str, str]:
    """The versions of packages, as they are installed now.

    Args:
        names: Of packages. One that is not installed is left out.
    """
    found: dict[str, str] = {}
    for name in names:
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            found[name] = importlib.metadata.version(name)
    return found


# --- the paragraph -----------------------------------------------------------------------------------


def _extent(turns: Sequence[Turn], responses: Sequence[Response], tried: Sequence[Attempt]) -> str:
    moments = [attempt.started_at for attempt in tried] or [turn.created_at for turn in turns]
    days = sorted({f"{moment.astimezone(UTC):%Y-%m-%d}" for moment in moments})
    when = f"On {days[0]} (UTC)" if len(days) == 1 else f"Between {days[0]} and {days[-1]} (UTC)"
    asked = [turn for turn in turns if turn.continues is None]
    again = len(asked) - len({(turn.parent_id, turn.prompt) for turn in asked})
    notes = [f"{again:,} of them repeated"] if again else []
    continued = len(turns) - len(asked)
    notes += [f"{_count(continued, 'request')} to go on with an answer not counted"] if continued else []
    noted = f" ({'; '.join(notes)})" if notes else ""
    answers = sum(_is_answer(response) for response in responses)
    return (
        f"{when}, {_count(len(asked), 'question')} {'was' if len(asked) == 1 else 'were'} asked{noted}, "
        f"and {_count(answers, 'answer')} received in {_count(len(tried), 'attempt')}."
    )


def _answered_by(responses: Sequence[Response]) -> str:
    counts = Counter(
        (str(attempt.model), attempt.response_model)
        for response in responses
        if (attempt := response.answering_attempt) is not None
    )
    named = [
        f"{model} (version {NOT_REPORTED if version is None else version}; {_count(count, 'answer')})"
        for (model, version), count in counts.items()
    ]
    unsigned = sum(_is_answer(response) for response in responses) - counts.total()
    named += [f"model {NOT_REPORTED} ({_count(unsigned, 'answer')})"] if unsigned else []
    if not named:
        return "No model answered."
    return f"Answered by: {', '.join(named)}."


def _parameters(tried: Sequence[Attempt]) -> str:
    if not tried:
        return "Temperature and bound on the tokens of an answer: not reported."
    temperatures = _values(attempt.temperature for attempt in tried)
    bounds = _values(attempt.max_output_tokens for attempt in tried)
    return (
        f"Temperature: {temperatures}. Bound on the tokens of an answer: {bounds}."
        f"{_NONE_ON_RECORD if 'none on record' in (temperatures + bounds) else ''}"
    )


_NONE_ON_RECORD = " Where none is on record the provider's own default applied, or the setting was not recorded."


def _values(values: Iterable[float | None]) -> str:
    counts = Counter("none on record" if value is None else f"{value:g}" for value in values)
    if len(counts) == 1:
        return next(iter(counts))
    return ", ".join(f"{value} ({_count(count, 'attempt')})" for value, count in counts.items())


def _instructions(system: str | None) -> str:
    if not system:
        return "The conversation has no system instructions; whether it had any before is not reported."
    digest = hashlib.sha256(system.encode("utf-8", "replace")).hexdigest()[:_HASH_DIGITS]
    return (
        f"The conversation has system instructions of {_count(len(system), 'character')} (SHA-256 {digest}…); "
        "whether they were the same throughout is not reported."
    )


def _tokens(tried: Sequence[Attempt]) -> str:
    read = _sum(attempt.usage.input_tokens for attempt in tried)
    written = _sum(attempt.usage.output_tokens for attempt in tried)
    uncounted = sum(map(_is_uncounted, tried))
    missing = f"; {NOT_REPORTED} for {_count(uncounted, 'attempt')}" if uncounted else ""
    if read is None and written is None:
        return "Token counts: not reported."
    return f"Tokens as the providers counted them: {_number(read)} input, {_number(written)} output{missing}."


def _cost(tried: Sequence[Attempt]) -> str:
    cost = Cost.of(tried)
    days: dict[str, set[str]] = {}
    for source in (attempt.price_source for attempt in tried if attempt.cost_usd is not None and attempt.price_source):
        dated = _DAY_OF_PRICE.fullmatch(source)
        days.setdefault(dated[1] if dated else source, set()).update([dated[2]] if dated else [])
    if not tried or (not days and cost.unpriced_attempts):
        return "Cost: not reported."
    sources = "; ".join(f"{name}{_span(sorted(of))}" for name, of in days.items())
    missing = f"; {NOT_REPORTED} for {_count(cost.unpriced_attempts, 'attempt')}" if cost.unpriced_attempts else ""
    return f"Cost: {dollars(cost.known_usd)} before tax and discounts{f', by {sources}' if sources else ''}{missing}."


def _span(days: Sequence[str]) -> str:
    if not days:
        return ""
    return f", prices for {days[0]}" + (f" to {days[-1]}" if len(days) > 1 else "")


def _fallbacks(responses: Sequence[Response]) -> str:
    found: list[tuple[str, str, str]] = []
    for response in responses:
        answering = response.answering_attempt
        if answering is None:
            continue
        passed_over = {attempt.model: attempt.error_kind for attempt in response.attempts if attempt.error_kind}
        found.extend(
            (str(answering.model), str(model), kind) for model, kind in passed_over.items() if model != answering.model
        )
    if not found:
        return "No model answered in another's place."
    named = [
        f"{instead} answered instead of {model} ({kind.replace('_', ' ')}, {_times(count)})"
        for (instead, model, kind), count in Counter(found).items()
    ]
    return f"Fallbacks: {', '.join(named)}."


def _retries(responses: Sequence[Response]) -> str:
    tried = [[attempt.model for attempt in response.attempts if not attempt.held_back] for response in responses]
    retries = sum(len(models) - len(set(models)) for models in tried)
    return f"The same model was asked again automatically {_times(retries)}." if retries else ""


_ENDINGS: tuple[tuple[ResponseStatus, str], ...] = (
    ("interrupted", "broke off"),
    ("cancelled", "stopped by the user"),
    ("failed", "without any answer"),
)


def _endings(responses: Sequence[Response]) -> str:
    counts = Counter(response.status for response in responses)
    named = [f"{counts[status]:,} {words}" for status, words in _ENDINGS if counts[status]]
    cut = sum(response.finish_reason == "length" for response in responses)
    named += [f"{cut:,} cut at a limit of tokens"] if cut else []
    return f"Not whole: {', '.join(named)}." if named else "Every answer is whole."


# --- the table ---------------------------------------------------------------------------------------


def _rows(responses: Sequence[Response]) -> tuple[MethodsRow, ...]:
    groups: dict[tuple[str, str | None, float | None, int | None], list[tuple[Attempt, bool]]] = {}
    for response in responses:
        for attempt in response.attempts:
            if not attempt.held_back:
                group = (str(attempt.model), attempt.response_model, attempt.temperature, attempt.max_output_tokens)
                groups.setdefault(group, []).append((attempt, attempt is response.answering_attempt))
    return tuple(
        _row(model, version, temperature, max_output_tokens, members)
        for (model, version, temperature, max_output_tokens), members in groups.items()
    )


def _row(
    model: str,
    version: str | None,
    temperature: float | None,
    max_output_tokens: int | None,
    members: Sequence[tuple[Attempt, bool]],
) -> MethodsRow:
    attempts = [attempt for attempt, _ in members]
    times = [attempt.started_at.astimezone(UTC) for attempt in attempts]
    return MethodsRow(
        model=model,
        version=version,
        temperature=temperature,
        max_output_tokens=max_output_tokens,
        answers=sum(answered for _, answered in members),
        attempts=len(attempts),
        first_at=min(times),
        last_at=max(times),
        input_tokens=_sum(attempt.usage.input_tokens for attempt in attempts),
        output_tokens=_sum(attempt.usage.output_tokens for attempt in attempts),
        uncounted_attempts=sum(map(_is_uncounted, attempts)),
        cost=Cost.of(attempts),
    )


def _cells(row: MethodsRow) -> tuple[str, ...]:
    return (
        row.model,
        NOT_REPORTED if row.version is None else row.version,
        f"{row.answers:,}",
        f"{row.attempts:,}",
        "none on record" if row.temperature is None else f"{row.temperature:g}",
        "none on record" if row.max_output_tokens is None else f"{row.max_output_tokens:,}",
        f"{row.first_at:%Y-%m-%d %H:%M}",
        f"{row.last_at:%Y-%m-%d %H:%M}",
        _number(row.input_tokens),
        _number(row.output_tokens),
        str(row.cost).replace("not known", NOT_REPORTED),
    )


def _in_a_cell(text: str) -> str:
    return _one_line(text).replace("\\", "\\\\").replace("|", "\\|")


# --- figures and words -------------------------------------------------------------------------------


def _is_answer(response: Response) -> bool:
    return bool(response.text) or response.answering_attempt is not None


def _is_uncounted(attempt: Attempt) -> bool:
    return not attempt.was_turned_away and None in (attempt.usage.input_tokens, attempt.usage.output_tokens)


def _sum(counts: Iterable[int | None]) -> int | None:
    known = [count for count in counts if count is not None]
    return sum(known) if known else None


def _number(count: int | None) -> str:
    return NOT_REPORTED if count is None else f"{count:,}"


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def _times(number: int) -> str:
    return "once" if number == 1 else f"{number:,} times"


def _one_line(text: str) -> str:
    # Names of models come from files and servers: they may hold line ends, and signs that a terminal obeys.
    return display_safe(" ".join(text.split()))
