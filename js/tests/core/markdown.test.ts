import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { createMarkdownView } from "../../src/core/markdown/view";

/** One of each kind of block and inline, and what is hard to stream: references, fences, lists that turn loose. */
const EXAMPLES: Record<string, string> = {
  paragraphs: "One *line*\nand **another**.\n\nA `code` span with ~~struck~~ text\\\nafter a break.",
  headings: "# One\n\nTwo\n---\n\n### Three ###\ntext",
  "tight list": "- a\n- b\n  - c\n  - d\n\ntext",
  "list that turns loose": "1. a\n2. b\n\n3. c\n\n   more of c\n\ntext",
  "task list": "- [ ] to do\n- [x] done\n",
  fence: "Before\n\n```python\ndef f(x):\n    return `x`\n\n```\n\nafter",
  "fence without an end": "```js\nlet a = 1;\nlet b",
  "fence with blank lines": "~~~~ text\n\n```\nnot the end\n\n\n~~~~\nafter",
  "empty fence": "```\n```\n\ntext",
  "indented fence": "  ```py\n  x = 1\n    y = 2\n  ```\n",
  "indented code": "text\n\n    code\n\n    more\n\ntext",
  quote: "> quoted\n> - list\n>\n> ```\n> code\n> ```\n\ntext",
  table: "| a | b |\n|:-:|--:|\n| 1 | `x` |\n| **2** |\n\nafter",
  links:
    '[text](https://example.org/a?b=c "title"), <https://example.org>, www.example.org, [ref][r] and [r].\n\n[r]: https://example.org/r',
  "reference before its definition": "[a] and [b][a]\n\n- [a]\n\n[a]: https://example.org 'A'\n\nafter [a]",
  entities: "&amp; &copy; &#65; &#x1F642; &nosuch; &lt;b&gt; `&amp;`",
  html: "a <b>bold</b> <br> <img src=x onerror=alert(1)>\n\n<div>\nblock\n</div>\n\ntext",
  rule: "a\n\n***\n\nb",
  "line ends": "a\r\nb\r\n\r\n- c\r\n- d\r\n",
  "not ascii": "Grüße 🙂\n\n- 世界\n- **naïve**\n",
};

function render(pieces: readonly string[]): string {
  const host = document.createElement("div");
  const view = createMarkdownView(host);
  let text = "";
  for (const piece of pieces) {
    text += piece;
    view.update(text, false);
    vi.advanceTimersToNextFrame();
  }
  view.update(text, true);
  return host.innerHTML;
}

function batch(text: string): string {
  const host = document.createElement("div");
  createMarkdownView(host).update(text, true);
  return host.innerHTML;
}

function shown(text: string): HTMLElement {
  const host = document.createElement("div");
  createMarkdownView(host).update(text, true);
  return host;
}

beforeEach(() => {
  vi.useFakeTimers({ toFake: ["requestAnimationFrame", "cancelAnimationFrame", "performance", "setTimeout"] });
});
afterEach(() => {
  vi.useRealTimers();
});

describe("a streamed text ends as the same DOM as one that came at once", () => {
  test.each(Object.entries(EXAMPLES))("%s, split in two at every place", (_, text) => {
    const expected = batch(text);
    for (let at = 0; at <= text.length; at++) expect(render([text.slice(0, at), text.slice(at)])).toBe(expected);
  });

  test("everything in one text, a character at a time", () => {
    const text = Object.values(EXAMPLES).join("\n\n");
    expect(render([...text])).toBe(batch(text));
  });

  test("a text that is replaced by another", () => {
    const host = document.createElement("div");
    const view = createMarkdownView(host);
    view.update("first *text*", false);
    vi.advanceTimersToNextFrame();
    view.update("other", true);
    expect(host.innerHTML).toBe("<p>other</p>");
  });
});

