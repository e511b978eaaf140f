"""No key leaves the kernel: not from a `Secret`, not from any text."""

from __future__ import annotations

import base64
import copy
import dataclasses
import hashlib
import json
import pickle
import pprint
from collections.abc import Callable
from types import SimpleNamespace
from urllib.parse import quote

import pytest
from hypothesis import example, given, strategies as st
from pydantic import TypeAdapter
from pydantic_core import PydanticSerializationError

from convoscope_jupyter.redaction import MAX_ERROR_CHARACTERS, Secret, mask, place_of, redact, safe_error_text

KEY = "sk-canary-1234567890abcd"

# --- Secret ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "show",
    [
        pytest.param(repr, id="repr"),
        pytest.param(str, id="str"),
        pytest.param(format, id="format"),
        pytest.param("{}".format, id="str.format"),
        pytest.param("{0!r:>40}".format, id="format with a width"),
        pytest.param("%s".__mod__, id="percent"),
        pytest.param("%r".__mod__, id="percent r"),
        pytest.param("{!s:^30}".format, id="str with a width"),
        pytest.param(pprint.pformat, id="pretty"),
        pytest.param(lambda secret: f"{secret=}", id="f-string with a name"),
        pytest.param(lambda secret: repr(SimpleNamespace(key=secret)), id="in a namespace"),
        pytest.param(lambda secret: str(KeyError(secret)), id="in an exception"),
        pytest.param(lambda secret: repr({secret: 1}), id="as a dict's key"),
        pytest.param(lambda secret: f"{secret:>40}", id="f-string"),
        pytest.param(lambda secret: repr([secret, {"key": secret}]), id="in a list"),
        pytest.param(lambda secret: json.dumps(secret, default=str, ensure_ascii=False), id="json by str"),
        pytest.param(lambda secret: repr(copy.copy(secret)), id="copied"),
        pytest.param(lambda secret: repr(copy.deepcopy([secret])), id="copied deeply"),
    ],
)
def test_a_secret_shows_its_last_four_characters_and_no_more(show: Callable[[Secret], str]) -> None:
    shown = show(Secret(KEY))

    assert "…abcd" in shown
    assert "canary" not in shown


@pytest.mark.parametrize(
    "leak,expected",
    [
        pytest.param(pickle.dumps, TypeError, id="pickle"),
        pytest.param(lambda secret: pickle.dumps({"key": secret}), TypeError, id="pickle in a dict"),
        pytest.param(vars, TypeError, id="vars"),
        pytest.param(json.dumps, TypeError, id="json"),
        pytest.param(lambda secret: json.dumps(secret, default=vars), TypeError, id="json by vars"),
        pytest.param(TypeAdapter(object).dump_json, PydanticSerializationError, id="pydantic"),
        pytest.param(lambda secret: secret.__getstate__(), TypeError, id="getstate"),
    ],
)
def test_a_secret_refuses_to_be_written(leak: Callable[[Secret], object], expected: type[Exception]) -> None:
    with pytest.raises(expected) as refused:
        leak(Secret(KEY))

    assert "canary" not in str(refused.value)


def test_a_value_that_holds_a_secret_can_be_made_into_a_dict_without_showing_it() -> None:
    @dataclasses.dataclass
    class Holder:
        key: Secret

    holder = Holder(Secret(KEY))

    assert "{'key': …abcd}" == repr(dataclasses.asdict(holder)) == repr(vars(holder))
    assert '{"key": "…abcd"}' == json.dumps(vars(holder), default=str, ensure_ascii=False)
    with pytest.raises(TypeError):
        json.dumps(dataclasses.asdict(holder))


@given(key=st.text(min_size=12).map(str.strip).filter(lambda key: len(key) >= 12))
def test_no_more_than_four_characters_of_a_key_are_ever_shown(key: str) -> None:
    assert f"…{key[-4:]}" == str(Secret(key)) == repr(Secret(key)) == f"{Secret(key)}"


def test_a_fingerprint_tells_keys_apart_and_nothing_about_them() -> None:
    mine, same, other = Secret(KEY).fingerprint, Secret(KEY).fingerprint, Secret("another").fingerprint

    assert mine == same != other
    assert not any(KEY[start : start + 4] in mine for start in range(len(KEY) - 3))
    # Nor can it be had from the key by who knows only that: it is another one in each process.
    assert mine not in {
        hashlib.blake2b(KEY.encode(), digest_size=16).hexdigest(),
        hashlib.sha256(KEY.encode()).hexdigest(),
    }


def test_a_secret_is_revealed_on_request_only() -> None:
    assert KEY == Secret(f"  {KEY}\n").reveal()


@pytest.mark.parametrize("text,expected", [(KEY, "abcd"), ("short", ""), ("", "")], ids=["long", "short", "empty"])
def test_a_short_secret_hides_its_end_too(text: str, expected: str) -> None:
    assert expected == Secret(text).last4


