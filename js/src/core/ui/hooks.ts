import { useEffect, useLayoutEffect, useReducer, useRef, useState } from "preact/hooks";
import { copyText } from "../clipboard";
import type { ProviderInfo } from "../protocol";
import { aloneIn, type Hold, holdOf, modelHoldOf, type Standing, standingOf } from "../providers";
import type { State, Store } from "../store";

/** The state, with a new rendering whenever it changes. */
export function useStore(store: Store): State {
  const [, render] = useReducer((n: number) => n + 1, 0);
  // Subscribed before the browser paints, so that nothing said in between is missed.
  useLayoutEffect(() => store.subscribe(() => render(undefined)), [store]);
  return store.get();
}

/** The clock, read twice a second. */
export function useNow(): number {
  const [now, setNow] = useState(Date.now());
  useEffect(() => {
    const timer = setInterval(() => setNow(Date.now()), 500);
    return () => clearInterval(timer);
  }, []);
  return now;
}

/** Whole seconds since `start_ms`, counting. */
export function useElapsed(start_ms: number): number {
  return Math.max(0, Math.floor((useNow() - start_ms) / 1000));
}

export interface Standings {
  of(provider: ProviderInfo): Standing;
  ofModel(provider: ProviderInfo, model: string): Hold | null;
}

/** How each provider stands, counting down while one is held back. */
export function useStandings({ providers, providers_ms, settings }: State): Standings {
  const [, tick] = useReducer((n: number) => n + 1, 0);
  const moment = { heard_ms: providers_ms, now_ms: Date.now(), ...aloneIn(settings?.route ?? "", providers) };
  const counting = providers.some((provider) =>
    [holdOf(provider, moment), ...provider.held.map(({ model }) => modelHoldOf(provider, model, moment))].some(
      (hold) => hold !== null && hold.left_s !== null,
    ),
  );
  useEffect(() => {
    if (!counting) return undefined;
    const timer = setInterval(() => tick(undefined), 500);
    return () => clearInterval(timer);
  }, [counting]);
  return {
    of: (provider) => standingOf(provider, moment),
    ofModel: (provider, model) => modelHoldOf(provider, model, moment),
  };
}

/** True from `ms` after the component is there. */
export function useAfter(ms: number): boolean {
  const [over, setOver] = useState(false);
  useEffect(() => {
    const timer = setTimeout(() => setOver(true), ms);
    return () => clearTimeout(timer);
  }, [ms]);
  return over;
}

/** Copies, and says for a moment how that went. */
export function useCopy(): { said: string | null; copy: (text: string) => void } {
  const [said, setSaid] = useState<string | null>(null);
  const timer = useRef<ReturnType<typeof setTimeout>>(undefined);
  useEffect(() => () => clearTimeout(timer.current), []);
  const copy = async (text: string) => {
    setSaid((await copyText(text)) ? "Copied" : "Not allowed: select and copy");
    clearTimeout(timer.current);
    timer.current = setTimeout(() => setSaid(null), 1500);
  };
  return { said, copy: (text) => void copy(text) };
}

/** Puts the focus into the question box of the chat that `node` is in: where it was is about to go. */
export function focusQuestion(node: HTMLElement): HTMLTextAreaElement | null {
  const root = node.getRootNode();
  const box = root instanceof ShadowRoot ? root.querySelector<HTMLTextAreaElement>(".composer textarea") : null;
  box?.focus({ preventScroll: true });
  return box;
}
