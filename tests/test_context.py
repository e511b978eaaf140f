"""What is handed to a host to show: harmless to every renderer, and the same to the eye."""

from __future__ import annotations

import json
import shutil
import subprocess
import unicodedata
from pathlib import Path

import pytest
from hypothesis import given, settings, strategies as st

from convoscope_jupyter.context import display_safe, host_markdown
from tests.support.hostile_markdown import KNOWN, PIECES, made_up
from tests.support.renderers import RENDERERS, code, harm, text

hostile = st.lists(st.sampled_from(PIECES) | st.text(max_size=3), max_size=20).map("".join)

# --- harmless ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("renderer", RENDERERS)
@pytest.mark.parametrize("markdown", KNOWN.values(), ids=KNOWN)
def test_no_known_trick_does_harm(markdown: str, renderer: str) -> None:
    assert [] == harm(RENDERERS[renderer](host_markdown(markdown)))


@pytest.mark.parametrize("renderer", RENDERERS)
def test_the_renderers_would_do_harm_without_it(renderer: str) -> None:
    # nbconvert refuses a missing attachment, and half an emoji.
    tricks = [markdown for markdown in KNOWN.values() if markdown.isprintable() and "attachment:" not in markdown]
    harmful = [markdown for markdown in tricks if harm(RENDERERS[renderer](markdown))]

    assert len(harmful) > len(tricks) / 2


@settings(max_examples=400, deadline=None)
@given(markdown=hostile)
def test_no_text_does_harm(markdown: str) -> None:
    safe = host_markdown(markdown)

    assert {} == {name: found for name, render in RENDERERS.items() if (found := harm(render(safe)))}


@settings(max_examples=100, deadline=None)
@given(texts=st.lists(hostile, min_size=2, max_size=4))
def test_texts_that_are_harmless_apart_are_harmless_together(texts: list[str]) -> None:
    safe = "\n\n".join(map(host_markdown, texts))

    assert {} == {name: found for name, render in RENDERERS.items() if (found := harm(render(safe)))}


@settings(max_examples=200, deadline=None)
@given(markdown=hostile)
def test_what_is_harmless_can_pass_again(markdown: str) -> None:
    twice = host_markdown(host_markdown(markdown))

    assert {} == {name: found for name, render in RENDERERS.items() if (found := harm(render(twice)))}


NODE = shutil.which("node")
NODE_MODULES = Path(__file__).parent.parent / "js" / "node_modules"


@pytest.mark.skipif(NODE is None, reason="no Node here; `make test` brings one")
@pytest.mark.skipif(
    not (NODE_MODULES / "@jupyterlab" / "rendermime").exists(),
    reason="no js/node_modules here; `make build` installs them",
)
def test_nothing_does_harm_in_jupyterlab_even_before_it_sanitises() -> None:
    texts = [*KNOWN.values(), *map(made_up, range(3_000))]
    answer = subprocess.run(
        [str(NODE), str(Path(__file__).parent / "support" / "jupyterlab_markdown.mjs"), str(NODE_MODULES)],
        input="\n".join(json.dumps(host_markdown(markdown)) for markdown in texts),
        capture_output=True,
        check=True,
        text=True,
    )
    pages = [json.loads(line) for line in answer.stdout.splitlines()]

    assert len(texts) == len(pages)
    assert {} == {markdown: found for markdown, page in zip(texts, pages, strict=True) if (found := harm(page))}


