// Generated from convoscope_jupyter/protocol.py by `make protocol`. Do not edit.

export type Command =
  | Hello
  | Submit
  | Retry
  | Continue
  | Cancel
  | Configure
  | LoadEarlier
  | OpenConversation
  | NewConversation
  | Rename
  | Export
  | ListModels
  | TryNow;
export type Event =
  | Snapshot
  | TurnStarted
  | AttemptBegun
  | AttemptOver
  | RetryScheduled
  | Delta
  | TurnEnded
  | EarlierTurns
  | StatusChanged
  | Exported
  | ModelsListed
  | Rejected;

/**
 * The wire protocol between the browser and the kernel.
 */
export interface Protocol {
  command: Command;
  event: Event;
}
/**
 * A view is there, or has lost its place. Answered by one `Snapshot`.
 */
export interface Hello {
  last_seq?: number | null;
  protocol_version: number;
  type: "hello";
}
/**
 * Ask. A `turn_id` that is known already changes nothing.
 */
export interface Submit {
  text: string;
  turn_id: string;
  type: "submit";
}
/**
 * Ask an earlier turn's prompt again, as its sibling.
 */
export interface Retry {
  route?: string | null;
  source_turn_id: string;
  turn_id: string;
  type: "retry";
}
/**
 * Go on with an answer that broke off, in a turn of its own.
 */
export interface Continue {
  route?: string | null;
  source_turn_id: string;
  turn_id: string;
  type: "continue";
}
/**
 * Stop the running answer. What came of it is kept.
 */
export interface Cancel {
  type: "cancel";
}
/**
 * Change what the next question is sent with. An absent field stays as it is; `None` is a value.
 */
export interface Configure {
  max_output_tokens?: number | null;
  route?: string | null;
  system?: string | null;
  temperature?: number | null;
  type: "configure";
}
/**
 * Page in the turns before the oldest one shown. Answered by `EarlierTurns`.
 */
export interface LoadEarlier {
  before_turn_id: string;
  type: "load_earlier";
}
/**
 * Go on with a stored conversation. Answered by a `Snapshot`.
 */
export interface OpenConversation {
  conversation_id: string;
  type: "open_conversation";
}
/**
 * Start afresh. Answered by a `Snapshot`.
 */
export interface NewConversation {
  type: "new_conversation";
}
/**
 * Give the conversation a title.
 */
export interface Rename {
  title: string;
  type: "rename";
}
/**
 * Write the conversation into a new file beside the notebook. Answered by `Exported`.
 */
export interface Export {
  suffix: ".ipynb" | ".json";
  type: "export";
}
/**
 * Ask a provider which models it has. Answered by `ModelsListed`.
 */
export interface ListModels {
  provider: string;
  type: "list_models";
}
/**
 * Let the next question go to a provider that is held back. Answered by `StatusChanged`.
 */
export interface TryNow {
  provider: string;
  type: "try_now";
}
/**
 * Everything a view needs, at once. `seq` is that of the last event it already holds.
 */
export interface Snapshot {
  conversation: ConversationInfo;
  has_earlier: boolean;
  protocol_version: number;
  providers: ProviderInfo[];
  resumable: ConversationInfo | null;
  running: RunningTurn | null;
  seq: number;
  settings: SettingsInfo;
  store: StoreInfo;
  turns: Turn[];
  type: "snapshot";
}
/**
 * A conversation without its turns.
 */
export interface ConversationInfo {
  id: string;
  title: string;
  turn_count: number;
  updated_at: string;
}
/**
 * One line of the model picker's status list.
 */
export interface ProviderInfo {
  health: "unknown" | "ok" | "demoted" | "cooling" | "failing";
  health_note: string | null;
  held: HeldModel[];
  host: string | null;
  key_source: string | null;
  models: string[];
  name: string;
  offline: boolean;
  ready: boolean;
  remedy: string | null;
  retry_in_s: number | null;
}
/**
 * A model of the route that is not asked first, while its provider may be.
 */
export interface HeldModel {
  health: "demoted" | "cooling";
  model: string;
  note: string | null;
  retry_in_s: number | null;
}
/**
 * The answer being written, as far as it has come.
 */
export interface RunningTurn {
  attempts: Attempt[];
  elapsed_s: number;
  model: ModelRef | null;
  reasoning: string;
  retry_in_s: number | null;
  text: string;
  turn_id: string;
}
/**
 * One try of one model: who was asked, who answered, how it ended, what it cost.
 *
 * The list of attempts is the answer's receipt: nothing that was tried is left out.
 */
