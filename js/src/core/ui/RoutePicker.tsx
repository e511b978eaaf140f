import type { JSX } from "preact";
import { useId, useRef, useState } from "preact/hooks";
import type { Chat } from "../chat";
import type { State } from "../store";
import { providerOf, providerStatus, routeModels, sentence } from "../words";
import { Icon, Mark, type MarkShape } from "./icons";
import { ModelList } from "./ModelList";
import { Popover } from "./Popover";

interface RoutePickerProps {
  readonly chat: Chat;
  readonly state: State;
  readonly open: boolean;
  readonly setOpen: (open: boolean) => void;
}

/** Which models are asked, in order. The button shows the route; the panel lists providers and takes any route typed. */
export function RoutePicker({ chat, state, open, setOpen }: RoutePickerProps): JSX.Element | null {
  const button = useRef<HTMLButtonElement>(null);
  if (!state.settings) return null;
  const route = state.configuring?.route ?? state.settings.route;
  const models = routeModels(route);
  const words = models.join(", then ") || "Choose a model";
  return (
    <>
      <button
        ref={button}
        type="button"
        class="route"
        title={words}
        aria-label={`Model: ${words}`}
        aria-haspopup="dialog"
        aria-expanded={open}
        disabled={state.phase === "kernel_gone"}
        onClick={() => setOpen(!open)}
      >
        <Mark shape={shapeOf(models[0], state)} />
        <span class="clip">{words}</span>
        <Icon name="down" />
      </button>
      {open && (
        <Popover anchor={button} label="Model" side="above" align="start" onClose={() => setOpen(false)}>
          <ModelList
            providers={state.providers}
            chosen={models}
            onUse={(model) => chat.configure({ route: model })}
            onAdd={(model) => chat.configure({ route: [...models, model].join(", ") })}
          />
          <RouteForm chat={chat} state={state} route={route} />
        </Popover>
      )}
    </>
  );
}

function RouteForm({ chat, state, route }: { chat: Chat; state: State; route: string }): JSX.Element {
  const [text, setText] = useState(route);
  const id = useId();
  const refusal = state.notices.find((notice) => notice.place === "settings");
  return (
    <form
      class="route-form"
      onSubmit={(event) => {
        event.preventDefault();
        if (text.trim()) chat.configure({ route: text.trim() });
      }}
    >
      <label for={id}>Any other, in the order they are tried</label>
      <div class="field-row">
        <input
          id={id}
          class="field code-font"
          value={text}
          spellcheck={false}
          autocomplete="off"
          placeholder="provider:model, provider:model"
          aria-invalid={refusal !== undefined}
          aria-describedby={refusal ? `${id}-refusal` : undefined}
          onInput={(event) => setText(event.currentTarget.value)}
        />
        <button type="submit" class="button" disabled={text.trim() === "" || state.configuring !== null}>
          Use
        </button>
      </div>
      {refusal && (
        <p class="refusal" id={`${id}-refusal`} role="alert">
          {sentence(refusal.text)}
        </p>
      )}
    </form>
  );
}

function shapeOf(model: string | undefined, state: State): MarkShape {
  const provider = state.providers.find((each) => model !== undefined && each.name === providerOf(model));
  return provider ? providerStatus(provider) : "not_ready";
}