@pytest.mark.parametrize(
    "piece", [*PIECES, "> a\nb\n", "`a\n", "$a", "[a](https://a", "![](data:", "x" * 50 + " "], ids=repr
)
@pytest.mark.timeout(10)  # 0.1 to 0.6 s; what is quadratic takes minutes
def test_the_cost_grows_with_the_length_and_no_faster(piece: str) -> None:
    markdown = piece * (100_000 // max(len(piece), 1))
    made = host_markdown(markdown)

    assert len(made) <= 20 * len(markdown)


# --- the same to the eye -----------------------------------------------------------------------------

SAME = {
    "prose": "Hello *there*, **you** and _them_; 5 > 4 & more. ~~Not~~ this.",
    "headings and rules": "# One\n\nTwo\n===\n\n---",
    "lists": "1. one\n2. two\n   - three\n   - four\n\n- [x] done\n- [ ] to do",
    "table": "| a | b |\n|---|:-:|\n| `int` | a number |",
    "link": "[docs](https://example.org/a_b?x=1&y=2#z) and mailto: [me](mailto:me@example.org)",
    "reference": "[docs][1]\n\n[1]: https://example.org",
    "bare URL": "See https://example.org/a_b.",
    "code": "`x`, `List[int]`, `$HOME`, `a | b`, `C:\\dir`, `**kwargs`, ``a `b` c``",
    "code with tags": 'Use `List<String>` or `<div class="a">` with `my_var` and `\\n`.',
    "fence": "```python\nif a < b and x[0](y): print('<b>![x](y)</b> $x$')\n```",
    "fence in a list": "1. Do:\n\n   ```bash\n   echo $HOME | grep '<x>'\n   ```\n\n2. Then",
    "fence in a quote": "> Do:\n>\n> ```\n> a<b\n> ```",
    "fence in a quote that begins with a sign": "> ```\n> !ls\n> ```",
    "longer fence": "````md\n```\nx\n```\n````",
    "formulas": "$E = mc^2$, $a < b$, $x \\in [0, 1)$ and\n\n$$\n\\frac{1}{2} [x]\n$$",
    "environment": "\\begin{align}\na &= b \\\\\nc &= d\n\\end{align}",
    "display formula in text": "The sum is $$\\sum_i x_i$$ and \\\\(x\\\\) and \\\\[y\\\\].",
    "escapes": "\\*no\\* \\_no\\_ \\# 1\\. \\[x\\] \\(y\\)",
    "hard breaks": "one  \ntwo\\\nthree",
    "other scripts": "日本語 `コード` العربية 👋🏽",
    "nothing": "",
    "blank lines": "a\n\n\n\nb\n",
}


@pytest.mark.parametrize("markdown", SAME.values(), ids=SAME)
def test_what_models_write_stays_as_it_is(markdown: str) -> None:
    assert markdown == host_markdown(markdown)


@pytest.mark.parametrize(
    "markdown,expected",
    [
        pytest.param("![a](https://x.example/p.png)", "[a](https://x.example/p.png)", id="image"),
        pytest.param("![](https://x.example/p.png 't')", "[image](https://x.example/p.png)", id="image without words"),
        pytest.param(
            "![a](<https://x.example/p q.png>)", "&#33;[a]&#40;&lt;https://x.example/p q.png>)", id="image that is none"
        ),
        pytest.param("![a](p.png)", "&#33;[a]&#40;p.png)", id="image on this machine"),
        pytest.param("![plot](data:image/png;base64,AA==)", "&#91;image: plot&#93;", id="image in the text"),
        pytest.param("![](data:image/png;base64,AA==)", "&#91;image&#93;", id="image in the text without words"),
        pytest.param("![a][b]\n\n[b]: https://x.example", "[a][b]\n\n[b]: https://x.example", id="image by reference"),
        pytest.param("[b]: <https://x.example> 't'", "[b]: https://x.example", id="definition"),
        pytest.param("[b]: x.png", "[b]&#58; x.png", id="definition of a file"),
        pytest.param("Stop![1]", "Stop&#33;[1]", id="exclamation"),
        pytest.param('[a](https://x.example "t")', "[a](https://x.example)", id="title"),
        pytest.param("[a](https://x.example/a_(b))", "[a](https://x.example/a_%28b%29)", id="brackets in a link"),
        pytest.param("[a](<https://x.example/$b|c>)", "[a](https://x.example/%24b%7Cc)", id="signs in a link"),
        pytest.param("[a](b.md)", "[a]&#40;b.md)", id="link to a file"),
        pytest.param("f[0](x)", "f[0]&#40;x)", id="call"),
        pytest.param(
            "<https://x.example/a_b?c&d>",
            "[https://x.example/a&#95;b?c&#38;d](https://x.example/a_b?c&d)",
            id="autolink",
        ),
        pytest.param("<me@x.example>", "me@x.example", id="mail"),
        pytest.param("<b>x</b>", "&lt;b>x&lt;/b>", id="HTML"),
        pytest.param("$5 and $10", "&#36;5 and &#36;10", id="prices"),
        pytest.param("$x<y$ $f![a](b)$", "$x< y$ $f! [a] (b)$", id="formula with signs"),
        pytest.param("a\n$$\nx\n$$", "a\n$$\nx\n$$", id="display formula on its own"),
        pytest.param("   $$\n   x\n   $$", "   $$ x $$", id="display formula in a list"),
        pytest.param("a \\begin{b}\nc\n\\end{b}", "a \\begin{b} c \\end{b}", id="environment in text"),
        pytest.param("$$\n[x<y]\n$$", "$$\n\\lbrack x< y]\n$$", id="formula that begins with a bracket"),
        pytest.param("a $$b", "a &#36;&#36;b", id="formula that does not end"),
        pytest.param("\\begin{a} b", "&#92;begin{a} b", id="environment that does not end"),
        pytest.param("\\begin{a}`x`\\end{a}", "&#92;begin{a&#125;`x`\\end{a}", id="environment with code"),
        pytest.param("$a}{$ $a}b{c$", "&#36;a}{&#36; &#36;a}b{c&#36;", id="formula with loose braces"),
        pytest.param("\\\\[a", "\\\\&#91;a", id="bracket that does not end"),
        pytest.param("\\\\\\[a", "\\\\&#91;a", id="bracket after backslashes"),
        pytest.param("\\href{x}", "\\\u200bhref{x}", id="macro that links"),
        pytest.param("```foo``` bar", "`foo` bar", id="code in three ticks"),
        pytest.param("`a", "&#96;a", id="tick"),
        pytest.param("`a\nb`", "&#96;a\nb&#96;", id="code over two lines"),
        pytest.param("~~~py\nx ``` y\n~~~", "````py\nx ``` y\n````", id="tildes"),
        pytest.param("```py\nx", "```py\nx\n```", id="fence that is not closed"),
        pytest.param("a\n```\nx\n```\nb", "a\n\n```\nx\n```\n\nb", id="fence in a paragraph"),
        pytest.param("- ```py\n  x\n  ```", "- &nbsp;\n\n  ```py\n  x\n  ```", id="fence on an item's line"),
        pytest.param("   ```\n   x\n  y\n   ```", "```\nx\ny\n```", id="fence that is indented"),
        pytest.param("- a\n\n  ```\n  \tx\n y\n\n  ```", "- a\n\n  ```\n  \tx\n  y\n\n  ```", id="fence in a list"),
        pytest.param("- a\n\n\t```\n\t\tx\n\t```", "- a\n\n    ```\n    \tx\n    ```", id="fence behind tabs"),
        pytest.param(
            "- a\n\n      b\n\n  ```\n  x\n  ```", "- a\n\n      b\n\n```\nx\n```", id="fence after code in a list"
        ),
        pytest.param("    a<b\n\n    c\n\nd", "```\na<b\n\nc\n```\n\nd", id="indented code"),
        pytest.param("- a\n\nb\n\n    c", "- a\n\nb\n\n```\nc\n```", id="indented code after a list"),
        pytest.param("```python title=x\n```", "```python\n```", id="words after the language"),
        pytest.param("```{python}\n```", "```python\n```", id="language in braces"),
        pytest.param("```<b>\n```", "```\n```", id="language that is none"),
        pytest.param("```Mermaid\nA-->B\n```", "```text\nA-->B\n```", id="diagram"),
        pytest.param("> a\n> b\nc", "> a\n> b\n\nc", id="quote"),
        pytest.param(">a\n>\n>> b", "> a\n>\n> > b", id="quotes"),
        pytest.param(">" * 9 + " ```", "> " * 8 + "> &#96;&#96;&#96;", id="quotes without end"),
        pytest.param("$$\n> a\n$$", "$$\n> a\n$$", id="comparison that looks like a quote"),
        pytest.param(">! a", "> &#33; a", id="spoiler"),
        pytest.param("a\n: b", "a\n&#58; b", id="definition list"),
        pytest.param(":::{note}\n:::", "&#58;::{note}\n&#58;::", id="directive"),
        pytest.param("https://x`a`", "https://x `a`", id="code after a URL"),
        pytest.param("a\\\\`b` {c}`d`{e}", "a&#92;`b` {c&#125;`d`&#123;e}", id="code between signs"),
        pytest.param("~~`<b>`", "~&#126;`<b>`", id="code after tildes"),
        pytest.param("| `a\\|b` | `<b>` |", "| &#96;a&#124;b&#96; | `<b>` |", id="code with a bar beside a table"),
        pytest.param(
            "s3://x ftp://x //x xmpp:x", "s3&#58;/&#47;x ftp&#58;/&#47;x /&#47;x xmpp&#58;x", id="other schemes"
        ),
        pytest.param("@@0@@", "@\u200b@0@\u200b@", id="JupyterLab's own marks"),
        pytest.param("`a @@ <b>` [", "`a @@ <b>` &#91;", id="bracket that is not closed"),
        pytest.param("a\r\nb\rc\x0bd\x85e\x00f\x1bg", "a\nb\nc d e\ufffdf\ufffdg", id="controls"),
        pytest.param("a\ud83db", "a\ufffdb", id="half an emoji"),
    ],
)
def test_what_has_to_change_changes_little(markdown: str, expected: str) -> None:
    assert expected == host_markdown(markdown)


lines_of_code = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cf", "Cs", "Zl", "Zp"])).map(
    lambda line: line.rstrip()
)


