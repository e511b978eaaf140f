"""What a session has spent, what it may spend, and why a question is refused."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal, InvalidOperation

from convoscope_jupyter import models
from convoscope_jupyter._text import dollars
from convoscope_jupyter.errors import BudgetExceeded, ConvoError, InvalidSetting
from convoscope_jupyter.messages import Attempt, Cost, ModelRef, Response, Turn, Usage
from convoscope_jupyter.providers._base import ChatRequest, Provider

Money = Decimal | int | float | str
"""US dollars as a user writes them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Spending:
    """What a session has spent since it was made, over all attempts: failed, interrupted and stopped ones too.

    An attempt that was turned away before a model began to work has spent nothing.

    Example:
        >>> str(Spending(cost_usd=Decimal("0.0042"), input_tokens=1000, output_tokens=204, attempts=3))
        '$0.0042 and 1,204 tokens in 3 attempts'
    """

    cost_usd: Decimal | None = Decimal(0)
    """Sum of the known prices; `None` when attempts were made and the cost of none is known."""
    input_tokens: int = 0
    output_tokens: int = 0
    estimated_tokens: int = 0
    """How many of the tokens are estimated from the text, because the provider did not count them."""
    attempts: int = 0
    unpriced_attempts: int = 0
    """How many attempts are not in `cost_usd`, because their price or their token counts are not known."""
    unpriced_models: tuple[ModelRef, ...] = ()
    """The models of those attempts."""

    @property
    def total_tokens(self) -> int:
        """Input and output together, estimates included."""
        return self.input_tokens + self.output_tokens

    def plus(self, response: Response, *, prompt_tokens: int) -> Spending:
        """This and one more answer.

        Args:
            response: The answer, with all its attempts.
            prompt_tokens: Estimated tokens of what each attempt was sent, for those whose provider counts none.
        """
        tried = [attempt for attempt in response.attempts if not attempt.held_back]
        cost = Cost.of(tried)
        known_usd = (self.cost_usd or Decimal(0)) + cost.known_usd
        unpriced_attempts = self.unpriced_attempts + cost.unpriced_attempts
        unpriced = [attempt.model for attempt in tried if Cost.of([attempt]).unpriced_attempts]
        read = [_input_tokens(attempt, prompt_tokens) for attempt in tried]
        written = [_output_tokens(attempt, response) for attempt in tried]
        return Spending(
            cost_usd=known_usd if known_usd or not unpriced_attempts else None,
            input_tokens=self.input_tokens + sum(tokens for tokens, _ in read),
            output_tokens=self.output_tokens + sum(tokens for tokens, _ in written),
            estimated_tokens=self.estimated_tokens + sum(tokens for tokens, guessed in (*read, *written) if guessed),
            attempts=self.attempts + len(tried),
            unpriced_attempts=unpriced_attempts,
            unpriced_models=tuple(dict.fromkeys((*self.unpriced_models, *unpriced))),
        )

    def __str__(self) -> str:
        tokens = f"{'about ' if self.estimated_tokens else ''}{_count(self.total_tokens, 'token')}"
        attempts = _count(self.attempts, "attempt")
        if not self.unpriced_attempts:
            return f"{dollars(self.cost_usd or Decimal(0))} and {tokens} in {attempts}"
        cost = f"{dollars(self.cost_usd)} and " if self.cost_usd is not None else ""
        models_named = ", ".join(map(str, self.unpriced_models))
        return (
            f"{cost}{tokens} in {attempts}; the cost of {self.unpriced_attempts:,} is not known ({models_named}): "
            "only tokens are counted there"
        )


def _input_tokens(attempt: Attempt, prompt_tokens: int) -> tuple[int, bool]:
    if attempt.usage.input_tokens is not None:
        return max(0, attempt.usage.input_tokens), False
    return (0, False) if attempt.was_turned_away else (prompt_tokens, True)


def _output_tokens(attempt: Attempt, response: Response) -> tuple[int, bool]:
    if attempt.usage.output_tokens is not None:
        return max(0, attempt.usage.output_tokens), False
    if attempt is not response.answering_attempt:
        return 0, False  # what it said, if anything, is gone
    return models.estimate_tokens(response.text) + models.estimate_tokens(response.message.reasoning), True


