// Renders Markdown as JupyterLab does before it sanitises: formulas out, marked, formulas in again.
// Reads one JSON string a line, writes one JSON string a line.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { pathToFileURL } from "node:url";

const modules = process.argv[2];
const load = (...path) => import(pathToFileURL(join(modules, ...path)).href);

globalThis.navigator ??= { appName: "" };
const latex = readFileSync(join(modules, "@jupyterlab", "rendermime", "lib", "latex.js"), "utf8");
const { removeMath, replaceMath } = await import(`data:text/javascript,${encodeURIComponent(latex)}`);
const { marked } = await load("marked", "lib", "marked.esm.js");
const { gfmHeadingId } = await load("marked-gfm-heading-id", "src", "index.js");
marked.use(gfmHeadingId());

for await (const line of createInterface({ input: process.stdin })) {
  const { text, math } = removeMath(JSON.parse(line));
  process.stdout.write(`${JSON.stringify(replaceMath(marked(text, { gfm: true }), math))}\n`);
}
