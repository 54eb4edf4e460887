"""An Azure SignalR Service for one machine, in serverless mode: the smallest that the official client and our REST calls accept."""
