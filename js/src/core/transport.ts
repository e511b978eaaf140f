/** How commands reach the kernel and events come back. One implementation per host; the rest of the core sees only this. */
import type { Command, Event } from "./protocol";

/** `gone`: what is sent will not be heard until the user runs the cell again. */
export type LinkStatus = "live" | "gone";

export type Dispose = () => void;

export interface Transport {
  /** Throws when the host knows that nobody listens. */
  send(command: Command): void;
  onEvent(listener: (event: Event) => void): Dispose;
  onStatus(listener: (status: LinkStatus) => void): Dispose;
}

/** The part of anywidget's model that is used here. The core imports no host. */
export interface WidgetModel {
  get(name: string): unknown;
  send(content: unknown): void;
  on(name: string, callback: (content: unknown) => void): void;
  off(name: string, callback: (content: unknown) => void): void;
}

export interface WidgetTransport extends Transport {
  /** Tells from a view's element whether ipywidgets made it without a line to a kernel. */
  look(element: HTMLElement): void;
}

// ipywidgets gives views of a model without a comm this class, and triggers this event when a model loses its comm, which
// it never gets back: after a restart the cell is run again and makes a new model. The flag itself, `comm_live`, is not on
// the model that anywidget hands out, and anywidget may unhook what would set the class later.
// https://github.com/jupyter-widgets/ipywidgets/blob/main/packages/base/src/widget.ts
const DISCONNECTED = ".jupyter-widgets-disconnected";
const COMM_LOST = "comm_live_update";

/** Talks over anywidget's custom messages. */
export function widgetTransport(model: WidgetModel): WidgetTransport {
  const statusListeners = new Set<(status: LinkStatus) => void>();
  return {
    send: (command) => model.send(command),
    onEvent(listener) {
      const heard = (content: unknown) => {
        if (isEvent(content)) listener(content);
      };
      model.on("msg:custom", heard);
      return () => model.off("msg:custom", heard);
    },
    onStatus(listener) {
      const heard = () => listener("gone");
      model.on(COMM_LOST, heard);
      statusListeners.add(listener);
      return () => {
        statusListeners.delete(listener);
        model.off(COMM_LOST, heard);
      };
    },
    look(element) {
      if (element.closest(DISCONNECTED) === null) return;
      for (const listener of statusListeners) listener("gone");
    },
  };
}

/** Only the envelope is looked at: the kernel's own schema makes the rest, and unknown types are ignored further on. */
function isEvent(content: unknown): content is Event {
  return (
    typeof content === "object" &&
    content !== null &&
    "type" in content &&
    typeof content.type === "string" &&
    "seq" in content &&
    typeof content.seq === "number"
  );
}
