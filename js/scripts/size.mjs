/**
 * Fails when the widget's bundle is too big.
 *
 * The kernel sends the bundle once per widget over a websocket that is not compressed by default, so the
 * raw bytes are what counts.
 */
import { readFileSync } from "node:fs";
import { gzipSync } from "node:zlib";

const LIMIT_BYTES = 180 * 1024;
const bundle = new URL("../../convoscope_jupyter/static/widget.js", import.meta.url);

const bytes = readFileSync(bundle);
const inKB = (/** @type {number} */ n) => `${(n / 1024).toFixed(1)} KB`;
console.log(`widget.js: ${inKB(bytes.length)} of ${inKB(LIMIT_BYTES)} (${inKB(gzipSync(bytes).length)} gzipped)`);
if (bytes.length > LIMIT_BYTES) {
  console.error("widget.js is too big: drop or split a dependency.");
  process.exit(1);
}
