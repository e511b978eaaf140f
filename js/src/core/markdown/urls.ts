/** What a model may point at. Everything else is shown as text. */

const LINK_SCHEMES = new Set(["http:", "https:", "mailto:"]);
// No SVG: it can hold scripts and fetch. https://github.com/cure53/DOMPurify/wiki/Security-Goals-&-Threat-Model
const RASTER_DATA = /^data:image\/(?:png|jpeg|gif|webp);base64,[A-Za-z0-9+/]+={0,2}$/;
const MAX_DATA_CHARACTERS = 8_000_000;

/** An absolute http, https or mailto address in the browser's own reading of it, or `null`. */
export function linkAddress(href: string): URL | null {
  const url = parsed(href);
  return url && LINK_SCHEMES.has(url.protocol) ? url : null;
}

/** An address that an image may be loaded from after a click. */
export function imageAddress(href: string): URL | null {
  const url = parsed(href);
  return url && (url.protocol === "http:" || url.protocol === "https:") ? url : null;
}

/** Whether this is a raster image that comes whole, so that showing it asks nobody. */
export function isInlineImage(href: string): boolean {
  return href.length <= MAX_DATA_CHARACTERS && RASTER_DATA.test(href);
}

function parsed(href: string): URL | null {
  try {
    return new URL(href);
  } catch {
    return null;
  }
}
