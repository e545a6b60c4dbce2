import { defineConfig } from "vite";

// One directory of files that name each other relatively: it is served under an address that holds its digest.
export default defineConfig({
  base: "./",
  define: { "process.env.NODE_ENV": JSON.stringify("production") },
  build: {
    outDir: "../components/cornerstone",
    emptyOutDir: true,
    target: "es2022",
    assetsInlineLimit: 0,
    license: { fileName: "LICENSES.md" },
    rolldownOptions: {
      input: "src/cornerstone.js",
      preserveEntrySignatures: "strict",
      output: { entryFileNames: "cornerstone.js", chunkFileNames: "[name].js", assetFileNames: "[name][extname]" },
    },
  },
});
