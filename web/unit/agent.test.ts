import { expect, it } from "vitest";
import { agentName } from "../src/agent";

it("names browser and system", () => {
  const chrome = "Mozilla/5.0 (Linux; Android 14; Pixel 8) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/143.0.0.0 Mobile Safari/537.36";
  const safari = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.0 Mobile/15E148 Safari/604.1";
  expect(agentName(chrome)).toBe("Chrome · Android");
  expect(agentName(safari)).toBe("Safari · iOS");
  expect(agentName(`${chrome} Edg/143.0.0.0`)).toBe("Edge · Android");
  expect(agentName("curl/8.5.0")).toBe("curl/8.5.0");
  expect(agentName("x".repeat(500))).toHaveLength(40);
  expect([agentName(""), agentName(null), agentName(undefined)]).toEqual([null, null, null]);
});
