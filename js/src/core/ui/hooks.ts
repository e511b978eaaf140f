import { useEffect, useLayoutEffect, useReducer, useRef, useState } from "preact/hooks";
import { copyText } from "../clipboard";
import type { ProviderInfo } from "../protocol";
import { coolingLeft_s, type Standing, standingOf } from "../providers";
import type { State, Store } from "../store";

/** The state, with a new rendering whenever it changes. */
export function useStore(store: Store): State {
  const [, render] = useReducer((n: number) => n + 1, 0);
  // Subscribed before the browser paints, so that nothing said in between is missed.
  useLayoutEffect(() => store.subscribe(() => render(undefined)), [store]);
  return store.get();
}

/** Whole seconds since `start_ms`, counting. */
export function useElapsed(start_ms: number): number {
  const [now, setNow] = useState(Date.now());
  useEffect(() => {
    const timer = setInterval(() => setNow(Date.now()), 500);
    return () => clearInterval(timer);
  }, []);
  return Math.max(0, Math.floor((now - start_ms) / 1000));
}

/** How each provider stands, counting down while one cools. */
export function useStandings({ providers, providers_ms }: State): (provider: ProviderInfo) => Standing {
  const [, tick] = useReducer((n: number) => n + 1, 0);
  const now = Date.now();
  const cooling = providers.some((provider) => coolingLeft_s(provider, providers_ms, now) > 0);
  useEffect(() => {
    if (!cooling) return undefined;
    const timer = setInterval(() => tick(undefined), 500);
    return () => clearInterval(timer);
  }, [cooling]);
  return (provider) => standingOf(provider, providers_ms, now);
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
