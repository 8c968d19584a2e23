/** For both apps: `vite build --config ../vite.config.js`, in the folder of one. */

import vue from "@vitejs/plugin-vue";
import { defineConfig } from "vite";

export default defineConfig({ base: "./", plugins: [vue()], clearScreen: false });