class Budget:
    """One session's limits, and what it has spent of them."""

    def __init__(self) -> None:
        self.max_cost_usd: Decimal | None = None
        self.max_tokens_total: int | None = None
        self.spent = Spending()

    def check(self, request: ChatRequest, candidate: ModelRef, provider: Provider) -> None:
        """Refuse a question that the session cannot pay for.

        Args:
            request: What would be asked.
            candidate: Who would be asked first.
            provider: Its provider.

        Raises:
            BudgetExceeded: A limit is reached, or the question alone would cross it.
        """
        if self.max_cost_usd is not None:
            question_usd = _question_usd(request, candidate, provider)
            _check_cost(self.spent, self.max_cost_usd, question_usd)
        if self.max_tokens_total is not None:
            _check_tokens(self.spent, self.max_tokens_total, prompt_tokens(request))

    def note(self, turn: Turn, request: ChatRequest) -> None:
        """Take in what a turn has spent.

        Args:
            turn: The turn with its responses.
            request: What was asked.
        """
        for response in turn.responses:
            self.spent = self.spent.plus(response, prompt_tokens=prompt_tokens(request))


def prompt_tokens(request: ChatRequest) -> int:
    """Estimated tokens of a whole prompt: instructions, earlier turns and the question. Pictures are not counted.

    Args:
        request: The prompt.
    """
    texts = [request.system or "", *(message.text for message in request.messages)]
    return sum(models.estimate_tokens(text) for text in texts)


def _question_usd(request: ChatRequest, candidate: ModelRef, provider: Provider) -> Decimal | None:
    try:
        if provider.status(candidate.provider).host is not None:
            return None  # a server that only speaks a provider's format does not ask that provider's price
    except ConvoError:
        return None  # an unusable setting: the attempt says so, and costs nothing
    price = models.cost_usd(candidate, Usage(input_tokens=prompt_tokens(request), output_tokens=0))
    return price.amount_usd if price else None


def _check_cost(spent: Spending, limit_usd: Decimal, question_usd: Decimal | None) -> None:
    known_usd = spent.cost_usd or Decimal(0)
    is_reached = known_usd >= limit_usd
    if not is_reached and (question_usd is None or known_usd + question_usd <= limit_usd):
        return
    alone = f"; the question alone is about {dollars(question_usd)}" if question_usd and not is_reached else ""
    missing = f" (without {_count(spent.unpriced_attempts, 'attempt')} of unknown cost)"
    raise BudgetExceeded(
        f"this session may cost at most {dollars(limit_usd)} and has cost {dollars(known_usd)} so far"
        f"{missing if spent.unpriced_attempts else ''}{alone}. "
        "Nothing was sent. Raise session.max_cost_usd, or start a new session.",
        unit="usd",
        limit=limit_usd,
        spent=known_usd,
        estimate=None if is_reached else question_usd,
    )


def _check_tokens(spent: Spending, limit_tokens: int, question_tokens: int) -> None:
    used_tokens = spent.total_tokens
    is_reached = used_tokens >= limit_tokens
    if not is_reached and used_tokens + question_tokens <= limit_tokens:
        return
    alone = "" if is_reached else f"; the question alone is about {question_tokens:,}"
    raise BudgetExceeded(
        f"this session may use at most {_count(limit_tokens, 'token')} and has used "
        f"{'about ' if spent.estimated_tokens else ''}{used_tokens:,} so far{alone}. "
        "Nothing was sent. Raise session.max_tokens_total, or start a new session.",
        unit="tokens",
        limit=limit_tokens,
        spent=used_tokens,
        estimate=None if is_reached else question_tokens,
    )


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def checked_max_cost_usd(max_cost_usd: Money | None) -> Decimal | None:
    """The limit as an exact sum, if it is one."""
    if max_cost_usd is None:
        return None
    try:
        # By way of text: a float's own Decimal is 0.1000000000000000055….
        limit_usd = Decimal(str(max_cost_usd).strip())
    except InvalidOperation:
        limit_usd = Decimal("NaN")
    if isinstance(max_cost_usd, bool) or not limit_usd.is_finite() or limit_usd <= 0:
        message = f"max_cost_usd is {max_cost_usd!r:.40}; it must be US dollars above 0, or None for no limit."
        raise InvalidSetting(message)
    return limit_usd


def checked_max_tokens_total(max_tokens_total: object) -> int | None:
    """The limit, if it is one."""
    if max_tokens_total is None:
        return None
    if isinstance(max_tokens_total, bool) or not isinstance(max_tokens_total, int) or max_tokens_total < 1:
        message = (
            f"max_tokens_total is {max_tokens_total!r:.40}; it must be a whole number above 0, or None for no limit."
        )
        raise InvalidSetting(message)
    return max_tokens_total
