/** A chat on a page of its own for every test, and what a person does with it. */
import { afterEach, beforeEach, vi } from "vitest";
import { type Chat, createChat } from "../../src/core/chat";
import { mount } from "../../src/core/mount";
import { type FakeKernel, fakeKernel } from "../../src/dev/kernel";

export let kernel: FakeKernel;
export let chat: Chat;
export let place: HTMLElement;
let unmount: () => void;

/** Before and after every test of the file. */
export function aPageForEachTest(): void {
  beforeEach(() => {
    vi.useFakeTimers();
    kernel = fakeKernel();
    chat = createChat({ transport: kernel, storage: null });
    place = document.createElement("div");
    document.body.append(place);
    unmount = mount(chat, place);
  });
  afterEach(async () => {
    unmount();
    chat.dispose();
    place.remove();
    // Preact waits for a frame to run effects: one that never comes would hold up those of the next test.
    await drawn(200);
    vi.useRealTimers();
  });
}

/** Lets Preact draw, and frames and timers pass. */
export async function drawn(ms = 50): Promise<void> {
  await vi.advanceTimersByTimeAsync(ms);
}

export function root(at: HTMLElement = place): ShadowRoot {
  const shadow = at.querySelector(".convoscope")?.shadowRoot;
  if (!shadow) throw new Error("not mounted");
  return shadow;
}

export function $<T extends HTMLElement>(selector: string, at: HTMLElement = place): T {
  const found = root(at).querySelector<T>(selector);
  if (!found) throw new Error(`no ${selector}`);
  return found;
}

export function button(name: string): HTMLButtonElement {
  const found = [...root().querySelectorAll("button")].find(
    (each) => each.getAttribute("aria-label") === name || each.textContent?.trim() === name,
  );
  if (!found) throw new Error(`no button ${name}`);
  return found;
}

export const text = () => root().querySelector(".app")?.textContent ?? "";
export const box = () => $<HTMLTextAreaElement>(".composer textarea");

export function type(value: string): void {
  box().value = value;
  box().dispatchEvent(new window.Event("input", { bubbles: true }) as unknown as Event);
}

export function press(node: HTMLElement, key: string, init: KeyboardEventInit = {}): KeyboardEvent {
  const event = new window.KeyboardEvent("keydown", {
    key,
    bubbles: true,
    cancelable: true,
    composed: true,
    ...init,
  } as never);
  node.dispatchEvent(event as unknown as Event);
  return event as unknown as KeyboardEvent;
}

export const last = () => kernel.commands.at(-1);