describe("while a text grows", () => {
  test("finished blocks are not touched again", () => {
    const host = document.createElement("div");
    const view = createMarkdownView(host);
    view.update("# Title\n\nfirst\n\nsec", false);
    vi.advanceTimersToNextFrame();
    const [title, first] = host.children;
    view.update("# Title\n\nfirst\n\nsecond and more", false);
    vi.advanceTimersToNextFrame();
    expect([...host.children].slice(0, 2)).toEqual([title, first]);
    expect(host.children[0]).toBe(title);
    view.update("# Title\n\nfirst\n\nsecond and more.", true);
    expect(host.children[0]).toBe(title);
    expect(host.children[1]).toBe(first);
    expect(host.textContent).toBe("Titlefirstsecond and more.");
  });

  test("an open fence grows in place and hides what may become its end", () => {
    const host = document.createElement("div");
    const view = createMarkdownView(host);
    view.update("```py\na = 1\n", false);
    vi.advanceTimersToNextFrame();
    const code = host.querySelector("code");
    expect(code?.textContent).toBe("a = 1");
    view.update("```py\na = 1\nb = 2\n``", false);
    vi.advanceTimersToNextFrame();
    expect(host.querySelector("code")).toBe(code);
    expect(code?.textContent).toBe("a = 1\nb = 2");
    view.update("```py\na = 1\nb = 2\n```\n\nafter", false);
    vi.advanceTimersToNextFrame();
    expect(host.querySelector("code")).toBe(code);
    expect(host.lastElementChild?.textContent).toBe("after");
  });

  test("many updates before a frame are drawn once", () => {
    const host = document.createElement("div");
    const view = createMarkdownView(host);
    view.update("a", false);
    view.update("ab", false);
    expect(host.textContent).toBe("");
    vi.advanceTimersToNextFrame();
    expect(host.textContent).toBe("ab");
  });
});

describe("what it looks like", () => {
  test.each([
    ["**a** *b* ~~c~~ `d`", "<p><strong>a</strong> <em>b</em> <del>c</del> <code>d</code></p>"],
    ["- a\n- b", "<ul><li>a</li><li>b</li></ul>"],
    ["3. a\n4. b", '<ol start="3"><li>a</li><li>b</li></ol>'],
    ["- a\n\n- b", "<ul><li><p>a</p></li><li><p>b</p></li></ul>"],
    ["> a", "<blockquote><p>a</p></blockquote>"],
    ["a<br>b", "<p>a<br>b</p>"],
    ["&copy; &#65; &nosuch;", "<p>© A &amp;nosuch;</p>"],
  ])("%j", (markdown, html) => {
    expect(batch(markdown)).toBe(html);
  });

  test("a table stands in a region that scrolls by keyboard, with its columns aligned", () => {
    const host = shown("| a | b |\n|---|--:|\n| 1 | 2 |");
    expect(host.querySelector('[role="region"]')?.getAttribute("tabindex")).toBe("0");
    expect([...host.querySelectorAll("td")].map((cell) => cell.className)).toEqual(["", "align-right"]);
  });

  test("a task is a box that cannot be changed, named by its state", () => {
    const box = shown("- [x] a").querySelector("input");
    expect([box?.type, box?.disabled, box?.checked, box?.getAttribute("aria-label")]).toEqual([
      "checkbox",
      true,
      true,
      "done",
    ]);
  });

  test("code says its language and copies exactly what it shows", () => {
    const host = shown("```Python title=x\nprint(1)\n\n```");
    expect(host.querySelector(".code-language")?.textContent).toBe("python");
    expect(host.querySelector("code")?.className).toBe("language-python");
    expect(host.querySelector("code")?.textContent).toBe("print(1)\n");
  });

  test("long code is cut into pieces that lay out on their own", () => {
    const lines = Array.from({ length: 100 }, (_, n) => `line ${n}`).join("\n");
    const host = shown(`\`\`\`\n${lines}\n\`\`\``);
    expect(host.querySelectorAll(".piece").length).toBe(3);
    expect(host.querySelector("code")?.textContent).toBe(lines);
  });

  test("text beyond the lexer is shown as it is", () => {
    const text = `${">".repeat(20_000)} deep`;
    expect(shown(text).textContent).toContain("deep");
  });
});

