import { LabIcon } from "@jupyterlab/ui-components";

// JupyterLab colours `jp-icon3` strokes for its theme.
const SVG = `<svg xmlns="http://www.w3.org/2000/svg" width="16" height="16" viewBox="0 0 16 16">
  <g class="jp-icon3" fill="none" stroke="#616161" stroke-width="1.25" stroke-linejoin="round" stroke-linecap="round">
    <path class="jp-icon3" stroke="#616161" d="M2.5 3.5a1 1 0 0 1 1-1h9a1 1 0 0 1 1 1v7a1 1 0 0 1-1 1H7l-3 2.5v-2.5h-.5a1 1 0 0 1-1-1z"/>
    <path class="jp-icon3" stroke="#616161" d="M8 4.75 10.25 7 8 9.25 5.75 7z"/>
  </g>
</svg>`;

export const chatIcon = new LabIcon({ name: "convoscope-jupyter:chat", svgstr: SVG });