@pytest.mark.parametrize("renderer", ["mistune without plugins", "CommonMark"])
@settings(max_examples=150, deadline=None)
@given(
    lines=st.lists(lines_of_code, min_size=1, max_size=6),
    around=st.sampled_from(["{}", "- a\n\n  {}", "a\n{}\nb", "> {}"]),
)
def test_code_in_a_fence_is_shown_exactly(renderer: str, lines: list[str], around: str) -> None:
    ticks = "`" * (max((line.count("`") for line in lines), default=0) + 3)
    margin = {"- a\n\n  {}": "\n  ", "> {}": "\n> "}.get(around, "\n")
    markdown = around.format(margin.join([ticks, *lines, ticks]))

    assert "\n".join(lines).strip("\n") == code(RENDERERS[renderer](host_markdown(markdown)))[0].strip("\n")


@pytest.mark.parametrize("renderer", ["mistune without plugins", "CommonMark"])
@settings(deadline=None)
@given(content=lines_of_code.map(lambda line: line.replace("`", "").strip()).filter(bool))
def test_code_in_a_line_is_shown_exactly(renderer: str, content: str) -> None:
    shown = text(RENDERERS[renderer](host_markdown(f"Use `{content}` here.")))

    assert content in shown.replace("\u200b", "")  # which keeps JupyterLab's own marks apart


