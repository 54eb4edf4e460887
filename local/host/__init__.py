"""A stand-in for `func start`: an Azure Functions host and its Python worker, in two processes."""
