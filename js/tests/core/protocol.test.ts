/** What pytest played on a real session, fed to the reducer: both ends agree on what a view shows. */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import type { Command, Event } from "../../src/core/protocol";
import { INITIAL, reduce, type State } from "../../src/core/store";
import { chosenOf, textOf } from "../../src/core/turns";

interface Line {
  readonly browser?: Command;
  readonly kernel?: Event;
  readonly shown?: readonly { prompt: string; text: string; status: string | null }[];
}

const FOLDER = join(import.meta.dirname, "../../../tests/fixtures/protocol");
const FILES = readdirSync(FOLDER).filter((name) => name.endsWith(".jsonl"));

function lines(name: string): Line[] {
  return readFileSync(join(FOLDER, name), "utf8")
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => JSON.parse(line) as Line);
}

function after(state: State, line: Line): State {
  if (line.kernel) return reduce(state, { type: "event", event: line.kernel, now_ms: 0 });
  if (line.browser?.type === "hello") return reduce(state, { type: "hello_sent" });
  if (line.browser?.type === "submit" || line.browser?.type === "retry" || line.browser?.type === "continue") {
    const text = line.browser.type === "submit" ? line.browser.text : "";
    const pending = { command: line.browser, text, conversation_id: null, asked_ms: 0, stopping: false };
    return reduce(state, { type: "asked", pending });
  }
  return state;
}

test.each(FILES)("%s ends with what the session holds, and never loses its place", (name) => {
  let state = INITIAL;
  for (const line of lines(name)) {
    state = after(state, line);
    if (line.kernel) expect(state.sync).toBe("synced");
    if (line.shown) {
      expect(
        state.turns.map((turn) => {
          const response = chosenOf(turn);
          return {
            prompt: textOf(turn.prompt),
            text: response ? textOf(response.message) : "",
            status: response?.status ?? null,
          };
        }),
      ).toEqual(line.shown);
    }
  }
  expect(state.running).toBeNull();
  expect(state.pending).toBeNull();
});

test.each(FILES)("%s: whichever event is lost, the next one tells, or a snapshot mends it", (name) => {
  const all = lines(name);
  all.forEach((lost, at) => {
    if (!lost.kernel || lost.kernel.type === "snapshot") return;
    const next = all.slice(at + 1).find((line) => line.kernel)?.kernel;
    if (!next || next.type === "snapshot") return;
    const before = all.slice(0, at).reduce(after, INITIAL);
    if (before.sync !== "synced") return;
    expect(after(before, { kernel: next }).sync).toBe("wanted");
  });
});
