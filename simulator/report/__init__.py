"""Records → numbers → text and JSON. Nothing here ever sees a running system."""
