/** axe-core over every state. Colours need a real browser, and are looked at there. */
import axe from "axe-core";
import { expect, test } from "vitest";
import { createChat } from "../../src/core/chat";
import { mount } from "../../src/core/mount";
import { fakeKernel } from "../../src/dev/kernel";
import { STATES } from "../../src/dev/states";

// These are about the page around the chat.
const OFF = ["region", "page-has-heading-one", "landmark-one-main", "color-contrast"];
const rules = Object.fromEntries(OFF.map((name) => [name, { enabled: false }]));

test.each(Object.entries(STATES))("%s has no violation", async (_, play) => {
  const kernel = fakeKernel();
  const chat = createChat({ transport: kernel, storage: null });
  const unmount = mount(chat, document.body);
  play(kernel);
  await new Promise((resolve) => setTimeout(resolve, 120));
  const root = document.querySelector(".convoscope")?.shadowRoot;
  // A state that opens a panel is looked at with that one.
  const names = root?.querySelector(".popover") ? [] : ["Menu", "Retry with another model"];
  for (const name of names) {
    root?.querySelector<HTMLElement>(`[aria-label="${name}"]`)?.click();
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  const { violations, passes } = await axe.run(document.body, { rules });
  unmount();
  chat.dispose();
  expect(violations.map((each) => [each.id, each.nodes.map((node) => node.html)])).toEqual([]);
  expect(passes.length).toBeGreaterThan(5);
});

test("a nameless button in the shadow root would be found", async () => {
  const chat = createChat({ transport: fakeKernel(), storage: null });
  const unmount = mount(chat, document.body);
  document.querySelector(".convoscope")?.shadowRoot?.append(document.createElement("button"));
  const { violations } = await axe.run(document.body, { rules });
  unmount();
  chat.dispose();
  expect(violations.map((each) => each.id)).toEqual(["button-name"]);
});
