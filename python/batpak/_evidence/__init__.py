"""Evidence bundles: written here, read here, and verified by the core or by the one file that each bundle carries."""
