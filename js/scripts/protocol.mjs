/**
 * Writes src/core/protocol.ts from the JSON Schema that Python prints, so that both sides mean the same messages.
 *
 *   python -m convoscope_jupyter.protocol | node scripts/protocol.mjs            writes the file
 *   python -m convoscope_jupyter.protocol | node scripts/protocol.mjs --check    fails when it would change
 */
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { text } from "node:stream/consumers";
import { compile } from "json-schema-to-typescript";

/** @typedef {{ properties?: Record<string, object>, required?: string[] }} Schema A message: the schema of an object. */

const TARGET = new URL("../src/core/protocol.ts", import.meta.url);

const schema = JSON.parse(await text(process.stdin));
const definitions = schema.$defs;

dropTitles(schema);
nameUnion("command", "Command");
nameUnion("event", "Event");
for (const definition of Object.values(definitions)) requireTags(definition);
for (const name of reachableFrom("Event")) requireEverything(definitions[name]);

const generated = await compile(schema, "Protocol", {
  additionalProperties: false, // pydantic's models name every field they have
  bannerComment: "// Generated from convoscope_jupyter/protocol.py by `make protocol`. Do not edit.",
  enableConstEnums: false, // unions of literals only: this file holds no run-time code
  style: { printWidth: 120 },
});

if (!process.argv.includes("--check")) {
  writeFileSync(TARGET, generated);
} else if (!existsSync(TARGET) || readFileSync(TARGET, "utf8") !== generated) {
  console.error("js/src/core/protocol.ts is not what convoscope_jupyter/protocol.py says. Run `make protocol`.");
  process.exit(1);
}

/**
 * Drops the titles pydantic gives to every property ("Turn Id"): the compiler would make a named type of each.
 * The names that matter are the keys of `$defs`.
 *
 * @param {unknown} node
 */
function dropTitles(node) {
  if (typeof node !== "object" || node === null) return;
  // A property that is itself called `title` holds a schema, not a string.
  if ("title" in node && typeof node.title === "string") delete node.title;
  for (const child of Object.values(node)) dropTitles(child);
}

/**
 * Gives the union under a top-level property a name of its own.
 *
 * @param {string} property
 * @param {string} name
 */
function nameUnion(property, name) {
  definitions[name] = schema.properties[property];
  schema.properties[property] = { $ref: `#/$defs/${name}` };
}

/**
 * Makes the tag of a union (`type: "hello"`) required: TypeScript narrows a union by it. Pydantic calls it optional
 * because it has a default.
 *
 * @param {Schema} definition
 */
function requireTags(definition) {
  for (const [name, property] of Object.entries(definition.properties ?? {})) {
    if ("const" in property) definition.required = [...new Set([...(definition.required ?? []), name])];
  }
}

/**
 * The kernel sends every field, also those that hold their default.
 *
 * @param {Schema} definition
 */
function requireEverything(definition) {
  if (definition.properties) definition.required = Object.keys(definition.properties);
}

/**
 * Lists a definition and all that it refers to, at any depth.
 *
 * @param {string} name A key of `$defs`.
 * @param {Set<string>} found Filled in place.
 */
function reachableFrom(name, found = new Set([name])) {
  for (const [, next] of JSON.stringify(definitions[name]).matchAll(/"#\/\$defs\/(\w+)"/g)) {
    if (next === undefined || found.has(next)) continue;
    found.add(next);
    reachableFrom(next, found);
  }
  return found;
}
