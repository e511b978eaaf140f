import type { JSX, TargetedKeyboardEvent } from "preact";
import { useId, useLayoutEffect, useRef, useState } from "preact/hooks";
import type { Chat } from "../chat";
import { completed, offersFor, typedRoute } from "../providers";
import { count, sentence } from "../words";
import { useStandings, useStore } from "./hooks";
import { ModelList } from "./ModelList";

/** Of the panel, above and below together. */
const PADDING = 16;

interface ModelChooserProps {
  readonly chat: Chat;
  readonly label: string;
  /** On the button beside the field. */
  readonly action: string;
  /** What stands in the field to begin with. */
  readonly route: string;
  /** The models of the route, in order. */
  readonly chosen: readonly string[];
  readonly busy: boolean;
  readonly refusal: string | null;
  readonly onUse: (route: string) => void;
  readonly onAdd?: (model: string) => void;
}

/** A field that takes any route, over the list of what the providers offer: typing narrows the list. */
export function ModelChooser({
  chat,
  route,
  chosen,
  busy,
  refusal,
  onUse,
  onAdd,
  ...words
}: ModelChooserProps): JSX.Element {
  const state = useStore(chat.store);
  const standings = useStandings(state);
  const id = useId();
  const field = useRef<HTMLInputElement>(null);
  const box = useRef<HTMLDivElement>(null);
  const [text, setText] = useState(route);
  // Before anything is typed every model is shown, and the one chosen takes the place of the whole route.
  const [cursor, setCursor] = useState<number | null>(null);
  const typed = typedRoute(cursor === null ? "" : text, cursor ?? 0);
  useLayoutEffect(() => field.current?.select(), []);

  const onInput = (input: HTMLInputElement) => {
    const panel = box.current?.parentElement;
    if (box.current && panel) {
      // The panel keeps its height, so that the field stays under the eye while the list gets shorter.
      if (cursor === null)
        box.current.style.minHeight = `${Math.min(box.current.offsetHeight, panel.clientHeight - PADDING)}px`;
      panel.scrollTop = 0;
    }
    setText(input.value);
    setCursor(input.selectionStart ?? input.value.length);
  };

  return (
    // biome-ignore lint/a11y/noStaticElementInteractions: the keys come from the controls in it
    <div ref={box} class="chooser" onKeyDown={walk}>
      <form
        class="route-form"
        onSubmit={(event) => {
          event.preventDefault();
          if (text.trim() && !busy) onUse(text.trim());
        }}
      >
        <label for={id}>{words.label}</label>
        <div class="field-row">
          <input
            ref={field}
            id={id}
            class="field code-font"
            value={text}
            dir="ltr"
            spellcheck={false}
            autocomplete="off"
            autocapitalize="off"
            placeholder="provider:model"
            aria-invalid={refusal !== null}
            aria-describedby={`${id}-said`}
            onInput={(event) => onInput(event.currentTarget)}
          />
          <button type="submit" class="button" disabled={text.trim() === "" || busy}>
            {words.action}
          </button>
        </div>
        <div id={`${id}-said`}>
          {refusal && (
            <p class="refusal" role="alert">
              {sentence(refusal)}
            </p>
          )}
          <p class="unseen" role="status">
            {typed.query && matchWords(offersFor(state.providers, typed.query))}
          </p>
        </div>
      </form>
      <ModelList
        chat={chat}
        state={state}
        standings={standings}
        query={typed.query}
        chosen={chosen}
        onUse={(model) => onUse(completed(typed, model))}
        onAdd={onAdd}
      />
    </div>
  );
}

function matchWords(offers: ReturnType<typeof offersFor>): string {
  const matches = offers.reduce((sum, { models, more }) => sum + models.length + more, 0);
  if (matches === 0) return "No known model matches. Enter uses what is typed.";
  return `${count(matches, "model")}. Arrow down goes to the list.`;
}

/** The arrow keys go from the field through the models and back. */
function walk(event: TargetedKeyboardEvent<HTMLElement>): void {
  const down = event.key === "ArrowDown";
  if ((!down && event.key !== "ArrowUp") || event.isComposing || !(event.target instanceof Element)) return;
  const stops = [...event.currentTarget.querySelectorAll<HTMLElement>(".field, .model")];
  const row = event.target.closest("li")?.querySelector(".model") ?? event.target;
  const at = stops.findIndex((stop) => stop.isSameNode(row));
  if (at < 0) return;
  event.preventDefault();
  stops[at + (down ? 1 : -1)]?.focus();
}
