"""What people are told to do about a refused request."""

from __future__ import annotations

import json

import pytest

import convoscope_jupyter as cv
from convoscope_jupyter.providers import OpenAICompatible
from convoscope_jupyter.providers._errors import from_response
from tests.support.loopback import Loopback, json_reply
from tests.support.reading import PEER

TEMPERATURE = "Set session.temperature = None, or choose another model."
LENGTH = "Choose another max_output_tokens for the session, or another model."
BLIND = "Ask without the image, or choose a model that sees images."
SMALLER = "Ask with a smaller image."


def openai(message: str, *, param: str | None = None, code: str | None = None) -> dict[str, object]:
    return {"error": {"message": message, "type": "invalid_request_error", "param": param, "code": code}}


def anthropic(message: str) -> dict[str, object]:
    return {"type": "error", "error": {"type": "invalid_request_error", "message": message}}


def gemini(message: str) -> dict[str, object]:
    return {"error": {"code": 400, "message": message, "status": "INVALID_ARGUMENT"}}


@pytest.mark.parametrize(
    "body, remedy",
    [
        (
            openai(
                "Unsupported value: 'temperature' does not support 0.2 with this model.",
                param="temperature",
                code="unsupported_value",
            ),
            TEMPERATURE,
        ),
        (openai("Not supported with this model.", param="temperature", code="unsupported_parameter"), TEMPERATURE),
        (anthropic("temperature: range: 0..1"), TEMPERATURE),
        (anthropic("`temperature` is deprecated for this model."), TEMPERATURE),
        (
            gemini("Unable to submit request because it has a temperature value of 3 but the range is 0 to 2."),
            TEMPERATURE,
        ),
        (openai("max_tokens is too large: 99999.", param="max_tokens"), LENGTH),
        (openai("This model supports at most 16384 tokens.", param="max_completion_tokens"), LENGTH),
        (openai("Too small.", param="max_output_tokens", code="integer_below_min_value"), LENGTH),
        (anthropic("max_tokens: 99999 > 64000, which is the maximum allowed number of output tokens"), LENGTH),
        (gemini("Unable to submit request because it has a maxOutputTokens value of 99999."), LENGTH),
        (openai("Invalid content type. image_url is only supported by certain models."), BLIND),
        (openai("This model does not support image input.", param="messages.[0].content.[1].type"), BLIND),
        (openai("demo is not a multimodal model"), BLIND),
        (openai("The model does not support vision."), BLIND),
        (openai("At most 0 image(s) may be provided in one request."), BLIND),
        (anthropic("'claude-2.1' does not support image input."), BLIND),
        (gemini("Image input modality is not enabled for models/gemini-demo"), BLIND),
        (anthropic("messages.0.content.1.image.source.base64: image exceeds 5 MB maximum"), SMALLER),
        ({"error": {"message": "no", "details": {"error_code": "image_dimensions_too_large"}}}, SMALLER),
    ],
    ids=lambda value: json.dumps(value)[:90] if isinstance(value, dict) else None,
)
def test_a_refusal_says_which_setting_it_is_about(body: object, remedy: str) -> None:
    error = from_response(PEER, status=400, headers={}, body=json.dumps(body).encode())

    assert "invalid_request" == error.kind
    assert error.message.startswith(f"The demo server refused the request (400). {remedy} It says: ")


@pytest.mark.parametrize(
    "message", ["Error while downloading https://server.example/picture-image.jpg.", "Unknown tool.", "", "tokens"]
)
def test_other_refusals_are_left_in_the_providers_words(message: str) -> None:
    error = from_response(PEER, status=400, headers={}, body=json.dumps(openai(message)).encode())

    said = f" It says: {message}" if message else ""
    assert f"The demo server refused the request (400).{said}" == error.message


async def test_a_picture_that_a_model_cannot_see_is_refused_with_what_to_do_and_nothing_is_lost() -> None:
    refusal = openai(
        "Invalid content type. image_url is only supported by certain models.", param="messages.[0].content.[1].type"
    )
    async with Loopback(json_reply(refusal, status=400)) as server:
        blind = OpenAICompatible(base_url=server.base_url)
        session = cv.Session("blind:model", providers={"blind": blind}, store=":memory:")
        with pytest.raises(cv.RouteExhausted) as raised:
            await session.ask_async("What is this?", images=[b"GIF89a"])

    assert BLIND in str(raised.value)
    assert ["invalid_request"] == [error.kind for error in raised.value.exceptions]
    assert 1 == len(server.requests), "asked once: it would be refused again"
    assert raised.value.turn == session.conversation.turns[0]
    assert ["image", "text"] == [part.type for part in session.conversation.turns[0].prompt.parts]
