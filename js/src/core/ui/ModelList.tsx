import type { JSX } from "preact";
import { useState } from "preact/hooks";
import type { Chat } from "../chat";
import { type Offer, offersFor } from "../providers";
import type { Listing, State } from "../store";
import { count, cut } from "../words";
import { HoldLine } from "./Hold";
import type { Standings } from "./hooks";
import { Icon, Mark } from "./icons";

interface ModelListProps {
  readonly chat: Chat;
  readonly state: State;
  readonly standings: Standings;
  /** Only what matches is shown; empty: everything. */
  readonly query: string;
  /** The models of the route, in order. */
  readonly chosen: readonly string[];
  readonly onUse: (model: string) => void;
  /** Absent where only one model can be chosen. */
  readonly onAdd: ((model: string) => void) | undefined;
}

/** Every provider with how it stands, and those of its models that match. */
export function ModelList({ query, ...rest }: ModelListProps): JSX.Element {
  const typed = query !== "";
  const offers = offersFor(rest.state.providers, query);
  const matching = typed ? offers.filter(({ models }) => models.length > 0) : offers;
  // Those that may have more to list stay at hand.
  const others = offers.filter((offer) => offer.provider.ready && !matching.includes(offer));
  return (
    <div class="models">
      {[...matching, ...others].map((offer) => (
        <Provider key={offer.provider.name} offer={offer} typed={typed} {...rest} />
      ))}
    </div>
  );
}

interface ProviderProps extends Omit<ModelListProps, "query"> {
  readonly offer: Offer;
  readonly typed: boolean;
}

function Provider(props: ProviderProps): JSX.Element {
  const { chat, state, offer, typed, standings, chosen, onUse, onAdd } = props;
  const { provider, models, more } = offer;
  const { status, words, hold, note } = standings.of(provider);
  const listing = state.listings.get(provider.name);
  const [entered, setEntered] = useState<string | null>(null);
  // One stop for Tab in a list that may be long; the arrow keys go through it.
  const stop = Math.max(0, models.indexOf(entered ?? ""));
  return (
    <div class="provider">
      <div class="provider-head">
        <Mark shape={status} />
        <h4 class="clip" title={cut(provider.name, 64)}>
          <bdi>{cut(provider.name, 64)}</bdi>
        </h4>
        {provider.ready && <ListButton provider={provider.name} listing={listing} onList={chat.listModels} />}
      </div>
      {!typed && <p class="provider-line">{words}</p>}
      {hold && (
        <p class="provider-line">
          <HoldLine chat={chat} hold={hold} provider={provider.name} name={provider.name} />
        </p>
      )}
      {!typed && note && <p class="provider-line">{note}</p>}
      {listing?.problem && (
        <p class="provider-line problem-line">
          <Mark shape="failed" />
          <span>{cut(listing.problem, 300)}</span>
        </p>
      )}
      {models.length > 0 && (
        <ul>
          {models.map((name, index) => {
            const model = `${provider.name}:${name}`;
            const place = chosen.indexOf(model);
            const tabIndex = index === stop ? 0 : -1;
            const held = hold ? null : standings.ofModel(provider, name);
            return (
              <li key={name} onFocusIn={() => setEntered(name)}>
                <button
                  type="button"
                  class="model"
                  tabIndex={tabIndex}
                  title={cut(name, 300)}
                  aria-current={place === 0}
                  onClick={() => onUse(model)}
                >
                  <bdi class="clip">{cut(name, 120)}</bdi>
                  {place >= 0 && <span class="muted">{place === 0 ? "first" : `fallback ${place}`}</span>}
                </button>
                {onAdd && place < 0 && chosen.length > 0 && (
                  <button
                    type="button"
                    class="icon-button"
                    tabIndex={tabIndex}
                    aria-label={`Add ${cut(model, 120)} as fallback`}
                    title="Add as fallback"
                    onClick={() => onAdd(model)}
                  >
                    <Icon name="plus" />
                  </button>
                )}
                {held && (
                  <p class="provider-line model-hold">
                    <HoldLine chat={chat} hold={held} provider={provider.name} name={model} />
                    {held.note && <span>{held.note}</span>}
                  </p>
                )}
              </li>
            );
          })}
        </ul>
      )}
      {more > 0 && <p class="provider-line">{count(more, "more model")}: type to narrow.</p>}
      {provider.ready && models.length === 0 && (
        <p class="provider-line">{typed ? "No match." : "None known yet: list them."}</p>
      )}
    </div>
  );
}

interface ListButtonProps {
  readonly provider: string;
  readonly listing: Listing | undefined;
  readonly onList: (provider: string) => void;
}

/** Keeps its place and the focus while the list is on its way. */
function ListButton({ provider, listing, onList }: ListButtonProps): JSX.Element {
  const busy = listing?.busy ?? false;
  const words = busy ? "Listing…" : listing && !listing.problem ? "List again" : "List all models";
  return (
    <button
      type="button"
      class="list-models"
      aria-label={`${words} of ${cut(provider, 64)}`}
      aria-disabled={busy}
      onClick={() => {
        if (!busy) onList(provider);
      }}
    >
      {busy && <Mark shape="waiting" />}
      {words}
    </button>
  );
}
