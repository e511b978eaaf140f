import type { JSX } from "preact";
import type { ProviderInfo } from "../protocol";
import { providerStatus, statusWords } from "../words";
import { Icon, Mark } from "./icons";

interface ModelListProps {
  readonly providers: readonly ProviderInfo[];
  /** The models of the route, in order. */
  readonly chosen: readonly string[];
  readonly onUse: (model: string) => void;
  /** Absent where only one model can be chosen. */
  readonly onAdd?: (model: string) => void;
}

/** Every provider with its status, and the models it offers to begin with. */
export function ModelList({ providers, chosen, onUse, onAdd }: ModelListProps): JSX.Element {
  return (
    <div class="models">
      {providers.map((provider) => (
        <section key={provider.name} class="provider">
          <h4>
            <Mark shape={providerStatus(provider)} />
            <span>{provider.name}</span>
            <span class="muted">{statusWords(provider)}</span>
          </h4>
          {!provider.ready && provider.remedy && <p class="remedy">{provider.remedy}</p>}
          {provider.ready && provider.models.length === 0 && onAdd && (
            <p class="remedy">Write {provider.name}:model below.</p>
          )}
          {provider.ready && provider.models.length > 0 && (
            <ul>
              {provider.models.map((name) => {
                const model = `${provider.name}:${name}`;
                const place = chosen.indexOf(model);
                return (
                  <li key={name}>
                    <button type="button" class="model" aria-current={place === 0} onClick={() => onUse(model)}>
                      <span class="clip">{name}</span>
                      {place >= 0 && <span class="muted">{place === 0 ? "first" : `fallback ${place}`}</span>}
                    </button>
                    {onAdd && place < 0 && chosen.length > 0 && (
                      <button
                        type="button"
                        class="icon-button"
                        aria-label={`Add ${model} as fallback`}
                        title="Add as fallback"
                        onClick={() => onAdd(model)}
                      >
                        <Icon name="plus" />
                      </button>
                    )}
                  </li>
                );
              })}
            </ul>
          )}
        </section>
      ))}
    </div>
  );
}
