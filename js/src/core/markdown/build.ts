/**
 * Markdown tokens -> DOM nodes, by createElement and text nodes only: no string is ever parsed as HTML.
 *
 * The text is a model's and so hostile. No attribute holds what it says except a link's checked address and its title;
 * raw HTML is shown as the text it is; nothing is fetched before the user clicks.
 */
import type { MarkedToken, Token, Tokens } from "marked";
import { codeBlock } from "./code";
import { decodeEntities } from "./entities";
import { imageAddress, isInlineImage, linkAddress } from "./urls";

const LINE_BREAK = /^<br\s*\/?>$/i;

/** The node of one top-level token; `null` when it shows nothing. */
export function buildBlock(token: Token): Node | null {
  const known = token as MarkedToken;
  switch (known.type) {
    case "paragraph":
      return element("p", inline(known.tokens));
    case "heading":
      return element(heading(known.depth), inline(known.tokens));
    case "code":
      return codeBlock(known.text.replace(/\n$/, ""), known.lang ?? "").node;
    case "list":
      return list(known);
    case "blockquote":
      return element("blockquote", blocks(known.tokens));
    case "table":
      return table(known);
    case "hr":
      return element("hr");
    case "html":
      return element("p", [text(known.raw.trimEnd())]);
    case "checkbox":
      return checkbox(known.checked);
    case "text":
      return fragment(known.tokens ? inline(known.tokens) : [text(plain(known))]);
    case "space":
    case "def":
      return null;
    default:
      return text(token.raw);
  }
}

function blocks(tokens: readonly Token[]): Node[] {
  return tokens.map(buildBlock).filter((node) => node !== null);
}

function inline(tokens: readonly Token[], insideLink = false): Node[] {
  return tokens.map((token) => inlineNode(token as MarkedToken, insideLink));
}

function inlineNode(token: MarkedToken, insideLink: boolean): Node {
  switch (token.type) {
    case "text":
      return token.tokens ? fragment(inline(token.tokens, insideLink)) : text(plain(token));
    case "escape":
      return text(decodeEntities(token.text));
    case "strong":
    case "em":
    case "del":
      return element(token.type, inline(token.tokens, insideLink));
    case "codespan":
      return element("code", [text(token.text)]);
    case "br":
      return element("br");
    case "link":
      return insideLink ? fragment(inline(token.tokens, true)) : link(token);
    case "image":
      return image(token, insideLink);
    case "checkbox":
      return checkbox(token.checked);
    case "html":
      // The one tag without attributes that models write in table cells for want of another way.
      return LINE_BREAK.test(token.raw) ? element("br") : text(token.raw);
    default:
      return text(token.raw);
  }
}

/** Inside what looks like `<pre>` or `<script>` marked leaves text as it is written. */
function plain(token: Tokens.Text): string {
  return token.escaped ? token.text : decodeEntities(token.text);
}

function link(token: Tokens.Link): Node {
  const url = linkAddress(token.autolink ? token.href : decodeEntities(token.href));
  const children = token.autolink ? [text(token.text)] : inline(token.tokens, true);
  if (!url) {
    const span = element("span", children);
    span.className = "dead-link";
    span.title = "Not a link: only http, https and mailto addresses are opened.";
    return span;
  }
  const anchor = element("a", children);
  anchor.href = url.href;
  anchor.target = "_blank";
  anchor.rel = "noopener noreferrer nofollow";
  anchor.referrerPolicy = "no-referrer";
  anchor.title = url.href;
  // The real destination in sight, unless the link's text is it.
  if (url.host && !(anchor.textContent ?? "").includes(url.host)) anchor.dataset["host"] = url.host;
  return anchor;
}

function image(token: Tokens.Image, insideLink: boolean): Node {
  const href = decodeEntities(token.href);
  const alt = decodeEntities(token.text);
  if (isInlineImage(href)) return picture(href, alt);
  const url = imageAddress(href);
  if (!url || insideLink) return text(alt || "image");
  const button = element("button", [text(`Load image from ${url.host}`)]);
  button.type = "button";
  button.className = "load-image";
  button.title = url.href;
  const shown = element("span", alt ? [text(`${alt} `), button] : [button]);
  shown.className = "image";
  button.addEventListener("click", () => shown.replaceChildren(picture(url.href, alt)));
  return shown;
}

function picture(source: string, alt: string): HTMLImageElement {
  const shown = element("img");
  shown.referrerPolicy = "no-referrer";
  shown.alt = alt;
  shown.src = source;
  return shown;
}

function list(token: Tokens.List): Node {
  const items = token.items.map((item) => {
    const node = element("li", blocks(item.tokens));
    if (item.task) node.className = "task";
    return node;
  });
  if (!token.ordered) return element("ul", items);
  const ordered = element("ol", items);
  if (typeof token.start === "number" && token.start !== 1) ordered.start = token.start;
  return ordered;
}

function checkbox(checked: boolean): Node {
  const box = element("input");
  box.type = "checkbox";
  box.disabled = true;
  box.checked = checked;
  box.setAttribute("aria-label", checked ? "done" : "not done");
  return fragment([box, text(" ")]);
}

function table(token: Tokens.Table): Node {
  const head = element("thead", [row(token.header)]);
  const body = token.rows.length > 0 ? [element("tbody", token.rows.map(row))] : [];
  const region = element("div", [element("table", [head, ...body])]);
  region.className = "table";
  // A wide table scrolls on its own, also by keyboard.
  region.tabIndex = 0;
  region.setAttribute("role", "region");
  region.setAttribute("aria-label", "Table");
  return region;
}

function row(cells: readonly Tokens.TableCell[]): HTMLTableRowElement {
  return element(
    "tr",
    cells.map((cell) => {
      const node = element(cell.header ? "th" : "td", inline(cell.tokens));
      if (cell.align) node.className = `align-${cell.align}`;
      return node;
    }),
  );
}

function heading(depth: number): "h1" | "h2" | "h3" | "h4" | "h5" | "h6" {
  return (["h1", "h2", "h3", "h4", "h5"] as const)[depth - 1] ?? "h6";
}

function element<K extends keyof HTMLElementTagNameMap>(name: K, children: Node[] = []): HTMLElementTagNameMap[K] {
  const node = document.createElement(name);
  node.append(...children);
  return node;
}

function fragment(children: Node[]): DocumentFragment {
  const node = document.createDocumentFragment();
  node.append(...children);
  return node;
}

function text(content: string): Text {
  return document.createTextNode(content);
}
