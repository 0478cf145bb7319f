"""The page's trace viewer."""
