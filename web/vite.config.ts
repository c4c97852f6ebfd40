import tailwindcss from "@tailwindcss/vite";
import vue from "@vitejs/plugin-vue";
import { defineConfig } from "vite";

/** A running gateway: `cargo run` in the repository's root, or any other. */
const gateway = process.env["GATEWAY_URL"] ?? "http://localhost:5000";

export default defineConfig({
  // Every address is relative: a proxy may have the pages under a path of its own.
  base: "./",
  plugins: [vue(), tailwindcss()],
  // Only what the pages use of Vue and vue-i18n; the last one keeps its compiler of messages from making code out of text.
  define: {
    __VUE_OPTIONS_API__: "false",
    __VUE_PROD_DEVTOOLS__: "false",
    __VUE_PROD_HYDRATION_MISMATCH_DETAILS__: "false",
    __VUE_I18N_LEGACY_API__: "false",
    __VUE_I18N_FULL_INSTALL__: "false",
    __INTLIFY_PROD_DEVTOOLS__: "false",
    __INTLIFY_JIT_COMPILATION__: "true",
  },
  build: {
    outDir: "../gateway/pages",
    emptyOutDir: true,
    // The Content-Security-Policy allows no data: scripts or styles.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    target: "es2022",
    reportCompressedSize: false,
  },
  server: {
    proxy: Object.fromEntries(["/api", "/docs", "/openapi.json", "/health"].map((path) => [path, gateway])),
  },
  test: { include: ["unit/**/*.test.ts"], environment: "node" },
} as import("vitest/config").ViteUserConfig);
