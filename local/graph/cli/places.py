"""Where a simulator is unless somebody says otherwise."""

HTTP_PORT, HTTPS_PORT = 7080, 7443
DEFAULT_URL = f"http://127.0.0.1:{HTTP_PORT}"
VARIABLE = "GRAPH_SIMULATOR"
"""The environment variable that names another one."""
