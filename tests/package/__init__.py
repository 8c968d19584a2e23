"""The npm package: what is packed, bundled, compiled, rendered and run in Node."""
