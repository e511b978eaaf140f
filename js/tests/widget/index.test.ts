import type { AnyModel, InitializeProps, RenderProps } from "@anywidget/types";
import { afterEach, expect, test, vi } from "vitest";
import { SNAPSHOT } from "../../src/dev/kernel";
import widget from "../../src/widget/index";

/** What anywidget hands out, as far as the chat uses it. */
function fakeHost() {
  const listeners = new Map<string, Set<(content: unknown) => void>>();
  const sent: { type: string }[] = [];
  const model = {
    get: (name: string) => (name === "conversation_id" ? "c-1" : undefined),
    send: (content: { type: string }) => sent.push(content),
    on: (name: string, callback: (content: unknown) => void) => {
      listeners.set(name, (listeners.get(name) ?? new Set()).add(callback));
    },
    off: (name: string, callback: (content: unknown) => void) => listeners.get(name)?.delete(callback),
  } as unknown as AnyModel;
  const say = (content: unknown) => listeners.get("msg:custom")?.forEach((callback) => void callback(content));
  return { model, sent, say, listeners };
}

const drawn = () => new Promise((resolve) => setTimeout(resolve, 30));

afterEach(() => sessionStorage.clear());

test("views come and go; the conversation and the draft stay, and one hello is said for all", async () => {
  const { model, sent, say, listeners } = fakeHost();
  const definition = widget();
  const end = await definition.initialize?.({ model } as unknown as InitializeProps);
  say(SNAPSHOT);
  const view = () => {
    const el = document.createElement("div");
    document.body.append(el);
    return { el, close: definition.render?.({ model, el } as unknown as RenderProps) as () => void };
  };
  const box = (el: HTMLElement) =>
    el.firstElementChild?.shadowRoot?.querySelector<HTMLTextAreaElement>(".composer textarea");

  const first = view();
  const field = box(first.el);
  if (!field) throw new Error("no question box");
  field.value = "half a thought";
  field.dispatchEvent(new window.Event("input", { bubbles: true }) as unknown as Event);
  first.close();
  const second = view();
  const third = view();
  await drawn();

  expect([box(second.el)?.value, box(third.el)?.value]).toEqual(["half a thought", "half a thought"]);
  expect(first.el.childElementCount).toBe(0);
  expect(sent.map((command) => command.type)).toEqual(["hello"]);
  second.close();
  third.close();
  (end as () => void)();
  expect([...listeners.values()].every((set) => set.size === 0)).toBe(true);
});

test("a host that renders without initializing gets a chat all the same", () => {
  const { model, sent } = fakeHost();
  const el = document.createElement("div");
  const close = widget().render?.({ model, el } as unknown as RenderProps) as () => void;
  expect(sent.map((command) => command.type)).toEqual(["hello"]);
  close();
  vi.restoreAllMocks();
});
