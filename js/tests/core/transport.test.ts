import { expect, test, vi } from "vitest";
import type { Event } from "../../src/core/protocol";
import { type WidgetModel, widgetTransport } from "../../src/core/transport";
import { SNAPSHOT } from "../../src/dev/kernel";

function fakeModel() {
  const listeners = new Map<string, Set<(content: unknown) => void>>();
  const of = (name: string) => listeners.get(name) ?? listeners.set(name, new Set()).get(name) ?? new Set();
  const model: WidgetModel = {
    get: () => undefined,
    send: vi.fn(),
    on: (name, callback) => void of(name).add(callback),
    off: (name, callback) => void of(name).delete(callback),
  };
  return {
    model,
    trigger: (name: string, content?: unknown) => of(name).forEach((callback) => void callback(content)),
  };
}

test("commands go out and events come in until the listener is disposed", () => {
  const { model, trigger } = fakeModel();
  const transport = widgetTransport(model);
  const heard: Event[] = [];
  const dispose = transport.onEvent((event) => heard.push(event));
  transport.send({ type: "cancel" });
  trigger("msg:custom", SNAPSHOT);
  dispose();
  trigger("msg:custom", SNAPSHOT);
  expect(model.send).toHaveBeenCalledWith({ type: "cancel" });
  expect(heard).toEqual([SNAPSHOT]);
});

test.each([null, "text", 3, {}, { type: 1, seq: 2 }, { type: "snapshot" }, { kind: "anywidget-command" }])(
  "%j is no event of ours",
  (content) => {
    const { model, trigger } = fakeModel();
    const heard = vi.fn();
    widgetTransport(model).onEvent(heard);
    trigger("msg:custom", content);
    expect(heard).not.toHaveBeenCalled();
  },
);

test("a model that loses its comm tells that the kernel is gone, until the listener is disposed", () => {
  const { model, trigger } = fakeModel();
  const heard = vi.fn();
  const dispose = widgetTransport(model).onStatus(heard);
  trigger("comm_live_update");
  dispose();
  trigger("comm_live_update");
  expect(heard.mock.calls).toEqual([["gone"]]);
});

test.each([
  ["jupyter-widgets-disconnected", 1],
  ["", 0],
])("a view of class %j tells so %i times", (name, times) => {
  const { model } = fakeModel();
  const transport = widgetTransport(model);
  const heard = vi.fn();
  transport.onStatus(heard);
  const view = document.createElement("div");
  view.className = name;
  transport.look(view);
  expect(heard).toHaveBeenCalledTimes(times);
});