describe("a model's text is hostile", () => {
  test.each([
    "[x](javascript:alert(1))",
    "[x](JaVaScRiPt:alert(1))",
    "[x](javascript&#58;alert(1))",
    "[x](&#106;avascript:alert(1))",
    "[x](java&Tab;script:alert(1))",
    "[x](data:text/html;base64,PHNjcmlwdD4=)",
    "[x](vbscript:msgbox(1))",
    "[x](file:///etc/passwd)",
    "[x](blob:https://example.org/1)",
    "[x](//example.org/a)",
    "[x](/files/secret)",
    "[x](#main)",
    "[x]\n\n[x]: javascript:alert(1)",
    "<javascript:alert(1)>",
  ])("%s is no link", (markdown) => {
    expect(shown(markdown).querySelector("a")).toBeNull();
    expect(shown(markdown).textContent).toContain(markdown.startsWith("<") ? "javascript:alert(1)" : "x");
  });

  test("a link opens elsewhere, tells nobody where from, and shows its real host", () => {
    const link = shown("[your bank](https://user:pw@example.org/pay?to=me)").querySelector("a");
    expect(link?.getAttribute("rel")).toBe("noopener noreferrer nofollow");
    expect(link?.getAttribute("target")).toBe("_blank");
    expect(link?.getAttribute("referrerpolicy")).toBe("no-referrer");
    expect(link?.dataset["host"]).toBe("example.org");
    expect(link?.getAttributeNames().sort()).toEqual(["data-host", "href", "referrerpolicy", "rel", "target", "title"]);
  });

  test.each([
    "<img src=x onerror=alert(1)>",
    "<script>alert(1)</script>",
    "<svg onload=alert(1)>",
    '<iframe srcdoc="<script>alert(1)</script>"></iframe>',
    "<style>* { display: none }</style>",
    "<br onclick=alert(1)>",
    "<details open ontoggle=alert(1)>",
    "<a href=javascript:alert(1)>x</a>",
    "<!-- comment -->",
    "<form action=https://example.org><input name=q></form>",
  ])("%s is shown as text", (html) => {
    for (const markdown of [html, `a ${html} b`, `- ${html}`, `| ${html} |\n|---|\n`, `> ${html}`]) {
      const host = shown(markdown);
      expect(host.querySelector("img, script, svg, iframe, style, details, a, form, [onclick]")).toBeNull();
      expect(host.textContent).toContain(html);
    }
  });

  test.each([
    "![a](https://evil.example/x.png?q=secret)",
    "![a](http://evil.example/x.png)",
    "[![a](https://evil.example/x.png)](https://example.org)",
    "![a][r]\n\n[r]: https://evil.example/x.png",
    "![a](//evil.example/x.png)",
    "![a](data:image/svg+xml;base64,PHN2Zz48L3N2Zz4=)",
    "![a](javascript:alert(1))",
  ])("%s asks nobody for a picture", (markdown) => {
    expect(shown(markdown).querySelector("img")).toBeNull();
  });

  test("a remote picture is loaded after a click, and not before", () => {
    const host = shown("![a chart](https://example.org/x.png)");
    const button = host.querySelector("button");
    expect(button?.textContent).toBe("Load image from example.org");
    expect(button?.title).toBe("https://example.org/x.png");
    button?.click();
    const image = host.querySelector("img");
    expect([image?.src, image?.alt, image?.referrerPolicy]).toEqual([
      "https://example.org/x.png",
      "a chart",
      "no-referrer",
    ]);
  });

  test("a raster picture that comes whole is shown", () => {
    expect(shown("![dot](data:image/png;base64,iVBORw0KGgo=)").querySelector("img")?.alt).toBe("dot");
  });

  test("no id, name, style or handler and no class of its own comes from the text", () => {
    const host = shown(`${Object.values(EXAMPLES).join("\n\n")}\n\n\`\`\`x" id="y onclick=1 ../..\ncode\n\`\`\``);
    for (const node of host.querySelectorAll("*")) {
      expect(node.getAttributeNames().filter((name) => /^(id|name|style|on.*)$/.test(name))).toEqual([]);
      expect(node.className).toMatch(
        /^(language-[a-z0-9+#-]+|code|code-bar|code-language|code-copy|piece|table|task|dead-link|image|load-image|align-\w+|)$/,
      );
    }
  });
});