def test_secrets_are_equal_by_their_text() -> None:
    assert Secret(KEY) == Secret(KEY)
    assert {Secret(KEY)} == {Secret(KEY)}
    assert Secret(KEY) != Secret("another")
    assert Secret(KEY) != KEY


def test_an_empty_secret_is_false() -> None:
    assert not Secret("  ")
    assert Secret(KEY)


# --- redact ------------------------------------------------------------------------------------------

ALNUM = st.characters(codec="ascii", categories=("Lu", "Ll", "Nd"))
HEX = st.sampled_from("0123456789abcdef")


def chars(alphabet: st.SearchStrategy[str], length: int) -> st.SearchStrategy[str]:
    # With one of each kind, as what a generator makes nearly always has.
    return st.text(alphabet, min_size=length - 3, max_size=length - 3).map(lambda text: text[:-1] + "aX7" + text[-1:])


def around(prefix: str, secret: st.SearchStrategy[str], suffix: str = "") -> st.SearchStrategy[tuple[str, str]]:
    """The text that is written, and the part of it that must not be seen."""
    return secret.map(lambda text: (f"{prefix}{text}{suffix}", text))


SHAPES = {
    "OpenAI": around("sk-proj-", chars(ALNUM, 48)),
    "Anthropic": around("sk-ant-api03-", chars(ALNUM, 80)),
    "Google": around("AIza", chars(ALNUM, 35)),
    "AWS id": around("AKIA", st.text(st.sampled_from("ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"), min_size=16, max_size=16)),
    "AWS secret": around("aws_secret_access_key = ", chars(ALNUM | st.just("/"), 40)),
    "GitHub": around("ghp_", chars(ALNUM, 36)),
    "GitHub, fine-grained": around("github_pat_", chars(ALNUM | st.just("_"), 82)),
    "Hugging Face": around("hf_", chars(ALNUM, 34)),
    "Slack": around("xoxb-", chars(ALNUM, 50)),
    "JWT": around("eyJ", st.tuples(chars(ALNUM, 30), chars(ALNUM, 60), chars(ALNUM, 43)).map(".".join)),
    "PEM": around("-----BEGIN RSA PRIVATE KEY-----\n", chars(ALNUM, 300), "\n-----END RSA PRIVATE KEY-----"),
    "PEM, cut off": around("-----BEGIN PRIVATE KEY-----\n", chars(ALNUM, 300)),
    "database URL": around("postgresql+psycopg://alice:", chars(ALNUM, 12), "@db.example.org:5432/talk"),
    "Azure storage": around("AccountName=a;AccountKey=", chars(ALNUM, 86), "=="),
    "Azure OpenAI": around("AZURE_OPENAI_API_KEY=", st.text(HEX, min_size=32, max_size=32)),
    "Azure, annotated": around("", st.tuples(chars(ALNUM, 52), chars(ALNUM, 26)).map("JQQJ99".join)),
    "Hub token": around("JUPYTERHUB_API_TOKEN=", st.text(HEX, min_size=32, max_size=32)),
    "Hub token, sent": around("Authorization: token ", st.text(HEX, min_size=32, max_size=32)),
    "bearer": around("Bearer ", chars(ALNUM, 20)),
    "basic": around(
        "Authorization: Basic ", st.text(ALNUM, min_size=9).map(lambda t: base64.b64encode(t.encode()).decode())
    ),
    "in a URL": around("https://example.org/v1?alt=sse&key=", chars(ALNUM, 30)),
    "in JSON": around('{"api_key": "', chars(ALNUM, 30), '"}'),
    "in a header": around("x-api-key: ", chars(ALNUM, 30)),
    "Stripe": around("sk_live_", chars(ALNUM, 24)),
}


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
@given(
    data=st.data(),
    before=st.sampled_from(["", "Key: ", "(", "\n", "«"]),
    after=st.sampled_from(["", ".", " is wrong", "\n"]),
)
def test_no_key_of_a_known_shape_survives(
    shape: st.SearchStrategy[tuple[str, str]], data: st.DataObject, before: str, after: str
) -> None:
    written, secret = data.draw(shape)

    assert secret not in redact(before + written + after)


@given(key=st.text(min_size=8).map(str.strip).filter(lambda key: len(key) >= 8), before=st.text(), after=st.text())
@example(key='a key with/odd signs+"quotes"', before="", after="")
def test_a_key_in_use_is_masked_whatever_its_shape(key: str, before: str, after: str) -> None:
    shown = redact(before + " " + key + " " + after, Secret(key))

    assert key not in shown.replace(repr(Secret(key)), "")


@pytest.mark.parametrize(
    "write",
    [
        pytest.param(lambda key: key, id="as it is"),
        pytest.param(lambda key: quote(key, safe=""), id="in a URL"),
        pytest.param(json.dumps, id="in JSON"),
        pytest.param(lambda key: base64.b64encode(key.encode()).decode(), id="in base64"),
    ],
)
def test_a_key_in_use_is_masked_in_every_form_it_is_sent_in(write: Callable[[str], str]) -> None:
    key = 'odd "key" with/signs'

    assert write(key).strip('"=') not in redact(f"rejected: {write(key)}", Secret(key))


