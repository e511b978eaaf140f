import type { JSX } from "preact";
import { useLayoutEffect, useRef } from "preact/hooks";
import { createMarkdownView, type MarkdownView } from "../markdown/view";

/** A model's markdown. While `done` is false the text may grow, and is shown as it does. */
export function Markdown({ text, done }: { readonly text: string; readonly done: boolean }): JSX.Element {
  const host = useRef<HTMLDivElement>(null);
  const view = useRef<MarkdownView | null>(null);
  useLayoutEffect(() => {
    if (!host.current) return;
    view.current = createMarkdownView(host.current);
    return () => view.current?.dispose();
  }, []);
  useLayoutEffect(() => view.current?.update(text, done), [text, done]);
  // Preact never sees what is inside: it has no children to compare.
  return <div ref={host} class="markdown" />;
}
