import { expect, test } from "vitest";
import { crc32 } from "../../src/core/crc32";

// The second column is Python's `zlib.crc32(text.encode())`.
test.each([
  ["", 0],
  ["123456789", 0xcbf43926],
  ["Grüße, 世界", 0x52460c4c],
  ["🙂", 0xf258e529],
  ["a\ud800b", 0xd0b99122],
])("the checksum of %j is that of zlib", (text, expected) => {
  expect(crc32(text)).toBe(expected);
});
