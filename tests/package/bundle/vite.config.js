/** Each file by itself, as readable text, so that the test sees which classes are in it. */

import { defineConfig } from "vite";

const entry = Object.fromEntries(["board", "session", "nothing", "element"].map((name) => [name, `./${name}.js`]));

export default defineConfig({
  clearScreen: false,
  build: {
    minify: false,
    lib: { entry, formats: ["es"] },
    rollupOptions: { external: ["react", "vue"] },
  },
});