def test_of_two_keys_the_longer_one_is_masked_whole() -> None:
    assert "…long …hort" == redact("prefix-of-a-long prefix-short", Secret("prefix-short"), Secret("prefix-of-a-long"))
    assert "…-too" == redact("12345678abcd-and-too", Secret("12345678abcd"), Secret("12345678abcd-and-too"))[-5:]


def test_words_that_stand_for_no_key_garble_no_text() -> None:
    assert "ollama: EMPTY answer" == redact("ollama: EMPTY answer", Secret("ollama"), Secret("EMPTY"), None)


CLEAN = [
    "A basic introduction to bearer authentication, with basic JavaScript and Basic Understanding.",
    "from sklearn.linear_model import LinearRegression; import skimage.filters.gaussian",
    "max_tokens=4096, token = tokenizer.encode(text), tokens: 128000",
    "client = OpenAI(api_key=os.environ['OPENAI_API_KEY'])",
    'headers = {"Authorization": f"Bearer {api_key}", "x-api-key": key}',
    "api_key=os.getenv('KEY1'), password=getpass.getpass()",
    "create_engine(f'postgresql://{user}:{password}@{host}:5432/db')",
    "See http://localhost:4873/@scope/pkg and https://example.org/a?page=2&q=key.",
    "<div class='sk-top-container'><span class='sk-toggleable__label-arrow'>",
    "hf_hub_download(repo_id, filename); hf_model_from_pretrained_checkpoint",
    "The primary key=id, the foreign key: user_id. Secret: there is none. Password: at least 8 characters.",
    "commit 3f786850e387550fdab836ed7e6dc881de23001b, id 123e4567-e89b-12d3-a456-426614174000",
    "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk",
    "Basic 3-dimensional arrays; the sk-learn tutorial; pk_test is a table; -----BEGIN PUBLIC KEY-----",
    "Das ist ein Schlüssel: nichts weiter. 密钥在这里",
]


@pytest.mark.parametrize("text", CLEAN, ids=lambda text: text[:30])
def test_prose_and_code_without_keys_stay_as_they_are(text: str) -> None:
    assert text == redact(text)


@given(text=st.text())
def test_redacting_twice_changes_nothing_more(text: str) -> None:
    assert redact(text) == redact(redact(text))


# --- safe_error_text ---------------------------------------------------------------------------------


@given(text=st.text())
@example(text="x" * 100_000)
@example(text="<" * 10_000)
def test_a_safe_error_text_is_one_short_line_without_control_characters(text: str) -> None:
    shown = safe_error_text(text)

    assert len(shown) <= MAX_ERROR_CHARACTERS
    assert not any(ord(sign) < 0x20 or 0x7F <= ord(sign) < 0xA0 for sign in shown)


@pytest.mark.parametrize(
    "text,expected",
    [
        pytest.param(
            "<html><head><style>p{}</style></head><body>502 <b>Bad</b> Gateway</body></html>",
            "502 Bad Gateway",
            id="page",
        ),
        pytest.param("<script>alert(1)</script>Sorry", "Sorry", id="script"),
        pytest.param("Sorry<!-- a comment that never ends", "Sorry", id="open comment"),
        pytest.param("two\n  lines\ttabbed\x1b[31m", "two lines tabbed [31m", id="control characters"),
        pytest.param("2 < 3 and 5 > 4", "2 < 3 and 5 > 4", id="no markup"),
        pytest.param("x" * 400, "x" * 299 + "…", id="long"),
        pytest.param(f"Incorrect API key provided: {KEY}.", "Incorrect API key provided: …abcd.", id="key"),
    ],
)
def test_a_providers_words_are_made_fit_to_show(text: str, expected: str) -> None:
    assert expected == safe_error_text(text, Secret(KEY), None)


@pytest.mark.parametrize("padding", range(19_960, 20_001, 5))
def test_a_key_at_the_place_where_a_long_page_is_cut_is_masked_first(padding: int) -> None:
    page = f"{'<p>' * (padding // 3)}{KEY} is not a key"

    assert "canary" not in safe_error_text(page, Secret(KEY))


# --- mask and place_of -------------------------------------------------------------------------------


def test_masking_leaves_all_but_the_keys_in_use_as_it_is() -> None:
    name = "accounts/hf_abcdefghijklmnopqrstuvwxyz/models/sk-abcdefghijklmnop"

    assert name == mask(name, Secret(KEY), None)
    assert f"{name} …abcd" == mask(f"{name} {KEY}", Secret(KEY))


def test_the_place_of_an_exception_is_told_without_its_words() -> None:
    def inner() -> None:
        raise ValueError(KEY)

    with pytest.raises(ValueError, match="canary") as caught:
        inner()
    place = place_of(caught.value)

    assert place.startswith("ValueError > test_redaction.py:")
    assert place.endswith(" inner")
    assert "canary" not in place
