/**
 * Shows a growing markdown text.
 *
 * While it grows, only the part after the last finished block is lexed, finished blocks are left alone, and an open code
 * fence gets lines appended without lexing. At the end the whole text is lexed once and what differs is built again, so
 * that the result is what a single rendering would have given.
 */
import { Lexer, type Token, type TokensList } from "marked";
import { buildBlock } from "./build";
import { type CodeBlock, codeBlock, languageOf } from "./code";

type Links = TokensList["links"];

interface Block {
  readonly node: Node;
  /** Equal keys give equal nodes, as far as link definitions are the same. */
  readonly key: string;
  /** The link definitions it was built with; `null` when they do not matter to it. */
  readonly links: string | null;
}

/** A code fence that has not been closed yet. */
interface OpenFence {
  readonly block: CodeBlock;
  readonly closing: RegExp;
  readonly indent: number;
  readonly info: string;
  content: string;
  /** Where in the source the first line begins that has not been taken in. */
  position: number;
}

export interface MarkdownView {
  /** Shows `text` at one of the next frames; `done` shows all of it at once. */
  update(text: string, done: boolean): void;
  dispose(): void;
}

/** After an update that took t, the next one comes no sooner than this many t later. */
const REST = 3;

export function createMarkdownView(host: HTMLElement): MarkdownView {
  let source = "";
  let committed = 0;
  let blocks: Block[] = [];
  let tail: Node[] = [];
  let links: Links = noLinks();
  let fence: OpenFence | null = null;
  let finished = false;

  const reset = () => {
    host.replaceChildren();
    committed = 0;
    blocks = [];
    tail = [];
    links = noLinks();
    fence = null;
  };

  const commit = (block: Block) => {
    host.insertBefore(block.node, tail[0] ?? null);
    blocks.push(block);
  };

  const replaceTail = (nodes: Node[]) => {
    for (const node of tail) host.removeChild(node);
    host.append(...nodes);
    tail = nodes;
  };

  /** Takes whole lines into the open fence. True when it was closed. */
  const advanceFence = (open: OpenFence): boolean => {
    for (;;) {
      const end = source.indexOf("\n", open.position);
      if (end < 0) break;
      const line = source.slice(open.position, end);
      open.position = end + 1;
      if (open.closing.test(line)) {
        const text = open.content.slice(0, -1);
        open.block.setText(text);
        blocks.push({ node: open.block.node, key: codeKey(text, open.info), links: null });
        tail = [];
        committed = open.position;
        fence = null;
        return true;
      }
      open.content += `${unindented(line, open.indent)}\n`;
    }
    const rest = source.slice(open.position);
    // What may become the closing fence is not shown as code.
    const shown = /^ {0,3}[`~]*[ \t]*$/.test(rest)
      ? open.content.slice(0, -1)
      : open.content + unindented(rest, open.indent);
    open.block.setText(shown);
    return false;
  };

  const grow = () => {
    if (fence && !advanceFence(fence)) return;
    const text = source.slice(committed);
    const known: Links = Object.assign(noLinks(), links);
    const tokens = lex(text, known);
    if (tokens === null) return replaceTail([plainText(text)]);
    let last = tokens.length - 1;
    while (last > 0 && tokens[last]?.type === "space") last -= 1;
    let offset = 0;
    for (const token of tokens.slice(0, last)) {
      // Where the lexer has changed what it read, positions cannot be told: wait for the end.
      if (!text.startsWith(token.raw, offset)) break;
      offset += token.raw.length;
      const block = blockOf(token, known);
      if (block) commit(block);
      if (token.type === "def") links[token["tag"]] ??= { href: token["href"], title: token["title"] };
    }
    committed += offset;
    const rest = source.slice(committed);
    const opening = openFence(rest, committed);
    if (opening) {
      replaceTail([opening.block.node]);
      fence = opening;
      if (advanceFence(opening)) grow();
      return;
    }
    const shown = offset === 0 ? tokens : (lex(rest, known) ?? []);
    replaceTail(shown.map(buildBlock).flatMap(nodesOf));
  };

  const finish = () => {
    fence = null;
    const known = noLinks();
    const tokens = lex(source, known);
    if (tokens === null) {
      reset();
      host.append(plainText(source));
      return;
    }
    const all = linksKey(known);
    const before = blocks;
    blocks = [];
    replaceTail([]);
    let at = 0;
    for (const token of tokens) {
      const old = before[at];
      const key = keyOf(token);
      if (key === null) continue;
      at += 1;
      if (old && old.key === key && (old.links === null || old.links === all)) blocks.push(old);
      else {
        const block = blockOf(token, known);
        if (block) blocks.push(block);
      }
    }
    const wanted = new Set(blocks.map((block) => block.node));
    for (const block of before) if (!wanted.has(block.node)) block.node.parentNode?.removeChild(block.node);
    blocks.forEach((block, index) => {
      const there = host.childNodes[index] ?? null;
      if (there !== block.node) host.insertBefore(block.node, there);
    });
  };

  const frames = paced(() => {
    if (!finished) grow();
  });

  return {
    update(text, done) {
      const next = text.includes("\r") ? text.replace(/\r\n?/g, "\n") : text;
      if (done && finished && next === source) return;
      if (finished || !next.startsWith(source)) reset();
      source = next;
      finished = done;
      if (done) {
        frames.cancel();
        finish();
      } else {
        frames.request();
      }
    },
    dispose: () => frames.cancel(),
  };
}

/** Runs `work` at a frame after each request, and leaves the main thread alone for a while after a costly one. */
function paced(work: () => void): { request(): void; cancel(): void } {
  let frame: number | null = null;
  let notBefore = 0;
  const step = () => {
    const start = performance.now();
    if (start < notBefore) {
      frame = requestAnimationFrame(step);
      return;
    }
    frame = null;
    notBefore = Number.POSITIVE_INFINITY;
    work();
    // A task after the frame: the layout of a long list or table costs more than building it.
    setTimeout(() => {
      const end = performance.now();
      notBefore = end + REST * (end - start);
    });
  };
  return {
    request: () => {
      frame ??= requestAnimationFrame(step);
    },
    cancel: () => {
      if (frame !== null) cancelAnimationFrame(frame);
      frame = null;
    },
  };
}

/** `null` when the text is beyond the lexer, as a thousandfold nested quote is. New definitions are added to `links`. */
function lex(text: string, links: Links): TokensList | null {
  try {
    const lexer = new Lexer({ gfm: true });
    lexer.tokens.links = links;
    return lexer.lex(text);
  } catch {
    return null;
  }
}

function blockOf(token: Token, links: Links): Block | null {
  const key = keyOf(token);
  if (key === null) return null;
  const node = single(buildBlock(token));
  return node && { node, key, links: token.raw.includes("[") ? linksKey(links) : null };
}

/** `null` for what shows nothing. */
function keyOf(token: Token): string | null {
  if (token.type === "space" || token.type === "def") return null;
  if (token.type === "code") return codeKey(String(token["text"]).replace(/\n$/, ""), String(token["lang"] ?? ""));
  return `${token.type}\n${token.raw.trimEnd()}`;
}

function codeKey(text: string, info: string): string {
  return `code\n${languageOf(info)}\n${text}`;
}

function linksKey(links: Links): string {
  return JSON.stringify(links);
}

function noLinks(): Links {
  return Object.create(null) as Links;
}

/** A fragment empties when it is put somewhere; blocks must be nodes that stay. */
function single(node: Node | null): Node | null {
  if (!(node instanceof DocumentFragment)) return node;
  const box = document.createElement("div");
  box.append(node);
  return box;
}

function nodesOf(node: Node | null): Node[] {
  const one = single(node);
  return one ? [one] : [];
}

function openFence(text: string, start: number): OpenFence | null {
  const opening = /^( {0,3})(`{3,}|~{3,})([^\n]*)\n/.exec(text);
  const [whole = "", indent = "", marks = "", info = ""] = opening ?? [];
  if (!opening || (marks.startsWith("`") && info.includes("`"))) return null;
  const mark = marks[0] === "`" ? "`" : "~";
  return {
    block: codeBlock("", info),
    closing: new RegExp(`^ {0,3}${mark}{${marks.length},}[ \\t]*$`),
    indent: indent.length,
    info,
    content: "",
    position: start + whole.length,
  };
}

function unindented(line: string, indent: number): string {
  return indent === 0 ? line : line.replace(new RegExp(`^ {0,${indent}}`), "");
}

function plainText(text: string): HTMLElement {
  const node = document.createElement("p");
  node.className = "plain";
  node.textContent = text;
  return node;
}