export interface Attempt {
  cost_usd: string | null;
  duration_s: number;
  error_kind:
    | (
        | "missing_credentials"
        | "authentication"
        | "permission_denied"
        | "insufficient_quota"
        | "rate_limited"
        | "overloaded"
        | "server_error"
        | "connection_failed"
        | "timed_out"
        | "model_not_found"
        | "context_too_long"
        | "content_filtered"
        | "invalid_request"
        | "protocol_error"
        | "interrupted"
        | "cancelled"
      )
    | null;
  error_message: string | null;
  held_back: boolean;
  max_output_tokens: number | null;
  model: ModelRef;
  price_source: string | null;
  raw_finish_reason: string | null;
  request_id: string | null;
  response_id: string | null;
  response_model: string | null;
  retry_after_s: number | null;
  started_at: string;
  status_code: number | null;
  temperature: number | null;
  time_to_first_chunk_s: number | null;
  usage: Usage;
}
/**
 * A model at a provider, written `provider:name`.
 *
 * Args:
 *     provider: Name under which the session knows the provider, such as `openai` or `ollama`.
 *     name: The model's id exactly as that provider spells it. Any id is accepted: the provider
 *         decides, not a list of ours.
 *
 * Example:
 *     >>> str(ModelRef.parse("openai/gpt-5-mini"))
 *     'openai:gpt-5-mini'
 */
export interface ModelRef {
  name: string;
  provider: string;
}
/**
 * Token counts of one attempt, as the provider reported them. Unknown is `None`, never 0.
 *
 * Source: OpenAI `usage`, Anthropic `usage`, Gemini `usage_metadata`, normalised so that
 * `input_tokens` *includes* cached tokens (OTel `gen_ai.usage.input_tokens`).
 */
export interface Usage {
  cached_input_tokens: number | null;
  input_tokens: number | null;
  output_tokens: number | null;
  reasoning_tokens: number | null;
}
/**
 * What the next question is sent with.
 */
export interface SettingsInfo {
  max_output_tokens: number | null;
  route: string;
  system: string | null;
  temperature: number | null;
}
/**
 * Whether what is said is being kept.
 */
export interface StoreInfo {
  place: string;
  problem: string | null;
  saved: boolean;
}
/**
 * A user's message and what was answered to it. A sibling shares the `parent_id`.
 */
export interface Turn {
  chosen: number;
  continues: string | null;
  created_at: string;
  id: string;
  parent_id: string | null;
  prompt: Message;
  responses: Response[];
}
/**
 * One message of one role, in parts. A pure value without identity.
 */
export interface Message {
  parts: (TextPart | ReasoningPart | ImagePart)[];
  role: "user" | "assistant";
}
/**
 * Text a person wrote or a model answered.
 */
export interface TextPart {
  text: string;
  type: "text";
}
/**
 * Text a model thought aloud before it answered. Never sent back to a model.
 */
export interface ReasoningPart {
  text: string;
  type: "reasoning";
}
/**
 * A raster image given to a model.
 */
export interface ImagePart {
  data_base64: string;
  media_type: "image/png" | "image/jpeg" | "image/gif" | "image/webp";
  type: "image";
}
/**
 * One lane's answer to a prompt, whole or not, with every attempt that led to it.
 */
export interface Response {
  attempts: Attempt[];
  finish_reason: ("stop" | "length" | "content_filter" | "tool_call" | "error") | null;
  message: Message;
  status: "complete" | "interrupted" | "cancelled" | "failed";
}
/**
 * The prompt is on disk and is being asked.
 */
export interface TurnStarted {
  seq: number;
  turn: Turn;
  type: "turn_started";
}
/**
 * A model is being asked. What an earlier attempt reasoned is dropped: reasoning offsets start at 0 again.
 */
export interface AttemptBegun {
  index: number;
  model: ModelRef;
  seq: number;
  turn_id: string;
  type: "attempt_begun";
}
/**
 * A model failed; another may follow.
 */
export interface AttemptOver {
  attempt: Attempt;
  index: number;
  seq: number;
  turn_id: string;
  type: "attempt_over";
}
/**
 * Every model has failed; one of them is asked again in a while, unless the person stops it.
 */
export interface RetryScheduled {
  delay_s: number;
  model: ModelRef;
  seq: number;
  turn_id: string;
  type: "retry_scheduled";
}
/**
 * More of the answer. A wrong offset means something was lost: say hello again.
 */
export interface Delta {
  reasoning: string;
  reasoning_offset: number;
  seq: number;
  text: string;
  text_offset: number;
  turn_id: string;
  type: "delta";
}
/**
 * The turn is stored. Its text was sent already; length and checksum tell whether all of it arrived.
 */
export interface TurnEnded {
  reasoning_length: number;
  seq: number;
  text_crc32: number;
  text_length: number;
  turn: Turn;
  type: "turn_ended";
}
/**
 * A page of older turns.
 */
export interface EarlierTurns {
  has_earlier: boolean;
  seq: number;
  turns: Turn[];
  type: "earlier_turns";
}
/**
 * Settings, providers, title or store are not what they were.
 */
export interface StatusChanged {
  conversation: ConversationInfo;
  providers: ProviderInfo[];
  seq: number;
  settings: SettingsInfo;
  store: StoreInfo;
  type: "status_changed";
}
/**
 * The conversation is in a file.
 */
export interface Exported {
  path: string;
  seq: number;
  type: "exported";
}
/**
 * What a provider says it has. The ids also come with every `ProviderInfo` from now on.
 */
export interface ModelsListed {
  models: string[];
  problem: string | null;
  provider: string;
  seq: number;
  type: "models_listed";
}
/**
 * A command was not carried out. Nothing was sent and nothing is lost.
 */
export interface Rejected {
  command: string;
  message: string;
  seq: number;
  turn_id: string | null;
  type: "rejected";
}
