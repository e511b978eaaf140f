/** One set of 16 px stroke icons. Always beside a label, or in a control that has a name. */
import type { JSX } from "preact";

const PATHS = {
  send: "M8 13V3.5M3.75 7.5 8 3.25l4.25 4.25",
  stop: "M4.5 4.5h7v7h-7z",
  plus: "M8 3v10M3 8h10",
  more: "M3 8h1M7.5 8h1M12 8h1",
  down: "M4 6l4 4 4-4",
  latest: "M8 3v9.5M3.75 8.5 8 12.75l4.25-4.25",
  retry: "M13 8a5 5 0 1 1-1.6-3.67M13 2.5v3h-3",
  copy: "M5.5 5.5h7v7h-7zM3.5 10.5v-7h7",
  check: "M3.5 8.5l3 3 6-7",
  close: "M4 4l8 8M12 4l-8 8",
  warn: "M8 2.5l6 10.5H2L8 2.5zM8 6.5v3M8 11.25h.01",
  edit: "M3 13l.6-2.8L10.8 3 13 5.2 5.8 12.4 3 13z",
  play: "M5 3.5l7 4.5-7 4.5z",
  clock: "M8 2.5a5.5 5.5 0 1 1 0 11 5.5 5.5 0 0 1 0-11zM8 5v3l2 1.5",
} as const;

export type IconName = keyof typeof PATHS;

export function Icon({ name }: { name: IconName }): JSX.Element {
  return (
    <svg class="icon" viewBox="0 0 16 16" width="16" height="16" aria-hidden="true" focusable="false">
      <path d={PATHS[name]} />
    </svg>
  );
}

export type MarkShape =
  | "ready"
  | "offline"
  | "not_ready"
  | "demoted"
  | "cooling"
  | "failing"
  | "answered"
  | "partial"
  | "failed"
  | "stopped"
  | "skipped"
  | "waiting";

/** A status by shape as well as by colour; the word stands beside it. */
export function Mark({ shape }: { shape: MarkShape }): JSX.Element {
  return (
    <svg class={`mark ${shape}`} viewBox="0 0 10 10" width="10" height="10" aria-hidden="true" focusable="false">
      {MARKS[shape]}
    </svg>
  );
}

const MARKS: Record<MarkShape, JSX.Element> = {
  ready: <circle cx="5" cy="5" r="3.5" fill="currentColor" stroke="none" />,
  offline: <path d="M5 1l4 4-4 4-4-4z" fill="currentColor" stroke="none" />,
  not_ready: <circle cx="5" cy="5" r="3.25" />,
  demoted: <path d="M5 1v7.5M1.75 5.25 5 8.5l3.25-3.25" />,
  cooling: <path d="M3 1.5v7M7 1.5v7" />,
  failing: <path d="M2 2l6 6M8 2L2 8" />,
  answered: <path d="M5 1l4 4-4 4-4-4z" />,
  partial: <path d="M5 1.25l4.25 7.5H.75z" />,
  failed: <path d="M2 2l6 6M8 2L2 8" />,
  skipped: <path d="M1.5 1.75 4.75 5 1.5 8.25M5.5 1.75 8.75 5 5.5 8.25" />,
  stopped: <path d="M2 2h6v6H2z" />,
  waiting: <path d="M5 1a4 4 0 1 0 4 4" />,
};
