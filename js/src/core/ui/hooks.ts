import { useEffect, useLayoutEffect, useReducer, useRef, useState } from "preact/hooks";
import { copyText } from "../clipboard";
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
