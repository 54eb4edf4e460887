"""The app as the Functions worker loads it: whatever composition returns, registered."""

import azure.functions as func

from shared.composition import blueprints, read_settings

app = func.FunctionApp(http_auth_level=func.AuthLevel.FUNCTION)
for part in blueprints(read_settings()):
    app.register_functions(part)
