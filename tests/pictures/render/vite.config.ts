// Bundles the page into dist/, with the icons that Grafana's components fetch by address.
import { defineConfig } from 'vite';

export default defineConfig({
  base: '/build/',
  publicDir: 'node_modules/@grafana/ui/dist/public',
  build: {
    outDir: 'dist/build',
    emptyOutDir: true,
    chunkSizeWarningLimit: Infinity,
    // Libraries mark files with 'use client', which means nothing here.
    rolldownOptions: { checks: { moduleLevelDirective: false } },
  },
});
