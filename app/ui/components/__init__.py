"""The parts of the screen that run in the browser, and how Python mounts them."""
