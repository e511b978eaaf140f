import type { JSX } from "preact";
import { useRef } from "preact/hooks";
import type { Chat } from "../chat";
import type { ProviderInfo } from "../protocol";
import { BRIEF, modelNameIn, type ProviderStatus, providerOf, routeModels } from "../providers";
import type { State } from "../store";
import { cut, waitWords } from "../words";
import { type Standings, useStandings } from "./hooks";
import { Icon, Mark } from "./icons";
import { ModelChooser } from "./ModelChooser";
import { Popover } from "./Popover";

interface RoutePickerProps {
  readonly chat: Chat;
  readonly state: State;
  readonly open: boolean;
  readonly setOpen: (open: boolean) => void;
}

/** Which models are asked, in order. The button shows the route, and how the provider stands that is asked first. */
export function RoutePicker({ chat, state, open, setOpen }: RoutePickerProps): JSX.Element | null {
  const button = useRef<HTMLButtonElement>(null);
  const standings = useStandings(state);
  if (!state.settings) return null;
  const route = state.configuring?.route ?? state.settings.route;
  const models = routeModels(route);
  const words = cut(models.join(", then "), 300) || "Choose a model";
  const first = state.providers.find((each) => models[0] !== undefined && each.name === providerOf(models[0]));
  const { status, brief, left_s } = first && models[0] ? stateOf(standings, first, models[0]) : NOBODY;
  return (
    <>
      <button
        ref={button}
        type="button"
        class="route"
        title={`${words} (${brief})`}
        aria-haspopup="dialog"
        aria-expanded={open}
        disabled={state.phase === "kernel_gone"}
        onClick={() => setOpen(!open)}
      >
        <Mark shape={status} />
        <span class="unseen">Model: </span>
        <bdi class="clip">{words}</bdi>
        <span class={status === "ready" || status === "offline" ? "unseen" : "route-state"}>
          {` ${brief}`}
          {/* Part of the name, it would be read out second by second. */}
          {left_s !== null && <span aria-hidden="true">{` ${waitWords(left_s)}`}</span>}
        </span>
        <Icon name="down" />
      </button>
      {open && (
        <Popover anchor={button} label="Model" side="above" align="start" onClose={() => setOpen(false)}>
          <ModelChooser
            chat={chat}
            label="Models, in the order they are tried"
            action="Use"
            route={route}
            chosen={models}
            busy={state.configuring !== null}
            refusal={state.notices.find((notice) => notice.place === "settings")?.text ?? null}
            onUse={(typed) => chat.configure({ route: typed })}
            onAdd={(model) => chat.configure({ route: [...models, model].join(", ") })}
          />
        </Popover>
      )}
    </>
  );
}

interface FirstState {
  readonly status: ProviderStatus;
  readonly brief: string;
  readonly left_s: number | null;
}

/** How the model stands that is asked first: held back by itself, or with its provider. */
function stateOf(standings: Standings, provider: ProviderInfo, model: string): FirstState {
  const { status, brief, hold } = standings.of(provider);
  const own = hold ? null : standings.ofModel(provider, modelNameIn(model));
  return own
    ? { status: own.kind, brief: BRIEF[own.kind], left_s: own.left_s }
    : { status, brief, left_s: hold?.left_s ?? null };
}

const NOBODY: FirstState = { status: "not_ready", brief: "not ready", left_s: null };
