/** Reading and changing turns. Pure: what goes in is never changed. */
import type { Message, ModelRef, Response, Turn } from "./protocol";

export type ErrorKind = NonNullable<Response["attempts"][number]["error_kind"]>;

export function textOf(message: Message): string {
  return message.parts.map((part) => (part.type === "text" ? part.text : "")).join("");
}

export function reasoningOf(message: Message): string {
  return message.parts.map((part) => (part.type === "reasoning" ? part.text : "")).join("");
}

export function chosenOf(turn: Turn): Response | null {
  return turn.responses[turn.chosen] ?? null;
}

export function modelName(model: ModelRef): string {
  return `${model.provider}:${model.name}`;
}

/** The turn with its chosen answer's text put in: `turn_ended` comes without what was streamed already. */
export function withStreamedText(turn: Turn, text: string, reasoning: string): Turn {
  const parts: Message["parts"] = [];
  if (reasoning) parts.push({ type: "reasoning", text: reasoning });
  if (text) parts.push({ type: "text", text });
  const responses = turn.responses.map((response, index) =>
    index === turn.chosen && response.message.parts.length === 0
      ? { ...response, message: { ...response.message, parts } }
      : response,
  );
  return { ...turn, responses };
}

/**
 * The path with a turn in it. A turn whose parent is not the last one is a sibling: the path goes on from its parent,
 * and what came after leaves the view. `null` when the parent is not on the path.
 */
export function pathWith(turns: readonly Turn[], turn: Turn): readonly Turn[] | null {
  const known = turns.findIndex((each) => each.id === turn.id);
  if (known >= 0) return turns.map((each, index) => (index === known ? turn : each));
  if (turn.parent_id === null) return [turn];
  const parent = turns.findIndex((each) => each.id === turn.parent_id);
  return parent < 0 ? null : [...turns.slice(0, parent + 1), turn];
}
