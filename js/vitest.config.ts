import { readFileSync } from "node:fs";
import { dirname, resolve } from "node:path";
import { defineConfig, type Plugin } from "vitest/config";

/** Gives `.css` imports the meaning they have in scripts/bundle.mjs: the text of the file. */
function cssAsText(): Plugin {
  const prefix = "\0text:";
  const suffix = ".js"; // otherwise vite's own css plugin takes the module
  return {
    name: "css-as-text",
    enforce: "pre",
    resolveId(source, importer) {
      if (!source.endsWith(".css") || importer === undefined) return null;
      return `${prefix}${resolve(dirname(importer), source)}${suffix}`;
    },
    load(id) {
      if (!id.startsWith(prefix)) return null;
      const file = id.slice(prefix.length, -suffix.length);
      return `export default ${JSON.stringify(readFileSync(file, "utf8"))};`;
    },
  };
}

export default defineConfig({
  plugins: [cssAsText()],
  test: {
    environment: "happy-dom",
    include: ["tests/**/*.test.{ts,tsx}"],
    restoreMocks: true,
  },
});
