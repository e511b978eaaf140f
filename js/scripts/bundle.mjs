/**
 * Bundles both hosts over the one core.
 *
 * - widget: everything in one file, because anywidget sends that file to the browser as text;
 * - lab: our own code only, packages stay imports, because `jupyter-builder` shares JupyterLab's packages
 *   with JupyterLab and bundles the rest. Built here rather than by tsc so that `.css` means the same in both.
 *
 * `--watch` keeps running and rebuilds on every change.
 */
import { readFile } from "node:fs/promises";
import { context, transform } from "esbuild";

/**
 * A `.css` import is the file's text, so that a shadow root can adopt it; here without comments and white space.
 *
 * @type {import("esbuild").Plugin}
 */
const cssAsText = {
  name: "css-as-text",
  setup(build) {
    build.onLoad({ filter: /\.css$/ }, async ({ path }) => {
      const { code } = await transform(await readFile(path, "utf8"), { loader: "css", minify: true, target: "es2022" });
      return { contents: code.trim(), loader: "text" };
    });
  },
};

/** @type {import("esbuild").BuildOptions} */
const common = {
  bundle: true,
  format: "esm",
  target: "es2022",
  plugins: [cssAsText],
  legalComments: "none",
  logLevel: "info",
};

const contexts = await Promise.all([
  context({
    ...common,
    entryPoints: ["src/widget/index.ts"],
    outfile: "../convoscope_jupyter/static/widget.js",
    minify: true,
  }),
  context({
    ...common,
    entryPoints: ["src/lab/index.ts"],
    outfile: "lib/lab/index.js",
    packages: "external",
    sourcemap: true,
  }),
]);

if (process.argv.includes("--watch")) {
  await Promise.all(contexts.map((each) => each.watch()));
} else {
  await Promise.all(contexts.map((each) => each.rebuild()));
  await Promise.all(contexts.map((each) => each.dispose()));
}
