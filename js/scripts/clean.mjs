/** Removes what the build made. Leaves node_modules: `npm ci` replaces it. */
import { rmSync } from "node:fs";

for (const made of ["lib", "../convoscope_jupyter/static", "../convoscope_jupyter/labextension"]) {
  rmSync(new URL(`../${made}`, import.meta.url), { recursive: true, force: true });
}
