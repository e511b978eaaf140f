import type { JSX } from "preact";
import { useLayoutEffect, useRef } from "preact/hooks";
import type { Chat } from "../chat";
import { type Hold, holdWords } from "../providers";
import { cut } from "../words";

interface HoldProps {
  readonly chat: Chat;
  readonly hold: Hold;
  readonly provider: string;
  /** What is held back: the provider, or one of its models. */
  readonly name: string;
}

/** How long a provider or a model is still held back, and the button that ends it. */
export function HoldLine({ chat, hold, provider, name }: HoldProps): JSX.Element {
  return (
    <span class="hold">
      <span>{holdWords(hold)}</span>
      <TryNow chat={chat} provider={provider} name={name} />
    </span>
  );
}

/** Goes when what it names is held back no longer; the focus then goes to the next button of the same entry. */
function TryNow({ chat, provider, name }: Omit<HoldProps, "hold">): JSX.Element {
  const button = useRef<HTMLButtonElement>(null);
  const { trying, phase } = chat.store.get();
  useLayoutEffect(() => {
    const node = button.current;
    return () => {
      const root = node?.getRootNode();
      if (!node || !(root instanceof ShadowRoot) || root.activeElement !== node) return;
      const entry = node.closest("li, .provider");
      const next = [...(entry?.querySelectorAll<HTMLElement>("button") ?? [])].find((each) => each !== node);
      (next ?? root.querySelector<HTMLElement>(".composer textarea"))?.focus({ preventScroll: true });
    };
  }, []);
  return (
    <button
      ref={button}
      type="button"
      class="try-now"
      aria-label={`Try now: ${cut(name, 120)}`}
      title="Let the next question go to it"
      aria-disabled={trying.has(provider)}
      disabled={phase === "kernel_gone"}
      onClick={() => chat.tryNow(provider)}
    >
      Try now
    </button>
  );
}