# --- display_safe ------------------------------------------------------------------------------------


@given(shown=st.text())
def test_no_control_character_and_nothing_hidden_is_printed(shown: str) -> None:
    safe = display_safe(shown)

    assert [] == [sign for sign in safe if unicodedata.category(sign) in {"Cc", "Cs"} and sign not in "\n\t"]
    assert [] == [
        sign
        for sign in safe
        if unicodedata.bidirectional(sign) in {"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"}
    ]
    assert [] == [sign for sign in safe if "\U000e0000" <= sign <= "\U000e007f"]


@pytest.mark.parametrize(
    "printed,expected",
    [
        pytest.param("Hello,\n\tworld 👩‍💻 नमस्ते", "Hello,\n\tworld 👩‍💻 नमस्ते", id="text"),
        pytest.param("\x1b]52;c;aGk=\x07", "␛]52;c;aGk=␇", id="clipboard"),
        pytest.param("\x1b[2J\x9b2J", "␛[2J⟨U+009B⟩2J", id="clear the screen"),
        pytest.param("safe\rEVIL", "safe␍EVIL", id="overwrite"),
        pytest.param("a\r\nb", "a\nb", id="line ends of Windows"),
        pytest.param("a\x7f\x00", "a␡␀", id="delete and NUL"),
        pytest.param("abc\u202efdp.exe", "abc⟨U+202E⟩fdp.exe", id="direction"),
        pytest.param("\u2066x\u2069\u200e\u061c", "⟨U+2066⟩x⟨U+2069⟩⟨U+200E⟩⟨U+061C⟩", id="isolates and marks"),
        pytest.param("a\U000e0041", "a⟨U+E0041⟩", id="tags"),
        pytest.param("\ufeffa\u2028b", "⟨U+FEFF⟩a⟨U+2028⟩b", id="invisible"),
        pytest.param("a\ud83d", "a⟨U+D83D⟩", id="half an emoji"),
    ],
)
def test_what_would_not_be_seen_is_shown(printed: str, expected: str) -> None:
    assert expected == display_safe(printed)
