/** The anywidget host. What must outlive a view (transport, state, draft) lives in `initialize`; `render` only shows it. */
import type { AnyModel, AnyWidget } from "@anywidget/types";
import { type Chat, createChat } from "../core/chat";
import { mount } from "../core/mount";
import { type WidgetTransport, widgetTransport } from "../core/transport";

interface Live {
  readonly transport: WidgetTransport;
  readonly chat: Chat;
}

// anywidget calls this once per model, so that its views share what is in here.
export default function widget(): Exclude<AnyWidget, () => unknown> {
  let live: Live | null = null;

  const start = (model: AnyModel): Live => {
    const transport = widgetTransport(model);
    const id: unknown = model.get("conversation_id");
    return { transport, chat: createChat({ transport, conversationId: typeof id === "string" ? id : null }) };
  };

  return {
    initialize({ model }) {
      live = start(model);
      return () => {
        live?.chat.dispose();
        live = null;
      };
    },
    render({ model, el }) {
      live ??= start(model);
      live.transport.look(el);
      return mount(live.chat, el);
    },
  };
}
