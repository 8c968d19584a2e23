/** For both apps: `vite build --config ../vite.config.js`, in the folder of one. */

import vue from "@vitejs/plugin-vue";
import { defineConfig } from "vite";

// What is no component of Vue's: docs/client.md shows it.
const isCustomElement = (tag) => tag === "live-scoreboard";

export default defineConfig({ base: "./", plugins: [vue({ template: { compilerOptions: { isCustomElement } } })], clearScreen: false });
